"""What a package holds, read from the file itself: licence, sizes, libraries, scripts, modules.

Formats: the binary distribution format (wheels), core metadata, entry points and PEP 639; deb(5)
and the machine-readable copyright file of Debian. What is not in the store is not known: nothing
here guesses or downloads.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from email.parser import HeaderParser
from functools import partial
from pathlib import Path
from typing import Any

from harness.content import tree
from harness.core.digest import hexadecimal
from harness.core.errors import PackageRefused
from harness.lock import diff_deb, diff_wheel
from harness.lock.diff import PYTHON, Item
from harness.world.store import Store

KIND = "facts-1"
"""The kind of record that facts are kept as; another number, another way of reading them."""

SONAME = Callable[[bytes], str]
"""Returns the DT_SONAME of an ELF object; empty for what has none."""

BROKEN = (
    PackageRefused, OSError, ValueError, LookupError, EOFError, StopIteration, NotImplementedError,
    RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError,
)  # fmt: skip
"""What reading a damaged file raises: such a file's facts are not known."""

_SITE = re.compile(r"usr/(?:local/)?lib/python3[\d.]*/(?:dist|site)-packages/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What one file holds. *unpacked* is in bytes; *libraries* are sonames, or names of files of
    shared objects that have none; *requires* is what the package itself says it needs."""

    license: str
    unpacked: int
    libraries: tuple[str, ...]
    scripts: tuple[str, ...]
    modules: tuple[str, ...]
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The files of packages in a store, and what they hold; what was read once is kept."""

    store: Store
    soname: SONAME

    def path(self, item: Item) -> Path | None:
        """Return where the package's file is, or the folder that it was unpacked to."""
        if item.tree:
            folder = self.store.root / "t" / item.tree
            return folder if folder.is_dir() else None
        if item.digest is None or not self.store.has(item.digest):
            return None
        return self.store.path(item.digest)

    def facts(self, item: Item) -> Facts | None:
        """Return what the package holds; None when its file is not here or can't be read."""
        path = self.path(item)
        if path is None:
            return None
        known = self.store.recall(KIND, self._key(item))
        if known is None:
            try:
                found = _read(path, item, self.soname)
            except BROKEN:
                return None
            known = asdict(found)
            self.store.remember(KIND, self._key(item), known)
        return _recalled(known)

    def requires(self, item: Item) -> tuple[str, ...] | None:
        """Return what the package says it needs: the cheap part of its facts."""
        path = self.path(item)
        if path is None:
            return None
        known = self.store.recall(KIND, self._key(item))
        if known is not None:
            return tuple(known["requires"])
        try:
            if path.is_dir():
                return _read(path, item, self.soname).requires
            if item.room == PYTHON:
                with zipfile.ZipFile(path) as archive:
                    return diff_wheel.requires(diff_wheel.about(archive))
            return diff_deb.depends(path, item.name)
        except BROKEN:
            return None

    def gather(self, items: Iterable[Item]) -> None:
        """Read the facts of several packages at once: unpacking lets other threads run."""
        wanted = {self._key(item): item for item in items if self.path(item) is not None}
        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(self.facts, wanted.values()):
                pass

    def _key(self, item: Item) -> str:
        if item.tree:
            return f"tree-{item.tree}"
        assert item.digest is not None
        return hexadecimal(item.digest)


def _recalled(known: Mapping[str, Any]) -> Facts:
    lists = ("libraries", "scripts", "modules", "requires")
    return Facts(
        license=known["license"],
        unpacked=known["unpacked"],
        **{name: tuple(known[name]) for name in lists},
    )


def _read(path: Path, item: Item, soname: SONAME) -> Facts:
    if path.is_dir():
        return _of_tree(path, item, soname)
    return of_wheel(path, soname) if item.room == PYTHON else of_deb(path, item.name, soname)


def of_wheel(path: Path, soname: SONAME) -> Facts:
    """Return what a wheel holds; raises what ``zipfile`` does for none."""
    with zipfile.ZipFile(path) as archive:
        metadata = diff_wheel.about(archive)
        members = [one for one in archive.infolist() if not one.is_dir()]
        entries = next((m for m in members if diff_wheel.top(m.filename, "entry_points.txt")), None)
        scripts = set() if entries is None else set(diff_wheel.scripts(archive.read(entries)))
        names, libraries = [], set()
        for member in members:
            name = member.filename
            if found := re.match(r"[^/]+\.data/(\w+)/(.*)", name):
                scheme, name = found[1], found[2]
                if scheme == "scripts":
                    scripts.add(name)
                if scheme not in ("purelib", "platlib"):
                    continue
            names.append(name)
            if is_library(name):
                libraries.add(_library(name, partial(archive.read, member), soname))
        return Facts(
            license=diff_wheel.license_of(metadata),
            unpacked=sum(member.file_size for member in members),
            libraries=tuple(sorted(libraries)),
            scripts=tuple(sorted(scripts)),
            modules=diff_wheel.modules(names),
            requires=diff_wheel.requires(metadata),
        )


def of_deb(path: Path, name: str, soname: SONAME) -> Facts:
    """Return what a Debian package holds; raises PackageRefused for none."""
    opened = diff_deb.read(path, name, wanted=lambda one: is_library(one) or _copyright(one))
    return _installed(opened.sizes, opened.files.get, opened.depends, soname)


def _of_tree(folder: Path, item: Item, soname: SONAME) -> Facts:
    """Return what an unpacked package of an image holds."""
    sizes = {
        node.path: node.size if node.kind == "file" else 0
        for node in tree.nodes(folder)
        if node.kind != "folder"
    }

    def read(name: str) -> bytes | None:
        found = folder / name
        return found.read_bytes() if found.is_file() and not found.is_symlink() else None

    if item.room != PYTHON:
        control = (folder / "var/lib/dpkg/status.d" / item.name).read_text("utf-8", "replace")
        return _installed(sizes, read, diff_deb.relations(control), soname)
    inner = {_SITE.sub("", name): name for name in sizes if _SITE.match(name)}
    about = next(name for name in inner if diff_wheel.top(name, "METADATA"))
    metadata = HeaderParser().parsestr((folder / inner[about]).read_text("utf-8", "replace"))
    libraries = {
        _library(name, partial(read, where), soname)
        for name, where in inner.items()
        if is_library(name)
    }
    return Facts(
        license=diff_wheel.license_of(metadata),
        unpacked=sum(sizes.values()),
        libraries=tuple(sorted(libraries)),
        scripts=tuple(sorted(_programs(sizes))),
        modules=diff_wheel.modules(inner),
        requires=diff_wheel.requires(metadata),
    )


def _installed(
    sizes: Mapping[str, int],
    read: Callable[[str], bytes | None],
    depends: tuple[str, ...],
    soname: SONAME,
) -> Facts:
    libraries = {
        _library(name, partial(read, name), soname)
        for name, size in sizes.items()
        if size and is_library(name)
    }
    texts = [read(name) or b"" for name in sorted(sizes) if _copyright(name)]
    return Facts(
        license=", ".join(sorted({one for text in texts for one in diff_deb.licenses(text)})),
        unpacked=sum(sizes.values()),
        libraries=tuple(sorted(libraries)),
        scripts=tuple(sorted(_programs(sizes))),
        modules=diff_wheel.modules([_SITE.sub("", name) for name in sizes if _SITE.match(name)]),
        requires=depends,
    )


def is_library(name: str) -> bool:
    """Tell whether a file is a shared object, by its name."""
    base = name.rpartition("/")[2]
    return base.endswith(".so") or bool(re.search(r"\.so\.\d[\d.]*$", base))


def _library(name: str, read: Callable[[], bytes | None], soname: SONAME) -> str:
    """Return how the linker finds a shared object; an extension module is found by its name."""
    base = name.rpartition("/")[2]
    if re.search(r"\.(cpython-\w+(-[\w-]+)?|abi3)\.so$", base):
        return _module_path(name)
    return soname(read() or b"") or base


def _module_path(name: str) -> str:
    """Return a name for an extension module that the interpreter's version is no part of."""
    return re.sub(r"\.(cpython-[\w-]+|abi3)\.so$", ".so", _SITE.sub("", name))


def _programs(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if found := re.fullmatch(r"(?:usr/)?(?:local/)?s?bin/([^/]+)", name):
            yield found[1]


def _copyright(name: str) -> bool:
    return name.startswith("usr/share/doc/") and name.endswith("/copyright")


def bodies(facts: Facts | None) -> dict[str, Any] | None:
    """Return facts as JSON."""
    if facts is None:
        return None
    found = asdict(facts)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in found.items()}
