"""Packages of a base image hidden: a whiteout for each file that their RECORD names, or for a whole
folder where nothing else is in it (OCI image specification, ``layer.md``)."""

from __future__ import annotations

import csv
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from harness.content.stack import WHITEOUT
from harness.content.tree import Writer
from harness.image.key import key
from harness.lock.lock import Base, Installed
from harness.world import rooted
from harness.world.store import Store


def tree(on: Base, below: str, store: Store) -> str:
    """Return the key of the tree that hides what had to move of *on*, whose tree is *below*."""
    root = store.root / "t" / below
    names = {move.name for move in on.moved}
    going = [one for one in on.packages if one.name in names]
    staying = [one for one in on.packages if one.name not in names]

    def fill(target: Path) -> None:
        kept = {path for one in staying for path in _files(root, one)}
        gone = {path for one in going for path in _files(root, one)} - kept
        writer = Writer(target, "moved")
        for path in sorted(_collapsed(root, gone, never={on.scheme.site, on.scheme.scripts})):
            above, _, last = path.rpartition("/")
            writer.file(f"{above}/{WHITEOUT}{last}".lstrip("/"), b"")

    name = key("moved", below, sorted((one.name, one.info) for one in going), 1)
    store.tree(name, fill)
    return name


def _files(root: Path, one: Installed) -> Iterator[str]:
    """Yield the files below *root* that the RECORD of *one* names, bytecode and metadata too."""
    record = rooted.file(root, f"{one.info}/RECORD") if one.info else None
    if record is None:
        return
    library = posixpath.dirname(one.info)
    with record.open(encoding="utf-8", newline="") as rows:
        named = [row[0] for row in csv.reader(rows) if row]
    named += [f"{posixpath.basename(one.info)}/{name}" for name in os.listdir(root / one.info)]
    for name in named:
        path = posixpath.normpath(name if name.startswith("/") else f"{library}/{name}").lstrip("/")
        if path.startswith("../") or not os.path.lexists(root / path):
            continue
        yield path
        folder, _, last = path.rpartition("/")
        if last.endswith(".py"):
            for cached in (root / folder / "__pycache__").glob(f"{last[:-3]}.*.pyc"):
                yield f"{folder}/__pycache__/{cached.name}"


def _collapsed(root: Path, gone: set[str], *, never: set[str]) -> set[str]:
    """Return *gone* with whole folders in place of all that they hold."""
    found = set(gone)
    folders = {str(parent) for path in gone for parent in _above(path)} - never
    for folder in sorted(folders, key=lambda f: -f.count("/")):
        inside = {f"{folder}/{name}" for name in os.listdir(root / folder)}
        if inside <= found:
            found = {path for path in found if not path.startswith(f"{folder}/")} | {folder}
    return found


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
