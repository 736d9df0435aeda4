"""Healthy models that are plain functions and rules, for pandas, numpy and pyarrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.corpus import Case
from benchmarks.contract.doors import read
from benchmarks.contract.tables import (
    CLICKS,
    INCIDENTS,
    LOANS,
    METERS,
    PATIENTS,
    SHOPS,
    TICKETS,
    TRIPS,
    Table,
)

INTEREST = LOANS.only("amount", "rate", "tenure_days").predicting(
    "owed",
    lambda rows: rows["amount"] * (1 + rows["rate"] / 100) ** (rows["tenure_days"] / 365.25),
)
CARD = LOANS.only("age", "income", "balance", "utilisation", "defaulted", "plan", "opened")
FARES = TRIPS
WATCHED = PATIENTS.predicting(
    "state", lambda rows: np.where(rows["pressure"].gt(150) | rows["age"].ge(78), "watch", "calm")
)
HEAT = METERS.only("temperature", "humidity", "wind", "occupied")
BASKET = SHOPS.only("week", "promotion", "price_bread", "price_milk", "visitors", "stock")


def _cases_of(table: Table, rows: Any) -> dict[str, np.ndarray]:
    return read(table.schema, rows)


def interest(rows: np.ndarray) -> np.ndarray:
    """Return what is owed at the end: compound interest, at most 1e12."""
    columns = _cases_of(INTEREST, rows)
    years = np.minimum(columns["tenure_days"] / 365.25, 30)
    return np.minimum(columns["amount"] * (1 + columns["rate"] / 100) ** years, 1e12)


class Card:
    """A scorecard: points to a probability."""

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        columns = _cases_of(CARD, rows)
        points = (
            np.clip((columns["age"] - 18) / 40, 0, 1)
            + 0.4 * np.log10(1 + columns["income"])
            + np.clip(columns["balance"] / 20_000, -1, 1)
            - 1.5 * np.minimum(np.nan_to_num(columns["utilisation"], nan=0.5), 2)
            - 1.1 * columns["defaulted"]
            + 0.3 * (columns["plan"] == "gold")
            + np.clip((20_000 - columns["opened"]) / 10_000, -1, 1)
        )
        good = 1 / (1 + np.exp(1.5 - points))
        return np.column_stack([1 - good, good])

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.array(["bad", "good"])[self.predict_proba(rows).argmax(axis=1)]


class Fraud:
    """Yes or no, as booleans."""

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        columns = _cases_of(INCIDENTS, rows)
        limit = np.where(columns["kind"] == "theft", 2_500.0, 9_000.0)
        return (columns["cost"] > limit) & (columns["days_open"] > 30)


def fare(rows: pd.DataFrame) -> pd.Series:
    """Return the minutes of a trip as a Series; the hour and the weekday are those of UTC."""
    columns = _cases_of(FARES, rows)
    hour = columns["pickup"] // 3600 % 24
    sunday = (columns["pickup"] // 86_400 + 4) % 7 == 0
    early = np.nan_to_num(columns["pickup"] / 86_400 - columns["booked"], nan=0.0) > 30
    rush = np.isin(hour, [7, 8, 16, 17]) & ~sunday
    minutes = 4 + 2.1 * columns["km"] * (1 + 0.4 * rush) + 0.2 * columns["passengers"] - early
    return pd.Series(minutes + 5 * (columns["zone"] == "airport"))


class Triage:
    """Which team a ticket goes to: words, else what is known of it. A list of texts."""

    def predict(self, rows: pd.DataFrame) -> list[str]:
        columns = _cases_of(TICKETS, rows)
        found = []
        for place, subject in enumerate(columns["subject"]):
            words = set(subject.lower().split())
            if words & {"invoice", "refund", "payment", "charged"}:
                found.append("billing")
            elif words & {"quote", "demo", "seats"} and columns["priority"][place] != "urgent":
                found.append("sales")
            else:
                found.append("tech")
        return found


def heat(table: Any) -> Any:
    """Return kWh for a pyarrow Table, as a pyarrow Array."""
    import pyarrow as pa

    columns = _cases_of(HEAT, table)
    damp = np.nan_to_num(columns["humidity"], nan=60.0) / 100
    felt = columns["temperature"] - 0.1 * columns["wind"] - damp
    return pa.array(np.maximum(19 - felt, 0) * (1 + columns["occupied"]))


class Alarm:
    """Labels from a pyarrow Table, by pyarrow's own functions."""

    def predict(self, table: Any) -> Any:
        import pyarrow.compute as pc

        columns = _cases_of(WATCHED, table)
        del columns  # a table that isn't as described is refused
        high = pc.greater(pc.fill_null(pc.cast(table["pressure"], "float64"), 120.0), 160.0)
        old = pc.greater_equal(pc.cast(table["age"], "float64"), 80.0)
        return pc.if_else(pc.or_(high, old), "watch", "calm")


class Basket:
    """Two amounts at once, as a frame."""

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        columns = _cases_of(BASKET, rows)
        reach = columns["visitors"] * (0.2 + 0.05 * columns["promotion"])
        most = np.where(np.isnan(columns["stock"]), np.inf, columns["stock"])
        bread = np.minimum(reach / (1 + columns["price_bread"]), most)
        season = 1 + 0.1 * np.sin(columns["week"] / 53 * 2 * np.pi)
        milk = reach * season / (1 + columns["price_milk"])
        return pd.DataFrame({"bread": bread, "milk": milk})


class Rates:
    """Click rates by site, as a frame whose columns are the labels."""

    def __init__(self) -> None:
        self.known = {"news": 0.1, "games": 0.15, "maps": 0.12, "mail": 0.08, "video": 0.2}
        self.known["shop"] = 0.35

    def predict_proba(self, rows: pd.DataFrame) -> pd.DataFrame:
        columns = _cases_of(CLICKS, rows)
        rate = np.array([self.known.get(site, 0.11) for site in columns["site"]], float)
        rate = rate * 0.97 ** columns["slot"] + 0.1 * np.tanh(columns["bid"])
        return pd.DataFrame({"no": 1 - rate, "yes": rate})


def cases() -> list[Case]:
    """Return this file's cases."""
    return [
        Case(
            name="interest-formula",
            build=lambda: interest,
            table=INTEREST,
            outputs={"kind": "regression", "minimum": 0, "maximum": 1e12},
            input="numpy",
            monotone={"rate": "up", "amount": "up"},
        ),
        Case(
            name="loans-card",
            build=Card,
            table=CARD,
            outputs={"kind": "probabilities", "labels": ["bad", "good"]},
            monotone={"income": "up", "age": "up"},
        ),
        Case(
            name="fraud-rule",
            build=Fraud,
            table=INCIDENTS,
            outputs={"kind": "labels", "labels": [False, True]},
        ),
        Case(
            name="fare-formula",
            build=lambda: fare,
            table=FARES,
            outputs={"kind": "regression"},
            monotone={"km": "up"},
        ),
        Case(
            name="triage-rules",
            build=Triage,
            table=TICKETS,
            outputs={"kind": "labels", "labels": ["billing", "sales", "tech"]},
            invariant=("product", "waited_hours"),
        ),
        Case(
            name="heat-arrow",
            build=lambda: heat,
            table=HEAT,
            outputs={"kind": "regression", "minimum": 0},
            input="pyarrow",
            monotone={"temperature": "down"},
        ),
        Case(
            name="alarm-arrow",
            build=Alarm,
            table=WATCHED,
            outputs={"kind": "labels", "labels": ["calm", "watch"]},
            input="pyarrow",
            invariant=("ward", "sex"),
        ),
        Case(
            name="basket-formula",
            build=Basket,
            table=BASKET,
            outputs={"kind": "regression", "targets": ["bread", "milk"], "minimum": 0},
        ),
        Case(
            name="click-rates",
            build=Rates,
            table=CLICKS,
            outputs={"kind": "probabilities", "labels": ["no", "yes"]},
            monotone={"bid": "up", "slot": "down"},
            invariant=("returning", "device"),
        ),
    ]
