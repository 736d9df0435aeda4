"""Why an import failed, as far as its exception and the code on the way to it say: a library that
is not there, a module that is not there, a name that a package no longer has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.content.scheme import below_site

_NAMED = re.compile(r"([\w.+-]+\.so(?:\.\d+)*)\b['\"]?: cannot open shared object")
_LOADED = re.compile(r"cannot load library ['\"]([\w.+-]+)['\"]")
_LIBRARY = re.compile(r"\blib(?!rar(?:y|ies)\b)[\w+.-]*\w")
_QUOTED = re.compile(r"['\"]?([A-Za-z][\w+-]*)['\"]?(?: C)?(?: shared)? (?:library|DLL)")
_QUOTED_AFTER = re.compile(r"\blibrary ['\"]([A-Za-z][\w+-]*)['\"]", re.IGNORECASE)
_FOREIGN = re.compile(r"\S+\.(?:dylib|dll)\b", re.IGNORECASE)
_CALLED = re.compile(
    r"(?:find_library|CDLL|LoadLibrary|dlopen)\s*\(\s*(?:(?:ctypes\.)?util\.find_library\s*\(\s*)?"
    r"(?:\w+\s*,\s*)?"
    r"['\"]([\w.+-]+)['\"]"
)
_SEARCH = re.compile(r"find|found|load|locate|missing|install", re.IGNORECASE)
_ABSENT = re.compile(r"No module named '([\w.]+)'")
_GONE = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")
_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """What an import lacked. *libraries* are what the linker was asked for, by name and version;
    *sought* are guesses at what the code itself looked for (``libzbar.so``), to be held against
    an index. *module* is one that is not there; *gone* a name and the module that lacks it."""

    libraries: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()
    module: str = ""
    gone: tuple[str, str] = ("", "")


def cause(failure: dict[str, Any], root: Path) -> Cause:
    """Return the cause of *failure*, as the probe tells it, in the image at *root*."""
    texts = [failure["message"], *failure.get("before", ())]
    text = _FOREIGN.sub("", "\n".join(texts))
    libraries = tuple(dict.fromkeys(_NAMED.findall(text)))
    sought: list[str] = []
    if not libraries or _LOADED.search(text):
        sought += [name for one in _LOADED.findall(text) for name in spellings(one)]
        if _SEARCH.search(text):
            sought += [f"{name}" for one in _LIBRARY.findall(text) for name in spellings(one)]
            quoted = (*_QUOTED.findall(text), *_QUOTED_AFTER.findall(text))
            sought += [name for one in quoted for name in spellings(one)]
        if failure["type"] in ("ImportError", "OSError", "RuntimeError", "LibraryNotFound"):
            sought += _called(failure.get("files", ()), root)
    absent, gone = _ABSENT.search(text), _GONE.search(text)
    attribute = _ATTRIBUTE.search(text)
    pair = ("", "")
    if gone:
        pair = (gone[1], gone[2])
    elif attribute:
        pair = (attribute[2], attribute[1])
    return Cause(
        libraries=libraries,
        sought=tuple(dict.fromkeys(name for name in sought if name not in libraries)),
        module=absent[1] if absent else "",
        gone=pair,
    )


def spellings(name: str) -> Iterator[str]:
    """Yield the names under which Debian may have a library that code calls *name*: ``zbar``,
    ``libmagic``, ``libgobject-2.0-0``."""
    plain = name if name.startswith("lib") else f"lib{name}"
    if ".so" in plain:
        yield plain
        return
    yield f"{plain}.so"
    if numbered := re.fullmatch(r"(.+)-(\d+)", plain):
        yield f"{numbered[1]}.so.{numbered[2]}"


def _called(files: Iterable[str], root: Path) -> Iterator[str]:
    """Yield the libraries that the code on the way to the failure asks for by a literal name."""
    for file in list(files)[:4]:
        path = root / file.lstrip("/")
        if below_site(file) is not None and path.is_file():
            for name in _CALLED.findall(path.read_text("utf-8", "replace")):
                if not name.endswith((".dll", ".dylib")):
                    yield from spellings(name)
