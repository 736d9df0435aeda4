"""Healthy models of scikit-learn: estimators behind a door, and pipelines as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.corpus import Case
from benchmarks.contract.shapes import Checked, Classifier, Labeller, Regressor, fitted
from benchmarks.contract.tables import (
    CLICKS,
    FLOWERS,
    INCIDENTS,
    LOANS,
    METERS,
    PATIENTS,
    SENSORS,
    SHOPS,
    TICKETS,
    Table,
)

GOOD_BAD = ["bad", "good"]
TEAMS = ["billing", "sales", "tech"]


def loans_logistic() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    line = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    return Classifier(*fitted(LOANS, line), labels=GOOD_BAD)


def loans_pipeline() -> Any:
    """Everything in one scikit-learn pipeline, dates included, behind a check of the rows."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    numbers = ["age", "income", "balance", "amount", "tenure_days", "utilisation", "rate"]
    table = LOANS.only(*numbers, "region", "plan", "job", "opened")
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("lists", OneHotEncoder(), ["region", "plan"]),
            ("job", OneHotEncoder(handle_unknown="ignore"), ["job"]),
            ("year", make_pipeline(FunctionTransformer(_year), StandardScaler()), ["opened"]),
        ]
    )
    line = make_pipeline(columns, LogisticRegression(max_iter=500))
    line.fit(table.inputs(), table.rows()[table.target])
    return Checked(table, line)


def _year(frame: pd.DataFrame) -> np.ndarray:
    return frame["opened"].astype(object).map(lambda day: float(day[:4])).to_numpy(float)[:, None]


def loans_forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(15, max_depth=6, random_state=0, n_jobs=1)
    return Classifier(*fitted(LOANS, forest), labels=GOOD_BAD)


def loans_boosted() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(max_iter=15, random_state=0)
    return Classifier(*fitted(LOANS, trees, fill=False), labels=GOOD_BAD, fold=True)


def loans_voting() -> Any:
    from sklearn.ensemble import VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import BernoulliNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    voters = [
        ("line", make_pipeline(StandardScaler(), LogisticRegression())),
        ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
        ("bayes", BernoulliNB(binarize=0.5)),
    ]
    return Classifier(*fitted(LOANS, VotingClassifier(voters, voting="soft")), labels=GOOD_BAD)


def meters_boosted() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    trees = HistGradientBoostingRegressor(max_iter=20, random_state=0)
    return Regressor(*fitted(METERS, trees, fill=False), low=0)


def meters_ridge() -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return Regressor(*fitted(METERS, make_pipeline(StandardScaler(), Ridge())), low=0)


def meters_pipeline() -> Any:
    """A bare pipeline: what scikit-learn itself refuses is refused."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.tree import DecisionTreeRegressor

    numbers = ["temperature", "humidity", "wind", "hour", "area"]
    columns = ColumnTransformer(
        [("numbers", SimpleImputer(), numbers), ("building", OneHotEncoder(), ["building"])]
    )
    line = make_pipeline(columns, DecisionTreeRegressor(max_depth=5, random_state=0))
    table = METERS.only(*numbers, "building")
    return line.fit(table.inputs(), table.rows()[table.target])


def meters_neighbours() -> Any:
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    near = KNeighborsRegressor(5, weights="distance", algorithm="kd_tree")
    table = METERS.only("temperature", "wind", "hour", "area")
    return Regressor(*fitted(table, make_pipeline(StandardScaler(), near)))


def incidents_poisson() -> Any:
    """Expected days: a generalised linear model, its linear part cut before the exponential."""
    from sklearn.linear_model import PoissonRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    table = _days_open()
    line = make_pipeline(FunctionTransformer(np.log1p), PoissonRegressor(max_iter=300))
    return Regressor(*fitted(table, line), low=0, high=20_000)


def _days_open() -> Table:
    from dataclasses import replace

    kept = {name: INCIDENTS.columns[name] for name in ("cost", "kind")}
    return replace(INCIDENTS, columns=kept, target="days_open")


def flowers_svc() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return Labeller(*fitted(FLOWERS, make_pipeline(StandardScaler(), SVC())), labels=[0, 1, 2])


def flowers_neighbours() -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    near = KNeighborsClassifier(5, algorithm="kd_tree")
    return Classifier(*fitted(FLOWERS, near), labels=[0, 1, 2])


def flowers_bayes() -> Any:
    from sklearn.naive_bayes import GaussianNB

    return Classifier(*fitted(FLOWERS, GaussianNB()), labels=[0, 1, 2])


def flowers_network() -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    net = MLPClassifier((8,), max_iter=150, random_state=0, tol=1e-3)
    return Classifier(*fitted(FLOWERS, make_pipeline(StandardScaler(), net)), labels=[0, 1, 2])


def flowers_tree() -> Any:
    """A bare estimator that takes an array."""
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=4, random_state=0)
    return tree.fit(FLOWERS.inputs().to_numpy(), FLOWERS.rows()["species"])


def flowers_components() -> Any:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PowerTransformer

    line = make_pipeline(PowerTransformer(), PCA(3), LogisticRegression())
    return Classifier(*fitted(FLOWERS, line), labels=[0, 1, 2])


def patients_calibrated() -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    line = make_pipeline(StandardScaler(), LogisticRegression())
    table = PATIENTS.only("age", "bmi", "pressure", "smoker", "sex", "ward")
    known = CalibratedClassifierCV(line, method="sigmoid", cv=3)
    return Classifier(*fitted(table, known), labels=[0, 1])


def patients_monotone() -> Any:
    """Boosted trees that are told which way the pressure goes."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    table = PATIENTS.only("age", "bmi", "pressure", "cholesterol", "smoker")
    trees = HistGradientBoostingClassifier(
        max_iter=15, monotonic_cst=[1, 0, 0, 0, 0], random_state=0
    )
    return Classifier(*fitted(table, trees, fill=False), labels=[0, 1])


def patients_isotonic() -> Any:
    from sklearn.isotonic import IsotonicRegression

    table = PATIENTS.only("age")
    step = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    return Regressor(*fitted(table, step), low=0, high=1)


def patients_imputed() -> Any:
    """Missing measures are filled from the nearest patients, each row for itself."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.impute import KNNImputer
    from sklearn.pipeline import make_pipeline

    table = PATIENTS.only("age", "bmi", "pressure", "cholesterol", "smoker", "sex")
    forest = ExtraTreesClassifier(15, max_depth=6, random_state=0, n_jobs=1)
    line = make_pipeline(KNNImputer(n_neighbors=3), forest)
    return Classifier(*fitted(table, line, fill=False), labels=[0, 1])


def shops_several() -> Any:
    """Three sales at once."""
    from sklearn.linear_model import Ridge
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from benchmarks.contract.doors import read
    from benchmarks.contract.shapes import Matrix

    features, sold = Matrix(SHOPS), SHOPS.rows()["sold"].to_numpy()
    line = make_pipeline(StandardScaler(), MultiOutputRegressor(Ridge()))
    line.fit(features(read(SHOPS.schema, SHOPS.inputs())), np.outer(sold, [0.5, 0.3, 0.2]))
    return Regressor(SHOPS, features, line, targets=3)


def tickets_tfidf() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = ColumnTransformer(
        [
            ("words", TfidfVectorizer(), "subject"),
            ("priority", OneHotEncoder(), ["priority"]),
            ("product", OneHotEncoder(handle_unknown="ignore"), ["product"]),
            ("numbers", StandardScaler(), ["waited_hours", "attachments"]),
        ]
    )
    line = make_pipeline(columns, LogisticRegression(max_iter=300))
    line.fit(TICKETS.inputs(), TICKETS.rows()["team"])
    return Checked(TICKETS, line)


def tickets_hashed() -> Any:
    """A linear machine over hashed letters of the subject alone: labels only."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    words = HashingVectorizer(n_features=512, analyzer="char_wb", ngram_range=(2, 3))
    line = make_pipeline(words, SGDClassifier(random_state=0))
    table = TICKETS.only("subject")
    line.fit(table.inputs()["subject"], table.rows()["team"])
    return Labeller(table, lambda columns: columns["subject"], line, labels=TEAMS)


def clicks_target_encoded() -> Any:
    """A bare pipeline with a target encoder; it answers the second label's probability alone."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import TargetEncoder

    columns = ColumnTransformer(
        [
            ("names", TargetEncoder(random_state=0), ["site", "device", "campaign"]),
            ("numbers", "passthrough", ["slot", "bid", "views"]),
        ]
    )
    trees = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    line = make_pipeline(columns, trees)
    line.fit(CLICKS.inputs(), CLICKS.rows()["clicked"])
    checked = Checked(CLICKS, line)

    def chance(rows: pd.DataFrame) -> np.ndarray:
        return checked.predict_proba(rows)[:, 1] if len(rows) else np.empty(0)

    return chance


def sensors_linear() -> Any:
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    line = make_pipeline(StandardScaler(), RidgeClassifier())
    return Labeller(*fitted(SENSORS, line), labels=[0, 1, 2])


def sensors_trees() -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(12, max_depth=6, random_state=0, n_jobs=1)
    return Classifier(*fitted(SENSORS, forest), labels=[0, 1, 2])


def cases() -> list[Case]:
    """Return this file's cases."""
    loans = {"table": LOANS, "outputs": {"kind": "probabilities", "labels": GOOD_BAD}}
    flowers = {"table": FLOWERS, "outputs": {"kind": "probabilities", "labels": [0, 1, 2]}}
    risk = {"kind": "probabilities", "labels": [0, 1]}
    states = {"kind": "labels", "labels": [0, 1, 2]}
    kwh = {"kind": "regression", "minimum": 0}
    numbers = ("age", "income", "balance", "amount", "tenure_days", "utilisation", "rate")
    some_loans = LOANS.only(*numbers, "region", "plan", "job", "opened")
    basic = PATIENTS.only("age", "bmi", "pressure", "smoker", "sex", "ward")
    measures = PATIENTS.only("age", "bmi", "pressure", "cholesterol", "smoker")
    return [
        Case(name="loans-logistic", build=loans_logistic, **loans),
        Case(name="loans-pipeline", build=loans_pipeline, **loans | {"table": some_loans}),
        Case(name="loans-forest", build=loans_forest, **loans),
        Case(name="loans-boosted", build=loans_boosted, **loans),
        Case(name="loans-voting", build=loans_voting, **loans),
        Case(name="meters-boosted", build=meters_boosted, table=METERS, outputs=kwh),
        Case(name="meters-ridge", build=meters_ridge, table=METERS, outputs=kwh),
        Case(
            name="meters-pipeline",
            build=meters_pipeline,
            table=METERS.only("temperature", "humidity", "wind", "hour", "area", "building"),
            outputs=kwh,
        ),
        Case(
            name="meters-neighbours",
            build=meters_neighbours,
            table=METERS.only("temperature", "wind", "hour", "area"),
            outputs=kwh,
            input="numpy",
        ),
        Case(
            name="incidents-poisson",
            build=incidents_poisson,
            table=_days_open(),
            outputs={"kind": "regression", "minimum": 0, "maximum": 20_000},
        ),
        Case(name="flowers-svc", build=flowers_svc, table=FLOWERS, outputs=states),
        Case(name="flowers-neighbours", build=flowers_neighbours, **flowers),
        Case(name="flowers-bayes", build=flowers_bayes, input="numpy", **flowers),
        Case(name="flowers-network", build=flowers_network, **flowers),
        Case(name="flowers-tree", build=flowers_tree, input="numpy", **flowers),
        Case(name="flowers-components", build=flowers_components, **flowers),
        Case(
            name="patients-calibrated",
            build=patients_calibrated,
            table=basic,
            outputs=risk,
        ),
        Case(
            name="patients-monotone",
            build=patients_monotone,
            table=measures,
            outputs=risk,
            monotone={"age": "up"},
        ),
        Case(
            name="patients-isotonic",
            build=patients_isotonic,
            table=PATIENTS.only("age"),
            outputs={"kind": "regression", "minimum": 0, "maximum": 1},
            monotone={"age": "up"},
        ),
        Case(
            name="patients-imputed",
            build=patients_imputed,
            table=PATIENTS.only("age", "bmi", "pressure", "cholesterol", "smoker", "sex"),
            outputs=risk,
        ),
        Case(
            name="shops-several",
            build=shops_several,
            table=SHOPS,
            outputs={"kind": "regression", "targets": ["bread", "milk", "beer"]},
        ),
        Case(
            name="tickets-tfidf",
            build=tickets_tfidf,
            table=TICKETS,
            outputs={"kind": "probabilities", "labels": TEAMS},
        ),
        Case(
            name="tickets-hashed",
            build=tickets_hashed,
            table=TICKETS.only("subject"),
            outputs={"kind": "labels", "labels": TEAMS},
        ),
        Case(
            name="clicks-target-encoded",
            build=clicks_target_encoded,
            table=CLICKS,
            outputs={"kind": "probabilities", "labels": ["no", "yes"], "positive_only": True},
            invariant=("returning",),
        ),
        Case(
            name="sensors-linear",
            build=sensors_linear,
            table=SENSORS,
            outputs=states,
            input="numpy",
        ),
        Case(
            name="sensors-trees",
            build=sensors_trees,
            table=SENSORS,
            outputs={"kind": "probabilities", "labels": [0, 1, 2]},
        ),
    ]
