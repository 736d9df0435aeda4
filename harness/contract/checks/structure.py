"""What must not matter: the other rows, their order and number, the index, the moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.contract.batch import Answer, Array, Batch, Refusal, join
from harness.contract.failures import failures
from harness.contract.oracle import Single
from harness.contract.outputs import differs, nearly_tied, shape_problem, shown, tolerance
from harness.contract.promise import Cause, Failure, Skip, structural
from harness.contract.trial import Trial

_SINGLES = 16
_THREADS = 4
_ROUNDS = 8


@structural
def batch_equals_single(trial: Trial) -> Iterator[Failure]:
    """A row is answered alone as it is within a batch."""
    probe = trial.probe
    count = probe.rows.rows
    chosen = np.unique(np.linspace(0, count - 1, min(_SINGLES, count)).astype(int))
    for role, together in probe.answers.items():
        for row in chosen.tolist():
            one = probe.rows.take(np.array([row]))
            alone = trial.answer(one, role)
            if shape_problem(trial.claims, role, alone, 1):
                raise Skip("one row alone gets no answer of the claimed shape: see one-row")
            if len(apart(trial, role, one, rows_of(together, [row]), alone)):
                yield from _explained(trial, role, one)
                return
    if count > 1:
        halves = np.arange(count // 2), np.arange(count // 2, count)
        yield from rearranged(trial, [("in half the batch", half) for half in halves])


def _explained(trial: Trial, role: str, one: Batch) -> Iterator[Failure]:
    context = trial.probe.rows

    def both(row: Batch) -> tuple[Answer, Answer]:
        within = trial.answer(join([context, row]), role)
        return rows_of(within, [-1]), trial.answer(row, role)

    def fails(row: Batch) -> bool:
        try:
            return bool(differs(trial.claims, *both(row))[0])
        except Refusal:
            return False

    def observed(row: Batch) -> str:
        within, alone = both(row)
        return (
            f"alone {shown(trial.claims, {role: alone}, 0)}; in a batch of "
            f"{context.rows + 1} {shown(trial.claims, {role: within}, 0)}"
        )

    yield from failures(trial, Single(fails), one, observed, at_first=observed(one), made=False)


@structural
def row_order_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """Rows in another order get the same answers."""
    count = trial.probe.rows.rows
    shuffled = np.random.default_rng(0).permutation(count)
    orders = [("rows reversed", np.arange(count)[::-1]), ("rows shuffled", shuffled)]
    yield from rearranged(trial, orders)


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
            for index in ("shifted", "shuffled", "string")
        ],
    )


@structural
def same_input_gives_same_output(trial: Trial) -> Iterator[Failure]:
    """The same rows get the same answers every time."""
    rows = trial.probe.rows
    yield from unchanged(trial, [(f"{turn} call", rows) for turn in ("second", "third", "fourth")])


@structural
def the_input_is_left_alone(trial: Trial) -> Iterator[Failure]:
    """The model does not change the batch that it is given."""
    if not any(answer.mutated for answer in trial.probe.answers.values()):
        return

    def fails(row: Batch) -> bool:
        try:
            return any(answer.mutated for answer in trial.answers(row).values())
        except Refusal:
            return False

    def observed(row: Batch) -> str:
        return "after the call the batch holds something else"

    rows = trial.probe.rows
    oracle = Single(fails)
    first = next((i for i in range(rows.rows) if oracle.mask(rows.take(np.array([i])))[0]), 0)
    found = rows.take(np.array([first]))
    yield from failures(trial, oracle, found, observed, at_first=observed(found), made=False)


@structural
def empty_batch(trial: Trial) -> Iterator[Failure]:
    """An empty batch gets an empty answer of the claimed shape."""
    batch = trial.probe.rows.head(0)
    for role in trial.roles:
        try:
            answer = trial.answer(batch, role)
        except Refusal as refusal:
            if _is_scikit_learn_on_no_rows(refusal):
                raise Skip(f"scikit-learn itself refuses it: {refusal}") from refusal
            yield _without_row(f"an empty batch is refused: {refusal}")
            return
        problem = shape_problem(trial.claims, role, answer, 0)
        if problem:
            yield _without_row(problem)


def _is_scikit_learn_on_no_rows(refusal: Refusal) -> bool:
    """Whether this is ``sklearn.utils.check_array`` at work: no model's own doing."""
    words = refusal.message
    return refusal.type == "ValueError" and "Found array with 0 sample(s)" in words


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
    probe, role = trial.probe, trial.main
    count = probe.rows.rows
    orders = [np.roll(np.arange(count), turn * 7) for turn in range(_THREADS)]
    batches = [probe.rows.take(order) for order in orders]
    for _ in range(_ROUNDS):
        given = trial.together(batches, role)
        for order, batch, answer in zip(orders, batches, given, strict=True):
            wanted = rows_of(probe.answers[role], order.tolist())
            found = difference(trial, role, batch, wanted, answer, "four threads at once")
            if found is not None:
                yield found
                return


def rearranged(trial: Trial, orders: Sequence[tuple[str, Array]]) -> Iterator[Failure]:
    """Yield the first row that is answered otherwise when the rows are taken in some order."""
    probe = trial.probe
    for how, order in orders:
        batch = probe.rows.take(order)
        for role, answer in probe.answers.items():
            wanted = rows_of(answer, order.tolist())
            found = difference(trial, role, batch, wanted, trial.answer(batch, role), how)
            if found is not None:
                yield found
                return


def unchanged(trial: Trial, batches: Sequence[tuple[str, Batch]]) -> Iterator[Failure]:
    """Yield the first row that is answered otherwise in one of *batches* than in the probe."""
    probe = trial.probe
    for how, batch in batches:
        for role, wanted in probe.answers.items():
            found = difference(trial, role, batch, wanted, trial.answer(batch, role), how)
            if found is not None:
                yield found
                return


def rows_of(answer: Answer, indices: list[int]) -> Answer:
    """Return the part of *answer* for the rows at *indices*."""
    if not answer.values.ndim:
        return answer
    return replace(answer, values=answer.values[np.array(indices, int)])


def difference(
    trial: Trial, role: str, batch: Batch, wanted: Answer, given: Answer, how: str
) -> Failure | None:
    """Return the first row of *batch* for which *given* is not what was *wanted*, if any."""
    rows = apart(trial, role, batch, wanted, given)
    if not len(rows):
        return None
    row, claims = int(rows[0]), trial.claims
    before, after = shown(claims, {role: wanted}, row), shown(claims, {role: given}, row)
    return Failure(
        row=batch.row(row),
        observed=f"{before}; {how}: {after}",
        cause=Cause(columns=(), rule=f"{how}: {len(rows)} of {batch.rows} rows differ"),
    )


def apart(trial: Trial, role: str, batch: Batch, wanted: Answer, given: Answer) -> Array:
    """Return which rows of *batch* differ; a label may flip where probabilities are tied."""
    claims = trial.claims
    if given.values.shape != wanted.values.shape:
        return np.arange(batch.rows)
    differing = differs(claims, wanted, given)
    if role == "labels" and differing.any() and "probabilities" in trial.roles:
        answers = {"probabilities": trial.answer(batch, "probabilities")}
        near = tolerance(claims, *answers.values())
        differing &= ~nearly_tied(trial.read(batch.rows, answers), near)
    return np.flatnonzero(differing)
