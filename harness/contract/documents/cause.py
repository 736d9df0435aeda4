"""CAUSE for documents: the fewest places that make one fail, and the rule for what stands there.

A document and some that pass are laid out as columns (``rows.columns_of``); then it is explained as
any row is. Only documents that the schema admits are asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract import cause, levels
from harness.contract.batch import Batch, Cells, Mask
from harness.contract.documents.rows import (
    LENGTH,
    batch_of,
    columns_of,
    documents_of,
    list_of,
)
from harness.contract.documents.schema import Schema, narrowed
from harness.contract.documents.tree import path_of
from harness.contract.domain import Domain
from harness.contract.levels import Pool
from harness.contract.oracle import Oracle
from harness.contract.rule import Rule
from harness.contract.steady import Explained
from harness.core.errors import SpecInvalid

_PASSING = 40
_LONGEST = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole(Rule):
    """The rule for one document that no place in it explains."""

    document: Any

    @property
    def columns(self) -> tuple[str, ...]:
        """No place is to blame."""
        return ()

    @property
    def text(self) -> str:
        """The rule for a reader."""
        return "this document, for no one place in it"

    def matches(self, batch: Batch) -> Mask:
        """Return which documents of *batch* are this one."""
        same = [document == self.document for document in list_of(batch)]
        return np.fromiter(same, bool, len(same))


def explain(oracle: Oracle, row: Batch, passing: Batch, schema: Schema) -> Explained:
    """Return why the document of *row* fails and *passing* ones don't."""
    document = list_of(row)[0]
    others = [other for other in list_of(passing)[:_PASSING] if isinstance(other, dict)]
    whole = Explained(row=row, rule=Whole(conditions=(), document=document))
    if not isinstance(document, dict) or not others:
        return Explained(row=row, rule=Rule(conditions=())) if not others else whole
    laid = columns_of([document, *others])
    if not laid.columns:
        return whole
    asked = _Laid(oracle, schema, document)
    first = laid.take(np.array([0]))
    if asked.first(first) is None:
        return whole
    pools = [_pool(column, schema) for column in laid.columns]
    found = cause.explain(asked, first, laid.take(np.arange(1, laid.rows)), pools)
    if not found.rule.conditions:
        return whole
    plain = batch_of(documents_of(found.row, spare=document))
    return Explained(row=plain, rule=found.rule)


class _Laid:
    """An oracle for documents that are laid out as columns."""

    def __init__(self, oracle: Oracle, schema: Schema, document: Any) -> None:
        self.bulk, self.group = oracle.bulk, oracle.group
        self._oracle = oracle
        self._schema = schema
        self._document = document

    def mask(self, batch: Batch) -> Mask:
        """Return which rows fail; a document that the schema doesn't admit does not."""
        documents, good = self._admitted(batch)
        found = np.zeros(batch.rows, bool)
        if len(good):
            found[good] = self._oracle.mask(batch_of(documents))
        return found

    def any(self, batch: Batch) -> bool:
        """Return whether any row fails."""
        documents, _ = self._admitted(batch)
        return bool(documents) and self._oracle.any(batch_of(documents))

    def first(self, batch: Batch) -> int | None:
        """Return the first row that fails."""
        documents, good = self._admitted(batch)
        found = self._oracle.first(batch_of(documents)) if documents else None
        return None if found is None else int(good[found])

    def _admitted(self, batch: Batch) -> tuple[list[Any], Any]:
        made = documents_of(batch, spare=self._document)
        good = [i for i, document in enumerate(made) if self._schema.admits(document)]
        return [made[i] for i in good], np.array(good, int)


def _pool(column: Cells, schema: Schema) -> Pool:
    domain: Domain | None
    if column.name.startswith(LENGTH):
        described = schema.at(path_of(column.name.removeprefix(LENGTH))) or {}
        low, high = described.get("minItems", 0), described.get("maxItems", _LONGEST)
        domain = Domain(name=column.name, kind="integer", minimum=low, maximum=high)
    else:
        domain = schema.domain(path_of(column.name))
    plain = Domain(name=column.name, kind="string" if column.kind == "mixed" else column.kind)
    domain = narrowed(domain or plain, column.kind)
    there = column.take(np.flatnonzero(~column.absent))
    try:
        return levels.pools((domain,), Batch(columns=(there,)))[0]
    except SpecInvalid:
        return Pool(domain=domain, levels=there, stated=len(there), seen=there, low=0.0, high=0.0)
