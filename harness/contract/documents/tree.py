"""A JSON document as a tree: its places (JSON Pointers), what stands there, and changed copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
"""The keys and positions that lead to a place, from the root; the root itself is ()."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What stands at a place that holds no text, number or truth value."""

    name: str

    def __repr__(self) -> str:
        """Return the name, as a reader sees it in a rule."""
        return self.name


OBJECT, ARRAY, NULL = Mark(name="an object"), Mark(name="an array"), Mark(name="null")
ABSENT = Mark(name="absent")


def pointer(path: Path) -> str:
    """Return *path* as a JSON Pointer (RFC 6901)."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in path)


def path_of(text: str) -> Path:
    """Return the path that the JSON Pointer *text* names."""
    tokens = text.split("/")[1:]
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)


def at(document: Any, path: Path) -> Any:
    """Return what *document* holds at *path*; ABSENT where it has no such place."""
    for token in path:
        if isinstance(document, dict):
            if token not in document:
                return ABSENT
            document = document[token]
        elif isinstance(document, list):
            if not token.isdecimal() or int(token) >= len(document):
                return ABSENT
            document = document[int(token)]
        else:
            return ABSENT
    return document


def marked(value: Any) -> Any:
    """Return *value* itself, or the mark that stands for an object, an array or null."""
    if isinstance(value, dict):
        return OBJECT
    if isinstance(value, list):
        return ARRAY
    return NULL if value is None else value


def places(document: Any, *, items: int = 8, path: Path = ()) -> Iterator[Path]:
    """Yield every place below *path*, parents first; of an array the first *items* alone."""
    inner = at(document, path) if path else document
    if isinstance(inner, dict):
        tokens = list(inner)
    elif isinstance(inner, list):
        tokens = [str(i) for i in range(min(len(inner), items))]
    else:
        return
    for token in tokens:
        yield (*path, token)
        yield from places(document, items=items, path=(*path, token))


def put(document: Any, path: Path, value: Any) -> Any:
    """Return *document* with *value* at *path*, whose parent is there; nothing else is copied."""
    if not path:
        return value
    return _changed(document, path[0], put(_child(document, path[0]), path[1:], value))


def drop(document: Any, path: Path) -> Any:
    """Return *document* without the key or item at *path*."""
    if len(path) > 1:
        return _changed(document, path[0], drop(_child(document, path[0]), path[1:]))
    if isinstance(document, dict):
        return {key: value for key, value in document.items() if key != path[0]}
    return [value for i, value in enumerate(document) if i != int(path[0])]


def _child(document: Any, token: str) -> Any:
    if isinstance(document, list):
        return document[int(token)]
    return document.get(token)


def _changed(document: Any, token: str, value: Any) -> Any:
    if isinstance(document, list):
        return [value if i == int(token) else old for i, old in enumerate(document)]
    return {**document, token: value}


def mapped(document: Any, change: Any, path: Path = ()) -> Any:
    """Return *document* with each value replaced by ``change(path, value)``, innermost first."""
    if isinstance(document, dict):
        inner: Any = {k: mapped(v, change, (*path, k)) for k, v in document.items()}
    elif isinstance(document, list):
        inner = [mapped(v, change, (*path, str(i))) for i, v in enumerate(document)]
    else:
        inner = document
    return change(path, inner)
