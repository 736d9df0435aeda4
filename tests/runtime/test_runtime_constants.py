"""Numbers at which a model's own rules turn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from harness.runtime.constants import KEPT, mine

ROWS = pd.DataFrame({"noise": np.arange(200) % 7, "age": np.arange(200), "code": [10, 20] * 100})
LATE = ROWS["age"] >= 65
TREE = DecisionTreeClassifier(max_depth=1)
PARTS = ColumnTransformer(
    [("hot", OneHotEncoder(), ["code"]), ("as it is", SimpleImputer(), ["noise", "age"])]
)


@pytest.mark.parametrize(
    "model",
    [
        TREE,
        GradientBoostingClassifier(n_estimators=1, max_depth=1),
        HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=2),
        VotingClassifier([("tree", TREE)]),
        make_pipeline("passthrough", SimpleImputer(), TREE),
        make_pipeline(ColumnTransformer([("p", "passthrough", ["age"])]), TREE),
        make_pipeline(ColumnTransformer([("p", "passthrough", [1])]), TREE),
        make_pipeline(ColumnTransformer([("p", "passthrough", slice(1, 2))]), TREE),
        make_pipeline(PARTS, RandomForestClassifier(5, max_depth=1, max_features=None)),
        make_pipeline(ColumnTransformer([("d", "drop", ["code"])], remainder="passthrough"), TREE),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_trees_threshold_belongs_to_the_column_that_it_splits(model: Any) -> None:
    found = mine(model.fit(ROWS, LATE))

    assert found["age"], found
    assert all(abs(number - 64.5) <= 4 for number in found["age"]), found
    assert not found.get("noise")


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), TREE),
        make_pipeline(ColumnTransformer([("s", StandardScaler(), ["age"])]), TREE),
        make_pipeline(StandardScaler().set_output(transform="pandas"), TREE),
        make_pipeline(StandardScaler().set_output(transform="pandas"), SimpleImputer(), TREE),
        make_pipeline(SimpleImputer(add_indicator=True), TREE),
        BaggingClassifier(TREE, n_estimators=2, random_state=0),
    ],
    ids=["scaler", "column scaler", "named scaler", "imputer behind it", "indicator", "bagging"],
)
def test_a_threshold_behind_a_change_belongs_to_no_column(model: Any) -> None:
    found = mine(model.fit(ROWS, LATE))

    assert {"*"} == set(found) and found["*"]


def test_an_encoders_numbers_belong_to_its_columns() -> None:
    assert {"code": [10.0, 20.0]} == mine(OrdinalEncoder().fit(ROWS[["code"]]))
    assert {"*": [10.0, 20.0]} == mine(OrdinalEncoder().fit(ROWS[["code"]].to_numpy()))
    assert {} == mine(OrdinalEncoder().fit(ROWS[["code"]].astype(str)))


def test_a_model_within_a_persons_own_class_is_found() -> None:
    class Mine:
        def __init__(self, model: Any) -> None:
            self.parts = {"inner": [model]}
            self.me = self

    assert "age" in mine(Mine(TREE.fit(ROWS, LATE)))


def test_many_numbers_are_thinned_and_keep_their_ends() -> None:
    forest = RandomForestClassifier(5, random_state=0).fit(
        pd.DataFrame({"x": np.arange(999)}), np.arange(999) % 2
    )

    numbers = mine(forest)["x"]

    assert KEPT == len(numbers)
    assert numbers == sorted(set(numbers))
    assert numbers[0] < 2 and numbers[-1] > 997


@pytest.mark.parametrize("model", [len, object(), None, 3, "text", {"a": [1, 2]}])
def test_any_other_object_has_none(model: object) -> None:
    assert {} == mine(model)
