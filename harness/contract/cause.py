"""CAUSE: the fewest cells that make a row fail, and the rule for them.

A row's cells are put into rows that pass (baselines). A set of cells is *sufficient* when the
baselines fail with it, and *irreducible* when no cell can be left out. Several diverse baselines
are needed: one that happens to hold half of a conjunction would hide that half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.contract.axis import axis
from harness.contract.baselines import BASELINES, diverse
from harness.contract.batch import Batch, Cells, join, mosaic
from harness.contract.edge import Place, conditions, put_values, refine
from harness.contract.fewest import MOST_TOLD, Fewest, fewest, matches, source
from harness.contract.levels import Pool
from harness.contract.oracle import Counted, Oracle
from harness.contract.precision import Fresh, Precision, measure
from harness.contract.promise import OutOfCalls, OutOfTime
from harness.contract.relate import Terms, compared, mended, related
from harness.contract.rule import Condition, Part, Rule
from harness.contract.steady import Explained

MOST_CALLS = 60
"""How many calls of the model an explanation may take where a call tells one bit."""
CALLS_KEPT = 4
"""How many of them are kept for asking the row again, and for showing it."""

_MOST_KNOWN = 4096
_RESERVE, _FIRST = 4, 14
_LAST = 14  # questions that an oracle in bulk keeps for the end
_MENDS = 3
_MANY = 3
_MOST_POINTS = 1500
_BLURRED, _LIFT = 0.05, 4.0  # of rows outside; how much oftener rows inside must fail then
_NEARLY_ALWAYS = 0.9  # of the rows inside: then no further cell is blamed


def explain(
    oracle: Oracle,
    row: Batch,
    passing: Batch,
    pools: Sequence[Pool],
    *,
    fresh: Fresh | None = None,
    left: Callable[[], int] | None = None,
    pace: float = 1.0,
) -> Explained:
    """Return why *row* (a batch of one, which fails) fails and *passing* rows don't.

    *fresh* makes so many other rows, to measure the rule with. *left* says how many questions may
    still be asked; one in bulk feels it only when few are left. *pace* is the share of the usual
    rows that a slow model is asked about.
    """
    if not passing.rows:
        return Explained(row=row, rule=Rule(conditions=()))
    asked = Counted(oracle)
    may = left if left is not None else lambda: MOST_CALLS - asked.count
    if oracle.bulk:
        some = may
        may = lambda: MOST_CALLS if some() > _LAST else some()  # noqa: E731
    most = max(16, int(_MOST_POINTS * pace))
    by_name = {pool.domain.name: pool for pool in pools}
    known = passing.take(
        np.linspace(0, passing.rows - 1, min(passing.rows, _MOST_KNOWN)).astype(int)
    )
    bases = diverse(known, BASELINES)
    best: Explained | None = None
    try:
        best = _explained(asked, row, bases, known, by_name, may, most)
        terms = Terms(
            oracle=asked,
            row=row,
            plain=best.row,
            rule=best.rule,
            pools=by_name,
            left=may,
            most=most,
        )
        if not best.rule.conditions and not best.rule.many:
            best = replace(best, rule=replace(best.rule, share=_share(asked, known, fresh)))
        if best.rule.conditions:
            best = _measured(
                terms,
                best,
                lambda rule: measure(asked, rule, terms.plain, known, by_name, fresh, may),
            )
        best = _upheld(_refined(asked, best, by_name, may), known)
        if _blurred(best):
            share = _share(asked, known, fresh)
            return Explained(row=row, rule=Rule(conditions=(), share=share))
    except OutOfCalls:
        best = best or Explained(row=row, rule=Rule(conditions=(), share=0.0))
    except OutOfTime:
        if best is None:
            raise
    if not oracle.bulk and _guessed(best):
        return Explained(row=row, rule=Rule(conditions=(), share=0.0))
    order = sorted(
        best.rule.conditions,
        key=lambda part: (row.names.index(part.columns[0]), part.sign[0] == "<"),
    )
    return replace(best, rule=replace(best.rule, conditions=tuple(order)))


def _blurred(found: Explained) -> bool:
    """Tell whether the rule explains nothing: rows outside of it fail nearly as often."""
    if found.inside is None or found.outside is None:
        return False
    return found.outside > _BLURRED and found.inside < _LIFT * found.outside


def _guessed(found: Explained) -> bool:
    """Tell whether too little speaks for the rule to tell it: thresholds of one cell that all the
    questions didn't find, and no row inside of them that was asked but the one itself."""
    parts = found.rule.conditions
    vague = all(isinstance(part, Condition) and part.known is not None for part in parts)
    return len(found.rule.columns) == 1 and vague and found.measured[0] <= 1


def _upheld(found: Explained, known: Batch) -> Explained:
    """Return *found*, which some *known* rows that pass may contradict; where many do, with the
    blamed cells' own values for its rule, with none where some hold even these."""
    against = found.rule.matches(known) if found.rule.conditions else np.zeros(0, bool)
    if not against.any():
        return found
    if against.mean() <= _BLURRED:
        if found.inside is not None:
            return found
        rows = int(against.sum()) + 1
        return replace(found, inside=1.0 / rows, measured=(rows, found.measured[1]))
    own = Rule(conditions=tuple(_own(found.row[name]) for name in found.rule.columns))
    if own.matches(known).any():
        own = Rule(conditions=(), share=0.0)
    return Explained(row=found.row, rule=own)


def _own(cell: Cells) -> Condition:
    value = cell.at(0)
    sign = "missing" if value is None else "=="
    return Condition(column=cell.name, sign=sign, value=value)


def _share(oracle: Oracle, known: Batch, fresh: Fresh | None) -> float | None:
    """Return which share of other rows fails; None where it is as good as every one."""
    if not oracle.bulk:
        return 0.0 if known.rows else None
    rows = known if fresh is None else fresh(_MOST_KNOWN)
    share = float(oracle.mask(rows).mean()) if rows.rows else 0.0
    return None if share >= _NEARLY_ALWAYS else share


def _measured(terms: Terms, found: Explained, measured: Callable[[Rule], Precision]) -> Explained:
    """Return *found* with its precision; mended, as far as that makes it better, where a row
    passes that its rule holds for."""

    def fits(rule: Rule | None) -> bool:
        return rule is not None and bool(
            rule.matches(terms.plain).all() and rule.matches(terms.row).all()
        )

    for relation in (compared, related):
        rule = relation(terms)
        if rule is not None and fits(rule):
            found = replace(found, rule=rule)
            break
    seen = measured(found.rule)
    for _ in range(_MENDS):
        if seen.against is None or terms.left() < _RESERVE:
            break
        rule = mended(replace(terms, rule=found.rule), seen.against)
        if rule is None or not fits(rule):
            break
        wider = len(rule.columns) > len(found.rule.columns)
        if wider and not (terms.oracle.bulk or terms.oracle.group):
            break  # too few can be asked to tell
        if wider and seen.inside is not None and seen.inside >= _NEARLY_ALWAYS:
            break  # a row that passes by chance is no reason to blame one more cell
        again = measured(rule)
        poor = wider and again.inside is not None and again.inside < _NEARLY_ALWAYS
        if again.worth < seen.worth or poor:
            break
        found, seen = replace(found, rule=rule), again
    # None of the few asked fails, and the row does: they tell nothing.
    return replace(found, inside=seen.inside or None, outside=seen.outside, measured=seen.measured)


def _explained(
    oracle: Oracle,
    row: Batch,
    bases: Batch,
    known: Batch,
    pools: dict[str, Pool],
    left: Callable[[], int],
    most: int,
) -> Explained:
    pool = join([row, bases])
    found = fewest(oracle, pool, known, left=left)
    if len(found.columns) > MOST_TOLD:
        return Explained(row=row, rule=Rule(conditions=(), many=len(found.columns)))
    base = max(found.witness.values(), default=1)
    plain = mosaic(pool, source(pool, [(found.columns, base)]))
    parts: list[Part] = []
    for number, column in enumerate(found.columns):
        name = pool.columns[column].name
        witness = found.witness.get(column, base)
        more = len(found.columns) - number - 1
        place = Place(
            oracle=oracle,
            setting=mosaic(pool, source(pool, [(found.columns, witness)])),
            name=name,
            pool=pools[name],
            witness=pool.columns[column].at(witness) if found.witness else None,
            passes=_passes(pool, found, known, column),
            left=_some(left, _RESERVE + 6 * more, _FIRST if _line(pool, column, pools) else None),
            most=most,
            wide=len(found.columns) < _MANY,
        )
        some, shown = conditions(place)
        parts += some
        if shown is not None:
            plain = _plainer(oracle, plain, put_values(plain[name], [shown]), left)
    rule = Rule(conditions=tuple(parts))
    if not rule.matches(plain).all() or not oracle.any(plain):
        plain = row
    return Explained(row=plain, rule=rule)


def _plainer(oracle: Oracle, plain: Batch, cell: Cells, left: Callable[[], int]) -> Batch:
    simpler = plain.put(cell)
    if left() > _RESERVE and oracle.any(simpler):
        return simpler
    return plain


def _line(pool: Batch, column: int, pools: Mapping[str, Pool]) -> bool:
    """Return whether the values of *column* have an order, so that a search may go on later."""
    cells = pool.columns[column]
    return axis(pools[cells.name].domain, cells.kind, cells.dtype) is not None


def _some(left: Callable[[], int], reserve: int, first: int | None) -> Callable[[], int]:
    """Return how many questions one cell may take: what is *left* but a *reserve*, and no more
    than the *first* few."""
    began = left()
    return lambda: min(left() - reserve, MOST_CALLS if first is None else first - began + left())


def _refined(
    oracle: Oracle, found: Explained, pools: Mapping[str, Pool], left: Callable[[], int]
) -> Explained:
    """Return *found* with its inexact thresholds searched for by the questions that are left."""
    parts: list[Part] = []
    for part in found.rule.conditions:
        if isinstance(part, Condition) and part.known is not None:
            place = Place(
                oracle=oracle,
                setting=found.row,
                name=part.column,
                pool=pools[part.column],
                passes=(),
                left=lambda: left() - 1,
                most=1,
            )
            part = refine(place, part)
        parts.append(part)
    return replace(found, rule=replace(found.rule, conditions=tuple(parts)))


def _passes(pool: Batch, found: Fewest, known: Batch, column: int) -> tuple[Any, ...]:
    """Return values of *column* with which a row passes that holds all other blamed cells."""
    others = [c for c in found.columns if c != column]
    row = pool.take(np.zeros(1, np.int64))
    fits = np.ones(known.rows, bool)
    if others:
        fits = np.asarray(matches(known, row)[:, others].all(axis=1), bool)
    cells = known.columns[column].take(np.flatnonzero(fits))
    held = [cells.at(i) for i in range(len(cells))]
    bad = row.columns[column].at(0)
    return tuple(value for value in dict.fromkeys(held) if value is not None and value != bad)
