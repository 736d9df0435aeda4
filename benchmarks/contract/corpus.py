"""The corpus: healthy models and mutants of them, as values that any testing tool can be tried on.

A `Case` is a model, what it claims, and the rows that it was trained on. Importing the corpus
builds no model and imports no framework; `Case.build` does, in a second or two, always the same.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from benchmarks.contract.tables import Table

HEALTHY = ("sklearn_models", "boosted_models", "tensor_models", "plain_models", "served_models")
MUTANTS = ("answer_bugs", "cell_bugs", "batch_bugs", "frame_bugs", "state_bugs", "hostile_bugs")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One model and its claims.

    *build* makes the model: an object with ``predict_proba``, ``predict`` or both, or a callable.
    *outputs*, *monotone*, *invariant* and *errors* are written as in ``harness.toml``; *input* is
    what the model takes: pandas, numpy or pyarrow. A mutant has a *family*, the name of its healthy
    *base*, the *columns* that a report should blame (none: no cell is to blame; *also* are other
    sets that are as right) and a *witness*: of a case, whether its model misbehaves on one
    concrete input. It is true of the mutant and false of its base.
    """

    name: str
    build: Callable[[], Any]
    table: Table
    outputs: Mapping[str, Any]
    input: str = "pandas"
    monotone: Mapping[str, str] = field(default_factory=dict)
    invariant: tuple[str, ...] = ()
    errors: tuple[str, ...] = ("ValueError", "TypeError", "KeyError")
    family: str = "healthy"
    base: str = ""
    columns: tuple[str, ...] = ()
    also: tuple[tuple[str, ...], ...] = ()
    witness: Callable[[Case], bool] | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a row."""
        return self.table.schema

    @property
    def train(self) -> pd.DataFrame:
        """The training rows, with their target."""
        return self.table.rows()

    @property
    def target(self) -> str:
        """The name of the target's column."""
        return self.table.target

    @property
    def labels(self) -> list[Any]:
        """The claimed labels, in order; none for regression."""
        return list(self.outputs.get("labels", ()))


def healthy() -> list[Case]:
    """Return the healthy models."""
    return [case for module in HEALTHY for case in _module(module).cases()]


def mutants() -> list[Case]:
    """Return the mutants."""
    return [case for module in MUTANTS for case in _module(module).cases()]


def find(name: str) -> Case:
    """Return the case called *name*; raises KeyError."""
    for module in (*HEALTHY, *MUTANTS):
        for case in _module(module).cases():
            if case.name == name:
                return case
    raise KeyError(name)


def mutant(
    base: str,
    name: str,
    family: str,
    build: Callable[[Case], Any],
    witness: Callable[[Case], bool],
    *columns: str,
    also: tuple[tuple[str, ...], ...] = (),
    **claims: Any,
) -> Case:
    """Return the mutant that *build* makes of the healthy case called *base*."""
    healthy_one = find(base)
    return replace(
        healthy_one,
        name=name,
        family=family,
        base=base,
        build=lambda: build(healthy_one),
        columns=columns,
        also=also,
        witness=witness,
        **claims,
    )


def _module(name: str) -> Any:
    return importlib.import_module(f"benchmarks.contract.{name}")


def names() -> Iterator[str]:
    """Yield the name of every case."""
    for case in (*healthy(), *mutants()):
        yield case.name
