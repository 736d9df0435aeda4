"""Whose a container is: the process that started it, told from any other that ever was.

A container outlives a Harness that is killed. Its label names the owner, so that the next run
removes what nobody waits for any more, and nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.engine.daemon import Session

LABEL = "harness.owner"


def mine() -> str:
    """Return this process as a label: the boot, its PID namespace, its id and when it started."""
    return " ".join((_boot(), _namespace(), str(os.getpid()), _began(os.getpid())))


def gone(label: str) -> bool:
    """Tell whether the owner that *label* names has certainly ended.

    In doubt it has not: the processes of another PID namespace, as of another container that uses
    the same daemon, can't be seen from here.
    """
    try:
        boot, namespace, process, began = label.split(" ")
        number = int(process)
    except ValueError:
        return False
    if boot != _boot():
        return bool(boot and _boot() != "-")
    return namespace == _namespace() and _began(number) != began


def reap(session: Session) -> int:
    """Remove the containers whose owner has ended; return how many."""
    left = [found for found, labels in session.containers(LABEL) if gone(labels.get(LABEL, ""))]
    for container in left:
        session.remove(container)
    return len(left)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "-"  # not Linux


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "-"


def _began(process: int) -> str:
    """Return when *process* started, in the kernel's ticks since the boot (proc(5)); or "-"."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return "-"
    return stat.rpartition(")")[2].split()[19]
