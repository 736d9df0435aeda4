"""The Debian packages of a root that others made: dpkg's own records (deb-control(5)), or the
folder of records that images without dpkg have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.lock import deb_index
from harness.lock.lock import OsPackage
from harness.spec.environment import PYTHONS
from harness.world import rooted


def found(root: Path) -> tuple[str, tuple[OsPackage, ...]]:
    """Return the Debian suite of the system at *root* and its packages by name; nothing for a
    system that isn't of a suite that we know."""
    release = rooted.file(root, "etc/os-release")
    lines = release.read_text("utf-8", "replace").splitlines() if release else []
    said = dict(line.replace('"', "").split("=", 1) for line in lines if "=" in line)
    suite = said.get("VERSION_CODENAME", "")
    if said.get("ID") != "debian" or suite not in PYTHONS:
        return "", ()
    packages = {one.name: one for file in _records(root) for one in _packages(file)}
    return suite, tuple(packages[name] for name in sorted(packages))


def _records(root: Path) -> Iterator[Path]:
    if status := rooted.file(root, "var/lib/dpkg/status"):
        yield status
    folder = rooted.real(root, "var/lib/dpkg/status.d")
    for one in sorted((root / folder).glob("*")) if folder else ():
        if one.is_file() and not one.is_symlink() and one.suffix != ".md5sums":
            yield one


def _packages(file: Path) -> Iterator[OsPackage]:
    for paragraph in file.read_text("utf-8", "replace").split("\n\n"):
        fields = deb_index.control(paragraph)
        name, version = fields.get("package", ""), fields.get("version", "")
        removed = not fields.get("status", " installed").endswith(" installed")
        if not name or not version or removed:
            continue
        source, _, rest = fields.get("source", name).partition(" ")
        yield OsPackage(
            name=name, version=version, source=source, source_version=rest.strip("() ") or version
        )
