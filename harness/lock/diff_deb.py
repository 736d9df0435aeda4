"""A Debian package looked into without unpacking it: names, sizes, a few files, what it needs.

Formats: deb(5); Debian Policy §5 and §7; the machine-readable copyright file (DEP-5).
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.content.deb import merged
from harness.core.errors import PackageRefused
from harness.lock import deb_index


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """The files of a package: *sizes* in bytes by path (0 for a link), and the wanted ones'
    bytes; *depends* are the clauses of Depends and Pre-Depends."""

    sizes: dict[str, int]
    files: dict[str, bytes]
    depends: tuple[str, ...]


def read(path: Path, name: str, *, wanted: Callable[[str], bool]) -> Opened:
    """Return what the package *name* at *path* holds; raises PackageRefused for none."""
    members = dict(_members(path, name))
    sizes: dict[str, int] = {}
    files: dict[str, bytes] = {}
    with _tar(members, "data.tar", name) as tar:
        for member in tar:
            inner = merged(member.name.removeprefix("./").strip("/"))
            if member.issym() or member.islnk():
                sizes[inner] = 0
            elif member.isfile():
                sizes[inner] = member.size
                if wanted(inner):
                    file = tar.extractfile(member)
                    files[inner] = b"" if file is None else file.read()
    return Opened(sizes=sizes, files=files, depends=_depends(members, name))


def depends(path: Path, name: str) -> tuple[str, ...]:
    """Return what the package at *path* needs, a clause each; raises as ``read`` does."""
    return _depends(dict(_members(path, name)), name)


def relations(control: str) -> tuple[str, ...]:
    """Return the clauses of Pre-Depends and Depends in a control paragraph."""
    fields = deb_index.control(control)
    texts = ", ".join(filter(None, (fields.get("pre-depends"), fields.get("depends"))))
    return tuple(" | ".join(map(str, clause)) for clause in deb_index.clauses(texts))


def licenses(text: bytes) -> tuple[str, ...]:
    """Return the short names of licences in a copyright file that machines can read; else none."""
    told = text.decode("utf-8", "replace")
    if not re.match(r"\s*Format(-Specification)?:", told):
        return ()
    found = re.findall(r"^License:[ \t]*(\S[^\n]*)$", told, flags=re.MULTILINE)
    return tuple(sorted({one.strip().rstrip(".") for one in found} - {""}))


def _depends(members: dict[str, bytes], name: str) -> tuple[str, ...]:
    with _tar(members, "control.tar", name) as tar:
        for member in tar:
            if member.isfile() and member.name.removeprefix("./") == "control":
                file = tar.extractfile(member)
                assert file is not None
                return relations(file.read().decode("utf-8", "replace"))
    return ()


def _tar(members: dict[str, bytes], prefix: str, name: str) -> tarfile.TarFile:
    data = next((data for member, data in members.items() if member.startswith(prefix)), None)
    if data is None:
        raise PackageRefused(f"{name}: its file is not a Debian package")
    try:
        return tarfile.open(fileobj=io.BytesIO(data), mode="r:*")
    except tarfile.TarError as broken:
        raise PackageRefused(f"{name}: its archive can't be read ({broken})") from broken


def _members(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the members of an ar(5) archive."""
    data = path.read_bytes()
    if not data.startswith(b"!<arch>\n"):
        raise PackageRefused(f"{name}: its file is not a Debian package")
    offset = 8
    while offset + 60 <= len(data):
        header = data[offset : offset + 60]
        size = int(header[48:58])
        yield (
            header[:16].decode("ascii", "replace").strip().rstrip("/"),
            data[offset + 60 : offset + 60 + size],
        )
        offset += 60 + size + size % 2
