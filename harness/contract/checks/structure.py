"""What must not matter: the other rows, their order and number, the index, the moment."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.contract.batch import Answer, Array, Batch, Refusal, join
from harness.contract.compared import apart, difference, rearranged, rows_of, unchanged
from harness.contract.failures import failures
from harness.contract.further import at_edges, many_real, share_of, with_unseen
from harness.contract.oracle import Single
from harness.contract.outputs import differs, shape_problem, shown
from harness.contract.promise import Cause, Failure, Skip, structural
from harness.contract.trial import Probe, Trial

_SINGLES, _MOST_SINGLES = 16, 128
_SECONDS_ALONE = 0.15
_FEW_ANSWERS = 16
_FEW_COLUMNS = 3
_ROUNDS = 8
_SECONDS_TOGETHER = 1.0
_ON_NO_ROWS = {
    "sklearn": ("scikit-learn", "Found array with 0 sample(s)"),
    "lightgbm": ("lightgbm", "must be 2 dimensional and non empty"),
}


@structural
def batch_equals_single(trial: Trial) -> Iterator[Failure]:
    """A row is answered alone as it is within a batch."""
    probe = trial.probe
    count = probe.rows.rows
    first = np.unique(np.linspace(0, count - 1, min(_SINGLES, count)).astype(int))
    for role in trial.roles:
        began = time.monotonic()
        found = list(_alone(trial, role, probe, first))
        a_call = (time.monotonic() - began) / len(first)
        seconds = share_of(trial, _SECONDS_ALONE) / len(trial.roles)
        most = int(min(_MOST_SINGLES, seconds / max(a_call, 1e-6)))
        if not found and not _refused_alone(trial, role):
            found = list(_others_alone(trial, role, most))
        if found:
            yield from found
            return
    if count > 1:
        halves = np.arange(count // 2), np.arange(count // 2, count)
        parts = [("in half the batch", half) for half in halves]
        parts += [(f"in a batch of {n}", np.arange(n)) for n in _square(trial) if n < count]
        yield from rearranged(trial, parts)


def _refused_alone(trial: Trial, role: str) -> bool:
    """Whether the first row is refused alone: the check of one row tells of it."""
    try:
        trial.answer(trial.probe.rows.head(1), role)
    except Refusal:
        return True
    return False


def _others_alone(trial: Trial, role: str, most: int) -> Iterator[Failure]:
    """Ask up to *most* more rows alone: ones with an unseen value, and real ones whose answers are
    spread over all that there are."""
    unseen, real = with_unseen(trial), many_real(trial)
    if unseen is not None:
        count = unseen.rows.rows
        few = np.linspace(0, count - 1, min(count, most // 3)).astype(int)
        yield from _alone(trial, role, unseen, few)
    among = real or trial.probe
    yield from _alone(trial, role, among, _various(among.answers[role], most))


def _various(answer: Answer, most: int) -> Array:
    """Return up to *most* rows whose answers are spread over all: evenly in their order, and the
    first of each where there are few."""
    values = answer.values.reshape(len(answer.values), -1)[:, -1]
    if values.dtype.kind not in "fiub":
        values = values.astype(str)
    order = np.argsort(values, kind="stable")
    _, firsts = np.unique(values, return_index=True)
    firsts = firsts if len(firsts) <= _FEW_ANSWERS else firsts[:0]
    even = order[np.linspace(0, len(order) - 1, min(most, len(order))).astype(int)]
    return np.array(list(dict.fromkeys([*firsts.tolist(), *even.tolist()]))[:most], int)


def _alone(trial: Trial, role: str, among: Probe, rows: Array) -> Iterator[Failure]:
    """Yield why one of *rows* is answered otherwise alone than *among* the others, if one is."""
    for row in rows.tolist():
        one, within = among.rows.take(np.array([row])), rows_of(among.answers[role], [row])
        try:
            alone = trial.answer(one, role)
        except Refusal as refusal:
            if row == 0 and among is trial.probe:
                return  # told by the check of one row; larger parts tell more
            told = f"raised {refusal}"
        else:
            if shape_problem(trial.claims, role, alone, 1):
                raise Skip("one row alone gets no answer of the claimed shape: see one-row")
            if not len(apart(trial, role, one, within, alone)):
                continue
            told = shown(trial.claims, {role: alone}, 0)
        batch = f"in a batch of {among.rows.rows}"
        seen = f"alone {told}; {batch} {shown(trial.claims, {role: within}, 0)}"
        yield from _explained(trial, role, one, among.rows, seen)
        return


def _square(trial: Trial) -> list[int]:
    """Return the numbers of rows at which an answer or its input is as wide as it is long, and
    their like: there a model may take rows for columns."""
    return sorted({2, 3, trial.claims.width, len(trial.claims.columns)} - {1})


def _explained(
    trial: Trial, role: str, one: Batch, context: Batch, at_first: str
) -> Iterator[Failure]:
    def within(row: Batch) -> Answer:
        return rows_of(trial.answer(join([context, row]), role), [-1])

    def alone(row: Batch) -> Answer | Refusal:
        try:
            return trial.answer(row, role)
        except Refusal as refusal:
            return refusal

    def fails(row: Batch) -> bool:
        try:
            wanted = within(row)
        except Refusal:
            return False
        given = alone(row)
        return isinstance(given, Refusal) or bool(differs(trial.claims, wanted, given)[0])

    def observed(row: Batch) -> str:
        wanted, given = within(row), alone(row)
        told = (
            f"raised {given}"
            if isinstance(given, Refusal)
            else shown(trial.claims, {role: given}, 0)
        )
        return (
            f"alone {told}; in a batch of "
            f"{context.rows + 1} {shown(trial.claims, {role: wanted}, 0)}"
        )

    yield from failures(trial, Single(fails), one, observed, at_first=at_first, made=False)


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
