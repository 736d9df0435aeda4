"""Trees as one: merged by their paths, or laid out in one folder by hard links."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from harness.content.planting import Clash, Planted, alike
from harness.content.tree import Node, native, nodes
from harness.core.errors import PackageConflict


def merge(trees: Mapping[str, Path]) -> dict[str, Node]:
    """Return the union of the named *trees*, by path, sorted by the path's bytes.

    Raises PackageConflict when two of them have one path with different bytes, modes or kinds.
    """
    merged: dict[str, Node] = {}
    owner: dict[str, str] = {}
    for name in sorted(trees):
        for node in nodes(trees[name]):
            known = merged.get(node.path)
            if known is None:
                merged[node.path] = node
                owner[node.path] = name
            elif not same(known, node):
                raise PackageConflict(
                    f"{owner[node.path]} and {name} both write /{node.path}, with different bytes",
                    hint="remove one of the two packages from the environment",
                )
    return dict(sorted(merged.items(), key=lambda item: item[0].encode()))


def same(one: Node, other: Node) -> bool:
    """Tell whether two nodes are of one kind, mode and content."""
    return one.kind == other.kind and (one.kind == "folder" or alike(one.source, other.source))


def plant(merged: Mapping[str, Node], root: Path) -> None:
    """Lay *merged* out below *root*."""
    base = os.fspath(root)
    for node in merged.values():  # sorted: a folder comes before what it holds
        target = f"{base}/{native(node.path)}"
        if node.kind == "folder":
            os.mkdir(target, 0o755)
        else:
            os.link(node.source, target, follow_symlinks=False)


def lay_out(trees: Mapping[str, Path], root: Path) -> None:
    """Lay the named *trees* out below *root*; raises PackageConflict as ``merge`` does."""
    planted = Planted(os.fspath(root))
    try:
        for tree in trees.values():
            planted.add(os.fspath(tree))
    except Clash:
        merge(trees)  # sees it too, and says what it is
        raise
