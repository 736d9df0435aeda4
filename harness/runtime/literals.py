"""Numbers and words that stand in a model's own Python source: where its rules may turn.

The rule: of each module of the model's own code (neither the standard library's nor installed)
take the constants that the byte code of its functions and methods loads, and the module's own
constants that these name. Docstrings are never loaded.
"""

from __future__ import annotations

import dis
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

LONGEST = 40
"""Characters of a word worth trying; what is longer is a message."""
_LOADED = ("LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST")
_MODULES = 32
_DEPTH = 4
_INSTALLED = tuple(
    str(Path(sysconfig.get_path(name)).resolve())
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_OURS = str(Path(__file__).resolve().parents[1 if __package__ else 0])
"""Harness itself, also where it is run from a checkout; in an image the runtime's files alone."""

Literal = bool | int | float | str
Found = tuple[tuple[Literal, ...], tuple[str, ...]]
_KNOWN: WeakKeyDictionary[ModuleType, Found] = WeakKeyDictionary()


def is_own(module: str) -> bool:
    """Return whether the module called *module* is a model's own code."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if not file:
        return False
    path = str(Path(file).resolve())
    installed = "site-packages" in path or "dist-packages" in path  # Debian's word
    return not installed and not path.startswith((*_INSTALLED, _OURS))


def literals(modules: set[str]) -> Iterator[Literal]:
    """Yield the numbers and short words of *modules* and of own modules that they import."""
    waiting, seen = sorted(modules, reverse=True), set[str]()
    while waiting and len(seen) < _MODULES:
        name = waiting.pop()
        if name in seen or not is_own(name):
            continue
        seen.add(name)
        module = sys.modules[name]
        if module not in _KNOWN:
            _KNOWN[module] = _of_module(module)
        found, others = _KNOWN[module]
        yield from found
        waiting += (other for other in others if other not in seen)


def _of_module(module: ModuleType) -> Found:
    """Return the literals of one module, and the names of modules that it imports from."""
    held, name = vars(module), module.__name__
    named: set[str] = set()
    found: list[Literal] = []
    for code in _codes(held, name):
        named.update(code.co_names)
        found += _constants(code)
    others: dict[str, None] = {}
    for key, value in list(held.items()):
        if key in named:
            found += _flat(value, _DEPTH)
        is_module = isinstance(value, ModuleType)
        other = value.__name__ if is_module else getattr(value, "__module__", None)
        if isinstance(other, str) and other in sys.modules:
            others[other] = None
    return tuple(found), tuple(others)


def _codes(held: Mapping[str, Any], module: str) -> Iterator[CodeType]:
    for value in list(held.values()):
        if getattr(value, "__module__", None) != module:
            continue
        if isinstance(value, type):
            for member in list(vars(value).values()):
                inner = getattr(member, "__func__", None) or getattr(member, "fget", member)
                if isinstance(inner, FunctionType):
                    yield from _nested(inner.__code__)
        else:
            inner = getattr(value, "__wrapped__", value)
            if isinstance(inner, FunctionType):
                yield from _nested(inner.__code__)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _constants(code: CodeType) -> Iterator[Literal]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in _LOADED:
            yield from _flat(instruction.argval, _DEPTH)


def _flat(value: Any, depth: int) -> Iterator[Literal]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, str):
        if 0 < len(value) <= LONGEST:
            yield value
    elif depth and isinstance(value, list | tuple | set | frozenset) and len(value) <= 1000:
        for inner in value:
            yield from _flat(inner, depth - 1)
    elif depth and isinstance(value, Mapping) and len(value) <= 1000:
        for key, inner in value.items():
            yield from _flat(key, depth - 1)
            yield from _flat(inner, depth - 1)
