"""Bytecode of a tree, as a tree of its own, written by the interpreter that ships."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.content.interpreter import SHIPPED, Interpreter
from harness.content.tree import nodes
from harness.core.errors import BuildFailed

BYTECODE = "unchecked-hash marshal-2 no-tests"
"""What ``shipped.py`` writes: PEP 552's form, and marshal's version."""


def sources(root: Path) -> list[str]:
    """Return the Python sources of the tree at *root* that get bytecode, sorted.

    A package's own tests, a third of all source, get none: what imports them compiles them then.
    """
    return sorted(
        node.path
        for node in nodes(root)
        if node.kind == "file" and node.path.endswith(".py") and "/tests/" not in node.path
    )


def compile_tree(
    interpreter: Interpreter,
    root: Path,
    out: Path,
    *,
    order: Callable[[list[str]], list[str]] = sorted,
) -> None:
    """Write the bytecode of the tree at *root* below *out*; the same bytes for every *order*."""
    names = order(sources(root))
    if not names:
        return
    finished = interpreter.run(
        ["-I", "-S", "-B", "-X", "utf8", str(SHIPPED), "compile", str(root), str(out)],
        stdin="".join(f"{name}\n" for name in names).encode(),
    )
    if finished.code:
        raise BuildFailed(
            f"bytecode could not be written: {finished.tail}",
            hint="if the disk or the memory is full, make room and run the same command again; "
            "if not: harness store check",
        )
