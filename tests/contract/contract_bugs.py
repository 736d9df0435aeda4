"""A model of shipments with one planted bug each, over columns of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from harness.contract.batch import Answer, Batch, Broken, Mask, Refusal, cells
from harness.contract.claims import Claims, claims_of
from harness.contract.rule import ordered
from harness.spec.project import Contract, Model, Outputs

REGIONS, CARRIERS = ("north", "south", "east", "west"), ("dhl", "ups", "own")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "weight": {"type": "number", "minimum": 0, "maximum": 1e6},
        "length": {"type": "number", "minimum": 0, "maximum": 1e4},
        "price": {"type": ["number", "null"], "minimum": -1e6, "maximum": 1e9},
        "cost": {"type": "number", "minimum": 0, "maximum": 1e9},
        "quantity": {"type": "integer", "minimum": 0, "maximum": 100_000},
        "items": {"type": "integer", "minimum": 1, "maximum": 1000},
        "year": {"type": "integer", "minimum": 1900, "maximum": 2100},
        "distance": {"type": "number"},
        "temperature": {"type": "number", "minimum": -100, "maximum": 100},
        "rate": {"type": "number", "minimum": 0, "maximum": 1},
        "region": {"type": "string", "enum": list(REGIONS)},
        "carrier": {"type": "string", "x-harness-open": True},
        "code": {"type": "string", "x-harness-open": True},
        "note": {"type": "string"},
        "fragile": {"type": "boolean"},
        "sent": {"type": "string", "format": "date"},
        "arrived": {"type": "string", "format": "date"},
    },
}
WIDE = 240
WIDE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        f"f{i}": {"type": "number", "minimum": -1000, "maximum": 1000} for i in range(WIDE)
    },
}


@cache
def shipments(rows: int = 400) -> Batch:
    """Training rows; no bug of this file shows in them but where it says so."""
    draw = np.random.default_rng(11)
    sent = draw.integers(14_000, 18_000, rows)
    arrived = sent + draw.integers(1, 30, rows)
    price = np.round(draw.gamma(2.0, 40.0, rows) + 20, 2)
    notes = ["call first", "ring twice", "left at door", "no note", "gate code 12"]
    columns: dict[str, tuple[str, list[Any]]] = {
        "weight": ("number", np.round(draw.gamma(2, 8, rows), 1).tolist()),
        "length": ("number", np.round(draw.uniform(5, 200, rows), 1).tolist()),
        "price": ("number", [None if i % 37 == 5 else v for i, v in enumerate(price.tolist())]),
        "cost": ("number", np.round(price * draw.uniform(0.3, 0.9, rows), 2).tolist()),
        "quantity": ("integer", draw.integers(1, 400, rows).tolist()),
        "items": ("integer", draw.integers(8, 60, rows).tolist()),
        "year": ("integer", draw.integers(2005, 2024, rows).tolist()),
        "distance": ("number", np.round(draw.uniform(10, 600, rows), 1).tolist()),
        "temperature": ("number", np.round(draw.normal(18, 6, rows), 1).tolist()),
        "rate": ("number", np.round(draw.uniform(0.05, 0.95, rows), 3).tolist()),
        "region": ("string", draw.choice(REGIONS, rows).tolist()),
        "carrier": ("string", draw.choice(CARRIERS, rows).tolist()),
        "code": ("string", [f"{'ABCD'[i % 4]}-{i}" for i in range(rows)]),
        "note": ("string", draw.choice(notes, rows).tolist()),
        "fragile": ("boolean", (draw.random(rows) < 0.3).tolist()),
        "sent": ("string", [day(d) for d in sent.tolist()]),
        "arrived": ("string", [day(d) for d in arrived.tolist()]),
    }
    return Batch(columns=tuple(cells(name, kind, held) for name, (kind, held) in columns.items()))


@cache
def wide_rows(rows: int = 100) -> Batch:
    """Training rows of many columns."""
    draw = np.random.default_rng(3)
    held = np.round(draw.normal(0, 1, (rows, WIDE)), 2)
    return Batch(columns=tuple(cells(f"f{i}", "number", held[:, i].tolist()) for i in range(WIDE)))


def day(days: int) -> str:
    """A date by its number."""
    return str(np.datetime64(days, "D"))


def claims(schema: dict[str, Any] = SCHEMA) -> Claims:
    """The claims of a regression on such rows."""
    contract = Contract(inputs=schema, outputs=Outputs(kind="regression"), errors=("ValueError",))
    return claims_of(Model(name="shipments"), contract)


Bug = Callable[[Batch], Mask]


@dataclass
class Shipments:
    """A model that goes wrong where *bug* says so: it answers NaN (``nan``), raises (``raise``),
    leaves the row out (``shape``) or is gone (``die``)."""

    bug: Bug
    way: str
    methods: tuple[str, ...] = ("predict",)
    rows: int = 0

    def answer(self, batch: Batch, *, method: str) -> Answer:
        self.rows += batch.rows
        with np.errstate(all="ignore"):
            wrong = np.asarray(self.bug(batch), bool)
        values = np.ones(batch.rows)
        if self.way == "nan":
            values[wrong] = np.nan
        elif self.way == "shape":
            values = values[~wrong]
        elif wrong.any() and self.way == "die":
            raise Broken("its process ended with exit code 139")
        elif wrong.any():
            raise Refusal("IndexError", ("IndexError", "LookupError", "Exception"), "planted")
        return Answer(values=values)


def n(batch: Batch, name: str) -> np.ndarray:
    """A column's numbers; a moment's text as days; what is missing as NaN."""
    held = ordered(batch[name]).astype(float)
    held = held / 86_400_000_000 if batch[name].kind == "string" else held
    return np.where(batch[name].absent, np.nan, held)


def t(batch: Batch, name: str, holds: Callable[[str], bool]) -> np.ndarray:
    """Which texts of a column have a property."""
    return np.fromiter((holds(str(v)) for v in batch[name].values), bool, batch.rows)


def among(batch: Batch, name: str, *values: str) -> np.ndarray:
    """Which texts of a column are one of *values*."""
    return t(batch, name, lambda v: v in values)


BUGS: list[tuple[str, Bug, str]] = [
    ("log of a negative number", lambda b: n(b, "distance") <= 0, "distance <= 0.0"),
    ("exp overflows", lambda b: ~np.isfinite(np.exp(n(b, "distance"))), "distance > 709.78"),
    ("below freezing", lambda b: n(b, "temperature") < -40, "temperature < -40.0"),
    ("int16 overflows", lambda b: n(b, "quantity") > 32767, "quantity > 32767"),
    (
        "float32 overflows",
        lambda b: ~np.isfinite((n(b, "cost").astype(np.float32)) ** 5),
        "cost > 508590",
    ),
    (
        "a category that the dictionary lacks",
        lambda b: ~among(b, "carrier", *CARRIERS),
        "carrier is a value that training data don't have",
    ),
    ("division by a difference", lambda b: n(b, "price") == n(b, "cost"), "price == cost"),
    ("before the epoch", lambda b: n(b, "year") < 1970, "year < 1970"),
    ("dates the wrong way round", lambda b: n(b, "arrived") < n(b, "sent"), "sent > arrived"),
    ("32-bit time", lambda b: n(b, "sent") > 24855, "sent > '2038-01-19'"),
    ("empty text", lambda b: t(b, "note", lambda v: v == ""), "note == ''"),
    (
        "text outside ASCII",
        lambda b: t(b, "note", lambda v: not v.isascii()),
        "note has a character outside ASCII in it",
    ),
    (
        "text too long",
        lambda b: t(b, "note", lambda v: len(v) > 255),
        "note is longer than 255 characters",
    ),
    ("a comma in the text", lambda b: t(b, "note", lambda v: "," in v), "note has ',' in it"),
    (
        "split without its mark",
        lambda b: t(b, "code", lambda v: "-" not in v),
        "code has no '-' in it",
    ),
    ("missing number", lambda b: b["price"].absent, "price is missing"),
    ("log of one minus one", lambda b: n(b, "rate") == 1, "rate == 1.0"),
    ("log of zero", lambda b: n(b, "rate") == 0, "rate == 0.0"),
    (
        "two categories",
        lambda b: among(b, "region", "west") & among(b, "carrier", "own"),
        "region == 'west' and carrier == 'own'",
    ),
    (
        "three columns",
        lambda b: (n(b, "quantity") == 0) & among(b, "region", "north") & b["fragile"].values,
        "quantity == 0 and region == 'north' and fragile == True",
    ),
    (
        "four numbers",
        lambda b: (
            (n(b, "weight") > 1000)
            & (n(b, "items") > 100)
            & (n(b, "temperature") < 0)
            & (n(b, "rate") > 0.5)
        ),
        "weight > 1000.0 and items > 100 and temperature < 0.0 and rate > 0.5",
    ),
    (
        "between two thresholds",
        lambda b: (n(b, "items") > 4) & (n(b, "items") <= 7),
        "4 < items < 8",
    ),
    (
        "close to zero",
        lambda b: np.abs(n(b, "distance")) < 1e-6,
        "-1e-06 < distance < 1e-06",
    ),
    ("a refund", lambda b: n(b, "price") < 0, "price < 0.0"),
    (
        "true is not handled",
        lambda b: b["fragile"].values & (n(b, "year") > 2050),
        "year > 2050 and fragile == True",
    ),
    (
        "sum over a limit",
        lambda b: n(b, "weight") + n(b, "length") > 5000,
        "weight + length > 5000.0",
    ),
    (
        "product overflows",
        lambda b: n(b, "quantity") * n(b, "items") > 2**24,
        "quantity * items > 16777216.0",
    ),
    ("a sentinel", lambda b: n(b, "quantity") == 999, "quantity == 999"),
    (
        "some categories",
        lambda b: among(b, "region", "east", "west"),
        "region in ('east', 'west')",
    ),
    (
        "a number and a missing one",
        lambda b: b["price"].absent & (n(b, "cost") > 1e6),
        "price is missing and cost > 1000000.0",
    ),
]

INEXACT = {"four numbers", "product overflows"}
"""Where the questions that a raising model may be asked don't suffice for every threshold."""
