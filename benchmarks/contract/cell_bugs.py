"""Mutants that fail on the cells of one row: thresholds, conjunctions, text, categories, dates."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.bugs import after, calling, numbers, raising, where, words
from benchmarks.contract.corpus import Case, mutant
from benchmarks.contract.witness import cells, dies

Table = pd.DataFrame


def _between(name: str, low: float, high: float) -> Callable[[Table], np.ndarray]:
    return lambda table: (numbers(table, name) >= low) & (numbers(table, name) < high)


def _above(name: str, limit: float) -> Callable[[Table], np.ndarray]:
    return lambda table: numbers(table, name) > limit


def _is(**wanted: Any) -> Callable[[Table], np.ndarray]:
    """Return a condition: the named cells are these."""

    def condition(table: Table) -> np.ndarray:
        met = np.ones(len(table), bool)
        for name, value in wanted.items():
            if isinstance(value, str) or value is None:
                met &= np.array([cell == value for cell in words(table, name)], bool)
            else:
                met &= numbers(table, name) == value
        return met

    return condition


def _both(*conditions: Callable[[Table], np.ndarray]) -> Callable[[Table], np.ndarray]:
    return lambda table: np.logical_and.reduce([condition(table) for condition in conditions])


# Numbers


def _age_band(answer: np.ndarray, table: Table) -> np.ndarray:
    """A list of seven bands of ten years, from 30 on; the eighth is not in it."""
    factors = np.ones(8)
    bands = np.clip(numbers(table, "age") // 10 - 2, 0, None).astype(int)
    return answer * factors[bands][:, None]


def _short_days(answer: np.ndarray, table: Table) -> np.ndarray:
    """Days go through int16 and the root of what comes out."""
    with np.errstate(invalid="ignore"):
        days = numbers(table, "tenure_days").astype(np.int64).astype(np.int16)
        return answer + 0 * np.sqrt(days.astype(float))[:, None]


def _half_precision(answer: np.ndarray, table: Table) -> np.ndarray:
    """The area is held in float16, which ends at 65504."""
    with np.errstate(all="ignore"):
        area = numbers(table, "area").astype(np.float16)
        return answer + (area - area).astype(float)


def _whole_cents(answer: np.ndarray, table: Table) -> np.ndarray:
    """Turnover in cents in int32: from 429,497 visitors on it is less than nothing."""
    cents = (numbers(table, "visitors").astype(np.int64) * 5_000).astype(np.int32)
    return np.where(cents < 0, np.nan, answer)


def _over_limit(answer: np.ndarray, table: Table) -> np.ndarray:
    """The root of what is left of the credit line: nothing is left above the limit."""
    used = np.nan_to_num(numbers(table, "utilisation"), nan=0.3)
    with np.errstate(invalid="ignore"):
        return answer + 0 * np.sqrt(1 - used)[:, None]


def _no_visitors(answer: np.ndarray, table: Table) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return answer + 0.0 / 1.0 - np.where(np.log(numbers(table, "visitors")) < 0, np.inf, 0.0)


# Text and categories


def _campaign_number(answer: np.ndarray, table: Table) -> np.ndarray:
    """The number behind the dash, of campaigns that have one."""
    for name in set(words(table, "campaign")):
        str(name).split("-")[1]
    return answer


def _word_lists(case: Case) -> Any:
    """Looks a job up in a list that holds the jobs of the training rows."""
    jobs = {job: place for place, job in enumerate(sorted(set(case.table.inputs()["job"])))}

    def change(answer: np.ndarray, table: Table) -> np.ndarray:
        [jobs[job] for job in words(table, "job")]
        return answer

    return after(change)(case)


def _first_word(answer: list[str], table: Table) -> Any:
    for subject in words(table, "subject"):
        subject.split()[0]
    return answer


def _latin(answer: np.ndarray, table: Table) -> np.ndarray:
    """An old library takes Latin-1 alone."""
    for subject in words(table, "subject"):
        subject.encode("latin-1")
    return answer


def _digits(answer: np.ndarray, table: Table) -> np.ndarray:
    """What Unicode calls a digit is not always a number: a superscript two."""
    for subject in words(table, "subject"):
        [int(letter) for letter in subject if letter.isdigit()]
    return answer


def _formatted(answer: np.ndarray, table: Table) -> np.ndarray:
    """A subject is used as a format: braces are read as a field."""
    for subject in words(table, "subject"):
        subject.format()
    return answer


def _buffer(answer: np.ndarray, table: Table) -> np.ndarray:
    """255 letters fit."""
    for subject in words(table, "subject"):
        if len(subject) > 255:
            raise BufferError("the subject does not fit")
    return answer


def _lower_channel(ask: Any, table: Table) -> Any:
    """A missing channel is no text."""
    answer = ask(table)
    for channel in words(table, "channel"):
        channel.lower()
    return answer


# Dates


def _day(cell: str) -> datetime.date:
    return datetime.date.fromisoformat(cell)


def _anniversary(answer: np.ndarray, table: Table) -> np.ndarray:
    """The same day a year later: there is none after 29 February."""
    for day in {cell for cell in words(table, "opened") if cell is not None}:
        _day(day).replace(year=_day(day).year + 1)
    return answer


def _small_seconds(answer: np.ndarray, table: Table) -> np.ndarray:
    """Seconds since 1970 in 32 bits: they end in January 2038."""
    days = [(_day(cell) - datetime.date(1970, 1, 1)).days for cell in words(table, "opened")]
    seconds = (np.array(days, np.int64) * 86_400).astype(np.int32)
    late = np.array(days, np.int64) * 86_400 != seconds
    answer[late & (np.array(days) > 0)] = np.nan
    return answer


def _season(answer: np.ndarray, table: Table) -> np.ndarray:
    """A year of 52 weeks."""
    factors = np.ones(52)
    return answer * factors[numbers(table, "week").astype(int) - 1]


def _zones(answer: np.ndarray, table: Table) -> np.ndarray:
    """The offsets that were seen so far."""
    known = {"Z": 0, "+01:00": 60, "-05:00": -300}
    for cell in words(table, "pickup"):
        known["Z" if cell[-1] in "Zz" else cell[-6:]]
    return answer


def _whole_seconds(answer: np.ndarray, table: Table) -> np.ndarray:
    """A format without fractions of a second."""
    for cell in set(words(table, "pickup")):
        datetime.datetime.strptime(cell, "%Y-%m-%dT%H:%M:%S%z")
    return answer


def _before_birth(answer: np.ndarray, table: Table) -> np.ndarray:
    """The age at which an account was opened, and its root: some were opened before birth."""
    years = np.array([_day(cell).year for cell in words(table, "opened")])
    with np.errstate(invalid="ignore"):
        return answer + 0 * np.sqrt(numbers(table, "age") - (2025 - years))[:, None]


def _hang(answer: np.ndarray, table: Table) -> np.ndarray:
    """Halves by subtraction: a large cost takes for ever."""
    for cost in numbers(table, "cost"):
        left = cost
        while left > 5e8:
            left -= 1e-9
    return answer


def _exit(answer: np.ndarray, table: Table) -> np.ndarray:
    """A command-line tool that was wrapped: it ends the process for what it takes as an error."""
    if (numbers(table, "days_open") > 10_950).any():
        sys.exit(2)
    return answer


def _abort(answer: np.ndarray, table: Table) -> np.ndarray:
    """A library that ends the process: 48 seats and no more."""
    if (numbers(table, "passengers") > 48).any():
        os._exit(134)
    return answer


def _many(answer: np.ndarray, table: Table) -> np.ndarray:
    """A third of all rows raise: a priority was renamed."""
    rank = {"low": 0, "normal": 1, "high": 2}
    [rank[priority] for priority in words(table, "priority")]
    return answer


def cases() -> list[Case]:
    """Return this file's cases."""
    one, two, three, four = (f"{n}-cell" for n in ("threshold-one", "two", "three", "four"))
    sided, text, category, day = "threshold-two-sided", "text", "category", "date"
    crash = ZeroDivisionError("division by zero")
    return [
        mutant("loans-boosted", "loans-age-band", one, after(_age_band), cells(age=102), "age"),
        mutant(
            "loans-xgboost",
            "loans-short-days",
            "overflow",
            after(_short_days),
            cells(tenure_days=33_000),
            "tenure_days",
        ),
        mutant(
            "meters-boosted",
            "meters-half-precision",
            "overflow",
            after(_half_precision),
            cells(area=70_000.0),
            "area",
        ),
        mutant(
            "shops-torch",
            "shops-whole-cents",
            "overflow",
            after(_whole_cents),
            cells(visitors=600_000),
            "visitors",
        ),
        mutant(
            "loans-torch",
            "loans-over-limit",
            one,
            after(_over_limit),
            cells(utilisation=1.2),
            "utilisation",
        ),
        mutant(
            "shops-lightgbm",
            "shops-no-visitors",
            "logarithm-or-root",
            after(_no_visitors),
            cells(visitors=0),
            "visitors",
        ),
        mutant(
            "loans-card",
            "loans-old-sentinel",
            sided,
            where(_is(balance=-999.0), np.nan),
            cells(balance=-999.0),
            "balance",
        ),
        mutant(
            "loans-forest",
            "loans-rate-gap",
            sided,
            where(_between("rate", 7.25, 7.75), [-0.01, 1.01]),
            cells(rate=7.5),
            "rate",
        ),
        mutant(
            "meters-xgboost",
            "meters-cold-snap",
            sided,
            where(_between("temperature", -40.0, -38.5), -3.0),
            cells(temperature=-39.0),
            "temperature",
        ),
        mutant(
            "sensors-trees",
            "sensors-one-of-sixty",
            one,
            where(_above("s37", 5_000.0), [0.5, 0.5, 0.5]),
            cells(s37=6_000.0),
            "s37",
        ),
        mutant(
            "patients-lightgbm",
            "patients-tall",
            one,
            raising(_above("bmi", 80.0), crash),
            cells(bmi=90.0),
            "bmi",
        ),
        mutant(
            "loans-card",
            "loans-young-gold",
            two,
            raising(
                _both(lambda t: numbers(t, "age") < 21, _is(plan="gold")),
                IndexError("list index out of range"),
            ),
            cells(age=19, plan="gold"),
            "age",
            "plan",
        ),
        mutant(
            "clicks-lightgbm",
            "clicks-new-site-on-tablets",
            two,
            where(
                _both(lambda t: ~np.isin(words(t, "site"), KNOWN_SITES), _is(device="tablet")),
                "unknown",
            ),
            cells(site="radio", device="tablet"),
            "site",
            "device",
        ),
        mutant(
            "loans-voting",
            "loans-no-channel",
            three,
            where(_both(_is(defaulted=1.0), _is(channel=None), _is(plan="basic")), [-0.2, 1.2]),
            cells(defaulted=True, channel=None, plan="basic"),
            "defaulted",
            "channel",
            "plan",
        ),
        mutant(
            "meters-ridge",
            "meters-blizzard",
            three,
            where(
                _both(
                    lambda t: numbers(t, "temperature") < -15,
                    _above("wind", 55.0),
                    _is(building="hall"),
                ),
                -1.0,
            ),
            cells(temperature=-20.0, wind=60.0, building="hall"),
            "temperature",
            "wind",
            "building",
        ),
        mutant(
            "meters-boosted",
            "meters-monday-midnight",
            four,
            where(
                _both(_is(building="hall"), _is(occupied=1.0), _is(hour=0.0), _is(weekday=0.0)),
                np.inf,
            ),
            cells(building="hall", occupied=True, hour=0, weekday=0),
            "building",
            "occupied",
            "hour",
            "weekday",
        ),
        mutant(
            "loans-logistic",
            "loans-large-families",
            four,
            where(
                _both(
                    _is(region="south"),
                    _is(plan="silver"),
                    _above("dependents", 5.0),
                    lambda t: numbers(t, "balance") < 0,
                ),
                [0.25, 0.25],
            ),
            cells(region="south", plan="silver", dependents=9, balance=-10.0),
            "region",
            "plan",
            "dependents",
            "balance",
        ),
        mutant(
            "patients-imputed",
            "patients-all-missing",
            three,
            raising(
                _both(
                    *(
                        lambda t, n=n: np.isnan(numbers(t, n))
                        for n in ("bmi", "pressure", "cholesterol")
                    )
                ),
                IndexError("no donor"),
            ),
            cells(bmi=None, pressure=None, cholesterol=None),
            "bmi",
            "pressure",
            "cholesterol",
        ),
        mutant(
            "loans-xgboost",
            "loans-before-birth",
            two,
            after(_before_birth),
            cells(age=30, opened="1960-05-05"),
            "age",
            "opened",
        ),
        mutant(
            "clicks-target-encoded",
            "clicks-campaign-number",
            category,
            after(_campaign_number),
            cells(campaign="spring"),
            "campaign",
        ),
        mutant(
            "loans-boosted", "loans-word-lists", category, _word_lists, cells(job="pilot"), "job"
        ),
        mutant(
            "loans-pipeline",
            "loans-job-not-available",
            category,
            where(lambda t: np.isin(words(t, "job"), ["NA", "nan", "None", "null"]), np.nan),
            cells(job="None"),
            "job",
        ),
        mutant(
            "loans-logistic",
            "loans-lower-channel",
            category,
            calling(_lower_channel),
            cells(channel=None),
            "channel",
        ),
        mutant(
            "tickets-xgboost",
            "tickets-renamed-priority",
            "raises-for-many",
            after(_many),
            cells(priority="urgent"),
            "priority",
        ),
        mutant(
            "tickets-hashed",
            "tickets-first-word",
            text,
            after(_first_word),
            cells(subject=""),
            "subject",
        ),
        mutant(
            "tickets-tfidf",
            "tickets-latin",
            "unicode",
            after(_latin),
            cells(subject="日本 x"),
            "subject",
        ),
        mutant(
            "triage-rules",
            "triage-digits",
            "unicode",
            after(_digits),
            cells(subject="5 m²"),
            "subject",
        ),
        mutant(
            "tickets-hashed",
            "tickets-formatted",
            text,
            after(_formatted),
            cells(subject="{hello}"),
            "subject",
        ),
        mutant(
            "tickets-tfidf",
            "tickets-buffer",
            text,
            after(_buffer),
            cells(subject="a" * 300),
            "subject",
        ),
        mutant(
            "loans-pipeline",
            "loans-anniversary",
            day,
            after(_anniversary),
            cells(opened="2024-02-29"),
            "opened",
        ),
        mutant(
            "loans-card",
            "loans-small-seconds",
            day,
            after(_small_seconds),
            cells(opened="2040-01-01"),
            "opened",
        ),
        mutant(
            "basket-formula",
            "basket-season",
            day,
            after(lambda answer, table: _season(answer.T, table).T),
            cells(week=53),
            "week",
        ),
        mutant(
            "fare-formula",
            "fare-zones",
            day,
            after(_zones),
            cells(pickup="2024-05-05T10:00:00+05:30"),
            "pickup",
        ),
        mutant(
            "fare-formula",
            "fare-whole-seconds",
            day,
            after(_whole_seconds),
            cells(pickup="2024-05-05T10:00:00.25Z"),
            "pickup",
        ),
        mutant(
            "incidents-endpoint", "incidents-hang", "hang", after(_hang), dies(cost=9e8), "cost"
        ),
        mutant(
            "fraud-rule",
            "fraud-exit",
            "process-exit",
            after(_exit),
            cells(days_open=12_000),
            "days_open",
        ),
        mutant(
            "fare-formula",
            "fare-abort",
            "process-exit",
            after(_abort),
            dies(passengers=50),
            "passengers",
        ),
    ]


KNOWN_SITES = ["news", "games", "maps", "mail", "video", "shop"]
