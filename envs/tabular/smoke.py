"""Three kinds of models learn a table that went through Parquet, and are the same once pickled."""

import io
import pickle

import lightgbm
import numpy
import pandas
import pyarrow.parquet
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

draw = numpy.random.default_rng(0)
table = pandas.DataFrame({"x": draw.normal(size=400), "kind": draw.choice(["a", "b"], 400)})
late = (table.x > 0).to_numpy().astype(int)

kept = io.BytesIO()
table.to_parquet(kept)
rows = pyarrow.parquet.read_table(io.BytesIO(kept.getvalue())).to_pandas()

for estimator in (
    LogisticRegression(),
    lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1),
    xgboost.XGBClassifier(n_estimators=5, n_jobs=1),
):
    prepared = make_column_transformer((StandardScaler(), ["x"]), (OneHotEncoder(), ["kind"]))
    model = make_pipeline(prepared, estimator).fit(rows, late)
    again = pickle.loads(pickle.dumps(model))
    assert model.score(table, late) > 0.95, estimator
    assert (model.predict_proba(rows) == again.predict_proba(rows)).all(), estimator
print("scikit-learn, LightGBM and XGBoost learn, and load again")
