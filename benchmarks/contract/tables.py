"""The data: tables with their schemas, made from a seed, the same on every machine.

Each table is one an owner could have: its bounds are what the owner would admit, wider than what
is in the rows.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

Column = dict[str, Any]
ROWS = 600


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows and the schema of one. *columns* describes the inputs in order, *make* makes all rows
    with the target."""

    name: str
    target: str
    columns: dict[str, Column]
    make: Callable[[], pd.DataFrame]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a row; a fresh object."""
        properties = {name: dict(column) for name, column in self.columns.items()}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "required": list(self.columns),
            "properties": properties,
        }

    def rows(self) -> pd.DataFrame:
        """Return a fresh copy of all rows, inputs and target."""
        return self.make().copy()

    def inputs(self) -> pd.DataFrame:
        """Return the rows without their target."""
        return self.rows()[list(self.columns)]

    def only(self, *names: str) -> Table:
        """Return the table with these input columns only."""
        kept = {name: self.columns[name] for name in names}
        return replace(self, columns=kept, make=lambda: self.make()[[*names, self.target]])

    def predicting(self, target: str, of: Callable[[pd.DataFrame], Any]) -> Table:
        """Return the table with another target, made *of* its rows."""
        return replace(
            self,
            target=target,
            make=lambda: self.make()[[*self.columns]].assign(**{target: of}),
        )


def number(low: float | None = None, high: float | None = None) -> Column:
    return _bounded("number", low, high)


def integer(low: int | None = None, high: int | None = None) -> Column:
    return _bounded("integer", low, high)


def _bounded(kind: str, low: float | None, high: float | None) -> Column:
    ends = {"minimum": low, "maximum": high}
    return {"type": kind} | {key: end for key, end in ends.items() if end is not None}


def closed(*values: str) -> Column:
    return {"type": "string", "enum": list(values)}


def opened() -> Column:
    return {"type": "string", "x-harness-open": True}


def text(longest: int = 400) -> Column:
    return {"type": "string", "maxLength": longest}


def flag() -> Column:
    return {"type": "boolean"}


def date(first: str, last: str) -> Column:
    return {"type": "string", "format": "date", "formatMinimum": first, "formatMaximum": last}


def moment(first: str, last: str) -> Column:
    return {"type": "string", "format": "date-time", "formatMinimum": first, "formatMaximum": last}


def gaps(column: Column) -> Column:
    """Return *column* with missing cells admitted."""
    enum = {"enum": [*column["enum"], None]} if "enum" in column else {}
    return column | {"type": [column["type"], "null"]} | enum


def _days(rng: np.random.Generator, first: str, last: str, n: int = ROWS) -> list[str]:
    low, high = (datetime.date.fromisoformat(day).toordinal() for day in (first, last))
    return [datetime.date.fromordinal(int(day)).isoformat() for day in rng.integers(low, high, n)]


def _with_gaps(rng: np.random.Generator, values: Any, share: float = 0.06) -> np.ndarray:
    held = np.array(values, dtype=object)
    held[rng.random(len(held)) < share] = None
    return held


def _some(rng: np.random.Generator, values: tuple[str, ...], weights: Any = None) -> np.ndarray:
    return rng.choice(np.array(values, dtype=object), ROWS, p=weights)


def _numeric(values: np.ndarray) -> np.ndarray:
    return np.array([np.nan if value is None else float(value) for value in values])


REGIONS = ("north", "east", "south", "west")
PLANS = ("basic", "silver", "gold")
CHANNELS = ("web", "branch", "phone", "partner")
JOBS = ("engineer", "teacher", "nurse", "driver", "clerk", "retired")


@functools.cache
def _loans() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    income = np.round(np.exp(rng.normal(10.3, 0.7, ROWS)), 2)
    amount = np.round(np.exp(rng.normal(9.0, 1.0, ROWS)), 2)
    balance = np.round(rng.normal(2_000, 6_000, ROWS), 2)
    used = np.round(rng.beta(2, 3, ROWS), 4)
    before = rng.random(ROWS) < 0.15
    plan = _some(rng, PLANS, [0.5, 0.3, 0.2])
    region = _some(rng, REGIONS)
    score = (
        0.9 * np.log(amount / income) + 2.2 * used - balance / 9_000 + 1.4 * before
        + 0.5 * (plan == "basic") + 0.4 * (region == "south") + rng.logistic(0, 0.7, ROWS)
    )  # fmt: skip
    return pd.DataFrame(
        {
            "age": rng.integers(18, 85, ROWS),
            "income": income,
            "balance": balance,
            "amount": amount,
            "tenure_days": rng.integers(0, 7_000, ROWS),
            "dependents": _numeric(_with_gaps(rng, rng.poisson(1.2, ROWS))),
            "utilisation": _numeric(_with_gaps(rng, used)),
            "rate": np.round(rng.uniform(0.5, 19.0, ROWS), 2),
            "defaulted": before,
            "region": region,
            "plan": plan,
            "channel": _with_gaps(rng, _some(rng, CHANNELS)),
            "job": _some(rng, JOBS),
            "opened": _days(rng, "2005-01-01", "2024-12-31"),
            "outcome": np.where(score > -0.1, "bad", "good"),
        }
    )


LOANS = Table(
    name="loans",
    target="outcome",
    columns={
        "age": integer(18, 110),
        "income": number(0, 1e8),
        "balance": number(-1e7, 1e8),
        "amount": number(1, 1e7),
        "tenure_days": integer(0, 40_000),
        "dependents": gaps(integer(0, 30)),
        "utilisation": gaps(number(0, 10)),
        "rate": number(0, 100),
        "defaulted": flag(),
        "region": closed(*REGIONS),
        "plan": closed(*PLANS),
        "channel": gaps(closed(*CHANNELS)),
        "job": opened(),
        "opened": date("1950-01-01", "2049-12-31"),
    },
    make=_loans,
)


@functools.cache
def _meters() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    temp = np.round(rng.normal(11, 9, ROWS), 1)
    hour = rng.integers(0, 24, ROWS)
    area = np.round(np.exp(rng.normal(5.5, 0.9, ROWS)), 1)
    occupied = rng.random(ROWS) < 0.6
    building = _some(rng, ("office", "school", "home", "hall"))
    kwh = (
        area * (0.02 + 0.004 * np.maximum(18 - temp, 0) + 0.03 * occupied)
        + 2 * np.sin(hour / 24 * 2 * np.pi) + rng.normal(0, 1, ROWS)
    )  # fmt: skip
    return pd.DataFrame(
        {
            "temperature": temp,
            "humidity": _numeric(_with_gaps(rng, np.round(rng.uniform(20, 100, ROWS), 1))),
            "wind": np.round(rng.gamma(2, 2.5, ROWS), 1),
            "hour": hour,
            "weekday": rng.integers(0, 7, ROWS),
            "area": area,
            "building": building,
            "occupied": occupied,
            "kwh": np.round(np.maximum(kwh, 0), 3),
        }
    )


METERS = Table(
    name="meters",
    target="kwh",
    columns={
        "temperature": number(-60, 60),
        "humidity": gaps(number(0, 100)),
        "wind": number(0, 120),
        "hour": integer(0, 23),
        "weekday": integer(0, 6),
        "area": number(5, 200_000),
        "building": closed("office", "school", "home", "hall"),
        "occupied": flag(),
    },
    make=_meters,
)

WORDS = {
    "billing": ["invoice", "charged", "refund", "payment", "card", "twice", "price", "receipt"],
    "tech": ["error", "crash", "login", "screen", "update", "slow", "install", "café"],
    "sales": ["quote", "licence", "upgrade", "seats", "trial", "demo", "contract", "Größe"],
}
COMMON = tuple(
    ["the", "my", "please", "help", "with", "a", "today", "since", "is", "not", "hello", "thanks"]
)


@functools.cache
def _tickets() -> pd.DataFrame:
    rng = np.random.default_rng(13)
    teams = _some(rng, tuple(WORDS))
    subjects = [
        " ".join(rng.permutation([*rng.choice(WORDS[team], 3), *rng.choice(COMMON, 4)]))
        for team in teams
    ]
    return pd.DataFrame(
        {
            "subject": np.array(subjects, dtype=object),
            "priority": _some(rng, ("low", "normal", "urgent")),
            "product": _some(rng, ("desktop", "mobile", "cloud")),
            "waited_hours": np.round(rng.exponential(20, ROWS), 2),
            "attachments": rng.poisson(0.7, ROWS),
            "team": teams,
        }
    )


TICKETS = Table(
    name="tickets",
    target="team",
    columns={
        "subject": text(),
        "priority": closed("low", "normal", "urgent"),
        "product": opened(),
        "waited_hours": number(0, 10_000),
        "attachments": integer(0, 1_000),
    },
    make=_tickets,
)


@functools.cache
def _sensors() -> pd.DataFrame:
    rng = np.random.default_rng(14)
    held = {
        f"s{i:02d}": np.round(rng.normal(i % 7, 1 + i % 5, ROWS) * 10.0 ** (i % 4 - 1), 4)
        for i in range(60)
    }
    score = held["s00"] * 8 + held["s06"] / 12 + held["s13"] / 2 - held["s42"] / 16
    held["state"] = np.digitize(score, np.quantile(score, [0.4, 0.75]))
    return pd.DataFrame(held)


SENSORS = Table(
    name="sensors",
    target="state",
    columns={f"s{i:02d}": number(-1e5, 1e5) for i in range(60)},
    make=_sensors,
)


@functools.cache
def _flowers() -> pd.DataFrame:
    rng = np.random.default_rng(15)
    kind = rng.integers(0, 3, ROWS)
    centre = np.array([[5.0, 3.4, 1.5, 0.25], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.5, 2.0]])
    size = centre[kind] + rng.normal(0, [0.4, 0.3, 0.4, 0.2], (ROWS, 4))
    size = np.round(np.maximum(size, 0.1), 1)
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    return pd.DataFrame({name: size[:, i] for i, name in enumerate(names)} | {"species": kind})


FLOWERS = Table(
    name="flowers",
    target="species",
    columns={
        "sepal_length": number(0, 30),
        "sepal_width": number(0, 30),
        "petal_length": number(0, 30),
        "petal_width": number(0, 30),
    },
    make=_flowers,
)


@functools.cache
def _trips() -> pd.DataFrame:
    rng = np.random.default_rng(16)
    days = _days(rng, "2022-01-01", "2024-12-31")
    zones = ("Z", "+01:00", "-05:00")
    hours = rng.integers(0, 24, ROWS)
    stamps = [
        f"{day}T{hour:02d}:{minute:02d}:00{zone}"
        for day, hour, minute, zone in zip(
            days, hours, rng.integers(0, 60, ROWS), rng.choice(zones, ROWS), strict=True
        )
    ]
    km = np.round(rng.gamma(2, 3, ROWS), 2)
    minutes = 4 + km * 2.1 + 3 * np.isin(hours, [8, 9, 17, 18]) + rng.normal(0, 1, ROWS)
    return pd.DataFrame(
        {
            "pickup": np.array(stamps, dtype=object),
            "booked": _with_gaps(rng, days),
            "km": km,
            "passengers": rng.integers(1, 6, ROWS),
            "zone": _some(rng, ("airport", "centre", "harbour", "hills")),
            "minutes": np.round(np.maximum(minutes, 1), 2),
        }
    )


TRIPS = Table(
    name="trips",
    target="minutes",
    columns={
        "pickup": moment("2000-01-01T00:00:00Z", "2049-12-31T23:59:59Z"),
        "booked": gaps(date("2000-01-01", "2049-12-31")),
        "km": number(0, 2_000),
        "passengers": integer(0, 60),
        "zone": opened(),
    },
    make=_trips,
)


@functools.cache
def _shops() -> pd.DataFrame:
    rng = np.random.default_rng(17)
    week, promo = rng.integers(1, 54, ROWS), rng.random(ROWS) < 0.3
    bread, milk, beer = (np.round(rng.normal(mean, 0.3, ROWS), 2) for mean in (2.5, 1.2, 4.0))
    visitors = rng.integers(100, 3_000, ROWS)
    sold = visitors * (0.2 - 0.03 * bread + 0.05 * promo)
    return pd.DataFrame(
        {
            "week": week,
            "promotion": promo,
            "price_bread": bread,
            "price_milk": milk,
            "price_beer": beer,
            "visitors": visitors,
            "stock": _numeric(_with_gaps(rng, rng.integers(0, 900, ROWS))),
            "sold": np.round(np.maximum(sold + rng.normal(0, 10, ROWS), 0), 1),
        }
    )


SHOPS = Table(
    name="shops",
    target="sold",
    columns={
        "week": integer(1, 53),
        "promotion": flag(),
        "price_bread": number(0.01, 1_000),
        "price_milk": number(0.01, 1_000),
        "price_beer": number(0.01, 1_000),
        "visitors": integer(0, 1_000_000),
        "stock": gaps(integer(0, 1_000_000)),
    },
    make=_shops,
)


@functools.cache
def _incidents() -> pd.DataFrame:
    rng = np.random.default_rng(18)
    cost = np.round(np.exp(rng.normal(7, 1.2, ROWS)), 2)
    days = rng.integers(0, 400, ROWS)
    kind = _some(rng, ("fire", "water", "theft"))
    score = np.log(cost) + days / 200 + (kind == "theft") + rng.normal(0, 0.6, ROWS)
    return pd.DataFrame(
        {
            "cost": cost,
            "days_open": days,
            "kind": kind,
            "fraud": score > 8.8,
        }
    )


INCIDENTS = Table(
    name="incidents",
    target="fraud",
    columns={
        "cost": number(0, 1e9),
        "days_open": integer(0, 20_000),
        "kind": closed("fire", "water", "theft"),
    },
    make=_incidents,
)


@functools.cache
def _patients() -> pd.DataFrame:
    rng = np.random.default_rng(19)
    age = rng.integers(18, 95, ROWS)
    pressure = np.round(rng.normal(115 + age / 4, 12, ROWS))
    bmi = np.round(rng.normal(26, 4, ROWS), 1)
    smoker = rng.random(ROWS) < 0.25
    score = age / 18 + pressure / 40 + bmi / 20 + 1.2 * smoker + rng.logistic(0, 0.6, ROWS)
    return pd.DataFrame(
        {
            "age": age,
            "bmi": _numeric(_with_gaps(rng, bmi)),
            "pressure": _numeric(_with_gaps(rng, pressure)),
            "cholesterol": _numeric(_with_gaps(rng, np.round(rng.normal(5.2, 1, ROWS), 2), 0.2)),
            "smoker": smoker,
            "sex": _some(rng, ("f", "m")),
            "ward": _some(rng, ("A1", "A2", "B1", "C9")),
            "admitted": _days(rng, "2019-01-01", "2024-12-31"),
            "readmitted": np.where(score > np.quantile(score, 0.6), 1, 0),
        }
    )


PATIENTS = Table(
    name="patients",
    target="readmitted",
    columns={
        "age": integer(0, 125),
        "bmi": gaps(number(5, 150)),
        "pressure": gaps(number(30, 350)),
        "cholesterol": gaps(number(0.1, 40)),
        "smoker": flag(),
        "sex": closed("f", "m"),
        "ward": opened(),
        "admitted": date("2000-01-01", "2039-12-31"),
    },
    make=_patients,
)


@functools.cache
def _clicks() -> pd.DataFrame:
    rng = np.random.default_rng(20)
    site = _some(rng, ("news", "games", "maps", "mail", "video", "shop"))
    device = _some(rng, ("phone", "tablet", "desktop"))
    slot = rng.integers(0, 9, ROWS)
    bid = np.round(rng.gamma(1.5, 0.4, ROWS) + 0.01, 4)
    rate = 0.15 + 0.2 * (site == "shop") + 0.1 * (device == "phone") - 0.01 * slot + 0.05 * bid
    return pd.DataFrame(
        {
            "site": site,
            "device": device,
            "campaign": np.array([f"c-{i:03d}" for i in rng.integers(0, 40, ROWS)], dtype=object),
            "slot": slot,
            "bid": bid,
            "views": rng.geometric(0.2, ROWS),
            "returning": rng.random(ROWS) < 0.4,
            "clicked": np.where(rng.random(ROWS) < rate, "yes", "no"),
        }
    )


CLICKS = Table(
    name="clicks",
    target="clicked",
    columns={
        "site": opened(),
        "device": closed("phone", "tablet", "desktop"),
        "campaign": opened(),
        "slot": integer(0, 50),
        "bid": number(0, 1_000),
        "views": integer(0, 1_000_000),
        "returning": flag(),
    },
    make=_clicks,
)
