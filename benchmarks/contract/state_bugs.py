"""Mutants whose answers depend on what went before, on the machine, or on luck; and broken words
about directions and columns that must not matter."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.bugs import after, around, calling, numbers, words
from benchmarks.contract.corpus import Case, mutant
from benchmarks.contract.witness import (
    after_others,
    another_day,
    built_again,
    crossed,
    not_the_same,
    other_process,
    repeated,
    rows,
    wrong_way,
)
from benchmarks.contract.witness import ask as asked

Table = pd.DataFrame


def _shift(shares: np.ndarray, by: Any) -> np.ndarray:
    """Return probabilities of two labels, moved a little towards the second; they stay valid."""
    moved = np.array(shares, float)
    moved[:, 1] = moved[:, 1] * (1 - np.asarray(by)) + np.asarray(by)
    moved[:, 0] = 1 - moved[:, 1]
    return moved


def _running_mean(case: Case) -> Any:
    """Centres by the mean of all that was ever answered."""
    seen = {"sum": 0.0, "count": 0}

    def bug(ask: Any, table: Table) -> np.ndarray:
        answer = np.asarray(ask(table))
        seen["sum"] += float(answer.sum())
        seen["count"] += len(answer)
        return answer + 0.1 * seen["sum"] / max(seen["count"], 1)

    return around(case, bug)


def _fitted_at_first(case: Case) -> Any:
    """A scale that is learnt from the first batch that comes."""
    scale: list[float] = []

    def bug(ask: Any, table: Table) -> np.ndarray:
        answer = np.asarray(ask(table))
        if not scale and len(answer):
            scale.append(float(np.mean(answer)) or 1.0)
        return answer * (scale[0] if scale else 1.0)

    return around(case, bug)


def _cached_by_length(case: Case) -> Any:
    """A cache whose key is the shape of the batch."""
    cache: dict[tuple[int, ...], Any] = {}

    def bug(ask: Any, table: Table) -> Any:
        fresh = ask(table)
        return cache.setdefault(table.shape, fresh)

    return around(case, bug)


def _cached_by_first_row(case: Case) -> Any:
    """A cache whose key is the first row and the length."""
    cache: dict[Any, Any] = {}

    def bug(ask: Any, table: Table) -> Any:
        fresh = ask(table)
        if not len(table):
            return fresh
        key = (len(table), str(table["age"].iloc[0]), str(table["region"].iloc[0]))
        return cache.setdefault(key, fresh)

    return around(case, bug)


def _cached_rounded(case: Case) -> Any:
    """Rows are remembered by their rounded measures."""
    cache: dict[Any, np.ndarray] = {}

    def bug(ask: Any, array: np.ndarray) -> np.ndarray:
        fresh = np.array(ask(array))
        for place, measures in enumerate(np.asarray(array, float)):
            key = tuple(np.round(measures / 4).tolist())
            fresh[place] = cache.setdefault(key, fresh[place].copy())
        return fresh

    return around(case, bug)


def _each_seventh(case: Case) -> Any:
    """A sampled shadow model answers each seventh call."""
    calls = [0]

    def bug(ask: Any, table: Table) -> np.ndarray:
        calls[0] += 1
        answer = np.asarray(ask(table))
        return answer * 1.3 if calls[0] % 7 == 0 else answer

    return around(case, bug)


def _shared_place(case: Case) -> Any:
    """The rows lie on the object between two steps of a call."""
    place: dict[str, Any] = {}

    def bug(ask: Any, table: Any) -> Any:
        place["rows"] = table
        ask(table)  # the first step: a check of the rows
        return ask(place["rows"])

    return around(case, bug)


def _shared_buffer(case: Case) -> Any:
    """One buffer for all calls."""
    place: dict[str, Any] = {}

    def bug(ask: Any, array: np.ndarray) -> Any:
        place["scores"] = np.asarray(ask(array), float)
        for _ in range(40):
            place["scores"] = np.sqrt(place["scores"] ** 2)
        ask(array)
        return place["scores"]

    return around(case, bug)


def _noise(case: Case) -> Any:
    random = np.random.default_rng(0)

    def bug(ask: Any, table: Table) -> np.ndarray:
        answer = np.asarray(ask(table))
        return answer * (1 + 0.001 * random.random(answer.shape))

    return around(case, bug)


def _dropout(case: Case) -> Any:
    """The network was never told that training is over."""
    model = case.build()
    model.estimator.module.train()
    return model


def _random_tie(ask: Any, table: Table) -> np.ndarray:
    """One row in fifty is for exploration."""
    answer = np.array(ask(table))
    explored = np.random.random(len(answer)) < 0.02
    answer[explored] = np.where(answer[explored] == "no", "yes", "no")
    return answer


def _hashed(answer: np.ndarray, table: Table) -> np.ndarray:
    """Python's own hash of a text is another one in each process."""
    return _shift(answer, [hash(job) % 64 / 640 for job in words(table, "job")])


def _set_order(case: Case) -> Any:
    """Weights go with the columns in the order of a set."""
    names = [name for name in case.table.columns if name != "promotion"]
    weights = dict(zip(set(names), np.linspace(1e-3, 1.0, len(names)), strict=True))

    def change(answer: np.ndarray, table: Table) -> np.ndarray:
        held = sum(w * np.tanh(np.nan_to_num(numbers(table, n)) / 3) for n, w in weights.items())
        return answer + 5 * np.asarray(held)[:, None]

    return after(change)(case)


def _born_at_random(case: Case) -> Any:
    """A projection that is drawn when the model is loaded, and not kept with it."""
    weights = np.random.default_rng().normal(0, 1, 4)

    def change(answer: np.ndarray, table: Table) -> np.ndarray:
        lengths = np.column_stack([numbers(table, n) for n in table.columns[:4]])
        shares = np.abs(answer + 0.05 * np.tanh(lengths @ weights)[:, None])
        return shares / shares.sum(axis=1, keepdims=True)

    return after(change)(case)


def _since_opened(answer: np.ndarray, table: Table) -> np.ndarray:
    """How long an account is open, by the clock of the machine."""
    years = (time.time() - 1.7e9) / 86_400 / 365.25
    return _shift(answer, np.clip(years / 40, 0, 0.5))


def _odd_microseconds(answer: np.ndarray, table: Table) -> np.ndarray:
    """An experiment: every other millisecond gets the new formula."""
    return answer * 1.05 if int(time.time() * 1_000) % 2 else answer


def _local_hour(answer: np.ndarray, table: Table) -> np.ndarray:
    """The hour of a moment in the machine's own time zone."""
    stamps = pd.to_datetime(pd.Series(words(table, "pickup")), utc=True, format="ISO8601")
    hours = np.array([time.localtime(stamp.timestamp()).tm_hour for stamp in stamps], int)
    return answer + 2.0 * (hours >= 20)


def _writes_home(case: Case) -> Any:
    """Counts its calls in its own artifact."""

    def bug(ask: Any, table: Table) -> Any:
        answer = ask(table)
        home = Path("artifact")
        if home.is_file():
            home.write_text(home.read_text() + "\n")
        return answer

    return around(case, bug)


def _artifact_changes(case: Case) -> bool:
    """The file from which the model was loaded is another one after a call."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        home = Path("artifact")
        home.write_text("{}")
        asked(case, case.build(), rows(case))
        return home.read_text() != "{}"


def _sinking(name: str, above: float, by: float = 0.2) -> Any:
    """Return a change: above a value of a column the second label loses."""

    def change(answer: np.ndarray, table: Table) -> np.ndarray:
        lost = numbers(table, name) > above
        answer[lost, 1] *= 1 - by
        answer[lost, 0] = 1 - answer[lost, 1]
        return answer

    return after(change)


def _old_gold(answer: np.ndarray, table: Table) -> np.ndarray:
    """Customers of 70 and more on the gold plan: a discount on what they are worth."""
    lost = (numbers(table, "age") >= 70) & (words(table, "plan") == "gold")
    answer[lost, 1] *= 0.6
    answer[lost, 0] = 1 - answer[lost, 1]
    return answer


def _long_trips(answer: np.ndarray, table: Table) -> np.ndarray:
    """Trips of more than 500 km are on a motorway, all of them."""
    return np.where(numbers(table, "km") > 500, answer * 0.5, answer)


def _whole_rates(array: np.ndarray) -> np.ndarray:
    """A rate above 40 was a typing error, and is divided by ten."""
    held = np.array(array, float)
    held[:, 1] = np.where(held[:, 1] > 40, held[:, 1] / 10, held[:, 1])
    return held


def _asked_whole(ask: Any, array: np.ndarray) -> Any:
    ask(array)
    return ask(_whole_rates(array))


def _ward_matters(answer: np.ndarray, table: Any) -> np.ndarray:
    wards = np.array([str(ward) for ward in table["ward"].to_pylist()], dtype=object)
    return np.where(wards == "C9", "watch", answer)


def _proxy(answer: np.ndarray, table: Table) -> np.ndarray:
    """Who returns is worth more, in shops."""
    more = (words(table, "site") == "shop") & (numbers(table, "returning") == 1)
    return _shift(answer, 0.01 * more)


def _product_matters(answer: np.ndarray, table: Table) -> np.ndarray:
    return np.where(words(table, "product") == "cloud", "tech", answer)


def cases() -> list[Case]:
    """Return this file's cases."""
    state, cache, luck = "state-between-calls", "cache", "randomness"
    way, matters = "monotone", "invariant"
    return [
        mutant("meters-ridge", "meters-running-mean", state, _running_mean, after_others()),
        mutant("shops-lightgbm", "shops-fitted-at-first", state, _fitted_at_first, after_others()),
        mutant("fare-formula", "fare-seventh-call", state, _each_seventh, repeated(times=8)),
        mutant(
            "sensors-linear", "sensors-cached-by-length", cache, _cached_by_length, after_others()
        ),
        mutant(
            "loans-boosted",
            "loans-cached-by-first-row",
            cache,
            _cached_by_first_row,
            _same_first_row,
        ),
        mutant("flowers-tree", "flowers-cached-rounded", cache, _cached_rounded, after_others(100)),
        mutant("loans-pipeline", "loans-shared-place", "threads", _shared_place, crossed()),
        mutant("meters-neighbours", "meters-shared-buffer", "threads", _shared_buffer, crossed()),
        mutant("meters-xgboost", "meters-noise", luck, _noise, repeated()),
        mutant("loans-torch", "loans-dropout", luck, _dropout, repeated()),
        mutant("clicks-lightgbm", "clicks-exploring", luck, calling(_random_tie), repeated(400)),
        mutant(
            "loans-voting",
            "loans-hashed-job",
            "hash-seed",
            after(_hashed),
            other_process(PYTHONHASHSEED="12"),
            also=(("job",),),
        ),
        mutant(
            "shops-several",
            "shops-order-of-a-set",
            "hash-seed",
            _set_order,
            other_process(PYTHONHASHSEED="12"),
        ),
        mutant(
            "flowers-components",
            "flowers-born-at-random",
            "load-twice",
            _born_at_random,
            built_again(),
        ),
        mutant("loans-card", "loans-since-opened", "clock", after(_since_opened), another_day()),
        mutant(
            "heat-arrow", "heat-experiment", "clock", after(_odd_microseconds), repeated(times=60)
        ),
        mutant(
            "fare-formula",
            "fare-local-hour",
            "time-zone",
            after(_local_hour),
            other_process(TZ="Asia/Tokyo"),
            also=(("pickup",),),
        ),
        mutant(
            "tickets-xgboost",
            "tickets-writes-home",
            "artifact-mutated",
            _writes_home,
            _artifact_changes,
        ),
        mutant(
            "patients-monotone",
            "patients-very-old",
            way,
            _sinking("age", 100),
            wrong_way("age", 99, 101),
            "age",
        ),
        mutant(
            "loans-card",
            "loans-very-rich",
            way,
            _sinking("income", 2e6, 0.5),
            wrong_way("income", 1.9e6, 2.1e6),
            "income",
        ),
        mutant(
            "loans-card",
            "loans-old-gold",
            way,
            after(_old_gold),
            wrong_way("age", 69, 70, plan="gold"),
            "age",
            "plan",
        ),
        mutant(
            "fare-formula",
            "fare-long-trips",
            way,
            after(_long_trips),
            wrong_way("km", 499.0, 501.0),
            "km",
        ),
        mutant(
            "interest-formula",
            "interest-whole-rates",
            way,
            calling(_asked_whole),
            wrong_way("rate", 39.0, 41.0, tenure_days=5_000),
            "rate",
            also=(("rate", "tenure_days"),),
        ),
        mutant(
            "alarm-arrow",
            "alarm-ward",
            matters,
            after(_ward_matters),
            not_the_same("ward", "A1", "C9", age=30, pressure=120.0),
            "ward",
            also=(("ward", "age", "pressure"),),  # who is watched anyway is watched in any ward
        ),
        mutant(
            "click-rates",
            "clicks-proxy",
            matters,
            after(_proxy),
            not_the_same("returning", True, False, site="shop"),
            "returning",
            "site",
        ),
        mutant(
            "triage-rules",
            "triage-product",
            matters,
            after(_product_matters),
            not_the_same("product", "cloud", "mobile", subject="refund"),
            "product",
            # The words of a subject, and the priority, say which team it would have been.
            also=(("product", "subject"), ("product", "subject", "priority")),
        ),
    ]


def _same_first_row(case: Case) -> bool:
    """A batch that begins like another one of its length gets the other one's answers."""
    model, frame = case.build(), rows(case, 6)
    other = pd.concat([frame[:1], rows(case, 5, 50)], ignore_index=True)
    first, second = asked(case, model, frame), asked(case, model, other)
    return bool(np.allclose(first, second))
