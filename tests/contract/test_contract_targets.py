"""``harness check WHAT``: what may be named, what is found out about it, and what is refused."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from harness.cli.check import check
from harness.contract.batch import Answer, Batch, Broken, Refusal, Unsendable, cells
from harness.contract.check import report_on
from harness.contract.http import HttpModel, endpoint
from harness.contract.infer import Opened, open_target, predicted
from harness.contract.observed import observe
from harness.contract.promise import Settings
from harness.contract.target import is_project, needs_trust, target
from harness.core.errors import (
    DataInvalid,
    ModelUnusable,
    SpecMissing,
    UntrustedPickle,
)
from harness.runtime.service import Service

FEW = Settings(rows=500, seconds=60.0)
COLUMNS = ["age", "income", "region"]


def customers() -> pd.DataFrame:
    random = np.random.default_rng(1)
    count = 400
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, count),
            "income": random.normal(40_000, 9000, count).round(2),
            "region": random.choice(["north", "south", "west"], count),
        }
    )
    chance = 1 / (1 + np.exp(-(frame["age"] - 50) / 10 - (frame["region"] == "north")))
    frame["late"] = np.where(random.random(count) < chance, "yes", "no")
    frame["hours"] = (frame["age"] * 0.1 + frame["income"] / 1e4).round(3)
    return frame


FRAME = customers()


def classifier() -> Any:
    parts = ColumnTransformer(
        [
            ("n", StandardScaler(), ["age", "income"]),
            ("c", OneHotEncoder(handle_unknown="ignore"), ["region"]),
        ]
    )
    return make_pipeline(parts, LogisticRegression()).fit(FRAME[COLUMNS], FRAME["late"])


CODE = """
import joblib
import numpy as np

def load_model():
    return joblib.load("pipe.joblib")

def load_from(path):
    return joblib.load(path)

def judge(frame):
    return ["yes" if age > 52.5 else "no" for age in frame["age"]]

class Judge:
    def predict(self, frame):
        return np.array(judge(frame))

def share(frame):
    return (frame["age"] / 100).fillna(0.5).clip(0, 1).to_numpy()

def only_arrays(rows):
    if not isinstance(rows, np.ndarray):
        raise TypeError("an array, please")
    return np.nan_to_num(rows[:, 0].astype(float))

class Odd:
    def predict(self, frame):
        return np.stack([1 - share(frame), share(frame)], axis=1)
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("targets")
    joblib.dump(classifier(), folder / "pipe.joblib")
    numbers = FRAME[["age", "income"]].to_numpy()
    joblib.dump(LinearRegression().fit(numbers, FRAME["hours"]), folder / "array.joblib")
    two = np.stack([FRAME["hours"], FRAME["hours"] * 2], axis=1)
    joblib.dump(LinearRegression().fit(FRAME[["age", "income"]], two), folder / "two.joblib")
    FRAME[[*COLUMNS, "late"]].to_csv(folder / "late.csv", index=False)
    FRAME[[*COLUMNS, "hours"]].to_csv(folder / "hours.csv", index=False)
    FRAME[["age", "income"]].assign(a=two[:, 0], b=two[:, 1]).to_csv(
        folder / "two.csv", index=False
    )
    (folder / "targets_code.py").write_text(CODE)
    return folder


@pytest.fixture
def here(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(kept)
    return kept


@contextmanager
def opening(what: str, data: str, columns: str, **named: Any) -> Iterator[Opened]:
    opened = open_target(target(what, **named), Path(data), predicted=columns.split(","))
    try:
        yield opened
    finally:
        opened.door.close()


@pytest.mark.parametrize(
    ("what", "data", "column", "input", "kind", "words"),
    [
        ("targets_code:load_model", "late.csv", "late", "pandas", "probabilities", "of no, yes"),
        ("targets_code:judge", "late.csv", "late", "pandas", "labels", "labels of no, yes"),
        ("targets_code:share", "late.csv", "late", "pandas", "probabilities", "of yes alone"),
        ("targets_code:only_arrays", "hours.csv", "hours", "numpy", "regression", "a number"),
        ("targets_code:Odd", "late.csv", "late", "pandas", "regression", "from 0 to 1"),
    ],
)
def test_an_object_is_asked_what_it_takes_and_answers(
    here: Path, what: str, data: str, column: str, input: str, kind: str, words: str
) -> None:
    with opening(what, data, column) as opened:
        claims, told = opened.claims, opened.draft.assumptions

    assert (input, kind) == (claims.input, claims.outputs.kind)
    assert any(column in line and words in line for line in told), told


def test_a_function_that_reads_a_file_wants_to_know_which(here: Path) -> None:
    with (
        pytest.raises(ModelUnusable) as refused,
        opening("targets_code:load_from", "late.csv", "late"),
    ):
        pass

    assert "--artifact" in refused.value.hint
    named = {"artifact": Path("pipe.joblib")}
    with opening("targets_code:load_from", "late.csv", "late", **named) as opened:
        assert "probabilities" == opened.claims.outputs.kind


def test_a_model_fitted_on_an_array_gets_the_columns_that_are_numbers(here: Path) -> None:
    with opening("array.joblib", "hours.csv", "hours", trust=True) as opened:
        assert ("numpy", ("age", "income")) == (opened.claims.input, opened.claims.columns)


def test_a_model_of_more_columns_than_there_are_is_refused(here: Path) -> None:
    with (
        pytest.raises(DataInvalid, match="takes 2 columns; the training data have 1"),
        opening("array.joblib", "two.csv", "income,a,b", trust=True),
    ):
        pass


def test_several_targets_are_numbers_by_name(here: Path) -> None:
    columns = predicted(Path("two.csv"), "a,b")

    with opening("two.joblib", "two.csv", ",".join(columns), trust=True) as opened:
        report = report_on(opened, settings=FEW)

    assert ("a", "b") == opened.claims.outputs.targets
    assert ("age", "income") == opened.claims.columns
    assert report.ok, report.text


def test_a_target_whose_name_has_a_comma_is_one_column(tmp_path: Path) -> None:
    pd.DataFrame({"a,b": [1], "c": [2]}).to_csv(tmp_path / "x.csv", index=False)

    assert ("a,b",) == predicted(tmp_path / "x.csv", "a,b")
    assert ("c", "d") == predicted(tmp_path / "x.csv", "c, d")


def test_what_may_run_code_needs_trust_and_says_why(here: Path, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"PK")

    with pytest.raises(UntrustedPickle, match=r"pipe\.joblib is a pickle"):
        target("pipe.joblib")
    with pytest.raises(UntrustedPickle, match="torch file"):
        target(str(tmp_path / "model.pt"))
    assert needs_trust(tmp_path)
    assert not needs_trust(here / "late.csv")
    assert here / "pipe.joblib" == target("pipe.joblib", trust=True).artifact


def test_what_is_not_there_is_missing_with_all_that_may_be_named(here: Path) -> None:
    with pytest.raises(SpecMissing) as missing:
        target("nothing.onnx")

    assert "module:function" in missing.value.hint


def test_a_folder_is_a_project_unless_it_holds_a_model(here: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "MLmodel").touch()

    assert is_project(str(tmp_path))
    assert not is_project(str(tmp_path), data=True)
    assert not is_project(str(tmp_path / "mlflow"))
    assert not is_project("http://localhost/v2/models/a")
    assert is_project("some/harness.toml")


def ran(*arguments: str) -> Any:
    return CliRunner().invoke(check, [*arguments, "--rows", "300", "--seconds", "60"])


def test_the_one_liner_reports_and_writes_nothing(here: Path) -> None:
    before = {path for path in here.rglob("*") if "__pycache__" not in path.parts}

    result = ran("targets_code:load_model", "--data", "late.csv", "--target", "late")

    assert 0 == result.exit_code, result.output
    assert "assumed late (predicted): probabilities of no, yes" in result.output
    assert before == {path for path in here.rglob("*") if "__pycache__" not in path.parts}


def test_a_server_cannot_be_written_down(here: Path) -> None:
    result = ran("http://h/v2/models/a", "--data", "late.csv", "--target", "late", "--write")

    assert 2 == result.exit_code
    assert "--write" in result.output


@pytest.mark.parametrize("name", ["judge", "load_model", "Judge"])
def test_a_function_that_is_written_down_is_a_project_that_passes(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for file in ("late.csv", "pipe.joblib", "targets_code.py"):
        (tmp_path / file).write_bytes((kept / file).read_bytes())
    monkeypatch.chdir(tmp_path)

    alone = ran(f"targets_code:{name}", "--data", "late.csv", "--target", "late", "--write")
    project = ran(".")
    again = ran(f"targets_code:{name}", "--data", "late.csv", "--target", "late", "--write")

    assert {"harness.toml", "inputs.schema.json"} <= {path.name for path in tmp_path.iterdir()}
    assert "created      harness.toml" in alone.output
    assert 0 == alone.exit_code, alone.output
    assert 0 == project.exit_code, project.output
    assert "assumed" not in project.output
    assert "equal        harness.toml" in again.output


def test_what_is_written_is_a_project_that_passes(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed")
    numbers, codes = FRAME[["age", "income"]], (FRAME["late"] == "yes").astype(int)
    matrix = xgboost.DMatrix(numbers, label=codes)
    xgboost.train({"objective": "binary:logistic"}, matrix, 3).save_model(tmp_path / "late.json")
    numbers.assign(late=codes).to_csv(tmp_path / "train.csv", index=False)

    alone = ran(
        *(str(tmp_path / "late.json"), "--data", str(tmp_path / "train.csv")),
        *("--target", "late", "--write"),
    )
    project = ran(str(tmp_path))

    assert 0 == alone.exit_code, alone.output
    assert "created" in alone.output
    assert 0 == project.exit_code, project.output
    assert "assumed" not in project.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pipe.joblib", "--trust"], "--data train.csv --target COLUMN"),
        (["pipe.joblib", "--data", "late.csv", "--target", "late"], "--trust"),
        (["http://localhost/x", "--data", "late.csv", "--target", "late"], "/v2/models/NAME"),
        (["http://h/v2/models/a", "--header", "x", "--data", "a", "--target", "b"], "NAME:VALUE"),
    ],
)
def test_wrong_use_says_what_to_do(here: Path, arguments: list[str], words: str) -> None:
    result = ran(*arguments)

    assert 2 == result.exit_code
    assert words in result.output


# Over HTTP


def batch() -> Batch:
    return Batch(
        columns=(
            cells("age", "integer", FRAME["age"].tolist()),
            cells("income", "number", FRAME["income"].tolist()),
            cells("region", "string", FRAME["region"].tolist()),
        )
    )


SCHEMA = {
    "properties": {
        "age": {"type": "integer"},
        "income": {"type": ["number", "null"]},
        "region": {"type": "string"},
    }
}


@contextmanager
def serving(inputs: Any, limit: int = 1 << 20) -> Iterator[str]:
    uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    settings = {
        "name": "late",
        "outputs": {"kind": "probabilities", "labels": ["no", "yes"]},
        "inputs": inputs,
    }
    with ThreadPoolExecutor(1) as worker, socket.create_server(("127.0.0.1", 0)) as listening:
        service = Service(settings, classifier(), worker, limit)
        config = uvicorn.Config(service, lifespan="off", ws="none", log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v2/models/late"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def reached(url: str) -> Iterator[HttpModel]:
    model = HttpModel(endpoint(url), batch())
    try:
        yield model
    finally:
        model.close()


@pytest.mark.parametrize("inputs", [SCHEMA, None], ids=["described", "undescribed"])
def test_a_served_model_answers_what_it_answers_here(inputs: Any) -> None:
    wanted = classifier().predict_proba(FRAME[COLUMNS])

    with serving(inputs) as url, reached(url) as model:
        answers = model.answers(batch(), methods=("predict_proba", "predict"))
        together = model.together([batch().head(3)] * 4, method="predict_proba")

    assert np.array_equal(wanted, answers["predict_proba"].values)
    assert classifier().predict(FRAME[COLUMNS]).tolist() == answers["predict"].values.tolist()
    assert all(np.array_equal(wanted[:3], answer.values) for answer in together)


def test_the_contract_holds_over_http(here: Path) -> None:
    with serving(SCHEMA) as url:
        result = ran(url, "--data", "late.csv", "--target", "late")

    assert 0 == result.exit_code, result.output
    assert "HTTP4xx refuses a row too" in result.output
    assert "http has no row index" in result.output


def promised(kept: Path, folder: Path, more: str = "") -> str:
    """Write a project whose artifact is nowhere on this machine; return its folder."""
    (folder / "late.csv").write_bytes((kept / "late.csv").read_bytes())
    (folder / "harness.toml").write_text(
        '[model]\nname = "late"\nload = "nowhere:load"\nartifact = "nowhere"\n'
        '[data]\ntrain = "late.csv"\ntarget = "late"\n'
        '[contract]\ninputs = "inputs.schema.json"\n'
        f'outputs = {{ kind = "probabilities", labels = ["no", "yes"] }}\n{more}'
    )
    properties = {
        "age": {"type": "integer", "minimum": 18, "maximum": 90},
        "income": {"type": "number", "minimum": 0, "maximum": 1e6},
        "region": {"type": "string", "x-harness-open": True},
    }
    schema = {"type": "object", "required": COLUMNS, "properties": properties}
    (folder / "inputs.schema.json").write_text(json.dumps(schema))
    return str(folder)


def test_a_projects_contract_is_asked_of_a_model_that_is_served(kept: Path, tmp_path: Path) -> None:
    with serving(SCHEMA) as url:
        held = ran(promised(kept, tmp_path), "--at", url)
        broken = ran(promised(kept, tmp_path, 'invariant = ["region"]\n'), "--at", url)

    assert 0 == held.exit_code, held.output
    assert "assumed" not in held.output
    assert "extra-columns-do-not-matter" not in held.output  # else skipped: the target is no text
    assert 1 == broken.exit_code, broken.output
    assert f"--at {url} --replay " in " ".join(broken.output.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--at", "http://h/v2/models/a", "--image"], "--at asks a served model"),
        (["--at", "http://h/v2/models/a", "--in-process"], "--at asks a served model"),
        (["--at", "http://h/a"], "no address of a served model"),
    ],
)
def test_where_a_model_is_served_goes_with_nothing_else(
    kept: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    result = ran(promised(kept, tmp_path), *arguments)

    assert 2 == result.exit_code
    assert words in result.output


def test_a_served_model_is_held_to_a_contract_that_is_declared(kept: Path, tmp_path: Path) -> None:
    folder = promised(kept, tmp_path)
    file = tmp_path / "harness.toml"
    file.write_text(file.read_text().partition("[contract]")[0])

    result = ran(folder, "--at", "http://h/v2/models/a")

    assert 2 == result.exit_code
    assert "declares no [contract]" in result.output


def test_a_4xx_is_a_declared_refusal_with_the_servers_reason() -> None:
    rows = batch()
    text = rows.put(cells("age", "mixed", ["twelve", *FRAME["age"].tolist()[1:]]))

    with serving(SCHEMA) as url, reached(url) as model:
        with pytest.raises(Refusal) as refused:
            model.answer(text, method="predict")
        with pytest.raises(Refusal, match="income"):
            model.answer(rows.only(["age", "region"]), method="predict")

    assert "HTTP4xx" in refused.value.mro
    assert "no integer in row 0" in str(refused.value)


def test_a_batch_that_is_too_long_is_sent_in_parts() -> None:
    wanted = classifier().predict_proba(FRAME[COLUMNS])

    with serving(SCHEMA, limit=4000) as url, reached(url) as model:
        answer = model.answer(batch(), method="predict_proba")

    assert np.array_equal(wanted, answer.values)


def test_infinity_has_no_word_in_json() -> None:
    with (
        serving(SCHEMA) as url,
        reached(url) as model,
        pytest.raises(Unsendable, match="income"),
    ):
        model.answer(
            batch().head(1).put(cells("income", "number", [np.inf])), method="predict_proba"
        )


def test_a_model_that_is_not_served_is_unusable() -> None:
    said = "there is no such model here; there is late"
    with serving(None) as url, pytest.raises(ModelUnusable, match=said):
        HttpModel(endpoint(url.replace("models/late", "models/early")), batch())
    with pytest.raises(ModelUnusable, match="can't be reached"):
        HttpModel(endpoint(url), batch())


Reply = tuple[int, Any]


@contextmanager
def replying(reply: Callable[[str, Any], Reply]) -> Iterator[str]:
    """Serve as another server would: *reply* makes status and body of a path and a request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(None)

        def do_POST(self) -> None:
            self.answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def answer(self, request: Any) -> None:
            status, body = reply(self.path, request)
            if status == 0:
                self.close_connection = True
                return
            sent = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(sent)))
            self.send_header("retry-after", "0")
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v2/models/m"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def numbers() -> Batch:
    return batch().only(["age", "income"])


def test_a_server_of_one_matrix_gets_one() -> None:
    seen = []

    def reply(path: str, request: Any) -> Reply:
        if request is None:
            described = {"name": "input-0", "datatype": "FP32", "shape": [-1, 2]}
            return 200, {"inputs": [described], "outputs": [{"name": "output-0"}]}
        seen.append(request["inputs"])
        data = [1.5] * request["inputs"][0]["shape"][0]
        output = {"name": "output-0", "datatype": "FP32", "shape": [len(data)], "data": data}
        return 200, {"outputs": [output]}

    with replying(reply) as url, reached(url) as model:
        answer = model.answer(numbers().head(2), method="call")
        with pytest.raises(Unsendable, match="region"):
            model.answer(batch(), method="call")

    age, income = FRAME["age"].tolist(), FRAME["income"].tolist()
    ((sent,),) = seen
    assert ("numpy", ("call",)) == (model.about["input"], model.methods)
    assert ([2, 2], "FP32") == (sent["shape"], sent["datatype"])
    assert [age[0], income[0], age[1], income[1]] == sent["data"]
    assert [1.5, 1.5] == answer.values.tolist()
    assert np.float32 == answer.values.dtype


def answering(*replies: Reply) -> Callable[[str, Any], Reply]:
    waiting = list(replies)

    def reply(path: str, request: Any) -> Reply:
        if request is None:
            return 200, {"outputs": [{"name": "predict"}]}
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return reply


def output(**changes: Any) -> Reply:
    tensor = {"name": "predict", "datatype": "FP64", "shape": [1], "data": [2.0], **changes}
    return 200, {"outputs": [tensor]}


def test_a_5xx_is_a_refusal_that_nobody_declared() -> None:
    with (
        replying(answering((500, {"error": "division by zero"}))) as url,
        reached(url) as model,
        pytest.raises(Refusal, match="HTTP500: division by zero") as refused,
    ):
        model.answer(numbers().head(1), method="call")

    assert "HTTP4xx" not in refused.value.mro


def test_a_busy_server_is_asked_again() -> None:
    with replying(answering((503, {}), (429, {}), output())) as url, reached(url) as model:
        assert [2.0] == model.answer(numbers().head(1), method="call").values.tolist()
    with (
        replying(answering((503, {}))) as url,
        reached(url) as model,
        pytest.raises(Broken, match="busy"),
    ):
        model.answer(numbers().head(1), method="call")


def test_a_connection_that_was_closed_is_opened_again_once() -> None:
    with replying(answering((0, None), output())) as url, reached(url) as model:
        assert [2.0] == model.answer(numbers().head(1), method="call").values.tolist()
    with (
        replying(answering((0, None))) as url,
        reached(url) as model,
        pytest.raises(Broken, match="closed the connection"),
    ):
        model.answer(numbers().head(1), method="call")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": [2]}, "holds 1 values"),
        ({"data": ["x"]}, "is no FP64"),
        ({"data": None}, "no data"),
        ({"name": "other"}, "no output predict"),
    ],
)
def test_a_tensor_that_is_not_as_it_says_is_no_answer(changes: Any, words: str) -> None:
    with (
        replying(answering(output(**changes))) as url,
        reached(url) as model,
        pytest.raises(Refusal, match=words),
    ):
        model.answer(numbers().head(1), method="call")


def test_a_missing_number_in_an_answer_is_not_a_number() -> None:
    with replying(answering(output(data=[None]))) as url, reached(url) as model:
        assert np.isnan(model.answer(numbers().head(1), method="call").values[0])


def test_a_user_in_an_address_becomes_a_header_and_is_shown_nowhere() -> None:
    at = endpoint("http://me:secret@host:1/v2/models/a%20b/infer")

    assert ("http://host:1/v2/models/a%20b", "a b") == (at.url, at.name)
    assert {"Authorization": "Basic bWU6c2VjcmV0"} == at.headers


# What first answers say

NO_YES = cells("late", "string", ["no", "yes", "no"])
NUMBERS = cells("hours", "number", [1.5, 2.0, 2.5])
CODES = cells("band", "integer", [0, 1, 2])


@pytest.mark.parametrize(
    ("values", "column", "kind", "more"),
    [
        (["no", "yes", "no"], NO_YES, "labels", {"labels": ("no", "yes")}),
        ([0.2, 0.5, 0.9], NO_YES, "probabilities", {"positive_only": True}),
        ([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]], NO_YES, "probabilities", {"labels": ("no", "yes")}),
        ([[0.2, 0.3, 0.5]] * 3, NO_YES, "probabilities", {"labels": (0, 1, 2)}),
        ([[-2.0, 3.0]] * 3, NO_YES, "regression", {"targets": ("late_0", "late_1")}),
        ([1.0, 2.0, 3.0], NUMBERS, "regression", {"targets": ()}),
        ([[1.0], [2.0], [3.0]], NUMBERS, "regression", {"targets": ("hours",)}),
        ([0, 1, 2], CODES, "labels", {"labels": (0, 1, 2)}),
        ([0.0, 1.0, 2.0], CODES, "labels", {"labels": (0, 1, 2)}),
        ([0.1, 1.2, 2.0], CODES, "regression", {}),
        ([True, False, True], NO_YES, "labels", {}),
    ],
)
def test_the_first_answers_say_what_the_outputs_are(
    values: Any, column: Any, kind: str, more: dict[str, Any]
) -> None:
    held = np.array(values, object if isinstance(values[0], str) else None)

    seen = observe({"call": Answer(values=held)}, [column])

    assert seen is not None
    assert kind == seen.outputs.kind
    assert more == {name: getattr(seen.outputs, name) for name in more}


def test_a_regressor_that_answers_a_whole_number_stays_one() -> None:
    answer = Answer(values=np.array([0.0, 1.0, 2.0]))

    seen = observe({"predict": answer}, [CODES], kind="regression")

    assert seen is not None and "regression" == seen.outputs.kind


def test_answers_of_no_known_form_say_nothing() -> None:
    assert observe({"call": Answer(values=np.array(None))}, [NUMBERS]) is None
    assert observe({}, [NUMBERS]) is None
