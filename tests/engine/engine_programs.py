"""Programs that run in every engine, each written once.

The fake calls them. The sandbox gets their source, with ``Process`` below in place of the fake's:
the same nouns on a real operating system.
"""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

REAL = """
import ctypes, os, signal, sys

class Process:
    def __init__(self):
        with open("/proc/self/environ", "rb") as file:
            pairs = (pair.partition("=") for pair in file.read().decode().split("\\0") if pair)
            self.env = {name: value for name, _, value in pairs}
        self.argv = (sys.argv[1], *sys.argv[2:])
        self.cwd = os.getcwd()
        self.stdin = sys.stdin.buffer
        self.stdout = open(1, "wb", buffering=0, closefd=False)
        self.stderr = open(2, "wb", buffering=0, closefd=False)
        self.held = []
        self.terminated = False
        signal.signal(signal.SIGTERM, self.terminate)

    def terminate(self, number, frame):
        self.terminated = True

    def open(self, path, mode="rb"):
        return open(path, mode)

    def allocate(self, size):
        self.held.append(bytearray(os.urandom(4096)) * (size // 4096))

    def pause(self, seconds=None):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if self.terminated:
            self.terminated = False
            return True
        if seconds is None:
            signal.sigwait({signal.SIGTERM})
            return True
        return signal.sigtimedwait({signal.SIGTERM}, seconds) is not None

    def crash(self):
        ctypes.string_at(0)
"""


def source(program: Any) -> str:
    """Return what ``python -c`` runs."""
    body = textwrap.dedent(inspect.getsource(program))
    return (
        f"from __future__ import annotations\nfrom typing import Any\n{REAL}\n{body}\n"
        f"sys.exit({program.__name__}(Process()))"
    )


def exits(process: Any) -> int:
    return int(process.argv[1])


def crashes(process: Any) -> int:
    process.crash()
    return 0


def raises(process: Any) -> int:
    raise RuntimeError("the tree has no leaves")


def echoes(process: Any) -> int:
    while data := process.stdin.read(1 << 16):
        process.stdout.write(data)
    return 0


def answers_lines(process: Any) -> int:
    while line := process.stdin.readline():
        process.stdout.write(line.upper())
    return 0


def ignores_its_input(process: Any) -> int:
    process.stdout.write(b"done")
    return 0


def talks_much(process: Any) -> int:
    for number in range(20_000):
        process.stderr.write(b"line %05d\n" % number)
    return 0


def waits_for_sigterm(process: Any) -> int:
    process.stdout.write(b"ready\n")
    process.pause()
    return 42


def never_ends(process: Any) -> int:
    process.stdout.write(b"ready\n")
    while True:
        process.pause()
        process.pause(3600)


def pauses_briefly(process: Any) -> int:
    return 1 if process.pause(0.01) else 0


def eats_and_waits(process: Any) -> int:
    process.allocate(int(process.argv[1]))
    process.stdout.write(b"ready\n")
    process.pause()
    return 0


def tells_its_world(process: Any) -> int:
    import json

    world = {"env": dict(process.env), "argv": list(process.argv), "cwd": process.cwd}
    process.stdout.write(json.dumps(world).encode())
    return 0


def writes(process: Any) -> int:
    for path in process.argv[1:]:
        try:
            with process.open(path, "wb") as file:
                file.write(b"written inside")
            process.stdout.write(f"{path} written\n".encode())
        except OSError as error:
            process.stdout.write(f"{path} {type(error).__name__} {error.errno}\n".encode())
    return 0


def reads(process: Any) -> int:
    for path in process.argv[1:]:
        try:
            with process.open(path) as file:
                process.stdout.write(file.read() + b"\n")
        except OSError as error:
            process.stdout.write(f"{type(error).__name__}\n".encode())
    return 0


PROGRAMS = (
    exits,
    crashes,
    raises,
    echoes,
    answers_lines,
    ignores_its_input,
    talks_much,
    waits_for_sigterm,
    never_ends,
    pauses_briefly,
    eats_and_waits,
    tells_its_world,
    writes,
    reads,
)
