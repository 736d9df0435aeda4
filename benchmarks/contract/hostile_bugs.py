"""Mutants that keep every promise about rows as described, and none about other rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.bugs import around, numbers, words
from benchmarks.contract.corpus import Case, mutant
from benchmarks.contract.witness import hostile, spelt, without

Table = pd.DataFrame
Outcome = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _lenient(name: str, safe: Any, then: Outcome) -> Callable[[Case], Any]:
    """Return a build: cells of *name* that the schema doesn't admit are taken as *safe*, and
    ``then(answer, bad)`` makes of the answer what the mutant makes of it."""

    def build(case: Case) -> Any:
        column = case.schema["properties"][name]

        def bug(ask: Any, table: Table) -> Any:
            if name not in table.columns:
                return ask(table)
            bad = ~_admitted(table, name, column)
            if not bad.any():
                return ask(table)
            cells = [safe if wrong else cell for cell, wrong in zip(table[name], bad, strict=True)]
            held = pd.Series(cells, index=table.index, dtype=object)
            return then(np.array(ask(table.assign(**{name: held}))), bad)

        return around(case, bug)

    return build


def _admitted(table: Table, name: str, column: dict[str, Any]) -> np.ndarray:
    cells = table[name].astype(object)
    if "enum" in column:
        return np.array([isinstance(cell, str) and cell in column["enum"] for cell in cells], bool)
    plain = [isinstance(c, int | float | np.number) and not isinstance(c, bool) for c in cells]
    values = pd.to_numeric(cells.where(plain), errors="coerce").to_numpy(float)
    low, high = column.get("minimum", -np.inf), column.get("maximum", np.inf)
    with np.errstate(invalid="ignore"):
        return np.isfinite(values) & (values >= low) & (values <= high)


def _becomes(value: Any) -> Outcome:
    def then(answer: np.ndarray, bad: np.ndarray) -> np.ndarray:
        answer = answer.astype(object) if isinstance(value, str) else answer.astype(float)
        answer[bad] = value
        return answer

    return then


def _fails(error: Exception) -> Outcome:
    def then(answer: np.ndarray, bad: np.ndarray) -> np.ndarray:
        raise error

    return then


def _scaled(answer: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """The bad row takes part in a normalisation."""
    return answer * 0.5


def _evened(answer: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """All rows of the batch get the prior."""
    return np.full_like(answer, 1 / answer.shape[1])


def _shuffled_down(answer: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """The bad row is dropped before, and a row is put at the end: all answers move up."""
    place = int(np.flatnonzero(bad)[0])
    return np.concatenate([np.delete(answer, place, axis=0), answer[place : place + 1]])


def _default_plan(case: Case) -> Any:
    """A plan that isn't in the list is the basic one, and so is GOLD."""
    return _lenient("plan", "basic", lambda answer, bad: answer)(case)


def _truncating(case: Case) -> Any:
    """A number that comes as text is cut at its point."""

    def bug(ask: Any, table: Table) -> Any:
        if "rate" not in table.columns:
            return ask(table)
        cells = [
            float(cell.split(".")[0]) if isinstance(cell, str) and cell[:1].isdigit() else cell
            for cell in table["rate"].astype(object)
        ]
        try:
            held = pd.Series(cells, index=table.index, dtype=float)
        except (TypeError, ValueError):
            return ask(table)
        return ask(table if table["rate"].dtype.kind in "iuf" else table.assign(rate=held))

    return around(case, bug)


def _folded_plan(case: Case) -> Any:
    """Two spellings were thought of: gold and Gold. GOLD is a basic plan."""
    known = {"gold": "gold", "Gold": "gold", "silver": "silver", "Silver": "silver"}

    def bug(ask: Any, table: Table) -> Any:
        if "plan" not in table.columns:
            return ask(table)
        plan = [
            known.get(cell.strip(), "basic") if isinstance(cell, str) else cell
            for cell in words(table, "plan")
        ]
        return ask(table.assign(plan=plan))

    return around(case, bug)


def _attribute(case: Case) -> Any:
    """A column is an attribute of the frame: when it isn't there, the error is another one."""

    def bug(ask: Any, table: Table) -> Any:
        table.bmi  # noqa: B018
        return ask(table)

    return around(case, bug)


def _filled_with_nan(case: Case) -> Any:
    """Columns that are not there are added, and the answer for such rows is not a number."""

    def bug(ask: Any, table: Table) -> Any:
        if "wind" in table.columns:
            return ask(table)
        return np.array(ask(table.assign(wind=1.0)), float) * np.nan

    return around(case, bug)


def _over(name: str) -> Callable[[Case], Any]:
    """Return a build: what is above its bound goes on growing into the answer."""

    def build(case: Case) -> Any:
        high = case.schema["properties"][name]["maximum"]

        def bug(ask: Any, table: Table) -> Any:
            if name not in table.columns or table[name].dtype.kind not in "iuf":
                return ask(table)
            value = numbers(table, name)
            over = np.isfinite(value) & (value > high)
            answer = np.array(ask(table.assign(**{name: np.where(over, high, value)})))
            answer[over] = [-0.5, 1.5]
            return answer

        return around(case, bug)

    return build


def cases() -> list[Case]:
    """Return this file's cases."""
    silent, spoils, error = "hostile-nonsense", "hostile-spoils-others", "undeclared-error"
    spelling, column = "spelling", "missing-column"
    return [
        mutant(
            "loans-logistic",
            "loans-silent-nan",
            silent,
            _lenient("income", 0.0, _becomes(np.nan)),
            hostile({"income": np.inf}),
            "income",
        ),
        mutant(
            "meters-boosted",
            "meters-silent-nan",
            silent,
            _lenient("building", "home", _becomes(np.nan)),
            hostile({"building": "barn"}),
            "building",
        ),
        mutant(
            "triage-rules",
            "triage-unknown",
            silent,
            _lenient("priority", "low", _becomes("unknown")),
            hostile({"priority": "asap"}),
            "priority",
        ),
        mutant(
            "loans-card",
            "loans-over-the-top",
            silent,
            _over("balance"),
            hostile({"balance": 1e12}),
            "balance",
        ),
        mutant(
            "loans-xgboost",
            "loans-evened",
            spoils,
            _lenient("rate", 5.0, _evened),
            hostile({"rate": -3.0}),
            "rate",
        ),
        mutant(
            "fare-formula",
            "fare-scaled",
            spoils,
            _lenient("km", 0.0, _scaled),
            hostile({"km": np.inf}),
            "km",
        ),
        mutant(
            "shops-torch",
            "shops-dropped-row",
            spoils,
            _lenient("visitors", 0, _shuffled_down),
            hostile({"visitors": -5}),
            "visitors",
        ),
        mutant(
            "fraud-rule",
            "fraud-runtime-error",
            error,
            _lenient("kind", "fire", _fails(RuntimeError("unknown kind"))),
            hostile({"kind": "flood"}),
            "kind",
        ),
        mutant(
            "loans-forest",
            "loans-asserts",
            error,
            _lenient("age", 40, _fails(AssertionError())),
            hostile({"age": 7}),
            "age",
        ),
        mutant(
            "patients-calibrated",
            "patients-attribute",
            column,
            _attribute,
            without("bmi"),
            "bmi",
            also=((),),
        ),
        mutant(
            "meters-ridge",
            "meters-added-column",
            column,
            _filled_with_nan,
            without("wind"),
            "wind",
            also=((),),
        ),
        mutant(
            "loans-card",
            "loans-default-plan",
            spelling,
            _default_plan,
            spelt("plan", "gold", "GOLD"),
            "plan",
        ),
        mutant(
            "loans-voting",
            "loans-truncated",
            spelling,
            _truncating,
            spelt("rate", 7.9, "7.9"),
            "rate",
        ),
        mutant(
            "loans-boosted",
            "loans-folded-plan",
            spelling,
            _folded_plan,
            spelt("plan", "gold", "GOLD"),
            "plan",
        ),
    ]
