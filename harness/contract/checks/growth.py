"""What must not grow faster than the batch: a model's time and memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from harness.contract.batch import Batch, Refusal
from harness.contract.blame import without_rows
from harness.contract.growth import Measured, Series, growth, many, measured, steps
from harness.contract.probe import Usage
from harness.contract.promise import Failure, Skip, structural
from harness.contract.trial import Trial

_SUSPECT, _TOO_FAST = 5.0, 7.5
_LINEAR, _WHOLE = 4.2, 7.0
_SECONDS, _LONGEST, _SHARE = 0.1, 8.0, 0.2
_BYTES, _MOST_BYTES = 64 * 2**20, 2**30
_MB = 2**20
_FEWEST = 4
_WINDOWS, _CALLS, _WARM = 4, 16, 6
_LEAK, _STEADY = 512 * 1024, 0.5
_PIECES = _LEAK // 512  # the largest that Python's own allocator gives out are of 512 bytes


@structural
def time_grows_no_faster_than_the_batch(trial: Trial) -> Iterator[Failure]:
    """Twice the rows take about twice the time."""
    for series in _series(trial):
        if told := _slower(trial, series):
            yield without_rows(told + series.told)
            return


def _slower(trial: Trial, series: Series) -> str:
    """Return how time grows with the rows of *series* where it does too fast, else nothing."""
    points: Sequence[Measured] = series.points
    if points[-1].wall < _SECONDS or steps([_seconds(p) for p in points])[-1] <= _SUSPECT:
        return ""
    larger = _payable(trial, points[-1]) and 16 * _bytes(points[-1]) < _MOST_BYTES
    if larger and not _faster(points, _seconds):
        points = [*points, *_larger(trial, series, points[-1])]
    if not _faster(points, _seconds):
        return ""
    again = [measured(trial, point.rows, series.rows) for point in points[-4:]]
    least = [_lesser(a, b) for a, b in zip(points[-4:], again, strict=True)]
    if least[-1].wall >= _SECONDS and _faster(least, _seconds):
        return _told(least, lambda p: p.wall, "s", 1.0)
    return ""


@structural
def memory_grows_no_faster_than_the_batch(trial: Trial) -> Iterator[Failure]:
    """Twice the rows take about twice the memory."""
    for series in _series(trial):
        if any(point.memory is None for point in series.points):
            raise Skip("the memory of a call can't be measured through this way to the model")
        if told := _wider(trial, series):
            yield without_rows(told + series.told)
            return


def _wider(trial: Trial, series: Series) -> str:
    """Return how memory grows with the rows of *series* where it does too fast, else nothing."""
    points: Sequence[Measured] = series.points
    if steps([_bytes(point) for point in points])[-1] <= _SUSPECT:
        return ""
    last = points[-1]
    if _bytes(last) < _BYTES and _payable(trial, last):
        points = [*points, *_larger(trial, series, last)]
    if _bytes(points[-1]) < _BYTES or not _faster(points, _bytes):
        return ""
    again = [measured(trial, point.rows, series.rows) for point in points[-4:]]
    return _told(again, _bytes, "MB", _MB) if _faster(again, _bytes) else ""


def _larger(trial: Trial, series: Series, last: Measured) -> Iterator[Measured]:
    """Yield four times the rows of *last*, where they are answered."""
    with contextlib.suppress(Refusal):
        yield measured(trial, 4 * last.rows, series.rows)


def _series(trial: Trial) -> list[Series]:
    """Return the series that are long enough to tell; raises Skip when the first is none."""
    try:
        found = growth(trial).series
    except Refusal as refusal:
        raise Skip(f"a large batch is refused: {refusal}") from refusal
    points = found[0].points
    if len(points) < _FEWEST:
        raise Skip(f"a slow model: {points[-1].rows} rows take {points[-1].wall:.2g} s")
    return [series for series in found if len(series.points) >= _FEWEST]


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
    usage = _usage(trial)
    held, blocks = [_held(usage)], [usage.blocks or 0]
    for _ in range(_WINDOWS):
        _asked(trial, batch)
        usage = _usage(trial)
        held.append(_held(usage))
        blocks.append(usage.blocks or 0)
        kept = [later - earlier >= _PIECES for earlier, later in pairwise(blocks)]
        if held[-1] - held[-2] < _LEAK and not all(kept):
            return
    if not _leaks(held) and all(kept):  # what is kept may lie where other memory was freed
        held = _traced(trial, batch)
    if _leaks(held):
        count, usual = _WINDOWS * _CALLS, _usual(held)
        yield without_rows(
            f"{count} calls with the same {rows:,} rows: the process holds "
            f"{_WINDOWS * usual / _MB:,.1f} MB more, {usual / _CALLS / 1024:,.0f} KB with each call"
        )


def _asked(trial: Trial, batch: Batch) -> None:
    for _ in range(_CALLS):
        trial.answer(batch, trial.main)


def _leaks(held: Sequence[float]) -> bool:
    """Whether each time no little more was held, and mostly about as much."""
    least = min(later - earlier for earlier, later in pairwise(held))
    return least >= _LEAK and least > _STEADY * _usual(held)


def _usual(held: Sequence[float]) -> float:
    """Return by how much more is held in most windows: a list that moves to a larger place makes
    one of them stand out."""
    rises = sorted(later - earlier for earlier, later in pairwise(held))
    return rises[(len(rises) - 1) // 2]


def _traced(trial: Trial, batch: Batch) -> list[float]:
    """Return what Python's objects hold, of the bytes taken from here on: after some calls, and
    after so many more, again and again."""
    _usage(trial, trace=True)
    try:
        found: list[float] = []
        for _ in range(_WINDOWS + 1):
            _asked(trial, batch)
            found.append(_usage(trial).traced or 0.0)
        return found
    finally:
        _usage(trial, trace=False)


def _held(usage: Usage) -> float:
    if usage.rss is None:
        raise Skip("this system doesn't say how much memory a process holds")
    return usage.rss


def _usage(trial: Trial, *, trace: bool | None = None) -> Usage:
    found: Usage = trial.call(
        lambda model: model.usage(collect=True, trace=trace),  # type: ignore[attr-defined]
        calls=0,
    )
    return found
