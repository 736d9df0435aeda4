"""What the kernel counts for a container's control group (cgroups(7))."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")


def memory_events(process: int, container: str) -> Path | None:
    """Return the file that counts the out-of-memory kills in the group of *container*.

    *process* is one of its own. None where it has no group of its own, or it can't be seen.
    """
    try:
        lines = Path(f"/proc/{process}/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if container not in path:
            continue
        if "memory" in controllers.split(","):
            file = MOUNTED / "memory" / path[1:] / "memory.oom_control"
        elif controllers == "":
            file = MOUNTED / path[1:] / "memory.events"
        else:
            continue
        if file.is_file():
            return file
    return None


def oom_kills(events: Path | None) -> int:
    """Return how many processes were killed for their memory; 0 when the group is gone."""
    try:
        said = "" if events is None else events.read_text()
    except OSError:
        return 0
    found = re.search(r"^oom_kill (\d+)$", said, re.MULTILINE)
    return int(found[1]) if found else 0
