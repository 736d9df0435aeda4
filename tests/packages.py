"""Small .debs and wheels, made by the tests as their formats say."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def member(
    name: str,
    data: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o644,
    link: str = "",
) -> tuple[tarfile.TarInfo, bytes]:
    """Return one member of a tar."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(data)
    info.mode = mode
    info.linkname = link
    return info, data


def tar(members: Iterable[tuple[tarfile.TarInfo, bytes]], *, errors: str = "strict") -> bytes:
    """Return a compressed tar of *members*; *errors* are what names that are no text meet."""
    out = io.BytesIO()
    kind = tarfile.PAX_FORMAT if errors == "strict" else tarfile.GNU_FORMAT
    with tarfile.open(fileobj=out, mode="w:xz", format=kind, errors=errors, preset=0) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def deb(
    path: Path,
    members: Iterable[tuple[tarfile.TarInfo, bytes]] | bytes,
    name: str = "thing",
    *,
    about: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a Debian package (deb(5)) at *path*; *members* may be a tar already, *about* are files
    beside the control record."""
    told = {"control": f"Package: {name}\n".encode(), **(about or {})}
    control = tar([member(f"./{file}", text) for file, text in told.items()])
    data = members if isinstance(members, bytes) else tar(members)
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": control, "data.tar.xz": data}
    out = b"!<arch>\n"
    for title, data in parts.items():
        out += f"{title:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        out += data + b"\n" * (len(data) % 2)
    path.write_bytes(out)
    return path


def wheel(
    folder: Path,
    name: str = "thing",
    version: str = "1.0",
    files: Mapping[str, bytes] | None = None,
    *,
    record: Mapping[str, bytes] | None = None,
    entry_points: str = "",
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Write a wheel of *files*; *record* replaces what RECORD says of a file's bytes."""
    info = f"{name}-{version}.dist-info"
    content = {
        f"{name}/__init__.py": b"",
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entry_points:
        content[f"{info}/entry_points.txt"] = entry_points.encode()
    rows = []
    for path, data in content.items():
        said = hashlib.sha256((record or {}).get(path, data)).digest()
        digest = base64.urlsafe_b64encode(said).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(data)}")
    rows.append(f"{info}/RECORD,,")
    target = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", compression) as archive:
        for path, data in content.items():
            archive.writestr(path, data)
        archive.writestr(f"{info}/RECORD", "\n".join(rows) + "\n")
    return target
