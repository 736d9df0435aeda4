"""A wheel becomes a tree: unzipped by ourselves, every file checked against RECORD.

The layout is the binary distribution format (PEP 427 and its living specification) installed for
an interpreter's scheme, Debian's unless another is given: libraries in
``usr/local/lib/pythonX.Y/dist-packages``, scripts in ``usr/local/bin`` with one fixed shebang,
RECORD sorted. No installer's clock or random name is anywhere.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import lzma
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.content import scheme
from harness.content.scheme import Scheme
from harness.content.scripts import launchers
from harness.content.tree import Budget, Writer, inner
from harness.core.errors import PackageRefused

LARGEST = 8 << 30
ALGORITHMS = ("sha256", "sha384", "sha512")
"""What RECORD may use: sha256 or better (the binary distribution format)."""
SIGNATURES = ("RECORD", "RECORD.jws", "RECORD.p7s")


def site(python: str) -> str:
    """Return the folder of libraries below the image's root."""
    return scheme.debian(python).site


def unpack(
    archive: Path, package: str, python: str, root: Path, *, to: Scheme | None = None
) -> dict[str, str]:
    """Write the wheel's tree below *root*, for Debian's *python* or for the scheme *to*; raises
    PackageRefused for what doesn't hold.

    Returns the sha256 of each file written, by its place.
    """
    with _reading(archive.name, package):
        wheel = zipfile.ZipFile(archive, metadata_encoding="utf-8")
    with wheel:
        members = _members(wheel, archive.stat().st_size, package)

        def read(name: str) -> bytes:
            with _reading(name, package):
                return wheel.read(members[name])

        writer = Writer(root, package)
        _unpack(members, read, package, to or scheme.debian(python), writer)
    return writer.digests


@contextmanager
def _reading(name: str, package: str) -> Iterator[None]:
    """Turn whatever zipfile and its decompressors raise into PackageRefused."""
    try:
        yield
    except UnicodeDecodeError as bad:
        raise PackageRefused(f"{package}: a name is not UTF-8: {bad.object[:200]!r}") from bad
    except (
        *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
        *(NotImplementedError, RuntimeError, struct.error),  # unknown compression, encryption
    ) as bad:
        raise PackageRefused(
            f"{package}: {name} can't be read: it is not a wheel, or is damaged ({bad})"
        ) from bad


def _unpack(
    members: Mapping[str, zipfile.ZipInfo],
    read: Callable[[str], bytes],
    package: str,
    to: Scheme,
    writer: Writer,
) -> None:
    info = _dist_info(members, package)
    record = _record(_text(read(f"{info}/RECORD"), "RECORD", package), package)
    own = {f"{info}/{name}" for name in SIGNATURES}
    _refuse_missing(record, {*members, *own}, package)
    rows: list[tuple[str, str, str]] = []
    library = to.site

    def put(path: str, data: bytes, *, executable: bool, digest: bytes = b"") -> None:
        digest = digest or hashlib.sha256(data).digest()
        writer.file(path, data, executable=executable, digest=digest.hex())
        rows.append((_relative(path, library), f"sha256={_urlsafe(digest)}", str(len(data))))

    for name, member in members.items():
        if name in own or _left_by_a_build(name, members):
            continue
        packed = read(name)
        algorithm, _, said = record.get(name, "").partition("=")
        digest = hashlib.new(algorithm, packed).digest() if said else b""
        if not said or said != _urlsafe(digest):
            raise PackageRefused(
                f"{package}: {name} doesn't match the wheel's RECORD",
                hint="the wheel was changed after it was built; get it from another source",
            )
        executable = bool((member.external_attr >> 16) & 0o111)
        path, data, executable = _place(name, packed, executable, info, to)
        same = data is packed and algorithm == "sha256"
        put(path, data, executable=executable, digest=digest if same else b"")
    if f"{info}/entry_points.txt" in members:
        entries = _text(read(f"{info}/entry_points.txt"), "entry_points.txt", package)
        for script, text in launchers(entries, to.program, package).items():
            put(f"{to.scripts}/{script}", text.encode(), executable=True)
    put(f"{library}/{info}/INSTALLER", b"harness\n", executable=False)
    refuse_collisions({package: (row[0] for row in rows)})
    listing = io.StringIO()
    csv.writer(listing, lineterminator="\n").writerows([*sorted(rows), (f"{info}/RECORD", "", "")])
    writer.file(f"{library}/{info}/RECORD", listing.getvalue().encode())


def _left_by_a_build(name: str, members: Container[str]) -> bool:
    """Tell whether a member is bytecode of a source beside it, as numpy 2.3 has: ours takes its
    place, and says the same of every file."""
    folder, _, base = name.rpartition("/__pycache__/")
    return bool(folder) and f"{folder}/{base.split('.')[0]}.py" in members


def refuse_collisions(packages: Mapping[str, Iterable[str]]) -> None:
    """Raise PackageRefused when two files have names that differ by case or Unicode's forms alone.

    On the file systems of other desktops they are one file, and Python's import tells them apart
    here only. Of Debian's packages this is not asked: some of theirs, of C headers, do.
    """
    seen: dict[str, tuple[str, str]] = {}
    for package in sorted(packages):
        for path in sorted(packages[package]):
            folded = path.lower() if path.isascii() else _folded(path)
            other, known = seen.setdefault(folded, (package, path))
            if known != path:
                whose = package if other == package else f"{other} and {package}"
                raise PackageRefused(
                    f"{whose}: {known} and {path} are one name where case, or the form of an "
                    "accent, makes no difference",
                    hint="leave one of them out, or report it to the author of the package",
                )


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _members(wheel: zipfile.ZipFile, packed: int, package: str) -> dict[str, zipfile.ZipInfo]:
    """Return the files of the wheel by name; raises PackageRefused for bombs and no files."""
    budget = Budget(package, packed, LARGEST)
    found: dict[str, zipfile.ZipInfo] = {}
    for member in wheel.infolist():
        budget.take(member.filename, member.file_size)
        said = member.orig_filename
        name = inner(said.replace("\\", "/"), package)
        if "\\" in said:  # a zip's separator is "/" (APPNOTE 4.4.17)
            raise PackageRefused(f"{package}: {said!r} is no path of a wheel")
        if member.is_dir():
            continue
        if (member.external_attr >> 28) not in (0, 8):  # 0: made where files have no modes
            raise PackageRefused(f"{package}: {name} is a link or a device, which no wheel holds")
        if name in found:
            raise PackageRefused(f"{package}: {name} is in the package twice")
        found[name] = member
    return found


def _dist_info(members: Iterable[str], package: str) -> str:
    names = [name.split("/") for name in members]  # one further down is of a vendored package
    found = {
        name[0]
        for name in names
        if len(name) == 2 and name[0].endswith(".dist-info") and name[1] == "RECORD"
    }
    if len(found) != 1:
        raise PackageRefused(f"{package}: a wheel has one RECORD, this one has {len(found)}")
    return found.pop()


def _text(data: bytes, name: str, package: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as bad:
        raise PackageRefused(f"{package}: {name} is not UTF-8 ({bad.reason})") from bad


def _record(data: str, package: str) -> dict[str, str]:
    """Return what RECORD says of each file: ``algorithm=digest``, or nothing."""
    rows = {}
    try:
        listed = [row for row in csv.reader(io.StringIO(data, newline="")) if row]
    except csv.Error as bad:
        raise PackageRefused(f"{package}: RECORD can't be read ({bad})") from bad
    for name, *rest in listed:
        said = rest[0] if rest else ""
        if said and said.partition("=")[0] not in ALGORITHMS:
            raise PackageRefused(
                f"{package}: RECORD of {name} uses {said.partition('=')[0]}, not sha256"
            )
        rows[name] = said
    return rows


def _refuse_missing(record: dict[str, str], members: set[str], package: str) -> None:
    for name in sorted(record):
        if not name.endswith("/") and inner(name, package) not in members:
            raise PackageRefused(
                f"{package}: {name} is in the wheel's RECORD and not in the wheel",
                hint="the wheel was changed after it was built; get it from another source",
            )


def _place(
    name: str, data: bytes, executable: bool, info: str, to: Scheme
) -> tuple[str, bytes, bool]:
    """Return where a member goes; ``{dist}.data/`` folders go where their scheme says."""
    folder = info.removesuffix(".dist-info") + ".data/"
    if not name.startswith(folder):
        return f"{to.site}/{name}", data, executable
    scheme, _, rest = name.removeprefix(folder).partition("/")
    match scheme:
        case "purelib" | "platlib":
            return f"{to.site}/{rest}", data, executable
        case "scripts":
            first, newline, tail = data.partition(b"\n")
            if first.startswith(b"#!python"):  # "#!pythonw" too
                data = f"#!/{to.program}".encode() + newline + tail
            return f"{to.scripts}/{rest}", data, True
        case "headers":
            project = info.split("-")[0]
            return f"{to.prefix}/include/python{to.python}/{project}/{rest}", data, executable
        case _:
            return f"{to.prefix}/{rest}", data, executable


def _relative(path: str, library: str) -> str:
    if path.startswith(f"{library}/"):
        return path.removeprefix(f"{library}/")
    return "/" + path


def _urlsafe(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
