"""How much memory a process and all its descendants use, in bytes (proc(5)).

Two measures. *resident* sums what each process has in memory or swap; it is cheap, and counts a
page twice that two processes share since a fork. *proportional* divides such a page between them
(PSS); it walks the page tables, so it is asked for only when the first measure is too high.
"""

from __future__ import annotations

from harness.engine.guard import parents

RESIDENT = ("RssAnon:", "RssShmem:", "VmSwap:")
PROPORTIONAL = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")


def family(process: int) -> tuple[int, ...]:
    """Return *process* and all its descendants: in its own PID namespace none can leave it."""
    children: dict[int, list[int]] = {}
    for child, parent in parents().items():
        children.setdefault(parent, []).append(child)
    found = [process]
    for member in found:  # grows as it goes
        found += children.get(member, ())
    return tuple(found)


def resident(process: int) -> int:
    """Return the summed resident and swapped memory; 0 when nothing is left of the family."""
    return sum(_sum(f"/proc/{member}/status", RESIDENT) for member in family(process))


def proportional(process: int) -> int:
    """Return the summed proportional memory; raises PermissionError when it may not be seen."""
    return sum(_sum(f"/proc/{member}/smaps_rollup", PROPORTIONAL) for member in family(process))


def used(process: int, *, limit: int | None) -> int:
    """Return what counts: the resident sum, made exact where it exceeds *limit*."""
    cheap = resident(process)
    if limit is None or cheap <= limit:
        return cheap
    try:
        exact = proportional(process)
        # Processes are read one after the other: one that ends meanwhile hands its share to those
        # still to be read, and is counted twice. So what ends a job is read twice.
        return exact if exact <= limit else min(exact, proportional(process))
    except PermissionError:
        return cheap


def _sum(path: str, fields: tuple[str, ...]) -> int:
    try:
        with open(path, "rb") as file:
            lines = file.read().decode("ascii", "replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it ended since it was listed
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(fields))
