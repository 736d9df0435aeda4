"""One module's top level, read: which names it binds, in every branch of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Names:
    """What one module binds. *open*: it may have more names than its source shows. *aliases*
    maps a name to the module (and name in it) that it was imported from; *exports* is ``__all__``
    where that can be read; *stub*: a stub says all names."""

    bound: frozenset[str]
    aliases: Mapping[str, tuple[str, str]]
    exports: tuple[str, ...] | None
    open: bool
    stub: bool = False


class Others(Protocol):
    """The other modules, which this one may import from."""

    def is_module(self, name: str) -> bool:
        """Tell whether a module of that name is here."""

    def names(self, module: str) -> Names | None:
        """Return what a module binds; None for what can't be read."""

    def exported(self, module: str) -> tuple[frozenset[str], bool]:
        """Return what a star import of it binds, and whether it may be more."""


class Reading:
    """One reading of a module's top level: what it binds, in every branch."""

    def __init__(self, others: Others, module: str, *, package: bool) -> None:
        self.others = others
        self.module = module
        self.package = package
        self.bound: set[str] = set()
        self.aliases: dict[str, tuple[str, str]] = {}
        self.exports: list[str] | None = None
        self.readable = True
        self.open = False

    def read(self, parsed: ast.Module) -> Names:
        """Return what the module binds."""
        self._block(parsed.body)
        for node in ast.walk(parsed):
            if isinstance(node, ast.Global):
                self.bound.update(node.names)
        exports = tuple(self.exports) if self.exports is not None and self.readable else None
        if exports:
            self.bound.update(exports)
        if "__getattr__" in self.bound:
            self.open = True
        return Names(frozenset(self.bound), self.aliases, exports, self.open)

    def _block(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    self._bind(node.name)
                case ast.Import():
                    for one in node.names:
                        self._import(one)
                case ast.ImportFrom():
                    self._import_from(node)
                case ast.Assign():
                    for target in node.targets:
                        self._target(target, node.value)
                case ast.AnnAssign() if node.value is not None or self._is_stub(node):
                    self._target(node.target, node.value)
                case ast.AugAssign():
                    self._augment(node)
                case ast.Expr(value=ast.Call() as call):
                    self._call(call)
                case ast.If() | ast.For() | ast.While():
                    if isinstance(node, ast.For):
                        self._target(node.target, None)
                    self._block([*node.body, *node.orelse])
                case ast.With():
                    for item in node.items:
                        if item.optional_vars is not None:
                            self._target(item.optional_vars, None)
                    self._block(node.body)
                case ast.Try():
                    self._block([*node.body, *node.orelse, *node.finalbody])
                    for handler in node.handlers:
                        self._block(handler.body)
                case ast.Delete():
                    for target in node.targets:
                        if isinstance(target, ast.Name):
                            self._unbind(target.id)

    def _is_stub(self, node: ast.AnnAssign) -> bool:
        return node.simple == 1  # without a value it binds in a stub alone: close enough

    def _bind(self, name: str) -> None:
        self.bound.add(name)
        self.aliases.pop(name, None)

    def _unbind(self, name: str) -> None:
        self.bound.discard(name)
        self.aliases.pop(name, None)

    def _target(self, target: ast.expr, value: ast.expr | None) -> None:
        for name in _targets(target):
            self._bind(name)
            if name == "__all__":
                self.exports, self.readable = [], True
                self._export(value)

    def _augment(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name) and node.target.id == "__all__":
            self.exports = self.exports or []
            self._export(node.value)

    def _call(self, call: ast.Call) -> None:
        match call.func:
            case ast.Attribute(value=ast.Name(id="__all__"), attr="extend" | "append" as verb):
                self.exports = self.exports or []
                for argument in call.args:
                    if verb == "append":
                        argument = ast.List(elts=[argument], ctx=ast.Load())
                    self._export(argument)
            case ast.Attribute(value=ast.Name(id="__all__"), attr="remove"):
                for argument in call.args:
                    if isinstance(argument, ast.Constant) and self.exports:
                        self.exports = [one for one in self.exports if one != argument.value]
            case ast.Attribute(
                value=ast.Call(func=ast.Name(id="globals" | "vars" | "locals")), attr="update"
            ):
                self.open = True
            case ast.Name(id="exec" | "setattr"):
                self.open = True

    def _export(self, value: ast.expr | None) -> None:
        """Add what an expression lists to ``__all__``; one that can't be read makes it unknown."""
        assert self.exports is not None
        match value:
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                for element in elements:
                    match element:
                        case ast.Constant(value=str(name)):
                            self.exports.append(name)
                        case ast.Starred(value=inner):
                            self._export(inner)
                        case _:
                            self._unreadable()
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                self._export(left)
                self._export(right)
            case ast.Call(func=ast.Name(id="list" | "tuple" | "sorted"), args=[inner]):
                self._export(inner)
            case ast.Name(id="__all__"):
                pass
            case ast.Attribute(attr="__all__"):
                names = self._exports_of(value.value)
                if names is None:
                    self._unreadable()
                else:
                    self.exports += names
            case _:
                self._unreadable()

    def _unreadable(self) -> None:
        self.readable = False
        self.open = True

    def _exports_of(self, module: ast.expr) -> list[str] | None:
        dotted = _dotted(module)
        if dotted is None:
            return None
        first, _, rest = dotted.partition(".")
        target, attribute = self.aliases.get(first, (f"{self.module}.{first}", ""))
        whole = ".".join(filter(None, (target, attribute, rest)))
        found = self.others.names(whole)
        return None if found is None or found.exports is None else list(found.exports)

    def _import(self, one: ast.alias) -> None:
        name = one.asname or one.name.split(".")[0]
        self._bind(name)
        self.aliases[name] = (one.name if one.asname else name, "")

    def _import_from(self, node: ast.ImportFrom) -> None:
        origin = self._origin(node)
        for one in node.names:
            if one.name == "*":
                names, more = self.others.exported(origin)
                self.bound |= names
                if more or not self.others.is_module(origin):
                    self.open = True
                continue
            name = one.asname or one.name
            self._bind(name)
            inner = f"{origin}.{one.name}" if origin else one.name
            if self.others.is_module(inner):
                self.aliases[name] = (inner, "")
            elif origin != self.module:
                self.aliases[name] = (origin, one.name)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.module.split(".")
        keep = len(parts) - node.level + (1 if self.package else 0)
        return ".".join([*parts[: max(keep, 0)], *filter(None, [node.module])])


def _targets(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Name(id=name):
            yield name
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from _targets(element)
        case ast.Starred(value=inner):
            yield from _targets(inner)


def _dotted(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            before = _dotted(value)
            return None if before is None else f"{before}.{attr}"
    return None
