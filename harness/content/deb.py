"""A Debian package becomes a tree: its data archive alone, no maintainer script ever runs.

The format is deb(5): an ar(5) archive of ``debian-binary``, ``control.tar.*``, ``data.tar.*``.
Paths are moved to where a merged-/usr system has them. Manual pages, translations and
documentation stay out; copyright files stay in. The control record and the files' MD5 sums go to
``var/lib/dpkg/status.d/``, where scanners look for packages of images without dpkg.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from harness.content import alternatives
from harness.content.tree import Budget, Writer, inner, native
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
STATUS = "var/lib/dpkg/status.d"


def unpack(archive: Path, package: str, root: Path) -> dict[str, str]:
    """Write the package's tree below *root*; raises PackageRefused for what it may not hold.

    Returns the sha256 of each file written, by its place.
    """
    members = dict(_ar(archive, package))
    data = next((name for name in members if name.startswith("data.tar")), None)
    control = next((name for name in members if name.startswith("control.tar")), None)
    if data is None or control is None:
        raise PackageRefused(f"{package}: {archive.name} is not a Debian package")
    writer = Writer(root, package)
    about = _control(members[control], package)
    if "control" not in about:
        raise PackageRefused(f"{package}: {archive.name} has no control record")
    _data(members[data], package, writer)
    writer.file(f"{STATUS}/{package}", about["control"])
    if sums := _sums(about.get("md5sums", b""), root):
        writer.file(f"{STATUS}/{package}.md5sums", sums)
    script = about.get("postinst", b"").decode("utf-8", "replace")
    if offered := alternatives.offered(script):
        moved = (
            alternatives.Alternative(merged(one.link), one.priority, merged(one.target))
            for one in offered
            if not _left_out(merged(one.link), folder=False)
        )
        writer.file(f"{alternatives.FOLDER}/{package}", alternatives.dumps(sorted(moved)))
    return writer.digests


def merged(name: str) -> str:
    """Return *name* as a merged-/usr system has it: ``lib/x`` is ``usr/lib/x``."""
    first, slash, rest = name.partition("/")
    if first in MERGED:
        return f"usr/{first}{slash}{rest}"
    return name


def _control(data: bytes, package: str) -> dict[str, bytes]:
    """Return the files that describe the package, by name."""
    return {
        inner(member.name, package): content
        for member, content in _members(data, package)
        if member.isfile()
    }


def _data(data: bytes, package: str, writer: Writer) -> None:
    kept: dict[str, bool] = {}
    for member, content in _members(data, package):
        original = inner(member.name, package)
        name = merged(original)
        if not name or _left_out(name, folder=member.isdir()):
            continue
        if member.isdir():
            writer.folder(name)
        elif member.issym():
            if not _merges(original, member.linkname):
                writer.link(name, member.linkname)
        elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.LNKTYPE):
            if member.mode & 0o6000:
                raise PackageRefused(
                    f"{package}: {name} is setuid or setgid, which no image of ours holds",
                    hint="leave this package out of the environment",
                )
            executable = bool(member.mode & 0o111)
            if member.islnk():
                first = merged(inner(member.linkname, package))
                if first not in kept:
                    raise PackageRefused(
                        f"{package}: {name} is a hard link to {first}, which is no file before it"
                    )
                executable = kept[first]
                content = (writer.root / native(first)).read_bytes()
            kept[name] = executable
            writer.file(name, content, executable=executable)
        else:
            raise PackageRefused(f"{package}: {name} is a device, a pipe or worse")


def _merges(name: str, target: str) -> bool:
    """Tell whether a link is one of the merged /usr itself, as base-files has since trixie; the
    base tree makes those."""
    return name in MERGED and target.strip("/") == f"usr/{name}"


def _left_out(name: str, *, folder: bool) -> bool:
    probe = f"{name}/" if folder else name
    if any(probe.startswith(prefix) for prefix in LEFT_OUT):
        return True
    return probe.startswith("usr/share/doc/") and not name.endswith("/copyright")


def _sums(listed: bytes, root: Path) -> bytes:
    """Return the lines of ``md5sums`` (deb-md5sums(5)) whose files are in the tree."""
    lines = []
    for line in listed.decode("utf-8", "replace").splitlines():
        digest, _, name = line.partition("  ")
        if ".." not in name and (root / native(merged(name))).is_file():
            lines.append(f"{digest}  {merged(name)}\n")
    return "".join(sorted(lines)).encode()


def _members(data: bytes, package: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield each member of a tar with its bytes, which are none but a file's."""
    budget = Budget(package, len(data), LARGEST)
    last = ""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*", encoding="utf-8") as tar:
            for member in tar:
                last = member.name
                if member.issparse():
                    raise PackageRefused(f"{package}: {last} is a sparse file, which dpkg refuses")
                budget.take(last, member.size)
                file = tar.extractfile(member) if member.isreg() else None
                yield member, file.read() if file else b""
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error, ValueError) as bad:
        after = f" at {last}" if last else ""
        raise PackageRefused(
            f"{package}: its archive can't be read{after} ({bad})",
            hint="it is damaged, or compressed otherwise than by gzip, xz or bzip2, which is "
            "what Debian's own archive has",
        ) from bad


def _ar(archive: Path, package: str) -> Iterator[tuple[str, bytes]]:
    data = archive.read_bytes()
    if not data.startswith(b"!<arch>\n"):
        raise PackageRefused(f"{package}: {archive.name} is not a Debian package")
    offset = 8
    while offset < len(data):
        header = data[offset : offset + 60]
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        length = header[48:58].strip()
        size = int(length) if length.isdigit() else -1
        offset += 60
        if header[58:] != b"`\n" or size < 0 or offset + size > len(data):
            raise PackageRefused(
                f"{package}: {archive.name} is damaged or cut off at {name or 'its end'!r}"
            )
        yield name, data[offset : offset + size]
        offset += size + size % 2
