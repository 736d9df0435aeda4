"""What must not matter: the other rows, their order and number, the index, the moment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.contract.batch import Answer, Array, Batch, Refusal
from harness.contract.compared import difference, rearranged, unchanged
from harness.contract.failures import failures
from harness.contract.further import at_edges, with_unseen
from harness.contract.oracle import Single
from harness.contract.outputs import shape_problem
from harness.contract.promise import Cause, Failure, Skip, structural
from harness.contract.trial import Trial

_FEW_COLUMNS = 3
_ROUNDS = 8
_SECONDS_TOGETHER = 1.0
_ON_NO_ROWS = {
    "sklearn": ("scikit-learn", "Found array with 0 sample(s)"),
    "lightgbm": ("lightgbm", "must be 2 dimensional and non empty"),
}


@structural
def row_order_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """Rows in another order get the same answers."""
    for among in (trial.probe, with_unseen(trial)):
        if among is None:
            continue
        count = among.rows.rows
        shuffled = np.random.default_rng(trial.settings.seed).permutation(count)
        orders = [("rows reversed", np.arange(count)[::-1]), ("rows shuffled", shuffled)]
        if found := next(rearranged(trial, orders, among), None):
            yield found
            return


@structural
def duplicates_get_the_same_answer(trial: Trial) -> Iterator[Failure]:
    """A row that stands twice in a batch gets the same answer twice."""
    yield from rearranged(
        trial, [("each row twice", np.repeat(np.arange(trial.probe.rows.rows), 2))]
    )


@structural
def the_index_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """The row index of a frame is no input."""
    if trial.claims.input != "pandas":
        raise Skip(f"{trial.claims.input} has no row index")
    rows = trial.probe.rows
    yield from unchanged(
        trial,
        [
            (f"{index} index", replace(rows, index=index))
            for index in ("shifted", "shuffled", "string", "repeated")
        ],
    )


@structural
def same_input_gives_same_output(trial: Trial) -> Iterator[Failure]:
    """The same rows get the same answers every time."""
    for among in (trial.probe, at_edges(trial)):
        if among is None:
            continue
        calls = [(f"{turn} call", among.rows) for turn in ("second", "third", "fourth")]
        if found := next(unchanged(trial, calls, among), None):
            yield found
            return


@structural
def the_input_is_left_alone(trial: Trial) -> Iterator[Failure]:
    """The model does not change the batch that it is given."""
    tried = (probe for probe in (trial.probe, at_edges(trial)) if probe is not None)
    changed = (p for p in tried if any(answer.mutated for answer in p.answers.values()))
    if (among := next(changed, None)) is None:
        return

    def fails(row: Batch) -> bool:
        try:
            return any(answer.mutated for answer in trial.answers(row).values())
        except Refusal:
            return False

    def observed(row: Batch) -> str:
        names, known = _changed(trial, row), trial.claims.columns
        there = [name for name in names if name in known]
        others = [name for name in names if name not in known]
        if not names:
            return "after the call the batch holds something else"
        told = [f"not as before: {', '.join(there)}"] if there else []
        told += [f"new: {', '.join(others)}"] if others else []
        return f"after the call the batch holds something else; {'; '.join(told)}"

    rows = among.rows
    oracle = Single(fails)
    first = next((i for i in range(rows.rows) if oracle.mask(rows.take(np.array([i])))[0]), 0)
    found = rows.take(np.array([first]))
    for failure in failures(trial, oracle, found, observed, at_first=observed(found), made=False):
        there = tuple(n for n in _changed(trial, found) if n in trial.claims.columns)
        if failure.cause.rule == "every row" and 0 < len(there) <= _FEW_COLUMNS:
            cause = replace(failure.cause, columns=there, rule=f"{', '.join(there)} in every row")
            failure = replace(failure, cause=cause)
        yield failure


def _changed(trial: Trial, row: Batch) -> list[str]:
    """Return the names of the columns that the model changes in *row*."""
    try:
        answers = trial.answers(row).values()
    except Refusal:
        return []
    found = [name for answer in answers for name in answer.changed]
    return list(dict.fromkeys(row.names[n] if isinstance(n, int) else n for n in found))


@structural
def empty_batch(trial: Trial) -> Iterator[Failure]:
    """An empty batch gets an empty answer of the claimed shape."""
    batch = trial.probe.rows.head(0)
    for role in trial.roles:
        try:
            answer = trial.answer(batch, role)
        except Refusal as refusal:
            if library := _library_on_no_rows(refusal):
                raise Skip(f"{library} itself refuses it: {refusal}") from refusal
            yield _without_row(f"an empty batch is refused: {refusal}")
            return
        problem = shape_problem(trial.claims, role, answer, 0)
        if problem:
            yield _without_row(problem)


def _library_on_no_rows(refusal: Refusal) -> str:
    """Return whose own check of its input this is (``sklearn.utils.check_array``, lightgbm's): no
    model's own doing, also where a class of the model's own passes it on. It says so in the
    library's words and, where the origin is known, from the library's own file. A server may
    declare that it takes no empty request."""
    if "HTTP4xx" in refusal.mro:
        return "the server"
    if refusal.type != "ValueError":
        return ""
    origin = refusal.module.partition(".")[0]
    known = _ON_NO_ROWS.values() if not origin else [_ON_NO_ROWS.get(origin, ("", ""))]
    return next((name for name, said in known if said and said in refusal.message), "")


def _without_row(observed: str) -> Failure:
    return Failure(row={}, observed=observed, cause=Cause(columns=(), rule="no rows"))


@structural
def one_row(trial: Trial) -> Iterator[Failure]:
    """A batch of one row gets an answer of the claimed shape."""
    one = trial.probe.rows.head(1)
    for role in trial.roles:
        try:
            answer = trial.answer(one, role)
        except Refusal as refusal:
            observed = f"one row alone is refused: {refusal}"
        else:
            observed = shape_problem(trial.claims, role, answer, 1)
        if observed:
            cause = Cause(columns=(), rule="any batch of one row")
            yield Failure(row=one.row(0), observed=observed, cause=cause)
            return


@structural
def threads_get_the_same_answers(trial: Trial) -> Iterator[Failure]:
    """Calls from several threads at once get the same answers (observed, never proved)."""
    if not hasattr(trial.model, "together"):
        raise Skip("this way to the model takes one call at a time")
    probe, count = trial.probe, trial.probe.rows.rows
    most = int(trial.rate * _SECONDS_TOGETHER / max(count * 3, 1))
    for turn in range(max(2, min(_ROUNDS, most))):
        role = list(trial.roles)[turn % len(trial.roles)]
        orders = _unequal(count, turn)
        how = f"{len(orders)} threads at once"
        batches = [probe.rows.take(order) for order in orders]
        batches, alone = _answered_alone(trial, batches, role)
        try:
            given = trial.together(batches, role)
        except Refusal as refusal:
            cause = Cause(columns=(), rule=f"{how}: the whole batch")
            observed = f"{how}: raised {refusal}; answered one after the other"
            yield Failure(row=batches[0].row(0), observed=observed, cause=cause)
            return
        for batch, wanted, answer in zip(batches, alone, given, strict=True):
            found = difference(trial, role, batch, wanted, answer, how)
            if found is not None:
                yield found
                return


def _answered_alone(
    trial: Trial, batches: list[Batch], role: str
) -> tuple[list[Batch], list[Answer]]:
    """Return those of *batches* that are answered when asked alone, and their answers: what a
    batch's size or its rows do to it is no matter of threads."""
    asked, answers = [], []
    for batch in batches:
        with contextlib.suppress(Refusal):
            answers.append(trial.answer(batch, role))
            asked.append(batch)
    return asked, answers


def _unequal(count: int, turn: int) -> list[Array]:
    """Return the rows that each of four threads asks about: all of them in two orders, then (in
    every second turn) parts of other lengths, else two orders more."""
    whole = np.arange(count)
    orders = [np.roll(whole, shift + turn) for shift in (0, 7)]
    if turn % 2:
        return [*orders, whole[: max(count // 2, 1)], whole[-1:]]
    return [*orders, np.roll(whole, 14 + turn), np.roll(whole, 21 + turn)]
