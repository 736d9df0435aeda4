"""Which names of other packages a model's code uses, and where: read, not run.

Only what is sure counts: a name that is bound by imports alone in its file. What a ``try`` guards
against being absent is the model's own business, and left out.
"""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_ABSENCES = {"ImportError", "ModuleNotFoundError", "AttributeError", "Exception", "BaseException"}
_NOT_CODE = {"__pycache__", "node_modules", "build", "dist", "site-packages"}


@dataclass(frozen=True, order=True, slots=True)
class Use:
    """``numpy.in1d`` used in a *file* (relative to the model's folder) on a *line*."""

    name: str
    file: str
    line: int


def of_folder(folder: Path) -> tuple[Use, ...]:
    """Return every use of another package's names below *folder*, sorted.

    Hidden folders, virtual environments and files that don't parse are passed over.
    """
    found: set[Use] = set()
    own = {path.stem for path in folder.glob("*.py")}
    own |= {path.parent.name for path in folder.glob("*/__init__.py")}
    for path in _sources(folder):
        name = path.relative_to(folder).as_posix()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parsed = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError, OSError):
            continue
        for dotted, line in of_source(parsed):
            if dotted.split(".")[0] not in own:
                found.add(Use(dotted, name, line))
    return tuple(sorted(found))


def of_source(parsed: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the dotted names that one file takes from absolute imports, each with its line."""
    guarded = _guarded(parsed)
    imported: dict[str, str] = {}
    rebound = _rebound(parsed)
    for node in ast.walk(parsed):
        match node:
            case ast.Import():
                for one in node.names:
                    name = one.asname or one.name.split(".")[0]
                    target = one.name if one.asname else name
                    if imported.setdefault(name, target) != target:
                        rebound.add(name)
                    if node not in guarded:
                        yield one.name, node.lineno
            case ast.ImportFrom(module=str(module), level=0):
                for one in node.names:
                    if one.name == "*":
                        continue
                    name, target = one.asname or one.name, f"{module}.{one.name}"
                    if imported.setdefault(name, target) != target:
                        rebound.add(name)
                    if node not in guarded:
                        yield target, node.lineno
            case ast.ImportFrom():
                rebound.update(one.asname or one.name for one in node.names)
    known = {name: target for name, target in imported.items() if name not in rebound}
    inner: set[ast.AST] = set()
    for node in ast.walk(parsed):  # an outer attribute comes before the ones it is made of
        if isinstance(node, ast.Attribute) and node not in inner:
            dotted, parts = _dotted(node)
            inner.update(parts)
            first, _, rest = dotted.partition(".")
            if first in known and rest and node not in guarded and isinstance(node.ctx, ast.Load):
                yield f"{known[first]}.{rest}", node.lineno


def _sources(folder: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _NOT_CODE
            and not Path(top, name, "pyvenv.cfg").exists()
        )
        yield from (Path(top, name) for name in sorted(names) if name.endswith(".py"))


def _dotted(node: ast.Attribute) -> tuple[str, list[ast.AST]]:
    """Return ``a.b.c``, and the attributes that it is made of; a chain on anything but a name
    begins with an empty part."""
    names: list[str] = []
    parts: list[ast.AST] = []
    current: ast.expr = node
    while isinstance(current, ast.Attribute):
        names.append(current.attr)
        current = current.value
        parts.append(current)
    names.append(current.id if isinstance(current, ast.Name) else "")
    return ".".join(reversed(names)), parts


def _rebound(parsed: ast.Module) -> set[str]:
    """Return the names that something else than an import binds anywhere in the file."""
    found: set[str] = set()
    for node in ast.walk(parsed):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found.add(name)
            case ast.arg(arg=name):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name):
                found.add(name)
            case ast.ExceptHandler(name=str(name)):
                found.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                found.add(name)
            case ast.MatchMapping(rest=str(name)):
                found.add(name)
    return found


def _guarded(parsed: ast.Module) -> set[ast.AST]:
    """Return the nodes of blocks whose failure the file itself handles."""
    found: set[ast.AST] = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Try) and any(_absence(one.type) for one in node.handlers):
            found |= _below(node.body)
            for handler in node.handlers:
                found |= _below(handler.body)
        elif isinstance(node, ast.If) and _types_only(node.test):
            found |= _below(node.body)
    return found


def _below(body: Iterable[ast.stmt]) -> set[ast.AST]:
    return {inner for statement in body for inner in ast.walk(statement)}


def _absence(kind: ast.expr | None) -> bool:
    match kind:
        case None:
            return True
        case ast.Name(id=name):
            return name in _ABSENCES
        case ast.Tuple(elts=elements):
            return any(_absence(one) for one in elements)
    return False


def _types_only(test: ast.expr) -> bool:
    """Tell whether a condition holds for type checkers alone."""
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
    return False
