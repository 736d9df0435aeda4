"""The guard: a small process between Harness and bubblewrap, run as a script.

It outlives a Harness that dies, for as long as it takes to end what that one started. The
kernel's PR_SET_PDEATHSIG alone does not do: it is tied to the *thread* that forked, a program
may clear its own, and bubblewrap's child asks for it only after its mounts are made, so that a
kill -9 in those milliseconds leaves a process behind. The guard is a subreaper (prctl(2),
PR_SET_CHILD_SUBREAPER): whatever bubblewrap orphans becomes its child, and it ends its children
until the kernel says that there are none.

Standard library only, and nothing of ours: it runs without site-packages.

    guard.py OWNER COMMANDS STATUS LABEL PROGRAM [ARGUMENT ...]

OWNER is Harness's process id. COMMANDS is an open pipe: ``T`` sends SIGTERM to the program in the
sandbox, anything else and its end mean "end it all". STATUS is an open pipe for the program.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from contextlib import suppress

_PR_SET_CHILD_SUBREAPER = 36
_EVERY = 1000
"""Milliseconds between looks at who our parent is: a fork of Harness that lives on may hold the
pipe of commands open."""


def parents() -> dict[int, int]:
    """Return the parent of every process that can be seen, by process id (proc(5), stat)."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    return found


def end_children() -> None:
    """Kill and reap every child, and every child that we inherit by that."""
    while True:
        for process, parent in parents().items():
            if parent == os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def watch(owner: int, commands: int, child: int) -> int:
    """Obey *commands* until *child* has ended or must; return its status, or 128 + its signal."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    poll = select.poll()
    poll.register(wake, select.POLLIN)
    poll.register(commands, select.POLLIN)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        ready = {descriptor for descriptor, _ in poll.poll(_EVERY)}
        if wake in ready:
            os.read(wake, 512)
        if os.getppid() != owner or (commands in ready and os.read(commands, 1) != b"T"):
            return 128 + signal.SIGKILL  # our caller ends all children
        if commands in ready:
            for process, parent in parents().items():
                if parent == child:
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGTERM)


def refuse(why: str) -> int:
    """Say *why* nothing was started, on the stderr that our caller reads; return 127."""
    os.write(2, f"guard: {why}\n".encode())
    return 127


def main(arguments: list[str]) -> int:
    """Run the program under guard; return its exit status, 127 when it can't be run."""
    owner, commands, status = (int(text) for text in arguments[:3])
    program = arguments[4:]
    os.set_inheritable(commands, False)
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        return refuse("the kernel offers no subreaper")
    signal.signal(signal.SIGCHLD, lambda *_: None)
    os.umask(0o022)
    defaults = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    try:
        child = os.posix_spawn(program[0], program, {}, setsigdef=defaults, setsigmask=())
    except OSError as error:
        return refuse(f"{program[0]}: {error.strerror}")
    os.close(status)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # the pipes end when the program does, not when we do
        os.dup2(nothing, stream)
    os.close(nothing)
    try:
        return watch(owner, commands, child)
    finally:
        end_children()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
