"""What an image in the store holds, as a side of a comparison: packages by their unpacked trees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.content import scheme
from harness.content.stack import WHITEOUT
from harness.core.digest import Digest, short
from harness.image import model, on_base, os_packages, trees
from harness.image.image import Image
from harness.lock import deb_index
from harness.lock.diff import DEBIAN, PYTHON, Item, Setting, Side, of_theirs
from harness.lock.lock import OsPackage
from harness.world.store import Store

_NAMES = {
    "harness.environment": "environment",
    "harness.lock": "lock",
    "harness.layout": "layout",
    "harness.model": "model",
}


def side(image: Image, store: Store, *, label: str) -> Side:
    """Return *image*, whose trees are in *store*, as a side of a comparison."""
    labels = dict(image.settings.labels)
    found = list(_found(image, store))
    python = next((version for _, version in found if version), "")
    settings: dict[str, Setting] = {
        told: labels[name] for name, told in _NAMES.items() if name in labels
    }
    settings["command"] = " ".join(image.settings.command)
    settings["variables"] = tuple(f"{name}={value}" for name, value in image.settings.env)
    for layer in image.layers:
        if layer.title in model.HOMES:
            settings[f"{layer.title} layer"] = short(layer.diff_id)
    return Side(
        label=label,
        kind="image",
        reference=labels.get("harness.model") or labels.get("harness.environment", ""),
        python=python,
        platforms={image.architecture: _within(item for item, _ in found)},
        settings=settings,
    )


def keyed(side: Side) -> Side:
    """Return the side of a lock as an image would hold it: files are told apart by their trees."""
    return replace(
        side,
        platforms={
            name: tuple(replace(item, identity=_key(item, side)) for item in items)
            for name, items in side.platforms.items()
        },
    )


def named(name: str, store: Store) -> list[Image]:
    """Return the images in *store* of an environment (``tabular:3``), of a model, or of a digest
    that begins with *name* (12 digits at least); sorted by digest."""
    wanted = name.removeprefix("sha256:")
    digest = bool(re.fullmatch(r"[0-9a-f]{12,64}", wanted))
    records = store.root / "d"
    kept = [*records.glob("image/*.json"), *(records.glob("manifest/*.json") if digest else ())]
    found = []
    for stem in sorted({record.stem for record in kept}):
        if digest and not stem.startswith(wanted):
            continue
        image = model.find(Digest(f"sha256:{stem}"), store)
        if image is None or image in found:
            continue
        labels = dict(image.settings.labels)
        own = labels.get("harness.model") or labels.get("harness.environment", "")
        if digest or own == name:
            found.append(image)
    return found


def _key(item: Item, side: Side) -> str:
    if item.digest is None:
        return item.identity
    if item.room == DEBIAN:
        return trees.deb_key(item.name, item.digest)
    return trees.wheel_key(item.digest, side.scheme or scheme.debian(side.python))


def _found(image: Image, store: Store) -> Iterator[tuple[Item, str]]:
    """Yield each package, and the Python that a wheel was unpacked for."""
    site = dict(image.settings.labels).get("harness.site", "")
    patterns = [site] if site else ["usr/local/lib/python3*/dist-packages"]
    hidden = _hidden(image, store)
    for layer in image.layers:
        for tree in layer.trees:
            folder = store.root / "t" / tree
            if layer.foreign:
                yield from ((_theirs(one), "") for one in os_packages.found(folder)[1])
            for control in sorted(folder.glob("var/lib/dpkg/status.d/*")):
                if not layer.foreign and control.suffix != ".md5sums":
                    yield _deb(tree, control), ""
            theirs_too = THEIRS if layer.foreign else ()
            for about in _metadata(folder, (*patterns, *theirs_too)):
                theirs = layer.foreign and about.parent.name in hidden
                if not theirs and not about.is_symlink():
                    item = _wheel(tree, about)
                    if layer.foreign:
                        item = of_theirs(PYTHON, item.name, item.version)
                    yield item, about.parts[-4].removeprefix("python")


THEIRS = ("usr/local/lib/python3*/*-packages", "usr/lib/python3*/*-packages")
"""Where an image of others may have packages beside its interpreter's own folder."""


def _metadata(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """Yield the METADATA of each package, the first of its name alone."""
    seen = set()
    for pattern in dict.fromkeys(patterns):
        for about in sorted(folder.glob(f"{pattern}/*.dist-info/METADATA")):
            name = canonicalize_name(about.parent.name.partition("-")[0])
            if name not in seen:
                seen.add(name)
                yield about


def _theirs(one: OsPackage) -> Item:
    item = of_theirs(DEBIAN, one.name, one.version)
    return replace(item, source=one.source, source_version=one.source_version)


def _hidden(image: Image, store: Store) -> set[str]:
    """Return the names that whiteouts of ours hide in the layers of others."""
    return {
        path.name.removeprefix(WHITEOUT)
        for layer in image.layers
        if layer.title == on_base.MOVED
        for tree in layer.trees
        for path in (store.root / "t" / tree).rglob(f"{WHITEOUT}*.dist-info")
    }


def _deb(tree: str, control: Path) -> Item:
    fields = deb_index.control(control.read_text("utf-8", "replace"))
    told = ", ".join(filter(None, (fields.get("pre-depends"), fields.get("depends"))))
    source = re.fullmatch(r"(\S+)(?: \((\S+)\))?", fields.get("source", ""))
    version = fields.get("version", "")
    return Item(
        room=DEBIAN,
        name=control.name,
        version=version,
        identity=tree,
        tree=tree,
        dependencies=tuple(
            sorted({one.name for clause in deb_index.clauses(told) for one in clause})
        ),
        source=source[1] if source else control.name,
        source_version=(source[2] if source else None) or version,
    )


def _wheel(tree: str, about: Path) -> Item:
    metadata = HeaderParser().parsestr(about.read_text("utf-8", "replace"))
    needs = set()
    for text in metadata.get_all("Requires-Dist", ()):
        try:
            need = Requirement(text)
        except InvalidRequirement:
            continue
        if need.marker is None or "extra" not in str(need.marker):
            needs.add(canonicalize_name(need.name))
    return Item(
        room=PYTHON,
        name=canonicalize_name(metadata.get("Name", about.parent.name.partition("-")[0])),
        version=metadata.get("Version", ""),
        identity=tree,
        tree=tree,
        dependencies=tuple(sorted(needs)),
    )


def _within(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return the packages with those of their needs that the image has."""
    listed = sorted(items, key=lambda item: (item.room, item.name))
    there = {(item.room, item.name) for item in listed}
    return tuple(
        replace(i, dependencies=tuple(n for n in i.dependencies if (i.room, n) in there))
        for i in listed
    )
