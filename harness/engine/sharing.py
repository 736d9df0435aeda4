"""Files shared with a container whose user is another one outside: 65532, or one of a range.

A sandbox's job is, outside, whoever started it. A container's job is not: it must be let into the
folders that it may write, and what it writes there must be ours to read and to remove.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from harness.core.errors import JobFailed
from harness.engine.engine import Mount

_VERSION = 2
_OWNER, _USER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY = 0xFFFFFFFF


def share(mounts: Iterable[Mount], *, ours: Path) -> None:
    """Open what is to be written, and check that the rest can be read.

    A folder to write gets the mode 0777 and a default ACL that names us, so that all that is made
    in it stays ours as well; where the file system has no ACLs, only the mode. It must lie in a
    folder that is closed to others. What lies below the folder *ours*, our own cache, is made
    readable where a umask made it private. Raises JobFailed for what its user could not read.
    """
    for mount in mounts:
        if mount.writable:
            _open(mount.source)
        elif not _readable(mount.source):
            if not mount.source.is_relative_to(ours):
                raise _private(mount.source)
            _publish(mount.source)


def _open(path: Path) -> None:
    status = path.stat()
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        return  # of a container before: open already
    folder = stat.S_ISDIR(status.st_mode)
    path.chmod(0o777 if folder else 0o666)
    if folder and sys.platform == "linux" and os.geteuid() != 0:
        with suppress(OSError):  # no ACLs here: what is made there may not be ours to remove
            os.setxattr(path, "system.posix_acl_default", default_acl(os.geteuid()))


def default_acl(user: int) -> bytes:
    """Return the ACL by which new files are *user*'s too, and others may read (acl(5)).

    Form: ``linux/posix_acl_xattr.h``. A new file gets it and not the umask of whoever makes it.
    """
    entries = (
        (_OWNER, 7, _NOBODY),
        (_USER, 7, user),
        (_GROUP, 5, _NOBODY),
        (_MASK, 7, _NOBODY),
        (_OTHER, 5, _NOBODY),
    )
    return struct.pack("<I", _VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def _readable(path: Path) -> bool:
    mode = path.stat().st_mode
    needed = 0o005 if stat.S_ISDIR(mode) else 0o004
    return mode & needed == needed


def _publish(path: Path) -> None:
    """Let others read *path* and all below it; the top is last, so a cut run is begun again."""
    for folder, _, names in os.walk(path, topdown=False):
        for name in names:
            file = Path(folder, name)
            if not file.is_symlink():
                file.chmod(stat.S_IMODE(file.stat().st_mode) | 0o044)
        os.chmod(folder, 0o755)
    if path.is_file():
        path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o044)


def _private(path: Path) -> JobFailed:
    return JobFailed(
        f"{path} is for its owner alone: the user of a container can't read it",
        hint=f"chmod o+r{'x' if path.is_dir() else ''} {path}, or choose the sandbox: "
        "--engine sandbox",
    )
