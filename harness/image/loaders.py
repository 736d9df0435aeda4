"""Modules of an image that open shared libraries by themselves, where no ELF header says so; and
packages whose own import proves nothing of them. Sources are read and never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from harness.image.installed import Distribution

_OPENS = re.compile(rb"\b(?:find_library|CDLL|dlopen|LoadLibrary|load_library)\s*\(|\bcdll\.")
_ASIDE = frozenset({"test", "tests", "testing", "conftest", "__main__"})

_VERSION = frozenset(
    {"version", "_version", "__version__", "__about__", "_about", "__future__"}
    | {"importlib", "importlib.metadata", "typing"}
)
"""What a package imports that says no more than which version it is."""


def inner(wheels: Iterable[Distribution]) -> tuple[str, ...]:
    """Return the modules below the top-level ones of *wheels* whose code opens libraries, sorted;
    without tests, which nobody but their authors imports."""
    found = set()
    for one in wheels:
        for file in one.files:
            *folders, last = file.split("/")
            stem = last.removesuffix(".py")
            parts = folders if stem == "__init__" else [*folders, stem]
            if (
                last == stem
                or len(parts) < 2
                or not all(part.isidentifier() for part in parts)
                or not _ASIDE.isdisjoint(parts)
            ):
                continue
            path = one.info.parent / file
            if path.is_file() and _OPENS.search(path.read_bytes()):
                found.add(".".join(parts))
    return tuple(sorted(found))


def hollow(library: Path, module: str) -> bool:
    """Tell whether the package *module* in *library* imports nothing but its own version: what
    works of it is shown by the modules below it alone."""
    path = library / module / "__init__.py"
    if not path.is_file():
        return False
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False
    return all(_trivial(node, module) for node in ast.walk(tree))


def _trivial(node: ast.AST, module: str) -> bool:
    match node:
        case ast.Import(names=names):
            sources = [one.name for one in names]
        case ast.ImportFrom(module=None, names=names):
            sources = [one.name for one in names]
        case ast.ImportFrom(module=str(source)):
            sources = [source]
        case _:
            return True
    return all(source.removeprefix(f"{module}.") in _VERSION for source in sources)
