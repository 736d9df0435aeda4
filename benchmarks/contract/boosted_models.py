"""Healthy models of xgboost and lightgbm."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contract.corpus import Case
from benchmarks.contract.doors import read
from benchmarks.contract.shapes import Classifier, Labeller, Matrix, Regressor, fitted
from benchmarks.contract.tables import CLICKS, LOANS, METERS, PATIENTS, SHOPS, TICKETS


def loans_xgboost() -> Any:
    import xgboost

    features = Matrix(LOANS, fill=False)
    good = (LOANS.rows()["outcome"] == "good").astype(int)
    trees = xgboost.XGBClassifier(n_estimators=15, max_depth=3, n_jobs=1, random_state=0)
    trees.fit(features(read(LOANS.schema, LOANS.inputs())), good)
    return Classifier(LOANS, features, trees, labels=["bad", "good"])


class Booster:
    """The native booster: its input is a DMatrix, its answers are float32."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, features: np.ndarray) -> np.ndarray:
        import xgboost

        return self.booster.predict(xgboost.DMatrix(features))


def meters_xgboost() -> Any:
    import xgboost

    features = Matrix(METERS, fill=False)
    held = xgboost.DMatrix(features(read(METERS.schema, METERS.inputs())), METERS.rows()["kwh"])
    settings = {"max_depth": 3, "nthread": 1, "seed": 0}
    return Regressor(METERS, features, Booster(xgboost.train(settings, held, 15)), low=0)


def patients_lightgbm() -> Any:
    import lightgbm

    trees = lightgbm.LGBMClassifier(
        n_estimators=15, num_leaves=7, n_jobs=1, random_state=0, verbose=-1
    )
    return Classifier(*fitted(PATIENTS, trees, fill=False), labels=[0, 1])


def shops_lightgbm() -> Any:
    """Sales that never fall with the number of visitors."""
    import lightgbm

    way = [0] * len(SHOPS.columns)
    way[list(SHOPS.columns).index("visitors")] = 1
    trees = lightgbm.LGBMRegressor(
        n_estimators=20, num_leaves=7, n_jobs=1, verbose=-1, monotone_constraints=way
    )
    return Regressor(*fitted(SHOPS, trees, fill=False), low=0)


def clicks_lightgbm() -> Any:
    import lightgbm

    table = CLICKS.only("site", "device", "slot", "bid", "views", "returning")
    trees = lightgbm.LGBMClassifier(
        n_estimators=10, num_leaves=7, n_jobs=1, verbose=-1, class_weight="balanced"
    )
    return Labeller(*fitted(table, trees), labels=["no", "yes"])


def tickets_xgboost() -> Any:
    """Three teams from what is no text; float32 probabilities."""
    import xgboost

    table = TICKETS.only("priority", "product", "waited_hours", "attachments")
    features = Matrix(table)
    teams = ["billing", "sales", "tech"]
    trees = xgboost.XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1, random_state=0)
    trees.fit(
        features(read(table.schema, table.inputs())),
        table.rows()["team"].map(teams.index),
    )
    return Classifier(table, features, trees, labels=teams, fold=True)


def cases() -> list[Case]:
    """Return this file's cases."""
    return [
        Case(
            name="loans-xgboost",
            build=loans_xgboost,
            table=LOANS,
            outputs={"kind": "probabilities", "labels": ["bad", "good"]},
        ),
        Case(
            name="meters-xgboost",
            build=meters_xgboost,
            table=METERS,
            outputs={"kind": "regression", "minimum": 0},
        ),
        Case(
            name="patients-lightgbm",
            build=patients_lightgbm,
            table=PATIENTS,
            outputs={"kind": "probabilities", "labels": [0, 1]},
        ),
        Case(
            name="shops-lightgbm",
            build=shops_lightgbm,
            table=SHOPS,
            outputs={"kind": "regression", "minimum": 0},
            monotone={"visitors": "up"},
        ),
        Case(
            name="clicks-lightgbm",
            build=clicks_lightgbm,
            table=CLICKS.only("site", "device", "slot", "bid", "views", "returning"),
            outputs={"kind": "labels", "labels": ["no", "yes"]},
        ),
        Case(
            name="tickets-xgboost",
            build=tickets_xgboost,
            table=TICKETS.only("priority", "product", "waited_hours", "attachments"),
            outputs={"kind": "probabilities", "labels": ["billing", "sales", "tech"]},
        ),
    ]
