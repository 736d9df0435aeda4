"""A Debian package becomes a tree: its data archive alone, no maintainer script ever runs.

The format is deb(5): an ar(5) archive of ``debian-binary``, ``control.tar.*``, ``data.tar.*``.
Paths are moved to where a merged-/usr system has them. Manual pages, translations and
documentation stay out; copyright files stay in. The control record goes to
``var/lib/dpkg/status.d/``, where scanners look for packages of images without dpkg.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from harness.content.tree import Writer, inner
from harness.core.errors import PackageRefused

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
LEFT_OUT = (
    "usr/share/man/",
    "usr/share/locale/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/bug/",
    "usr/share/doc-base/",
    "usr/share/menu/",
    "usr/share/python3/",
    "usr/share/bash-completion/",
)
LARGEST = 4 << 30
"""Bytes that a package may hold unpacked; more is a bomb, or belongs elsewhere."""


def unpack(archive: Path, package: str, root: Path) -> None:
    """Write the package's tree below *root*; raises PackageRefused for what it may not hold."""
    members = dict(_ar(archive, package))
    data = next((name for name in members if name.startswith("data.tar")), None)
    control = next((name for name in members if name.startswith("control.tar")), None)
    if data is None or control is None:
        raise PackageRefused(f"{package}: {archive.name} is not a Debian package")
    writer = Writer(root, package)
    with _tar(members[control], package) as tar:
        for member in tar:
            if member.isfile() and inner(member.name, package) == "control":
                writer.file(f"var/lib/dpkg/status.d/{package}", _bytes(tar, member))
    with _tar(members[data], package) as tar:
        _data(tar, package, writer)


def _data(tar: tarfile.TarFile, package: str, writer: Writer) -> None:
    total = 0
    kept: dict[str, tuple[str, bool]] = {}
    for member in tar:
        name = merged(inner(member.name, package))
        if not name or _left_out(name, folder=member.isdir()):
            continue
        total += member.size
        if total > LARGEST:
            raise PackageRefused(f"{package}: more than {LARGEST >> 30} GiB unpacked")
        if member.isdir():
            writer.folder(name)
        elif member.issym():
            writer.link(name, member.linkname)
        elif member.isfile() or member.islnk():
            if member.mode & 0o6000:
                raise PackageRefused(
                    f"{package}: {name} is setuid or setgid, which no image of ours holds",
                    hint="leave this package out of the environment",
                )
            executable = bool(member.mode & 0o111)
            if member.islnk():
                first, executable = kept[merged(inner(member.linkname, package))]
                data = (writer.root / first).read_bytes()
            else:
                data = _bytes(tar, member)
            kept[name] = (name, executable)
            writer.file(name, data, executable=executable)
        else:
            raise PackageRefused(f"{package}: {name} is a device, a pipe or worse")


def merged(name: str) -> str:
    """Return *name* as a merged-/usr system has it: ``lib/x`` is ``usr/lib/x``."""
    first, slash, rest = name.partition("/")
    if first in MERGED:
        return f"usr/{first}{slash}{rest}"
    return name


def _left_out(name: str, *, folder: bool) -> bool:
    probe = f"{name}/" if folder else name
    if any(probe.startswith(prefix) for prefix in LEFT_OUT):
        return True
    return probe.startswith("usr/share/doc/") and not name.endswith("/copyright")


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _tar(data: bytes, package: str) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=io.BytesIO(data), mode="r:*")
    except tarfile.TarError as bad:
        raise PackageRefused(
            f"{package}: its archive can't be read ({bad})",
            hint="only gzip, xz and bzip2 members are read, as Debian's own archive has them",
        ) from bad


def _ar(archive: Path, package: str) -> Iterator[tuple[str, bytes]]:
    data = archive.read_bytes()
    if not data.startswith(b"!<arch>\n"):
        raise PackageRefused(f"{package}: {archive.name} is not a Debian package")
    offset = 8
    while offset + 60 <= len(data):
        header = data[offset : offset + 60]
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        size = int(header[48:58])
        yield name, data[offset + 60 : offset + 60 + size]
        offset += 60 + size + size % 2
