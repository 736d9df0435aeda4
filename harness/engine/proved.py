"""Which sandboxes were seen to work here: each is tried once, and not before every command."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from harness.image.key import key
from harness.world.store import Store

KIND = "sandbox"
NAMESPACES = ("user", "mnt", "pid", "net", "cgroup")
STATUS = ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Seccomp_filters")
SETTINGS = (
    "kernel/random/boot_id",
    "kernel/apparmor_restrict_unprivileged_userns",
    "kernel/unprivileged_userns_clone",
    "user/max_user_namespaces",
)


def works(program: Path, proc: Path, store: Store) -> bool:
    """Tell whether the bubblewrap *program* was seen to work where all is as it is now."""
    name = _circumstances(program, proc)
    return name is not None and store.recall(KIND, name) is True


def remember(program: Path, proc: Path, store: Store) -> None:
    """Keep that *program* works, until the machine starts again or anything else changes."""
    if (name := _circumstances(program, proc)) is not None:
        with suppress(OSError):  # a store that isn't ours to write
            store.remember(KIND, name, True)


def _circumstances(program: Path, proc: Path) -> str | None:
    """Name all that decides whether a sandbox starts (user_namespaces(7), proc(5)); None without a
    program, or where the kernel doesn't say when it started."""
    settings = {name: _read(proc / "sys" / name) for name in SETTINGS}
    if not settings["kernel/random/boot_id"] or not program.is_file():
        return None
    status = program.stat()
    told = (line.partition(":") for line in _read(proc / "self/status").splitlines())
    return key(
        str(program),
        (status.st_size, status.st_mtime_ns, status.st_ctime_ns),
        settings,
        {name: value for name, _, value in told if name in STATUS},
        _read(proc / "self/attr/current"),
        {kind: _link(proc / "self/ns" / kind) for kind in NAMESPACES},
    )


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text().strip("\0\n")
    return ""


def _link(path: Path) -> str:
    with suppress(OSError):
        return os.readlink(path)
    return ""
