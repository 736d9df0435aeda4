"""Whether every label can be the answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.contract import rows
from harness.contract.batch import Array, Batch, Cells, Mask
from harness.contract.intervals import at_least
from harness.contract.judged import Judged, answered, judged, known
from harness.contract.outputs import plain
from harness.contract.promise import Cause, Failure, Skip, valid
from harness.contract.trial import Trial

_FEWEST, _FEWEST_OF_LABEL = 200, 50
_MADE, _SECONDS = 20_000, 0.5
_LARGE_PART, _OFTEN = 0.35, 0.10
_COMMON, _OF_EVEN = 0.15, 0.5
_SURE, _MOSTLY, _CUTS, _MOST_VALUES, _MOST_WORDS = 1e-5, 0.7, 16, 50, 300

Values = dict[str, Array]


@valid
def every_label_is_predicted(trial: Trial) -> Iterator[Failure]:
    """Every label that training rows have is the answer to some row."""
    labels = trial.claims.outputs.labels
    counts = np.bincount(known(trial, "training").truth, minlength=len(labels))
    if counts.sum() < _FEWEST:
        raise Skip(f"{counts.sum()} training rows with an outcome are too few to tell")
    common = {i for i, count in enumerate(counts.tolist()) if count >= _FEWEST_OF_LABEL}
    trained = judged(trial, "training")
    asked = [trained.values]
    for more in (_dev_values, _made_values):
        if not common - _predicted(asked):
            return
        asked.append(more(trial))
    total = sum(len(next(iter(values.values()))) for values in asked)
    for label in sorted(common - _predicted(asked)):
        share = float(counts[label] / counts.sum())
        if "probabilities" in trial.roles:
            why = _flat_probability(trial, label, share, asked)
        else:
            why = _missed(trained, label, share, _predicted(asked), labels, total)
        if why:
            of_it = np.flatnonzero(trained.truth == label)
            row = trained.rows.row(int(of_it[0])) if len(of_it) else {}
            name = plain(labels[label])
            told = f"{name} is the answer to none of {total:,} rows, and the outcome of {share:.0%}"
            cause = Cause(columns=(), rule=f"{name} is never predicted")
            yield Failure(row=row, observed=f"{told} of the training rows; {why}", cause=cause)


def _dev_values(trial: Trial) -> Values:
    try:
        return judged(trial, "dev").values
    except Skip:
        return {role: np.zeros((0, trial.claims.width)) for role in trial.roles}


def _made_values(trial: Trial) -> Values:
    made = rows.make(trial.plan, 0, min(_MADE, trial.settings.rows)).batch
    return answered(trial, made, seconds=_SECONDS).values


def _predicted(asked: list[Values]) -> set[int]:
    """Return the labels that are predicted for some row: by ``predict`` where there is one."""
    found: set[int] = set()
    for values in asked:
        if "labels" in values:
            found |= set(np.unique(values["labels"]).astype(int).tolist())
        elif len(spread := _by_label(values["probabilities"])):
            found |= set(np.unique(spread.argmax(axis=1)).tolist())
    return found


def _by_label(values: Array) -> Array:
    return np.concatenate([1.0 - values, values], axis=1) if values.shape[1] == 1 else values


def _flat_probability(trial: Trial, label: int, share: float, asked: list[Values]) -> str:
    """Return why it is no mere rarity that *label* is never predicted; empty where it may be.

    A rare label may be nobody's most probable one. Then its probability moves all the same, and
    reaches at least half of its share.
    """
    parts = [_by_label(values["probabilities"]) for values in asked]
    spread = np.concatenate([part for part in parts if len(part)])
    spread = spread[np.isfinite(spread).all(axis=1)]
    if not len(spread):
        return ""
    own, others = spread[:, label], np.delete(spread, label, axis=1).max(axis=1)
    low, high = float(own.min()), float(own.max())
    near = trial.claims.single
    if high - low <= near.relative * high + near.absolute:
        return f"its probability is {plain(high)} for all of them"
    if (clear := int((own > others + 1e-3).sum())) and "labels" in trial.roles:
        return f"{clear:,} times it is the most probable one"
    return f"its probability is {plain(high)} at most" if high < share / 2 else ""


def _missed(
    trained: Judged,
    label: int,
    share: float,
    predicted: set[int],
    labels: tuple[object, ...],
    total: int,
) -> str:
    """Return why a model of labels alone should predict *label*: a third of the rows have it
    and all get the same answer, it is common and thousands of unlike rows never get it, or most
    rows of a whole region have it."""
    if len(predicted) == 1 and share >= _LARGE_PART:
        return f"every answer is {plain(labels[next(iter(predicted))])}"
    if share >= _OFTEN and total >= _MADE // 2:
        return "rows from all over the schema never get it either"
    if share < min(_COMMON, _OF_EVEN / len(labels)):
        return ""
    own = trained.truth == label
    for rule, mask in _regions(trained.rows):
        count, hits = int(mask.sum()), int((own & mask).sum())
        if count and at_least(hits, count, _MOSTLY) < _SURE:
            return f"{hits:,} of the {count:,} with {rule} have it"
    return ""


def _regions(batch: Batch) -> Iterator[tuple[str, Mask]]:
    """Yield parts of the rows, by one column each: the lower and upper ends of numbers, values,
    words of texts."""
    for column in batch.columns:
        there = ~column.absent
        if column.kind in ("number", "integer"):
            if not there.any():
                continue
            for cut in np.unique(np.quantile(column.values[there], np.arange(1, _CUTS) / _CUTS)):
                yield f"{column.name} <= {cut:g}", there & (column.values <= cut)
                yield f"{column.name} > {cut:g}", there & (column.values > cut)
        elif column.kind in ("string", "boolean"):
            values, counts = np.unique(column.values[there], return_counts=True)
            for value in values[np.argsort(-counts)][:_MOST_VALUES].tolist():
                mask = np.asarray(column.values == value, bool)
                yield f"{column.name} == {plain(value)}", there & mask
            if column.kind == "string" and len(values) > _MOST_VALUES:
                yield from _with_words(column)


def _with_words(column: Cells) -> Iterator[tuple[str, Mask]]:
    found: dict[str, list[int]] = {}
    for row, text in enumerate(column.values.tolist()):
        for word in set(text.lower().split()):
            found.setdefault(word, []).append(row)
    often = sorted(found, key=lambda word: (-len(found[word]), word))
    for word in often[:_MOST_WORDS]:
        mask = np.zeros(len(column), bool)
        mask[found[word]] = True
        yield f"{plain(word)} in {column.name}", mask & ~column.absent
