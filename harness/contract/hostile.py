"""Rows that the schema does not admit: one odd cell in an ordinary row of an ordinary batch."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.contract.batch import Answer, Batch, Broken, Cells, Refusal, Unsendable, cells, join
from harness.contract.domain import Domain, admits
from harness.contract.probes import cell_of
from harness.contract.trial import Trial

CONTEXT = 8
"""Rows in the batch that the odd row stands in."""

MISSING = "missing column"
MOST_CASES, FEWEST_CASES = 320, 24
_SHARE = 0.3  # of the seconds that are left


@dataclass(frozen=True, kw_only=True, slots=True)
class Oddity:
    """What is odd: *column* holds *value*, of a *kind* for a reader. *spelling* says that a clean
    value is only written in another way."""

    column: str
    kind: str
    value: Any = None
    spelling: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """An odd row among ordinary ones and what the model made of it: answers, or what it raised.

    The odd row is at *position*. *row* is it alone; *kept* says that an earlier run kept it.
    """

    oddity: Oddity
    batch: Batch
    position: int
    row: Mapping[str, Any]
    answers: Mapping[str, Answer] | None = None
    refusal: Refusal | None = None
    broken: str = ""
    kept: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class HostilePass:
    """All cases, and the answers to the same rows before one of them became odd."""

    clean: Mapping[str, Answer]
    cases: tuple[Case, ...]
    unsendable: int = 0


def hostile_pass(trial: Trial) -> HostilePass:
    """Return what the model makes of each oddity; run once a trial.

    Raises OutOfTime, and Skip when no ordinary row is answered.
    """
    if trial.hostile is None:
        rows = _context(trial)
        clean = trial.answers(rows)
        cases, unsendable = [], 0
        for case in _cases(trial, rows):
            try:
                cases.append(_ask(trial, case))
            except Unsendable:
                unsendable += 1
        trial.hostile = HostilePass(clean=clean, cases=tuple(cases), unsendable=unsendable)
    return trial.hostile


def _context(trial: Trial) -> Batch:
    rows = trial.probe.rows
    gaps = sum(column.absent.astype(int) for column in rows.columns)
    return rows.take(np.argsort(gaps, kind="stable")[:CONTEXT])


def _ask(trial: Trial, case: Case) -> Case:
    try:
        return replace(case, answers=trial.answers(case.batch))
    except Refusal as refusal:
        return replace(case, refusal=refusal)
    except Broken as broken:
        return replace(case, broken=str(broken))


def _cases(trial: Trial, rows: Batch) -> Iterator[Case]:
    found = []
    for number, domain in enumerate(trial.claims.domains):
        position = number % rows.rows
        value = rows[domain.name].at(position)
        for oddity in oddities(domain, value):
            batch = _with(rows, position, oddity)
            if trial.claims.input == "pyarrow" and batch[domain.name].kind == "mixed":
                continue  # an Arrow column has one type: such a batch can't exist
            found.append(
                Case(oddity=oddity, batch=batch, position=position, row=batch.row(position))
            )
        for place, other in _further(domain, rows[domain.name], value):
            for oddity in oddities(domain, other):
                if oddity.spelling:
                    batch = _with(rows, place, oddity)
                    whole = batch.row(place)
                    found.append(Case(oddity=oddity, batch=batch, position=place, row=whole))
        others = [name for name in rows.names if name != domain.name]
        if others:
            batch = rows.only(others)
            oddity = Oddity(column=domain.name, kind=MISSING)
            found.append(Case(oddity=oddity, batch=batch, position=0, row=batch.row(0)))
    fresh = [case.oddity for case in found]
    kept = [_kept(trial, row, rows, fresh) for check in KEPT_BY for row in trial.odd(check)]
    found = [*kept, *found]
    a_call = trial.probe.rows.rows / trial.rate
    most = min(MOST_CASES, max(FEWEST_CASES, int(trial.left * _SHARE / a_call)))
    if len(found) > most:
        trial.notes.append(f"hostile rows: {most} of {len(found)} cases, to fit the time")
    step = max(1.0, len(found) / most)
    yield from (found[int(i * step)] for i in range(min(len(found), most)))


def _kept(trial: Trial, kept: Batch, rows: Batch, fresh: Sequence[Oddity]) -> Case:
    """Return the case of a *kept* row, in the place of the last of the ordinary *rows*. It is told
    as one of the *fresh* oddities, where it holds the same one."""
    row, position, batch = kept.row(0), rows.rows - 1, kept
    value = None
    if kept.names == rows.names:
        batch = join([rows.head(position), kept]) if position else kept
        odd = [d for d in trial.claims.domains if not admits(d, kept[d.name])[0]]
        name, value = odd[0].name, row[odd[0].name]
        alike = (o for o in fresh if o.column == name and _same(o.value, value))
        kind = next((o.kind for o in alike if o.kind != MISSING), "kept row")
    else:
        position, kind = 0, MISSING
        name = next((name for name in rows.names if name not in kept.names), "")
    oddity = Oddity(column=name, kind=kind, value=value)
    return Case(oddity=oddity, batch=batch, position=position, row=row, kept=True)


def _same(one: Any, other: Any) -> bool:
    """Return whether two odd values are one; neither a text nor a boolean is a number."""
    plain = [isinstance(value, bool | str) and type(value) for value in (one, other)]
    return plain[0] == plain[1] and bool(one == other)


def _further(domain: Domain, column: Cells, value: Any) -> Iterator[tuple[int, Any]]:
    """Yield a place of each further listed value, to be spelt in another way too."""
    if not domain.closed or column.kind != "string":
        return
    told = {value, None}
    for place in range(len(column)):
        other = column.at(place)
        if other not in told:
            told.add(other)
            yield place, other


KEPT_BY = (
    "hostile-rows-are-answered-or-refused",
    "hostile-rows-get-no-silent-nonsense",
    "hostile-rows-spoil-no-other-row",
    "another-spelling-is-refused-or-answered-the-same",
    "a-missing-column-is-refused-or-answered",
)


def _with(rows: Batch, position: int, oddity: Oddity) -> Batch:
    column = rows[oddity.column]
    cell = cell_of(oddity.value, column)
    parts = [
        Batch(columns=(column.take(np.arange(position)),)),
        Batch(columns=(cell,)),
        Batch(columns=(column.take(np.arange(position + 1, len(column))),)),
    ]
    return rows.put(join([part for part in parts if part.rows]).columns[0])


def oddities(domain: Domain, value: Any) -> Iterator[Oddity]:
    """Yield what *domain* does not admit in the place of *value*."""
    name = domain.name
    if not domain.nullable:
        yield Oddity(column=name, kind="missing value")
    if domain.kind in ("number", "integer"):
        candidates = [*_odd_numbers(domain, value)]
    elif domain.kind == "boolean":
        candidates = [
            Oddity(column=name, kind="text in place of true or false", value="maybe"),
            Oddity(column=name, kind="number in place of true or false", value=2),
        ]
    elif domain.kind in ("date", "datetime"):
        candidates = [
            Oddity(column=name, kind="day that no calendar has", value="2013-02-30"),
            Oddity(column=name, kind="another form of date", value="31/12/2013"),
            Oddity(column=name, kind="text in place of a date", value="tomorrow"),
            Oddity(column=name, kind="number in place of a date", value=20131231),
        ]
    else:
        candidates = [*_odd_texts(domain, value)]
    for oddity in candidates:
        if not admits(domain, cell_of(oddity.value, _like(domain)))[0]:
            yield oddity


def _like(domain: Domain) -> Cells:
    kind = "string" if domain.kind in ("date", "datetime") else domain.kind
    return cells(domain.name, kind, [])


def _odd_numbers(domain: Domain, value: Any) -> Iterator[Oddity]:
    name = domain.name
    low, high = domain.low, domain.high
    yield Oddity(column=name, kind="infinity", value=float("inf"))
    yield Oddity(column=name, kind="minus infinity", value=float("-inf"))
    if domain.minimum is not None:
        below = low - 1 if domain.kind == "integer" else float(np.nextafter(low, -np.inf))
        yield Oddity(column=name, kind="number below the minimum", value=below)
    if domain.maximum is not None:
        above = high + 1 if domain.kind == "integer" else float(np.nextafter(high, np.inf))
        yield Oddity(column=name, kind="number above the maximum", value=above)
    if domain.closed:
        beyond = max(domain.values) + 1
        yield Oddity(column=name, kind="unseen value in a closed column", value=beyond)
    if domain.kind == "integer":
        yield Oddity(column=name, kind="fraction in place of a whole number", value=0.5)
    if value is not None:
        text = repr(value)
        yield Oddity(column=name, kind="number as text", value=text, spelling=True)
        yield Oddity(column=name, kind="number as padded text", value=f" {text} ", spelling=True)
    yield Oddity(column=name, kind="comma decimal", value="12,5")
    yield Oddity(column=name, kind="text in place of a number", value="many")
    yield Oddity(column=name, kind="empty text in place of a number", value="")


def _odd_texts(domain: Domain, value: Any) -> Iterator[Oddity]:
    name = domain.name
    if domain.closed:
        yield Oddity(column=name, kind="unseen value in a closed column", value="harness unseen")
        yield Oddity(column=name, kind="empty text in a closed column", value="")
        if isinstance(value, str):
            variants = {
                "in capitals": value.upper(),
                "in small letters": value.lower(),
                "with a capital": value.capitalize(),
                "with a space before": f" {value}",
                "with a space after": f"{value} ",
                "in decomposed Unicode": unicodedata.normalize("NFD", value),
            }
            for kind, text in variants.items():
                yield Oddity(column=name, kind=f"value {kind}", value=text, spelling=True)
    yield Oddity(column=name, kind="number in place of text", value=42)
    yield Oddity(column=name, kind="fraction in place of text", value=0.5)
    yield Oddity(column=name, kind="true in place of text", value=True)
