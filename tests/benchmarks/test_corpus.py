"""The corpus is sound: its rows fit its schemas, and witnesses tell mutants from their bases.

``run.py --witnesses`` asks every witness; here are a few quick ones of each file.
"""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

from benchmarks.contract import corpus, witness
from benchmarks.contract.doors import read

pytest.importorskip("sklearn")

QUICK = (
    "clicks-percent",
    "interest-yearly",
    "triage-escalates",
    "clicks-named-wrongly",
    "loans-old-sentinel",
    "fare-zones",
    "triage-digits",
    "fraud-exit",
    "heat-smoothed",
    "fare-sorted",
    "meters-one-wet-row",
    "basket-first-rows",
    "clicks-popped",
    "fraud-text-alone",
    "heat-experiment",
    "loans-old-gold",
    "alarm-ward",
    "fare-scaled",
    "fraud-runtime-error",
    "loans-default-plan",
)


@pytest.mark.parametrize("name", QUICK)
def test_a_mutant_misbehaves_on_its_witness_and_its_base_does_not(name: str) -> None:
    case = corpus.find(name)

    found = case.witness(case), case.witness(corpus.find(case.base))

    assert (True, False) == found


def test_the_corpus_is_as_large_as_it_says() -> None:
    healthy, mutants = corpus.healthy(), corpus.mutants()
    names = [case.name for case in (*healthy, *mutants)]

    assert len(healthy) >= 34
    assert len(mutants) >= 70
    assert len({case.family for case in mutants}) >= 24
    assert len(set(names)) == len(names)
    assert {"pandas", "numpy", "pyarrow"} == {case.input for case in healthy}
    assert {"probabilities", "labels", "regression"} == {c.outputs["kind"] for c in healthy}


def test_every_mutant_has_a_healthy_base_and_a_witness_and_blames_columns_that_exist() -> None:
    healthy = {case.name for case in corpus.healthy()}

    for case in corpus.mutants():
        blamed = {name for columns in (case.columns, *case.also) for name in columns}
        assert case.base in healthy, case.name
        assert callable(case.witness), case.name
        assert blamed <= set(case.table.columns), case.name


@pytest.mark.parametrize("case", corpus.healthy(), ids=lambda case: case.name)
def test_the_training_rows_are_ones_that_the_schema_admits(case: corpus.Case) -> None:
    columns = read(case.schema, case.table.inputs())

    assert list(case.table.columns) == list(columns)
    assert len(case.train) == len(columns[next(iter(columns))])
    assert case.target not in case.table.columns


def test_tables_are_made_anew_each_time_and_are_always_the_same() -> None:
    case = corpus.find("loans-card")
    spoiled = case.train
    spoiled["age"] = -1

    pd.testing.assert_frame_equal(case.train, corpus.find("loans-card").train)
    assert (case.train["age"] >= 18).all()


def test_a_door_refuses_what_the_schema_does_not_admit() -> None:
    case = corpus.find("loans-card")
    for bad in (
        {"income": -1.0},
        {"plan": "GOLD"},
        {"opened": "2023-02-30"},
        {"age": None},
        {"income": np.inf},
        {"defaulted": "no"},
    ):
        with pytest.raises((ValueError, TypeError)):
            read(case.schema, witness.row(case, **bad))
    with pytest.raises(KeyError):
        read(case.schema, witness.row(case).drop(columns="age"))


def test_witnesses_use_no_check_of_ours() -> None:
    assert "harness" not in inspect.getsource(witness)
