"""A source distribution: who it says it is, what its build needs, and its files, unpacked safely.

Formats: PEP 625 (name and folder), PEP 518 and 517 (``[build-system]``), PEP 643 (``PKG-INFO``).
Nothing of it is run here.
"""

from __future__ import annotations

import gzip
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path
from typing import IO, Any, TypeGuard, cast

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from packaging.version import InvalidVersion, Version

from harness.content.tree import Writer, inner
from harness.core.errors import PackageRefused

LARGEST = 2 << 30
"""Bytes that a source may hold unpacked."""
MOST = 200_000
"""Files that it may hold."""
LEGACY = "setuptools.build_meta:__legacy__"
LEGACY_REQUIRES = ("setuptools>=40.8.0", "wheel")
"""What PEP 517 asks for where pyproject.toml says nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sdist:
    """What a source says of itself: *requires* are the requirements of its build, *path* folders
    of its own that hold the *backend*. *fixed* are the fields of its metadata that its wheel must
    repeat (PEP 643), by name."""

    name: str
    version: str
    requires: tuple[str, ...]
    backend: str
    path: tuple[str, ...] = ()
    fixed: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    kind: str
    data: bytes = b""
    target: str = ""
    executable: bool = False


def build_requirements(archive: Path, filename: str = "") -> tuple[str, ...]:
    """Return the requirements that ``[build-system]`` declares; raises PackageRefused."""
    return read(archive, filename).requires


def read(archive: Path, filename: str = "") -> Sdist:
    """Return what the source in *archive* says of itself; *filename* is its name where *archive*
    has another one. Raises PackageRefused for what is no honest source."""
    filename = filename or archive.name
    name, version = identity(filename)
    documents: dict[str, bytes] = {}
    for member in _members(archive, filename):
        if member.kind == "file" and member.name in ("pyproject.toml", "PKG-INFO", "setup.py"):
            documents[member.name] = member.data
    if "pyproject.toml" not in documents and "setup.py" not in documents:
        raise PackageRefused(f"{filename}: it has neither a pyproject.toml nor a setup.py")
    fixed = _metadata(documents.get("PKG-INFO"), filename, name, version)
    requires, backend, path = _system(documents.get("pyproject.toml"), filename)
    return Sdist(
        name=name, version=version, requires=requires, backend=backend, path=path, fixed=fixed
    )


def identity(filename: str) -> tuple[str, str]:
    """Return the name and version in *filename*, normalised; raises PackageRefused."""
    try:
        name, version = parse_sdist_filename(filename)
    except (InvalidSdistFilename, InvalidVersion) as bad:
        raise PackageRefused(f"{filename} is no name of a source distribution") from bad
    return str(name), str(version)


def unpack(archive: Path, root: Path, filename: str = "") -> None:
    """Write the source's files, without their one top folder, below *root*."""
    filename = filename or archive.name
    writer = Writer(root, filename)
    for member in _members(archive, filename):
        if member.kind == "folder":
            writer.folder(member.name)
        elif member.kind == "link":
            writer.link(member.name, member.target)
        else:
            writer.file(member.name, member.data, executable=member.executable)


def _members(archive: Path, filename: str) -> Iterator[_Member]:
    """Yield the members below the one top folder, checked."""
    found = _zip(archive, filename) if filename.endswith(".zip") else _tar(archive, filename)
    top: str | None = None
    try:
        for count, member in enumerate(found):
            if count > MOST:
                raise PackageRefused(f"{filename}: more than {MOST} files")
            first, _, rest = inner(member.name, filename).partition("/")
            if not first:
                continue
            if top is None:
                top = first
            if first != top or (not rest and member.kind != "folder"):
                raise PackageRefused(
                    f"{filename}: a source has one folder at its top, this one has {top} and "
                    f"{first}"
                )
            if not rest:
                continue
            if member.kind == "link":
                _inside(rest, member.target, filename)
            yield _Member(rest, member.kind, member.data, member.target, member.executable)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, zlib.error) as bad:
        raise PackageRefused(f"{filename}: it can't be read: {bad}") from bad
    if top is None:
        raise PackageRefused(f"{filename}: it is empty")


def _inside(name: str, target: str, filename: str) -> None:
    depth = name.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0 or target.startswith("/"):
            raise PackageRefused(f"{filename}: the link {name} leads outside of the source")


class _Bounded:
    """A stream that is refused when it grows past a bound: no bomb is unpacked to its end."""

    def __init__(self, stream: IO[bytes], filename: str) -> None:
        self._stream = stream
        self._left = LARGEST
        self._filename = filename

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise PackageRefused(f"{self._filename}: more than {LARGEST >> 30} GiB unpacked")
        return data


def _tar(archive: Path, filename: str) -> Iterator[_Member]:
    kept: dict[str, _Member] = {}  # hard links name an earlier member
    with gzip.open(archive) as packed:
        stream = cast(IO[bytes], _Bounded(cast(IO[bytes], packed), filename))
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                if member.isdir():
                    yield _Member(member.name, "folder")
                elif member.issym():
                    yield _Member(member.name, "link", target=member.linkname)
                elif member.islnk():
                    first = kept.get(member.linkname)
                    if first is None:
                        raise PackageRefused(f"{filename}: {member.name} links to no file of it")
                    yield _Member(member.name, "file", first.data, "", first.executable)
                elif member.isfile():
                    if member.size > LARGEST:
                        raise PackageRefused(f"{filename}: {member.name} is a bomb")
                    file = tar.extractfile(member)
                    assert file is not None
                    made = _Member(member.name, "file", file.read(), "", bool(member.mode & 0o111))
                    kept[member.name] = made
                    yield made
                else:
                    raise PackageRefused(f"{filename}: {member.name} is a device, a pipe or worse")


def _zip(archive: Path, filename: str) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as packed:
        if sum(member.file_size for member in packed.infolist()) > LARGEST:
            raise PackageRefused(f"{filename}: more than {LARGEST >> 30} GiB unpacked")
        for member in packed.infolist():
            mode = member.external_attr >> 16
            if member.is_dir():
                yield _Member(member.filename, "folder")
            elif mode & 0o170000 not in (0, 0o100000):
                raise PackageRefused(f"{filename}: {member.filename} is a link or a device")
            else:
                data = packed.read(member)
                yield _Member(member.filename, "file", data, "", bool(mode & 0o111))


def _metadata(
    data: bytes | None, filename: str, name: str, version: str
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if data is None:
        return ()
    found = BytesParser(policy=compat32).parsebytes(data, headersonly=True)
    said = (str(found["Name"] or ""), str(found["Version"] or ""))
    if not same(said, (name, version)):
        raise PackageRefused(f"{filename}: its PKG-INFO says {said[0]} {said[1]}")
    try:
        if Version(str(found["Metadata-Version"])) < Version("2.2"):
            return ()
    except InvalidVersion:
        return ()
    dynamic = {str(value).strip().lower() for value in found.get_all("Dynamic", [])}
    return tuple(
        (field, normal(found.get_all(field, [])))
        for field in ("Requires-Dist", "Requires-Python")
        if field.lower() not in dynamic
    )


def normal(values: list[Any]) -> tuple[str, ...]:
    """Return the values of a field of metadata in one form, sorted."""
    texts = []
    for value in values:
        text = str(value).strip()
        try:
            one = Requirement(text)
            one.name = canonicalize_name(one.name)
            text = str(one)
        except InvalidRequirement:
            text = ",".join(sorted(part.strip() for part in text.split(",")))
        texts.append(text)
    return tuple(sorted(texts))


def same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Tell whether two pairs of name and version mean the same."""
    try:
        return (canonicalize_name(one[0]), Version(one[1])) == (
            canonicalize_name(other[0]),
            Version(other[1]),
        )
    except InvalidVersion:
        return False


def _system(data: bytes | None, filename: str) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    if data is None:
        return LEGACY_REQUIRES, LEGACY, ()
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as bad:
        raise PackageRefused(f"{filename}: its pyproject.toml can't be read: {bad}") from bad
    table = document.get("build-system")
    if table is None:
        return LEGACY_REQUIRES, LEGACY, ()
    requires = table.get("requires") if isinstance(table, dict) else None
    backend = table.get("build-backend", LEGACY) if isinstance(table, dict) else None
    path = table.get("backend-path", []) if isinstance(table, dict) else None
    if not (_texts(requires) and isinstance(backend, str) and _texts(path)):
        raise PackageRefused(
            f"{filename}: [build-system] needs requires = […], and texts where PEP 517 wants them"
        )
    for text in requires:
        try:
            if Requirement(text).url is not None:
                raise PackageRefused(f"{filename}: its build requires a place: {text}")
        except InvalidRequirement as bad:
            raise PackageRefused(f"{filename}: its build requires {text!r}: {bad}") from bad
    return tuple(requires), backend, tuple(inner(one, filename) or "." for one in path)


def _texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
