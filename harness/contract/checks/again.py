"""What must not matter of a call: what was asked before, how much is asked at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.contract.batch import Answer, Batch, Broken, Refusal, join
from harness.contract.blame import EARLIER, blamed
from harness.contract.compared import difference, rearranged, rows_of, unchanged
from harness.contract.further import at_edges, share_of, with_unseen
from harness.contract.growth import different
from harness.contract.outputs import shape_problem
from harness.contract.probes import as_trained
from harness.contract.promise import Cause, Failure, Skip, structural
from harness.contract.trial import Trial
from harness.contract.visit import mixed

_SIZES = (256, 100, 1024, 1000, 4096, 10_000, 8192, 5000, 2048, 500, 64, 32)
"""Numbers of rows at which models cut batches, each tried one more, itself and one less. 257 rows
end in a part of one row for cuts at 32, 64 and 128, too: the small ones come last."""
_SECONDS_OF_CUTS, _SECONDS_OF_PARTS = 1.0, 0.15
_REFUSED_PARTS = 3
_UNCUT = (4, 29)
"""How many batches, of how many rows, are taken for too small to be cut."""
_KINDS = {"f": "number", "i": "number", "u": "number", "b": "boolean"}


@structural
def earlier_batches_do_not_matter(trial: Trial) -> Iterator[Failure]:
    """Rows get the same answers whatever was asked before them."""
    probe = trial.probe
    edges = at_edges(trial)
    others = [mixed(trial), probe.rows.head(1), *([] if edges is None else [edges.rows])]
    for batch in others:
        for role in trial.roles:
            with contextlib.suppress(Refusal):  # what is refused is another check's matter
                trial.answer(batch, role)
    made = trial.again(np.arange(97))
    with contextlib.suppress(Refusal, Broken), trial.within(trial.patience(made.rows)):
        for role in trial.roles:  # the sweep tells of the row that it hangs or dies on
            trial.answer(made, role)
    found = next(unchanged(trial, [("after other batches", probe.rows)]), None)
    if found is None and edges is not None:
        found = next(unchanged(trial, [("after other batches", edges.rows)], edges), None)
    if found is None:
        inner = np.random.default_rng(0).permutation(np.arange(1, max(probe.rows.rows - 1, 1)))
        order = np.concatenate([[0], inner, [probe.rows.rows - 1]])
        how = "after a batch of as many rows with the same first and last one"
        other = np.roll(order, 1)  # a model that minds the order does so here, too
        if next(rearranged(trial, [("in another order", other)]), None) is None:
            found = next(rearranged(trial, [(how, order)]), None)
    if found is not None:
        yield found
        return
    try:
        blame = blamed(trial)
    except Skip:  # no other process: then what was asked here is all there is
        return
    if EARLIER in blame:
        yield blame[EARLIER]


@structural
def an_answer_given_stays_as_it_is(trial: Trial) -> Iterator[Failure]:
    """An answer that was given stays as it is when the model is asked again."""
    if not hasattr(trial.model, "lasting"):
        raise Skip("this way to the model gives copies of its answers alone")
    rows = trial.probe.rows
    back = np.arange(rows.rows)[::-1]
    others = [rows.take(back), rows.take(np.repeat(back, 2)), rows.take(back[:1])]
    for role in trial.roles:
        try:
            before, after = trial.lasting([rows, *others], role)
        except Refusal as refusal:
            raise Skip(f"a batch of another order or size is refused: {refusal}") from refusal
        found = difference(trial, role, rows, before, after, "the same object after other calls")
        if found is not None:
            yield found
            return


@structural
def answers_keep_their_type(trial: Trial) -> Iterator[Failure]:
    """The answer to one row and to many is of the same type."""
    probe = trial.probe
    count = probe.rows.rows
    sizes = sorted({1, min(2, count), max(count // 2, 1)})
    for role, whole in probe.answers.items():
        wanted = _form(whole)
        for size in sizes:
            for start in (0, count - size):
                batch = probe.rows.take(np.arange(start, start + size))
                try:
                    answer = trial.answer(batch, role)
                except Refusal as refusal:
                    if size > 1:
                        raise
                    raise Skip(f"one row alone is refused: see one-row: {refusal}") from refusal
                if not answer.values.ndim or len(answer.values) != size:
                    raise Skip("a small batch gets no answer of the claimed shape: see one-row")
                given = _form(answer)
                if given != wanted:
                    cause = Cause(columns=(), rule=f"a batch of {size} rows")
                    observed = f"{count} rows: {', '.join(wanted)}; {size}: {', '.join(given)}"
                    yield Failure(row=batch.row(0), observed=observed, cause=cause)
                    return


def _form(answer: Answer) -> tuple[str, ...]:
    """Return what must stay the same of an answer: its container, its names, what it holds.

    Whole and other numbers are one, and so are integers of any width: Python and pandas hold 1
    and 0.5 in other types and mean nothing by it. float32 and float64 are two, by precision.
    """
    values = answer.values
    if values.dtype.kind == "O":
        held = {_word(value) for value in values.ravel().tolist() if value is not None}
        what = " and ".join(sorted(held))
    else:
        what = _KINDS.get(values.dtype.kind, "text")
    if values.dtype.kind == "f" and values.dtype.itemsize < 8:
        what = values.dtype.name
    return (answer.container, *(answer.names or ()), what)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text"


@structural
def cuts_of_large_batches_do_not_matter(trial: Trial) -> Iterator[Failure]:
    """A row is answered the same in batches of any size, wherever a model cuts them."""
    count, role = trial.probe.rows.rows, trial.main
    draw = np.random.default_rng(trial.settings.seed)
    few = [("in a small batch", part) for part in draw.integers(0, count, _UNCUT)]
    if next(rearranged(trial, few), None) is not None:
        raise Skip("the other rows matter in small batches, too: see batch-equals-single")
    rows, answer_of = _in_small_batches(trial)
    began, pace, asked = time.monotonic(), trial.rate, 0
    for size in (size + step for size in _SIZES for step in (1, 0, -1)):
        if time.monotonic() - began + size / pace > _SECONDS_OF_CUTS:
            continue
        at = np.resize(draw.permutation(rows.rows), size)
        batch = rows.take(at)
        wanted = rows_of(answer_of, at.tolist())
        start = time.monotonic()
        answer = trial.answer(batch, role)
        asked, pace = asked + 1, max(size / (time.monotonic() - start), pace)
        found = difference(trial, role, batch, wanted, answer, f"in a batch of {size} rows")
        if found is not None:
            yield found
            return
    if not asked:
        raise Skip(f"a slow model: {trial.rate:.3g} rows a second")


def _in_small_batches(trial: Trial) -> tuple[Batch, Answer]:
    """Return rows, hardly two of them alike, and their main answers, asked for in batches too small
    to be cut: those to probe with, then ones with unseen values, real ones and ones whose cells are
    of several real ones, as many as there is time for. Batches that are refused are left out."""
    probe, role, size = trial.probe, trial.main, _UNCUT[1]
    rows, given = [probe.rows], [probe.answers[role]]
    began, refused, seconds = time.monotonic(), 0, share_of(trial, _SECONDS_OF_PARTS)
    for part in _parts(trial, size) if size / trial.rate < seconds else ():
        if time.monotonic() - began + size / trial.rate > seconds:
            break
        try:
            answer = trial.answer(part, role)
        except Refusal:
            refused += 1
            if refused > _REFUSED_PARTS:
                break
            continue
        if not shape_problem(trial.claims, role, answer, part.rows):
            rows.append(part)
            given.append(answer)
    values = np.concatenate([answer.values for answer in given])
    return join(rows), replace(given[0], values=values)


def _parts(trial: Trial, size: int) -> Iterator[Batch]:
    unseen, pool = with_unseen(trial), trial.plan.real
    if unseen is not None:
        yield unseen.rows.head(size)
    if not pool.rows:
        pool = trial.probe.rows
    many = as_trained(different(pool, max(_SIZES), seed=trial.settings.seed), trial.training)
    for start in range(0, many.rows, size):
        yield many.take(np.arange(start, min(start + size, many.rows)))
