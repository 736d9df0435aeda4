"""A wheel becomes a tree: unzipped by ourselves, every file checked against RECORD.

The layout is the binary distribution format (PEP 427 and its living specification) installed for
Debian's interpreter: libraries in ``usr/local/lib/pythonX.Y/dist-packages``, scripts in
``usr/local/bin`` with one fixed shebang, RECORD sorted. No installer's clock or random name
is anywhere.
"""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import zipfile
from pathlib import Path

from harness.content.tree import Writer, inner
from harness.core.errors import PackageRefused

LARGEST = 8 << 30
RATIO = 1000
"""A member that grows by more than this when unpacked, past 64 MiB, is a bomb."""

SCRIPT = """#!/usr/bin/python{python}
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix(".exe")
    sys.exit({function}())
"""


def site(python: str) -> str:
    """Return the folder of libraries below the image's root."""
    return f"usr/local/lib/python{python}/dist-packages"


def unpack(archive: Path, package: str, python: str, root: Path) -> None:
    """Write the wheel's tree below *root*; raises PackageRefused for what doesn't hold."""
    try:
        with zipfile.ZipFile(archive) as wheel:
            _unpack(wheel, package, python, Writer(root, package))
    except zipfile.BadZipFile as bad:
        raise PackageRefused(f"{package}: {archive.name} is not a wheel ({bad})") from bad


def _unpack(wheel: zipfile.ZipFile, package: str, python: str, writer: Writer) -> None:
    members = [m for m in wheel.infolist() if not m.is_dir()]
    _refuse_bombs(members, package)
    info = _dist_info(members, package)
    record = _record(wheel.read(f"{info}/RECORD"), package)
    rows: list[tuple[str, str, str]] = []
    library = site(python)

    def put(path: str, data: bytes, *, executable: bool) -> None:
        writer.file(path, data, executable=executable)
        rows.append((_relative(path, library), _urlsafe(data), str(len(data))))

    for member in members:
        name = inner(member.filename.replace("\\", "/"), package)
        if "\\" in member.filename:  # a zip's separator is "/" (APPNOTE 4.4.17)
            raise PackageRefused(f"{package}: {member.filename!r} is no path of a wheel")
        if name in (f"{info}/RECORD", f"{info}/RECORD.jws", f"{info}/RECORD.p7s"):
            continue
        data = wheel.read(member)
        if record.get(name) != _urlsafe(data):
            raise PackageRefused(
                f"{package}: {name} doesn't match the wheel's RECORD",
                hint="the wheel was changed after it was built; get it from another source",
            )
        executable = bool((member.external_attr >> 16) & 0o111)
        path, data, executable = _place(name, data, executable, info, python)
        put(path, data, executable=executable)
    if f"{info}/entry_points.txt" in record:
        entries = wheel.read(f"{info}/entry_points.txt").decode()
        for script, text in sorted(_scripts(entries, python).items()):
            put(f"usr/local/bin/{inner(script, package)}", text.encode(), executable=True)
    put(f"{library}/{info}/INSTALLER", b"harness\n", executable=False)
    listing = io.StringIO()
    csv.writer(listing, lineterminator="\n").writerows([*sorted(rows), (f"{info}/RECORD", "", "")])
    writer.file(f"{library}/{info}/RECORD", listing.getvalue().encode())


def _refuse_bombs(members: list[zipfile.ZipInfo], package: str) -> None:
    total = sum(member.file_size for member in members)
    worst = max(members, key=lambda m: m.file_size / max(m.compress_size, 1), default=None)
    if total > LARGEST:
        raise PackageRefused(f"{package}: more than {LARGEST >> 30} GiB unpacked")
    if (
        worst is not None
        and worst.file_size > 64 << 20
        and worst.file_size > RATIO * max(worst.compress_size, 1)
    ):
        raise PackageRefused(f"{package}: {worst.filename} is a zip bomb")


def _dist_info(members: list[zipfile.ZipInfo], package: str) -> str:
    names = [m.filename.split("/") for m in members]  # one further down is of a vendored package
    found = {
        name[0]
        for name in names
        if len(name) == 2 and name[0].endswith(".dist-info") and name[1] == "RECORD"
    }
    if len(found) != 1:
        raise PackageRefused(f"{package}: a wheel has one RECORD, this one has {len(found)}")
    return found.pop()


def _record(data: bytes, package: str) -> dict[str, str]:
    rows = {}
    for row in csv.reader(io.StringIO(data.decode())):
        if len(row) >= 2:
            rows[row[0]] = row[1].removeprefix("sha256=") if row[1] else ""
            if row[1] and not row[1].startswith("sha256="):
                raise PackageRefused(f"{package}: RECORD uses {row[1].split('=')[0]}, not sha256")
    return rows


def _place(
    name: str, data: bytes, executable: bool, info: str, python: str
) -> tuple[str, bytes, bool]:
    """Return where a member goes; ``{dist}.data/`` folders go where their scheme says."""
    folder = info.removesuffix(".dist-info") + ".data/"
    if not name.startswith(folder):
        return f"{site(python)}/{name}", data, executable
    scheme, _, rest = name.removeprefix(folder).partition("/")
    match scheme:
        case "purelib" | "platlib":
            return f"{site(python)}/{rest}", data, executable
        case "scripts":
            first, newline, tail = data.partition(b"\n")
            if first.startswith(b"#!python"):
                data = f"#!/usr/bin/python{python}".encode() + newline + tail
            return f"usr/local/bin/{rest}", data, True
        case "headers":
            project = info.split("-")[0]
            return f"usr/local/include/python{python}/{project}/{rest}", data, executable
        case _:
            return f"usr/local/{rest}", data, executable


def _scripts(text: str, python: str) -> dict[str, str]:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    parser.read_string(text)
    scripts = {}
    for group in ("console_scripts", "gui_scripts"):
        for name, value in parser[group].items() if parser.has_section(group) else ():
            module, _, function = value.split("[")[0].strip().partition(":")
            scripts[name.strip()] = SCRIPT.format(
                python=python,
                module=module.strip(),
                first=function.strip().split(".")[0],
                function=function.strip(),
            )
    return scripts


def _relative(path: str, library: str) -> str:
    if path.startswith(f"{library}/"):
        return path.removeprefix(f"{library}/")
    return "/" + path


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
