"""Dates as text: drawn over the data and all that is admitted, in every form, on odd days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract import rows
from harness.contract.batch import Batch, Mask, cells, moment
from harness.contract.cause import explain
from harness.contract.domain import EARLIEST, LATEST
from harness.contract.levels import Pool, pools
from harness.contract.oracle import Bulk, Group
from harness.contract.rule import ordered
from harness.contract.schema import admits, domains
from harness.contract.special_days import SPECIAL
from harness.contract.stamps import FORMS, Form, days, drawn_from, stamps
from harness.contract.texts import offset

_DAY = 86_400_000_000
_YEARS = {"formatMinimum": "2012-01-01", "formatMaximum": "2034-12-31"}
_MOMENTS = {
    "formatMinimum": "2014-01-01T00:00:00Z",
    "formatMaximum": "2034-12-31T23:59:59Z",
}


def _pool(form: str, seen: list[str], **more: Any) -> Pool:
    described = {"type": "string", "format": form, **more}
    schema = {"type": "object", "properties": {"at": described}}
    training = Batch(columns=(cells("at", "string", seen),)) if seen else None
    [pool] = pools(domains(schema), training)
    return pool


def _drawn(pool: Pool, count: int) -> list[str]:
    training = Batch(columns=(pool.seen,)) if len(pool.seen) else None
    made = rows.make(rows.plan([pool], training), 0, count).batch
    assert admits(pool.domain, made["at"]).all()
    return made["at"].values.tolist()


def test_dates_as_text_are_drawn_over_all_that_is_admitted() -> None:
    drawn = _drawn(_pool("date", ["2023-01-05", "2024-06-30"], **_YEARS), 20_000)

    assert {text[:4] for text in drawn} == {str(year) for year in range(2012, 2035)}
    assert len(set(drawn)) > 1500


def test_dates_as_text_are_drawn_between_those_of_the_data() -> None:
    drawn = _drawn(_pool("date", ["2023-01-05", "2023-12-30"]), 10_000)

    assert len({text for text in drawn if text.startswith("2023")}) > 200


def test_dates_without_data_are_drawn_over_all_years() -> None:
    assert len({text[:4] for text in _drawn(_pool("date", []), 20_000)}) > 1000


def test_date_times_are_drawn_in_every_form() -> None:
    drawn = _drawn(_pool("date-time", ["2024-02-15T02:08:58Z", "2024-05-19T19:30:03Z"]), 4000)

    assert {form.offset for form in FORMS} <= {offset(text) for text in drawn}
    lengths = {len(text.partition(".")[2].rstrip("Z")) for text in drawn if text.endswith("Z")}
    assert {0, 1, 3, 6} <= lengths


def test_most_date_times_are_drawn_as_the_data_write_theirs() -> None:
    seen = ["2024-02-15T02:08:58.25+02:00", "2024-05-19T19:30:03.50+02:00"]

    forms = drawn_from(seen)

    assert forms.count(Form(2, "+02:00")) / len(forms) >= 0.75
    assert {*FORMS} <= {*forms}


@pytest.mark.parametrize(
    "ends",
    [
        ("2024-01-01T00:00:00.25Z", "2024-01-01T00:00:00.75Z"),
        ("2024-01-01T00:00:00.25Z", "2024-01-01T00:00:03Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T01:00:00Z"),
        ("9999-12-31T23:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_narrow_ranges_and_the_ends_of_the_calendar_are_kept_to(ends: tuple[str, str]) -> None:
    pool = _pool("date-time", [ends[0]], formatMinimum=ends[0], formatMaximum=ends[1])

    _drawn(pool, 4000)  # every row is admitted


@given(st.integers(EARLIEST, LATEST), st.integers(0, len(FORMS) - 1))
@settings(max_examples=100)
def test_a_moment_as_text_is_that_moment(at: int, form: int) -> None:
    [text] = stamps(np.array([at]), FORMS, np.array([form])).tolist()
    [day] = days(np.array([at])).tolist()

    unit = 10 ** (6 - FORMS[form].digits)
    assert at - at % unit == moment(text)
    assert at - at % _DAY == moment(day)


def test_days_by_which_code_breaks_are_levels() -> None:
    held = set(_pool("date", ["2023-01-05", "2024-06-30"], **_YEARS).levels.values.tolist())

    assert {"2024-02-29", "2024-12-31", "2023-12-31", "2024-01-01", "2024-04-30"} <= held
    assert all(any(holds(date.fromisoformat(t)) for t in held) for _, holds in SPECIAL.values())


def test_moments_that_are_no_text_get_these_days_too() -> None:
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    seen = [moment("2023-01-05T10:00:00Z"), moment("2024-06-30T10:00:00Z")]

    [pool] = pools(domains(schema), Batch(columns=(cells("at", "datetime", seen),)))

    assert moment("2024-02-29") in pool.levels.values
    assert moment("2024-12-31T23:59:59Z") in pool.levels.values


def test_every_form_of_a_date_time_is_a_level() -> None:
    pool = _pool("date-time", ["2024-02-15T02:08:58Z", "2024-05-19T19:30:03Z"], **_MOMENTS)

    held = pool.levels.values.tolist()
    assert {form.offset for form in FORMS} <= {offset(text) for text in held}
    stated = held[: pool.stated]
    assert any("." in text for text in stated)
    assert any(not text.endswith("Z") for text in stated)


def _stays(apart: list[int]) -> Batch:
    """Rows booked over two years, that arrive as many days later."""
    booked = [moment("2023-01-01") // _DAY + 5 * n for n in range(len(apart))]
    arrived = [day + more for day, more in zip(booked, apart, strict=True)]
    return Batch(
        columns=tuple(
            cells(name, "string", days(np.array(held) * _DAY).tolist())
            for name, held in (("booked", booked), ("arrival", arrived))
        )
    )


def _lead(batch: Batch) -> np.ndarray[Any, np.dtype[np.float64]]:
    return (ordered(batch["arrival"]) - ordered(batch["booked"])) / _DAY


_DATED = {"type": "string", "format": "date", **_YEARS}
_STAY = {"type": "object", "properties": {"booked": _DATED, "arrival": _DATED}}


def _explained(fails: Callable[[Batch], Mask], bulk: bool) -> str:
    fine = _stays([7 * n % 90 + 1 for n in range(120)])
    bad = fine.take(np.array([60])).put(cells("arrival", "string", ["2023-09-01"]))
    assert fails(bad).all() and not fails(fine).any()
    oracle = Bulk(fails) if bulk else Group(lambda batch: bool(fails(batch).any()))
    return explain(oracle, bad, fine, pools(domains(_STAY), fine)).rule.text


@pytest.mark.parametrize("bulk", [True, False], ids=["in bulk", "in groups"])
def test_days_between_two_dates_are_told(bulk: bool) -> None:
    told = _explained(lambda batch: _lead(batch) < -3, bulk)

    assert told in ("arrival - booked < -3 days", "booked - arrival > 3 days")


@pytest.mark.parametrize("bulk", [True, False], ids=["in bulk", "in groups"])
def test_a_date_that_is_not_after_another_is_told(bulk: bool) -> None:
    told = _explained(lambda batch: _lead(batch) < 1, bulk)

    assert told in ("arrival <= booked", "booked >= arrival")


def test_a_rule_that_passing_rows_hold_is_not_told() -> None:
    def fails(batch: Batch) -> Mask:
        return np.array([text.endswith(":31:00Z") for text in batch["at"].values], bool)

    known = [f"2024-{n % 12 + 1:02d}-{n % 28 + 1:02d}T{n % 23:02d}:10:00Z" for n in range(90)]
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    fine = Batch(columns=(cells("at", "string", known),))
    bad = Batch(columns=(cells("at", "string", ["2024-03-12T23:31:00Z"]),))
    oracle = Group(lambda batch: bool(fails(batch).any()))

    rule = explain(oracle, bad, fine, pools(domains(schema), fine)).rule

    assert "at == '2024-03-12T23:31:00Z'" == rule.text
