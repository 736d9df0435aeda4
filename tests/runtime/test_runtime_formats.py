"""Files that hold a model: known by what is in them, opened by their own libraries."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from harness.runtime import adapter, constants, formats, loading, traits
from harness.runtime.formats import Unloadable, format_of, open_file, runs_code, usable
from harness.runtime.outputs import take_apart

RANDOM = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {"age": RANDOM.integers(18, 80, 300).astype(float), "income": RANDOM.normal(40, 9, 300)}
)
LATE = (ROWS["age"] > 50).astype(int)
BAND = pd.cut(ROWS["income"], 3, labels=False)


def needed(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed")


@pytest.fixture
def xgboost() -> Any:
    return needed("xgboost")


@pytest.fixture
def lightgbm() -> Any:
    return needed("lightgbm")


def boosted(xgboost: Any, objective: str, target: Any, rows: Any = ROWS, **more: Any) -> Any:
    settings = {"objective": objective, "max_depth": 2, **more}
    return xgboost.train(settings, xgboost.DMatrix(rows, label=target), 5)


def lit(lightgbm: Any, objective: str, target: Any, rows: Any = ROWS, **more: Any) -> Any:
    settings = {"objective": objective, "verbose": -1, **more}
    return lightgbm.train(settings, lightgbm.Dataset(rows, label=target), 5)


def as_onnx(model: Any, inputs: Any, **options: Any) -> bytes:
    needed("onnxruntime")
    made: bytes = (
        needed("skl2onnx")
        .convert_sklearn(model, initial_types=inputs, **options)
        .SerializeToString()
    )
    return made


def matrix(columns: int) -> Any:
    return [("x", needed("skl2onnx.common.data_types").FloatTensorType([None, columns]))]


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_an_xgboost_file_gives_what_its_booster_gives(
    tmp_path: Path, xgboost: Any, suffix: str
) -> None:
    booster = boosted(xgboost, "binary:logistic", LATE)
    file = tmp_path / f"model.{suffix}"
    booster.save_model(file)

    model = open_file(file)

    assert "xgboost" == format_of(file)
    assert not runs_code(file)
    assert ["predict_proba"] == loading.methods(model, {})
    assert np.array_equal(booster.predict(xgboost.DMatrix(ROWS)), model.predict_proba(ROWS))
    assert (0,) == model.predict_proba(ROWS[:0]).shape


def test_a_boosters_columns_are_found_by_name_whatever_stands_beside_them(
    xgboost: Any, lightgbm: Any
) -> None:
    mixed = ROWS.assign(extra="text")[["extra", "income", "age"]]

    for booster in (
        boosted(xgboost, "binary:logistic", LATE),
        lit(lightgbm, "binary", LATE),
    ):
        model = usable(booster)

        assert np.array_equal(model.predict_proba(ROWS), model.predict_proba(mixed))
        with pytest.raises(KeyError, match="age"):
            model.predict_proba(ROWS[["income"]])


@pytest.mark.parametrize(
    ("objective", "target", "more", "kind", "shape"),
    [
        ("binary:logistic", LATE, {}, "probabilities", (300,)),
        ("multi:softprob", BAND, {"num_class": 3}, "probabilities", (300, 3)),
        ("multi:softmax", BAND, {"num_class": 3}, "labels", (300,)),
        ("reg:squarederror", ROWS["income"], {}, "regression", (300,)),
    ],
)
def test_an_xgboost_objective_says_what_is_answered(
    xgboost: Any, objective: str, target: Any, more: dict[str, Any], kind: str, shape: Any
) -> None:
    model = usable(boosted(xgboost, objective, target, **more))

    method = loading.methods(model, {})[0]

    assert kind == traits.about(model)["kind"]
    assert shape == getattr(model, method)(ROWS).shape
    assert (0, *shape[1:]) == getattr(model, method)(ROWS[:0]).shape


def test_a_lightgbm_file_gives_what_its_booster_gives(tmp_path: Path, lightgbm: Any) -> None:
    booster = lit(lightgbm, "multiclass", BAND, num_class=3)
    file = tmp_path / "model.txt"
    booster.save_model(file)

    model = open_file(file)

    assert "lightgbm" == format_of(file)
    assert not runs_code(file)
    assert np.array_equal(booster.predict(ROWS), model.predict_proba(ROWS))
    assert (0, 3) == model.predict_proba(ROWS[:0]).shape
    assert ["LightGBMError"] == traits.about(model)["refusals"]


def test_text_becomes_a_category_where_lightgbm_was_trained_with_some(lightgbm: Any) -> None:
    texts = ROWS.assign(region=np.where(ROWS["age"] > 40, "north", "south"))
    trained = texts.astype({"region": "category"})
    booster = lit(lightgbm, "binary", LATE, rows=trained)

    answered = usable(booster).predict_proba(texts)

    assert np.array_equal(booster.predict(trained), answered)


def test_a_booster_fitted_on_an_array_takes_arrays(xgboost: Any, lightgbm: Any) -> None:
    array = ROWS.to_numpy()

    named = usable(boosted(xgboost, "binary:logistic", LATE))
    nameless = usable(boosted(xgboost, "binary:logistic", LATE, rows=array))
    light = usable(lit(lightgbm, "binary", LATE, rows=array))

    assert "pandas" == traits.input_kind(named)
    assert "numpy" == traits.input_kind(nameless) == traits.input_kind(light)
    assert np.array_equal(named.predict_proba(ROWS), nameless.predict_proba(array))


def test_thresholds_of_boosters_come_under_their_columns(xgboost: Any, lightgbm: Any) -> None:
    for booster in (
        boosted(xgboost, "binary:logistic", LATE),
        lit(lightgbm, "binary", LATE),
        xgboost.XGBClassifier(n_estimators=3, max_depth=2).fit(ROWS, LATE),
        lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(ROWS, LATE),
    ):
        found = constants.mine(usable(booster))

        assert any(50 <= number <= 51 for number in found["age"]), found
        assert "*" not in found


def test_an_onnx_graph_with_labels_and_maps_has_both_methods(tmp_path: Path) -> None:
    fitted = LogisticRegression().fit(ROWS.to_numpy(), np.where(LATE, "late", "early"))
    file = tmp_path / "model.onnx"
    file.write_bytes(as_onnx(fitted, matrix(2)))

    model = open_file(file)
    wanted = fitted.predict_proba(ROWS.to_numpy())
    found = take_apart(model.predict_proba(ROWS.to_numpy()))

    assert not runs_code(file)
    assert "numpy" == traits.input_kind(model)
    assert ["early", "late"] == model.classes_
    assert ((300, 2), "f4") == (found.shape, found.column.type)
    assert np.allclose(wanted.ravel(), np.frombuffer(found.column.data, "<f4"), atol=1e-5)
    assert fitted.predict(ROWS.to_numpy()).tolist() == model.predict(ROWS.to_numpy()).tolist()
    assert (0, 2) == take_apart(model.predict_proba(ROWS.to_numpy()[:0])).shape


def test_an_onnx_graph_with_one_number_a_row_is_called(tmp_path: Path) -> None:
    fitted = LinearRegression().fit(ROWS.to_numpy(), ROWS["income"])
    file = tmp_path / "model.onnx"
    file.write_bytes(as_onnx(fitted, matrix(2)))

    model = open_file(file)

    assert ["call"] == loading.methods(model, {})
    assert (300,) == model(ROWS.to_numpy()).shape
    with pytest.raises(ValueError, match="InvalidArgument"):
        model(ROWS.to_numpy()[:, :1])


def test_an_onnx_graph_with_one_tensor_a_column_finds_them_by_name(tmp_path: Path) -> None:
    types = needed("skl2onnx.common.data_types")
    column = importlib.import_module("sklearn.compose").ColumnTransformer(
        [
            ("n", "passthrough", ["age", "income"]),
            ("t", importlib.import_module("sklearn.preprocessing").OneHotEncoder(), ["region"]),
        ]
    )
    rows = ROWS.assign(region=np.where(ROWS["income"] > 40, "north", "south"))
    pipe = importlib.import_module("sklearn.pipeline").make_pipeline(column, LogisticRegression())
    fitted = pipe.fit(rows, LATE)
    inputs = [
        ("age", types.FloatTensorType([None, 1])),
        ("income", types.FloatTensorType([None, 1])),
        ("region", types.StringTensorType([None, 1])),
    ]
    file = tmp_path / "model.onnx"
    file.write_bytes(as_onnx(fitted, inputs, options={"zipmap": False}))

    model = open_file(file)
    answered = model.predict_proba(rows[["region", "income", "age"]])

    assert "pandas" == traits.input_kind(model)
    assert ["age", "income", "region"] == traits.about(model)["features"]
    assert np.allclose(fitted.predict_proba(rows), answered, atol=1e-4)
    with pytest.raises(KeyError, match="region"):
        model.predict_proba(rows[["income", "age"]])
    with pytest.raises(ValueError, match="region"):
        model.predict_proba(rows.assign(region=[None] * 300))


@pytest.mark.parametrize("zipmap", [True, False])
def test_an_onnx_graph_of_one_row_is_asked_row_by_row_and_says_so(
    tmp_path: Path, zipmap: bool
) -> None:
    fitted = LogisticRegression().fit(ROWS.to_numpy(), np.where(LATE, "late", "early"))
    types = needed("skl2onnx.common.data_types")
    inputs = [("X", types.FloatTensorType([1, 2]))]
    (tmp_path / "one.onnx").write_bytes(as_onnx(fitted, inputs, options={"zipmap": zipmap}))
    (tmp_path / "any.onnx").write_bytes(as_onnx(fitted, matrix(2), options={"zipmap": zipmap}))

    one, any_number = open_file(tmp_path / "one.onnx"), open_file(tmp_path / "any.onnx")

    for count in (300, 2, 1, 0):
        rows = ROWS.to_numpy()[:count]
        for method in ("predict_proba", "predict"):
            wanted = take_apart(getattr(any_number, method)(rows))
            found = take_apart(getattr(one, method)(rows))
            assert (wanted.shape, wanted.container) == (found.shape, found.container)
            assert wanted.column.type == found.column.type
        assert np.allclose(any_number.predict_proba(rows), one.predict_proba(rows), atol=1e-6)
    assert [] == traits.about(any_number)["remarks"]
    (remark,) = traits.about(one)["remarks"]
    assert "exactly one row" in remark and "served" in remark


def test_an_onnx_tree_tells_its_thresholds(tmp_path: Path) -> None:
    trees = importlib.import_module("sklearn.tree")
    needed("onnx")
    fitted = trees.DecisionTreeClassifier(max_depth=1).fit(ROWS.to_numpy(), LATE)
    file = tmp_path / "model.onnx"
    file.write_bytes(as_onnx(fitted, matrix(2)))

    assert [50.5] == constants.mine(open_file(file))["*"]


def test_torchscript_answers_and_counts_as_code(tmp_path: Path) -> None:
    torch = needed("torch")
    module = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Dropout(0.5), torch.nn.Sigmoid())
    file = tmp_path / "model.pt"
    torch.jit.script(module).save(str(file))

    model = open_file(file)
    wanted = module.eval()(torch.tensor(ROWS.to_numpy(), dtype=torch.float32))[:, 0]
    answered = take_apart(model(ROWS.to_numpy()))

    assert "torchscript" == format_of(file)
    assert runs_code(file)
    assert (300,) == answered.shape
    assert np.allclose(wanted.detach().numpy(), np.frombuffer(answered.column.data, np.float32))


def test_an_exported_program_answers_and_tells_its_numbers(tmp_path: Path) -> None:
    torch = needed("torch")
    module = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    rows = torch.tensor(ROWS.to_numpy(), dtype=torch.float32)
    free = {0: torch.export.Dim("rows", min=1)}
    program = torch.export.export(module.eval(), (rows,), dynamic_shapes=(free,))
    torch.export.save(program, str(tmp_path / "model.pt2"))

    model = open_file(tmp_path / "model.pt2")

    assert np.allclose(module(rows)[:, 0].detach().numpy(), model(ROWS.to_numpy()), atol=1e-5)
    assert {} == constants.mine(model) and [] == constants.words(model)
    assert ["AssertionError", "RuntimeError"] == traits.about(model)["refusals"]


def test_weights_alone_say_that_they_are_no_model(tmp_path: Path) -> None:
    torch = needed("torch")
    file = tmp_path / "weights.pt"
    torch.save(torch.nn.Linear(2, 1).state_dict(), file)

    with pytest.raises(Unloadable, match="weights and no model"):
        open_file(file)


def test_a_torch_module_of_a_load_function_is_wrapped() -> None:
    torch = needed("torch")

    model = usable(torch.nn.Linear(2, 3).double())

    assert (300, 3) == take_apart(model(ROWS.to_numpy())).shape
    assert "numpy" == traits.input_kind(model)
    assert "f8" == take_apart(model(ROWS.to_numpy())).column.type


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two MLflow models: ``data`` is xgboost's own format, ``pickle`` is one."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    needed("mlflow")
    folder = tmp_path_factory.mktemp("mlflow")
    booster = boosted(needed("xgboost"), "binary:logistic", LATE)
    of_xgboost = importlib.import_module("mlflow.xgboost")
    of_xgboost.save_model(booster, folder / "data", pip_requirements=["xgboost"])
    importlib.import_module("mlflow.sklearn").save_model(
        LinearRegression().fit(ROWS, LATE),
        folder / "pickle",
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    return folder


def test_an_mlflow_folder_of_data_alone_runs_no_code(saved: Path, xgboost: Any) -> None:
    model = open_file(saved / "data")

    assert "mlflow" == format_of(saved / "data")
    assert not runs_code(saved / "data")
    booster = boosted(xgboost, "binary:logistic", LATE)
    assert np.allclose(booster.predict(xgboost.DMatrix(ROWS)), model(ROWS))
    assert ["MlflowException"] == traits.about(model)["refusals"]


@pytest.mark.parametrize(
    ("change", "path", "text"),
    [
        ("loader_module: mlflow.xgboost", "loader_module: evil", ""),
        ("model_class: xgboost.core.Booster", "model_class: os.system", ""),
        ("loader_module: mlflow.xgboost", "code: code\n    loader_module: mlflow.xgboost", ""),
        ("", "", "x"),
    ],
    ids=["loader", "class", "code", "damaged"],
)
def test_an_mlflow_folder_that_names_anything_else_may_run_code(
    saved: Path, tmp_path: Path, change: str, path: str, text: str
) -> None:
    shutil.copytree(saved / "data", tmp_path / "kept")
    described = tmp_path / "kept" / "MLmodel"
    before = described.read_text()
    assert change in before
    described.write_text(text or before.replace(change, path))

    assert runs_code(tmp_path / "kept")


def test_an_mlflow_folder_with_another_file_may_run_code(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved / "data", tmp_path / "kept")
    (model,) = (tmp_path / "kept").glob("model.*")
    model.write_bytes(pickle.dumps({}))

    assert runs_code(tmp_path / "kept")


def test_an_mlflow_folder_with_a_pickle_may_run_code(saved: Path) -> None:
    fitted = LinearRegression().fit(ROWS, LATE)

    assert runs_code(saved / "pickle")
    assert np.allclose(fitted.predict(ROWS), open_file(saved / "pickle")(ROWS))


def test_of_several_named_outputs_the_probabilities_are_taken() -> None:
    answer = {"label": np.zeros(2), "probabilities": np.ones((2, 2))}

    model = formats.PyfuncModel(SimpleNamespace(predict=lambda rows: answer))

    assert (2, 2) == model(None).shape


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("onnxruntime", "xgboost", "lightgbm", "mlflow", "mlflow.pyfunc", "torch"):
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    yield


@pytest.mark.parametrize(
    ("name", "content", "library"),
    [
        ("model.onnx", b"\x08\x07", "onnxruntime"),
        ("model.json", b'{"learner":{}}', "xgboost"),
        ("model.txt", b"tree\nversion=v4\n", "lightgbm"),
        ("model.pt", b"PK", "torch"),
    ],
)
def test_a_library_that_is_not_there_is_named_with_the_way_to_get_it(
    tmp_path: Path, lacking: None, name: str, content: bytes, library: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(Unloadable) as refused:
        open_file(tmp_path / name)

    said = f"{name} needs {library}, which this environment lacks: pip install {library}"
    assert said == str(refused.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", b'{"x": 1}'), ("a.txt", b"treetop"), ("a.csv", b"a,b\n"), ("a.h5", b"\x89HDF")],
)
def test_files_that_only_look_alike_are_no_models(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)

    assert "" == format_of(tmp_path / name)
    assert runs_code(tmp_path / name)


def test_the_only_model_in_a_folder_is_the_artifact(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LinearRegression()))
    (tmp_path / "README.md").write_text("a model")
    (tmp_path / "labels.json").write_text(json.dumps({"0": "no"}))

    model = loading.load({}, tmp_path, folder=Path.cwd())

    assert isinstance(model, LinearRegression)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module of a model's own; path and working directory are put back."""
    before = sys.path[:]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "formats_own.py").write_text(OWN)
    yield tmp_path
    sys.path[:] = before
    sys.modules.pop("formats_own", None)


OWN = '''
"""A docstring with the number 777 in it."""
LIMIT = 12.5
UNUSED = 333.0
KNOWN = {"north": 4, "süd": 5}

class Rule:
    """Knows 888."""
    def predict(self, rows):
        """Returns 999."""
        return [helper(age) for age in rows["age"]]

def helper(age):
    return KNOWN.get(age, 0) if age > LIMIT else age in (61, "sixty-one")

def make():
    return Rule()

def score(rows):
    return rows["age"]

model = Rule()
'''


@pytest.mark.parametrize("name", ["make", "model", "Rule"])
def test_an_object_is_the_model_or_what_it_returns(own: Path, name: str) -> None:
    model = loading.load({"object": f"formats_own:{name}"}, own, folder=own)

    assert "Rule" == type(model).__name__


def test_a_function_of_rows_is_the_model_itself(own: Path) -> None:
    model = loading.load({"object": "formats_own:score"}, own, folder=own)

    assert "score" == model.__name__
    with pytest.raises(Unloadable, match="has no nothing"):
        loading.load({"object": "formats_own:nothing"}, own, folder=own)


def test_a_loader_that_takes_nothing_is_called_with_nothing(own: Path) -> None:
    model = loading.load({"load": "formats_own:make"}, own / "artifact", folder=own)

    assert "Rule" == type(model).__name__


@pytest.mark.parametrize("name", ["make", "score"])
def test_numbers_and_words_of_a_models_own_source_are_found(own: Path, name: str) -> None:
    model = loading.load({"object": f"formats_own:{name}"}, own, folder=own)

    numbers = constants.mine(model)["*"]
    words = constants.words(model)

    assert {12.5, 61.0, 4.0, 5.0} <= set(numbers)
    assert not {333.0, 777.0, 888.0, 999.0} & set(numbers)
    assert {"north", "süd", "sixty-one"} <= set(words)


def test_a_librarys_source_is_not_searched() -> None:
    assert {} == constants.mine(LinearRegression().fit(ROWS, LATE))
    assert [] == constants.words(LinearRegression().fit(ROWS, LATE))


@pytest.mark.parametrize(
    ("model", "input", "kind", "width"),
    [
        (LinearRegression().fit(ROWS, LATE), "pandas", "regression", 2),
        (LinearRegression().fit(ROWS.to_numpy(), LATE), "numpy", "regression", 2),
        (LogisticRegression().fit(ROWS, LATE), "pandas", "probabilities", 2),
        (len, "pandas", "", 0),
    ],
    ids=["frame", "array", "classifier", "function"],
)
def test_a_model_tells_what_it_takes_and_answers(
    model: Any, input: str, kind: str, width: int
) -> None:
    told = adapter.about(model)

    assert (input, kind, width) == (told["input"], told["kind"], told["width"])


class Around:
    """A person's own class around a library's object."""

    def __init__(self, held: Any) -> None:
        self.held = {"inner": [held]}


def test_the_errors_of_a_library_behind_a_persons_own_class_are_told(lightgbm: Any) -> None:
    pipe = importlib.import_module("sklearn.pipeline").make_pipeline(
        lightgbm.LGBMClassifier(n_estimators=2, verbose=-1)
    )

    for model in (Around(lit(lightgbm, "binary", LATE)), pipe.fit(ROWS, LATE)):
        assert ["LightGBMError"] == traits.about(model)["refusals"]
    assert [] == traits.about(Around(LinearRegression()))["refusals"]


class Tensor:
    """What tensorflow and jax give: something that becomes an array."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([[0.25, 0.75]])


@pytest.mark.parametrize("answer", [Tensor(), {"output_0": Tensor()}], ids=["tensor", "mapping"])
def test_what_becomes_an_array_is_taken_as_one(answer: Any) -> None:
    found = take_apart(answer)

    assert ((1, 2), "ndarray") == (found.shape, found.container)


def test_tensors_of_torch_are_taken_apart_with_and_without_gradients() -> None:
    torch = needed("torch")

    for answer in (
        torch.ones(3, 2, requires_grad=True),
        torch.ones(3, 2, dtype=torch.bfloat16),
        [torch.ones(2), torch.ones(2), torch.ones(2)],
    ):
        assert (3, 2) == take_apart(answer).shape
    assert (2,) == take_apart([torch.tensor(1.0), torch.tensor(2.0)]).shape


def test_maps_from_label_to_number_are_a_table() -> None:
    found = take_apart([{"no": 0.25, "yes": 0.75}, {"yes": 0.5, "no": 0.5}])

    assert ((2, 2), ["no", "yes"]) == (found.shape, found.names)
    assert [0.25, 0.75, 0.5, 0.5] == np.frombuffer(found.column.data).tolist()


def test_other_maps_stay_one_cell_a_row() -> None:
    assert (2,) == take_apart([{"no": 0.25}, {"yes": 0.75}]).shape
    assert (1,) == take_apart([{"label": "no", "score": 0.75}]).shape


def test_several_outputs_by_name_say_what_they_were() -> None:
    found = take_apart({"a": np.ones(2), "b": np.ones(2)})

    assert "unknown" == found.container
    assert "mapping of 2" in found.why


def polars_like() -> ModuleType:
    return pytest.importorskip("polars", reason="polars is not installed")


def test_a_frame_of_polars_is_a_table() -> None:
    polars = polars_like()

    found = take_apart(polars.DataFrame({"a": [1.0, None], "b": [2.0, 3.0]}))

    assert ((2, 2), ["a", "b"]) == (found.shape, found.names)
