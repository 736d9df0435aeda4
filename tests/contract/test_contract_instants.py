"""How a date-time is written, as the cause of a failure: its fraction, its offset, its leap day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from harness.contract.batch import Batch, cells
from harness.contract.domain import Domain
from harness.contract.edge import conditions
from harness.contract.levels import pools
from harness.contract.oracle import Bulk
from harness.contract.place import Place
from harness.contract.rule import Relation, Rule


def _cause(bad: str, good: str, fails: Callable[[str], bool], kind: str = "datetime") -> str:
    domain = Domain(name="at", kind=kind)
    [pool] = pools([domain], Batch(columns=(cells("at", "string", [good]),)))

    def which(batch: Batch) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.array([fails(text) for text in batch["at"].values], bool)

    place = Place(
        oracle=Bulk(which),
        setting=Batch(columns=(cells("at", "string", [bad]),)),
        name="at",
        pool=pool,
        passes=(good,),
        left=lambda: 40,
        most=64,
        witness=good,
    )
    return Rule(conditions=tuple(conditions(place)[0])).text


@pytest.mark.parametrize(
    "bad, fails, told",
    [
        ("2023-05-01T10:00:00.25+02:00", lambda t: "." in t, "at has a fraction of a second"),
        ("2023-05-01T10:00:00+02:00", lambda t: "." not in t, "at has no fraction of a second"),
        (
            "2023-05-01T10:00:00Z",
            lambda t: not t.endswith("+01:00"),
            "at is at another offset than +01:00",
        ),
        ("2023-05-01T10:00:00Z", lambda t: t.endswith("Z"), "at is at offset Z"),
    ],
)
def test_the_text_of_a_moment_is_told_where_the_moment_is_not_to_blame(
    bad: str, fails: Callable[[str], bool], told: str
) -> None:
    good = "2023-04-01T10:00:00+01:00"

    assert told == _cause(bad, good, fails)


def test_the_hour_by_the_local_clock_is_no_offset() -> None:
    told = _cause("2023-05-01T23:30:00Z", "2023-04-01T10:00:00+01:00", lambda t: t[11:13] == "23")

    assert "offset" not in told


def test_a_threshold_on_moments_is_still_one() -> None:
    late = _cause("2023-05-01T10:00:00Z", "2023-04-01T10:00:00Z", lambda text: text >= "2023-04-20")

    assert late.startswith("at > '2023-04-19T") or late.startswith("at >= '2023-04-20T")


def test_leap_days_of_all_years_are_one_day() -> None:
    told = _cause("2000-02-29", "2001-05-01", lambda text: text[5:] == "02-29", kind="date")

    assert "at is 29 February" == told


@pytest.mark.parametrize(
    "bad, fails, told",
    [
        ("2020-12-31", lambda d: d.timetuple().tm_yday == 366, "at is the 366th day of its year"),
        ("2020-12-31", lambda d: d.isocalendar()[1] == 53, "at is in the 53rd ISO week of a year"),
        ("2021-01-01", lambda d: d.isocalendar()[1] == 53, "at is in the 53rd ISO week of a year"),
        ("2020-12-31", lambda d: (d.month, d.day) == (12, 31), "at is 31 December"),
        ("2021-01-01", lambda d: (d.month, d.day) == (1, 1), "at is 1 January"),
        ("2020-12-31", lambda d: (d + timedelta(days=1)).day == 1, "at is the last day of a month"),
        ("2021-01-01", lambda d: d.day == 1, "at is the first day of a month"),
        ("2020-12-31", lambda d: d > date(2020, 6, 1), "at > '2020-06-01'"),
    ],
)
def test_what_a_day_is_in_the_calendar_is_told(
    bad: str, fails: Callable[[date], bool], told: str
) -> None:
    assert told == _cause(bad, "2018-05-02", lambda t: fails(date.fromisoformat(t)), kind="date")


def test_one_leap_day_alone_is_that_day() -> None:
    told = _cause("2000-02-29", "2001-05-01", lambda text: text == "2000-02-29", kind="date")

    assert "at == '2000-02-29'" == told


def test_leap_days_within_the_data_are_tried() -> None:
    rows = Batch(columns=(cells("at", "string", ["2011-01-01", "2021-01-01"]),))

    [pool] = pools([Domain(name="at", kind="date")], rows)

    assert {"2012-02-29", "2016-02-29", "2020-02-29"} <= set(pool.levels.values.tolist())


def test_long_runs_are_tried_as_free_text() -> None:
    [pool] = pools([Domain(name="text", kind="string")], None)

    held = pool.levels.values.tolist()
    assert "a" * 48 + "!" in held
    assert any(len(text.split()) > 8 and ";" in text for text in held)


@pytest.mark.parametrize(
    "value, told",
    [(86_400e6, "1 day"), (129_600e6, "36 h"), (2 * 86_400e6, "2 days"), (5e5, "0.5 s")],
)
def test_a_difference_of_moments_is_told_in_days_and_hours(value: float, told: str) -> None:
    apart = Relation(column="a", other="b", sign=">", join="-", value=value, form="datetime")

    assert f"a - b > {told}" == apart.text
