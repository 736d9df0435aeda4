"""What must not grow faster than the batch: a model's time and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from harness.contract.batch import Refusal
from harness.contract.blame import without_rows
from harness.contract.growth import Measured, growth, many, measured, steps
from harness.contract.promise import Failure, Skip, structural
from harness.contract.trial import Trial

_SUSPECT, _TOO_FAST = 5.0, 7.5
_LINEAR, _WHOLE = 4.2, 7.0
_SECONDS, _LONGEST, _SHARE = 0.1, 8.0, 0.2
_BYTES, _MOST_BYTES = 64 * 2**20, 2**30
_MB = 2**20
_WINDOWS, _CALLS, _WARM = 4, 16, 6
_LEAK, _STEADY = 512 * 1024, 0.5


@structural
def time_grows_no_faster_than_the_batch(trial: Trial) -> Iterator[Failure]:
    """Twice the rows take about twice the time."""
    points = _points(trial)
    if points[-1].wall < _SECONDS or steps([_seconds(p) for p in points])[-1] <= _SUSPECT:
        return
    larger = _payable(trial, points[-1]) and 16 * _bytes(points[-1]) < _MOST_BYTES
    if larger and not _faster(points, _seconds):
        points = [*points, measured(trial, 4 * points[-1].rows)]
    if not _faster(points, _seconds):
        return
    again = [measured(trial, point.rows) for point in points[-4:]]
    least = [_lesser(a, b) for a, b in zip(points[-4:], again, strict=True)]
    if least[-1].wall >= _SECONDS and _faster(least, _seconds):
        yield without_rows(_told(least, lambda p: p.wall, "s", 1.0))


@structural
def memory_grows_no_faster_than_the_batch(trial: Trial) -> Iterator[Failure]:
    """Twice the rows take about twice the memory."""
    points = _points(trial)
    if any(point.memory is None for point in points):
        raise Skip("the memory of a call can't be measured through this way to the model")
    if steps([_bytes(point) for point in points])[-1] <= _SUSPECT:
        return
    last = points[-1]
    if _bytes(last) < _BYTES and _payable(trial, last):
        points = [*points, measured(trial, 4 * last.rows)]
    if _bytes(points[-1]) < _BYTES or not _faster(points, _bytes):
        return
    again = [measured(trial, point.rows) for point in points[-4:]]
    if _faster(again, _bytes):
        yield without_rows(_told(again, _bytes, "MB", _MB))


def _points(trial: Trial) -> Sequence[Measured]:
    try:
        points = growth(trial).points
    except Refusal as refusal:
        raise Skip(f"a large batch is refused: {refusal}") from refusal
    if len(points) < 4:
        raise Skip(f"a slow model: {points[-1].rows} rows take {points[-1].wall:.2g} s")
    return points


def _faster(points: Sequence[Measured], cost: Callable[[Measured], float]) -> bool:
    """Whether the last step to four times the rows cost 7.5 times as much as the one before
    or more, between n (4) and n² (16), and that one more than five times: neither caches nor the
    system's own way of giving out memory, which tell at one size, pass for growth. What is told
    must not hang on a difference of small numbers: the whole cost must have grown alike."""
    costs = [cost(point) for point in points[-4:]]
    before, last = steps(costs)
    whole = costs[3] > _WHOLE * costs[2] and costs[2] > _LINEAR * costs[1]
    return before > _SUSPECT and last > _TOO_FAST and whole


def _payable(trial: Trial, point: Measured) -> bool:
    """Whether there is time for four times as many rows, should time go with their square."""
    return 16 * point.wall < min(_LONGEST, _SHARE * trial.left)


def _seconds(point: Measured) -> float:
    return point.seconds


def _bytes(point: Measured) -> float:
    return point.memory or 0.0


def _lesser(one: Measured, other: Measured) -> Measured:
    return min(one, other, key=_seconds)


def _told(
    points: Sequence[Measured], cost: Callable[[Measured], float], unit: str, by: float
) -> str:
    parts = [f"{p.rows:,} rows {cost(p) / by:.3g} {unit}" for p in points[-3:]]
    return f"{', '.join(parts)}: four times the rows cost far more than four times as much"


@structural
def repeated_calls_leak_no_memory(trial: Trial) -> Iterator[Failure]:
    """The memory that the model's process holds does not grow from call to call."""
    if not hasattr(trial.model, "usage"):
        raise Skip("the memory of the model can't be measured through this way to it")
    rows = int(min(max(trial.rate * 0.01, 64), 4096))
    if rows / trial.rate * _CALLS > 2.0:
        raise Skip(f"a slow model: {trial.rate:.3g} rows a second")
    batch = many(trial, rows)
    for _ in range(_WARM):
        trial.answer(batch, trial.main)
    held = [_held(trial)]
    for _ in range(_WINDOWS):
        for _ in range(_CALLS):
            trial.answer(batch, trial.main)
        held.append(_held(trial))
        if held[-1] - held[-2] < _LEAK:
            return
    rises = [later - earlier for earlier, later in pairwise(held)]
    if min(rises) > _STEADY * max(rises):
        each = sum(rises) / len(rises) / _CALLS / 1024
        yield without_rows(
            f"{_WINDOWS * _CALLS} calls with the same {rows:,} rows: the process holds "
            f"{(held[-1] - held[0]) / _MB:,.1f} MB more, {each:,.0f} KB with each call"
        )


def _held(trial: Trial) -> float:
    found: float | None = trial.call(
        lambda model: model.usage(collect=True),  # type: ignore[attr-defined]
        calls=0,
    ).rss
    if found is None:
        raise Skip("this system doesn't say how much memory a process holds")
    return found
