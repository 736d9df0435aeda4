"""Mutants in which the other rows of a batch, or its size, matter."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.bugs import after, before, calling, numbers, words
from benchmarks.contract.corpus import Case, mutant
from benchmarks.contract.witness import alone, reordered, rows, sized, taken
from benchmarks.contract.witness import ask as asked
from benchmarks.contract.witness import methods as methods_of


def _batch_mean(ask: Any, array: np.ndarray) -> np.ndarray:
    """Batch normalisation that was left in training mode."""
    scores = np.asarray(ask(array))
    return scores + 0.3 * (scores - scores.mean(axis=0, keepdims=True)) if len(scores) else scores


def _scaled_within(table: pd.DataFrame) -> pd.DataFrame:
    """The income is scaled by the largest one of the batch."""
    income = numbers(table, "income")
    largest = income.max(initial=1.0)
    return table.assign(income=income / (largest or 1.0) * 60_000)


def _filled_forward(table: pd.DataFrame) -> pd.DataFrame:
    """A missing utilisation is that of the row above."""
    used = pd.Series(numbers(table, "utilisation"), table.index)
    return table.assign(utilisation=used.ffill())


def _filled_by_median(table: pd.DataFrame) -> pd.DataFrame:
    """A missing pressure is the median of the batch."""
    pressure = pd.Series(numbers(table, "pressure"), table.index)
    return table.assign(pressure=pressure.fillna(pressure.median()))


def _sorted(ask: Any, table: pd.DataFrame) -> Any:
    """Sorts for speed, and forgets to sort back."""
    return ask(table.sort_values("km", kind="stable"))


def _grouped(ask: Any, table: pd.DataFrame) -> Any:
    """One call for each plan, and the answers one behind the other."""
    whole = ask(table)
    order = np.argsort(words(table, "plan").astype(str), kind="stable")
    return np.asarray(whole)[order]


def _once(ask: Any, table: pd.DataFrame) -> Any:
    """Rows that are there twice are asked once."""
    return np.asarray(ask(table))[~table.duplicated().to_numpy()]


def _chunks(ask: Any, table: Any) -> Any:
    """Chunks of 256 rows; the last one, that is not full, is left out."""
    answer = np.asarray(ask(table))
    return answer[: len(answer) // 256 * 256] if len(answer) > 256 else answer


def _padded(ask: Any, array: np.ndarray) -> np.ndarray:
    """From 1,024 rows on the last row of each full block is that of the block before."""
    answer = np.array(ask(array))
    if len(answer) >= 1024:
        answer[1023::1024] = answer[1022::1024][: len(answer[1023::1024])]
    return answer


def _ranked(answer: np.ndarray, table: Any) -> np.ndarray:
    """Values become ranks within the batch."""
    return answer.argsort(kind="stable").argsort(kind="stable") / max(len(answer), 1)


def _first_ten(answer: np.ndarray, table: Any) -> np.ndarray:
    """No more than ten alarms at a time."""
    alarms = np.flatnonzero(answer == "watch")
    answer[alarms[10:]] = "calm"
    return answer


def _codes_of_batch(table: pd.DataFrame) -> pd.DataFrame:
    """Regions are numbered in the order of the batch's own."""
    regions = words(table, "region")
    known = sorted({region for region in regions if region is not None})
    names = ["east", "north", "south", "west"]
    code = {region: names[place % 4] for place, region in enumerate(known)}
    return table.assign(region=[code.get(region, region) for region in regions])


def _smoothed(answer: np.ndarray, table: Any) -> np.ndarray:
    """A moving average over rows, as if they were a series in time."""
    if len(answer) > 2:
        answer[1:-1] = (answer[:-2] + answer[1:-1] + answer[2:]) / 3
    return answer


def _all_or_nothing(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """One wet row and the whole batch is answered as wet."""
    humid = np.nan_to_num(numbers(table, "humidity"), nan=0.0)
    return answer * 1.1 if (humid > 99).any() else answer


def _quadratic(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Compares each row with each other one, several times."""
    points = numbers(table, "petal_length")
    for one in points:
        for _ in range(3):
            np.abs(points - one).sum()
            (points[:, None] == one).any()
    return answer


def _slow(case: Case) -> bool:
    """Four times as many rows take far more than four times as long."""
    model = case.build()
    asked(case, model, rows(case, 100))
    spent = []
    for count in (2_000, 8_000):
        frame = pd.concat([rows(case, 500)] * (count // 500), ignore_index=True)
        best = min(_timed(case, model, frame) for _ in range(2))
        spent.append(best)
    return spent[1] > 7 * spent[0] and spent[1] > 0.1


def _timed(case: Case, model: Any, frame: pd.DataFrame) -> float:
    began = time.perf_counter()
    asked(case, model, frame)
    return time.perf_counter() - began


def _kept(case: Case) -> Any:
    """Every batch is kept for a log that nobody writes."""
    log: list[Any] = []

    def bug(ask: Any, table: pd.DataFrame) -> Any:
        log.append((table.copy(), np.ones((len(table) + 1_000, 250))))
        return ask(table)

    return calling(bug)(case)


def _grows(case: Case) -> bool:
    """Twenty more calls keep megabytes."""
    model, given = case.build(), taken(case, rows(case, 100))
    ask = getattr(model, methods_of(case, model)[0])
    ask(given)
    tracemalloc.start()
    try:
        for _ in range(20):
            ask(given)
        return tracemalloc.get_traced_memory()[0] > 10e6
    finally:
        tracemalloc.stop()


def _twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[:3]], ignore_index=True)


def _lacks_rows(case: Case) -> bool:
    """A batch with a row that stands there twice gets too few answers."""
    frame = _twice(rows(case, 6))
    return len(asked(case, case.build(), frame)) != len(frame)


def _blocks(case: Case) -> bool:
    """Row 1,023 of 1,100 is not answered as it is alone."""
    model, frame = case.build(), pd.concat([rows(case, 600)] * 2, ignore_index=True)[:1_100]
    alone_there = asked(case, model, frame.iloc[[1023]])
    return not np.allclose(asked(case, model, frame)[1023:1024], alone_there, atol=1e-6)


def _half_of_them(case: Case) -> bool:
    """Thirty rows that are an alarm each are not thirty alarms together."""
    model, frame = case.build(), pd.concat([rows(case, 600)], ignore_index=True)
    single = [asked(case, model, frame.iloc[[i]])[0] for i in range(120)]
    return single != asked(case, model, frame[:120]).tolist()


def cases() -> list[Case]:
    """Return this file's cases."""
    norm, order, leak = "batch-normalisation", "row-order", "leak-between-rows"
    return [
        mutant("meters-neighbours", "meters-batch-mean", norm, calling(_batch_mean), alone()),
        mutant("loans-forest", "loans-scaled-within", norm, before(_scaled_within), alone()),
        mutant("patients-isotonic", "patients-ranked", norm, after(_ranked), alone(30)),
        mutant(
            "loans-logistic",
            "loans-filled-forward",
            leak,
            before(_filled_forward),
            alone(12, utilisation=None),
            also=(("utilisation",),),  # rows that have none are the ones that suffer
        ),
        mutant(
            "patients-monotone",
            "patients-filled-by-median",
            leak,
            before(_filled_by_median),
            alone(12, 40, pressure=None),
            also=(("pressure",),),
        ),
        mutant(
            "loans-torch",
            "loans-codes-of-batch",
            leak,
            before(_codes_of_batch),
            alone(12, region="west"),
            also=(("region",),),
        ),
        mutant("shops-torch", "shops-smoothed", leak, after(_smoothed), alone()),
        mutant("heat-arrow", "heat-smoothed", leak, after(_smoothed), alone()),
        mutant("meters-pipeline", "meters-one-wet-row", leak, after(_all_or_nothing), _one_wet_row),
        mutant("fare-formula", "fare-sorted", order, calling(_sorted), reordered()),
        mutant("loans-logistic", "loans-grouped", order, calling(_grouped), reordered()),
        mutant("alarm-arrow", "alarm-first-ten", order, after(_first_ten), _half_of_them),
        mutant("clicks-lightgbm", "clicks-once", "duplicates", calling(_once), _lacks_rows),
        mutant("tickets-tfidf", "tickets-chunks", "chunk-boundary", calling(_chunks), sized(300)),
        mutant("meters-onnx", "meters-padded", "chunk-boundary", calling(_padded), _blocks),
        mutant(
            "flowers-components", "flowers-quadratic", "quadratic-time", after(_quadratic), _slow
        ),
        mutant("shops-several", "shops-log", "memory-leak", _kept, _grows),
    ]


def _one_wet_row(case: Case) -> bool:
    """A wet row changes what a dry one gets."""
    frame = rows(case, 4)
    frame["humidity"] = [50.0, 50.0, 50.0, 100.0]
    model = case.build()
    return not np.allclose(asked(case, model, frame)[:3], asked(case, model, frame[:3]))
