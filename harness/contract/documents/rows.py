"""Documents as rows: a batch of them, and the same as columns, one for each place in them.

As columns, documents can be explained as any table's rows are: a cell is what stands at a place, or
nothing where a document lacks it; an array has a column for its length besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.contract.batch import Batch, Cells, cells
from harness.contract.documents.tree import (
    ABSENT,
    ARRAY,
    NULL,
    OBJECT,
    Path,
    at,
    marked,
    path_of,
    places,
    pointer,
)
from harness.contract.domain import Domain
from harness.runtime.inputs import DOCUMENT

COLUMN = Domain(name=DOCUMENT, kind="document")
"""The one input column of a model that takes documents."""

LENGTH = "length of "
_ITEMS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Documents(Batch):
    """Some documents; ``batch["/customer/age"]`` is what they hold at that place."""

    def __getitem__(self, name: str) -> Cells:
        """Return the documents, or what they hold at a JSON Pointer; raises KeyError."""
        if name == DOCUMENT:
            return self.columns[0]
        if name.startswith(LENGTH):
            return _lengths(list_of(self), path_of(name.removeprefix(LENGTH)))
        if not name.startswith("/"):
            raise KeyError(name)
        return column_at(list_of(self), path_of(name))


def batch_of(documents: Sequence[Any]) -> Documents:
    """Return *documents* as a batch; a document that is null is a missing cell."""
    return Documents(columns=(cells(DOCUMENT, "mixed", documents),))


def list_of(batch: Batch) -> list[Any]:
    """Return the documents of *batch*."""
    return list(batch.columns[0].values)


def columns_of(documents: Sequence[Any]) -> Batch:
    """Return *documents* as columns, one for each place that any of them has; of an array the
    first items alone."""
    paths = dict.fromkeys(p for document in documents for p in places(document, items=_ITEMS))
    found = []
    for path in paths:
        found.append(column_at(documents, path))
        if any(isinstance(at(document, path), list) for document in documents):
            found.append(_lengths(documents, path))
    return Batch(columns=tuple(found))


def documents_of(batch: Batch, *, spare: Any) -> list[Any]:
    """Return the documents that the columns of *batch* describe.

    An array that is longer than the items that are given repeats them; where none are given, those
    of the document *spare*.
    """
    build = _Builder(batch, spare)
    return [build.document(row) for row in range(batch.rows)]


class _Builder:
    """Puts documents together from columns."""

    def __init__(self, batch: Batch, spare: Any) -> None:
        self.spare = spare
        self.held: dict[Path, tuple[list[Any], list[bool]]] = {}
        self.lengths: dict[Path, tuple[list[Any], list[bool]]] = {}
        self.below: dict[Path, list[str]] = {}
        for column in batch.columns:
            wanted = self.held
            name = column.name
            if name.startswith(LENGTH):
                wanted, name = self.lengths, name.removeprefix(LENGTH)
            else:
                path = path_of(name)
                self.below.setdefault(path[:-1], []).append(path[-1])
            wanted[path_of(name)] = (column.values.tolist(), column.absent.tolist())

    def document(self, row: int) -> Any:
        return self._object((), row)

    def _there(self, path: Path, row: int) -> bool:
        return path in self.held and not self.held[path][1][row]

    def _object(self, path: Path, row: int) -> dict[str, Any]:
        inside = [(*path, token) for token in self.below.get(path, ())]
        return {inner[-1]: self._value(inner, row) for inner in inside if self._there(inner, row)}

    def _value(self, path: Path, row: int) -> Any:
        value = self.held[path][0][row]
        if value is OBJECT:
            return self._object(path, row)
        if value is ARRAY:
            return self._array(path, row)
        return None if value is NULL else value

    def _array(self, path: Path, row: int) -> list[Any]:
        tokens = [t for t in self.below.get(path, ()) if t.isdecimal()]
        given = sorted((t for t in tokens if self._there((*path, t), row)), key=int)
        lengths, unknown = self.lengths.get(path, ([], []))
        length = len(given) if not lengths or unknown[row] else int(lengths[row])
        if given:
            made = {int(t): self._value((*path, t), row) for t in given[:length]}
            return [made.get(i, made[int(given[i % len(given[:length])])]) for i in range(length)]
        spare = at(self.spare, path)
        known = spare if isinstance(spare, list) else []
        return [known[i % len(known)] for i in range(length)] if known else []


def column_at(documents: Sequence[Any], path: Path) -> Cells:
    """Return what *documents* hold at *path* as cells; missing where they have no such place."""
    found = [marked(at(document, path)) for document in documents]
    return _typed(pointer(path), found)


def _lengths(documents: Sequence[Any], path: Path) -> Cells:
    inner = [at(document, path) for document in documents]
    found = [len(value) if isinstance(value, list) else ABSENT for value in inner]
    return _typed(LENGTH + pointer(path), found)


def _typed(name: str, found: Sequence[Any]) -> Cells:
    """Return *found* as cells of the plainest kind that holds them all; ABSENT is missing."""
    there = [value for value in found if value is not ABSENT]
    listed = [None if value is ABSENT else value for value in found]
    return cells(name, _kind(there), listed)


def _kind(values: Sequence[Any]) -> str:
    types = {type(value) for value in values}
    if types == {bool}:
        return "boolean"
    if types == {str}:
        return "string"
    if types == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return "integer"
    if types and types <= {int, float} and all(abs(value) < 2**1023 for value in values):
        return "number"
    return "mixed"
