"""A wheel as a build left it becomes the wheel that a lock names: the same bytes every time.

Entries sorted, one time, two modes, stored (so that no zlib shows), RECORD written anew. Formats:
the binary distribution format (PEP 427), RECORD (PEP 376 and 627).
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path
from typing import IO, cast

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from harness.content.sdist import Sdist, normal, same
from harness.content.tree import inner
from harness.core.errors import PackageRefused

LARGEST = 2 << 30
MOMENT = (1980, 1, 1, 0, 0, 0)
SIGNATURES = ("RECORD", "RECORD.jws", "RECORD.p7s")


def repack(wheel: Path, target: Path, *, filename: str, sdist: Sdist, folder: str) -> None:
    """Write the wheel's content to *target*, in the form of which there is one.

    *folder* is where it was built. Raises PackageRefused for bytecode, paths that lead outside or
    name the folder, links, a wheel of another package or version than *sdist*, tags that its
    WHEEL file doesn't say, and metadata that contradicts the source's.
    """
    try:
        with zipfile.ZipFile(wheel) as packed:
            members = _members(packed, filename)
            _check(packed, members, filename, sdist, folder)
            _write(packed, members, target, _info(filename))
    except (zipfile.BadZipFile, EOFError) as bad:
        raise PackageRefused(f"{filename} is not a wheel ({bad})") from bad


def differences(one: Path, other: Path) -> tuple[str, ...]:
    """Return the names of the files in which two wheels differ, sorted."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        found = [
            {m.filename: (m.CRC, m.file_size, m.external_attr) for m in packed.infolist()}
            for packed in (first, second)
        ]
    names = {*found[0], *found[1]}
    return tuple(sorted(n for n in names if found[0].get(n) != found[1].get(n)))


def _info(filename: str) -> str:
    return "-".join(filename.split("-")[:2]) + ".dist-info"


def _members(packed: zipfile.ZipFile, filename: str) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    if sum(member.file_size for member in packed.infolist()) > LARGEST:
        raise PackageRefused(f"{filename}: more than {LARGEST >> 30} GiB unpacked")
    for member in packed.infolist():
        name = inner(member.filename, filename)
        if member.is_dir():
            continue
        if (member.external_attr >> 28) not in (0, 8):
            raise PackageRefused(f"{filename}: {name} is a link or a device")
        if name in found:
            raise PackageRefused(f"{filename}: {name} is in the wheel twice")
        if name.endswith((".pyc", ".pyo")):
            raise PackageRefused(
                f"{filename}: {name} is bytecode, which differs from build to build",
                hint="a wheel holds sources; the image's builder compiles them",
            )
        found[name] = member
    return found


def _check(
    packed: zipfile.ZipFile,
    members: dict[str, zipfile.ZipInfo],
    filename: str,
    sdist: Sdist,
    folder: str,
) -> None:
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as bad:
        raise PackageRefused(f"the build of {sdist.name} returned {filename!r}: {bad}") from bad
    if not same((name, str(version)), (sdist.name, sdist.version)):
        raise PackageRefused(
            f"the source of {sdist.name} {sdist.version} built a wheel of another package or "
            f"version: {filename}"
        )
    info = _info(filename)
    folders = {n.split("/")[0] for n in members if n.split("/")[0].endswith(".dist-info")}
    for needed in ("METADATA", "WHEEL"):
        if folders != {info} or f"{info}/{needed}" not in members:
            raise PackageRefused(f"{filename}: expected {info}/{needed}, and no other .dist-info")
    parse = BytesParser(policy=compat32).parsebytes
    metadata = parse(packed.read(members[f"{info}/METADATA"]), headersonly=True)
    said = (str(metadata["Name"] or ""), str(metadata["Version"] or ""))
    if not same(said, (sdist.name, sdist.version)):
        raise PackageRefused(f"{filename}: its METADATA says {said[0]} {said[1]}")
    for field, values in sdist.fixed:
        if (there := normal(metadata.get_all(field, []))) != values:
            raise PackageRefused(
                f"{filename}: {field} is {', '.join(there) or 'nothing'} in its METADATA and "
                f"{', '.join(values) or 'nothing'} in the source's PKG-INFO, which says that it "
                "is fixed"
            )
    wheel = parse(packed.read(members[f"{info}/WHEEL"]), headersonly=True)
    expanded = {
        f"{python}-{abi}-{platform}"
        for tag in wheel.get_all("Tag", [])
        if str(tag).count("-") == 2
        for pythons, abis, platforms in [str(tag).strip().split("-")]
        for python in pythons.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    }
    if expanded != {str(tag) for tag in tags}:
        raise PackageRefused(f"{filename}: its WHEEL file names other tags")
    for name_, member in members.items():
        if name_ not in {f"{info}/{one}" for one in SIGNATURES} and folder.encode() in packed.read(
            member
        ):
            raise PackageRefused(f"{filename}: {name_} names the folder of its build, {folder}")


def _write(
    packed: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], target: Path, info: str
) -> None:
    names = [n for n in members if n not in {f"{info}/{one}" for one in SIGNATURES}]
    rows: list[tuple[str, str, str]] = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as out:
        for name in sorted(names, key=lambda n: (n.startswith(f"{info}/"), n.encode())):
            data = packed.read(members[name])
            executable = bool((members[name].external_attr >> 16) & 0o111)
            out.writestr(_header(name, executable=executable), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append((name, f"sha256={digest}", str(len(data))))
        listing = io.StringIO()
        csv.writer(cast("IO[str]", listing), lineterminator="\n").writerows(
            [*sorted(rows), (f"{info}/RECORD", "", "")]
        )
        out.writestr(_header(f"{info}/RECORD", executable=False), listing.getvalue().encode())


def _header(name: str, *, executable: bool) -> zipfile.ZipInfo:
    header = zipfile.ZipInfo(name, MOMENT)
    header.create_system = 3
    header.external_attr = (0o100755 if executable else 0o100644) << 16
    return header
