"""Where mounts go in a root that can't be written: each needs a place that is already there."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import JobFailed
from harness.engine.engine import Job, Mount

PRIVATE = ("/tmp", "/run")
"""Folders of every job's own, writable and empty at its start; any target below has a place."""
SYSTEM = ("/proc", "/dev")


def place(job: Job) -> tuple[str, ...]:
    """Return the folders that must become empty ones of the job's own to take its mounts.

    A target must exist in the root, or in what an earlier mount put over it, and be of its
    source's kind (file or folder). The one exception is a target directly in an empty folder of
    the root, as in ``/data``: that folder is made anew, holds nothing but its mounts, and is
    read-only like the rest. Raises JobFailed for every other target, and for a missing source.
    """
    if not job.root.is_dir():
        raise JobFailed(f"the image's root {job.root} is not a folder", hint="harness build")
    missing = [path for path in (*PRIVATE, *SYSTEM) if not (job.root / path[1:]).is_dir()]
    if missing:
        raise JobFailed(
            f"the root {job.root} lacks {', '.join(missing)}",
            hint="the image's builder makes the mount points; build the image again",
        )
    renewed: list[str] = []
    done: list[Mount] = []
    for mount in job.placed:
        _check(mount)
        if not _within(mount.target, PRIVATE) and not _fits(job.root, done, renewed, mount):
            parent = posixpath.dirname(mount.target)
            if not _empty(job.root, done, parent):
                raise JobFailed(
                    f"{mount.source} can't be mounted at {mount.target}: the image has no such "
                    f"{'folder' if mount.source.is_dir() else 'file'} there",
                    hint="mount it at a path that the image has, or directly in an empty folder "
                    "of the image, such as /data",
                )
            renewed.append(parent)
        done.append(mount)
    return tuple(renewed)


def find(job: Job, path: str) -> tuple[Path, bool]:
    """Return what lies behind *path* on this machine, and whether the job may write there.

    Symbolic links are not followed; ``/tmp`` and ``/run`` themselves lie nowhere (KeyError).
    """
    for mount in reversed(job.placed):
        if _within(path, (mount.target,)):
            return mount.source / posixpath.relpath(path, mount.target), mount.writable
    if _within(path, PRIVATE):
        raise KeyError(path)
    return job.root / path.lstrip("/"), False


def in_image(job: Job, folder: str) -> bool:
    """Tell whether *folder* is one that the job has. One behind a symbolic link passes for one."""
    try:
        place, _ = find(job, folder)
    except KeyError:
        return folder in (*PRIVATE, "/run/harness")
    if folder == "/" or place.is_dir():
        return True
    return any(os.path.islink(step) for step in _steps(job.root, folder.strip("/")))


def _check(mount: Mount) -> None:
    target = mount.target
    if not target.startswith("/") or posixpath.normpath(target) != target or target == "/":
        raise JobFailed(f"{target!r} is no place for a mount", hint="an absolute path below /")
    if _within(target, SYSTEM) or target in PRIVATE:
        raise JobFailed(
            f"{target} can't be replaced by a mount", hint="/proc, /dev, /tmp, /run are the job's"
        )
    if not mount.source.exists():
        raise JobFailed(f"{mount.source}, to be mounted at {target}, does not exist")


def _fits(root: Path, done: list[Mount], renewed: list[str], mount: Mount) -> bool:
    """Tell whether the target is there, reached without a symbolic link."""
    for earlier in reversed(done):
        if _within(mount.target, (earlier.target,)):
            rest = posixpath.relpath(mount.target, earlier.target)
            return _same_kind(earlier.source, rest, mount.source)
    if posixpath.dirname(mount.target) in renewed:
        return True
    return _same_kind(root, mount.target[1:], mount.source)


def _same_kind(base: Path, relative: str, source: Path) -> bool:
    if relative == ".":
        return base.is_dir() == source.is_dir()
    if any(os.path.islink(step) for step in _steps(base, relative)):
        return False
    place = base / relative
    return place.exists() and place.is_dir() == source.is_dir()


def _steps(base: Path, relative: str) -> Iterator[Path]:
    for part in relative.split("/"):
        base = base / part
        yield base


def _empty(root: Path, done: list[Mount], folder: str) -> bool:
    if folder == "/" or _within(folder, SYSTEM) or any(_covers(m.target, folder) for m in done):
        return False
    place = root / folder[1:]
    plain = not any(os.path.islink(step) for step in _steps(root, folder[1:]))
    return plain and place.is_dir() and not any(place.iterdir())


def _covers(target: str, folder: str) -> bool:
    return _within(folder, (target,)) or _within(target, (folder,))


def _within(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in folders)
