"""The server as it ships: a process, a unix socket, HTTP."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import threading
import time
from http.client import BadStatusLine
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from runtime_models import (
    PATIENCE,
    SCHEMA,
    Connection,
    Repo,
    Server,
    Session,
    command,
    serving,
    tensor,
)
from test_runtime_v2 import MALFORMED

from harness.runtime import cells
from harness.runtime.frame import Column
from harness.runtime.table import read_table

FEATURES = ["age", "income", "region"]
INFER = "/v2/models/people/infer"
NAMES = {"i8": "INT64", "f8": "FP64", "str": "BYTES"}


def as_tensor(column: Column) -> dict[str, Any]:
    data = [None if cells.is_missing(cell) else cell for cell in cells.decode(column)]
    return tensor(column.name, NAMES[column.type], data)


@pytest.fixture
def rows(repo: Repo) -> list[Column]:
    return read_table(repo.parquet, FEATURES)[2]


@pytest.fixture
def good(rows: list[Column]) -> list[dict[str, Any]]:
    return [as_tensor(column) for column in rows]


def word(text: str) -> dict[str, Any]:
    return tensor("word", "BYTES", [text, "b"])


def test_the_server_answers_what_the_probe_answers_to_the_bit(
    server: Server, probe: Session, rows: list[Column], good: list[dict[str, Any]]
) -> None:
    _, (wanted,) = probe.ask({"op": "predict", "method": "predict_proba"}, rows)
    _, (labels,) = probe.ask({"op": "predict", "method": "predict"}, rows)

    status, answer = server.connection().infer("people", *good)

    assert 200 == status
    probabilities, predict = answer["outputs"]
    assert ("probabilities", [300, 2], "FP64") == (
        probabilities["name"],
        probabilities["shape"],
        probabilities["datatype"],
    )
    assert wanted.data == np.array(probabilities["data"], "<f8").tobytes()
    assert ("predict", [300], "BYTES") == (predict["name"], predict["shape"], predict["datatype"])
    assert cells.decode(labels) == predict["data"]


def test_one_row_at_a_time_is_the_batch(server: Server, good: list[dict[str, Any]]) -> None:
    connection = server.connection()
    _, whole = connection.infer("people", *good, outputs=[{"name": "probabilities"}])

    singles = []
    for row in range(5):
        one = [{**t, "shape": [1], "data": t["data"][row : row + 1]} for t in good]
        _, answer = connection.infer("people", *one, outputs=[{"name": "probabilities"}])
        singles += answer["outputs"][0]["data"]

    assert whole["outputs"][0]["data"][:10] == singles


def test_order_and_extra_tensors_do_not_matter_and_the_id_comes_back(
    server: Server, good: list[dict[str, Any]]
) -> None:
    extra = tensor("extra", "BOOL", [None] * 300)

    _, plain = server.connection().infer("people", *good)
    _, other = server.connection().infer("people", extra, *good[::-1], id="fish")

    assert "id" not in plain and "fish" == other["id"]
    assert ("people", plain["outputs"]) == (other["model_name"], other["outputs"])


def test_only_the_outputs_asked_for_come_back(server: Server, good: list[dict[str, Any]]) -> None:
    _, answer = server.connection().infer("people", *good, outputs=[{"name": "predict"}])

    assert ["predict"] == [output["name"] for output in answer["outputs"]]


def test_the_batch_without_rows_is_answered_as_the_probe_answers_it(
    server: Server, probe: Session, rows: list[Column]
) -> None:
    none = [cells.encode_array(c.name, cells.decode_array(c)[0][:0]) for c in rows]
    header, _ = probe.ask({"op": "predict", "method": "predict_proba"}, none)
    kinds = zip(FEATURES, ("INT64", "FP64", "BYTES"), strict=True)

    status, answer = server.connection().infer("people", *(tensor(n, k, []) for n, k in kinds))

    assert "refused" == header["status"]  # scikit-learn wants a row: a ValueError, declared
    assert (422, {"error": "the model refused these rows: ValueError"}) == (status, answer)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/v2", {"name": "harness", "version": "1", "extensions": []}),
        ("/v2/", {"name": "harness", "version": "1", "extensions": []}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"name": "people", "live": True, "ready": True}),
        ("/v2/models/people/ready", {"name": "people", "live": True, "ready": True}),
        ("/v2/models/p%65ople/ready?a=b", {"name": "people", "live": True, "ready": True}),
    ],
)
def test_the_protocols_questions_are_answered(
    server: Server, path: str, wanted: dict[str, Any]
) -> None:
    assert (200, wanted) == server.connection().ask("GET", path)
    assert (200, None) == server.connection().ask("HEAD", path)


def test_the_models_metadata_name_its_tensors(server: Server) -> None:
    status, found = server.connection().ask("GET", "/v2/models/people")

    assert (200, "people", "python") == (status, found["name"], found["platform"])
    assert [("age", "INT64"), ("income", "FP64"), ("region", "BYTES")] == [
        (t["name"], t["datatype"]) for t in found["inputs"]
    ]
    assert [("probabilities", "FP64", [-1, 2]), ("predict", "BYTES", [-1])] == [
        (t["name"], t["datatype"], t["shape"]) for t in found["outputs"]
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/models/other", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("POST", "/v2/models/people/versions/1/infer", 404),
        ("POST", "/v2/models/people/explain", 404),
        ("GET", "/v2/models/%ff%2f../ready", 404),
        ("GET", "/" + "x" * 9000, 404),
        ("POST", "/v2", 405),
        ("DELETE", "/v2/models/people", 405),
        ("POST", "/v2/health/ready", 405),
        ("GET", INFER, 405),
        ("PUT", INFER, 405),
        ("OPTIONS", INFER, 405),
        ("BREW", INFER, 405),
    ],
)
def test_other_paths_are_404_and_other_methods_405(
    server: Server, method: str, path: str, status: int
) -> None:
    found, answer = server.connection().ask(method, path, b"{}")

    assert status == found
    assert answer["error"]


def test_405_names_the_method_that_is_allowed(server: Server) -> None:
    connection = server.connection()
    connection.request("GET", INFER)

    assert "POST" == connection.getresponse().getheader("allow")


@pytest.mark.parametrize(
    ("body", "words"), [case[1:] for case in MALFORMED], ids=[case[0][:40] for case in MALFORMED]
)
def test_a_malformed_body_is_a_4xx_with_its_reason(server: Server, body: bytes, words: str) -> None:
    status, answer = server.connection().ask("POST", INFER, body)

    if len(body) > 200_000:
        words = "over 200000 bytes"
    assert 400 <= status < 500
    assert ["error"] == list(answer) and words in answer["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "application/octet-stream"},
        {"content_type": "application/json; charset=latin-1"},
        {"content_encoding": "gzip"},
        {"inference_header_content_length": "40"},
    ],
    ids=str,
)
def test_what_is_not_plain_json_is_415(
    server: Server, good: list[dict[str, Any]], headers: dict[str, str]
) -> None:
    body = json.dumps({"inputs": good}).encode()

    status, answer = server.connection().ask("POST", INFER, body, **headers)

    assert 415 == status and answer["error"]


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
def test_json_may_say_that_it_is_utf8(
    server: Server, good: list[dict[str, Any]], kind: str
) -> None:
    body = json.dumps({"inputs": good}).encode()

    assert 200 == server.connection().ask("POST", INFER, body, content_type=kind)[0]


@pytest.mark.parametrize("chunked", [True, False], ids=["in chunks", "at once"])
def test_a_body_over_the_limit_is_413_and_the_connection_still_works(
    server: Server, chunked: bool
) -> None:
    connection = server.connection()
    body = b"[" * 200_001

    status, answer = connection.ask("POST", INFER, iter([body]) if chunked else body)  # type: ignore[arg-type]

    assert (413, "the body is over 200000 bytes; send fewer rows at once") == (
        status,
        answer["error"],
    )
    assert 200 == connection.ask("GET", "/v2/health/ready")[0]


def test_the_server_lives_on_after_all_of_this(server: Server, good: list[dict[str, Any]]) -> None:
    for _, body, _ in MALFORMED[:10]:
        server.connection().ask("POST", INFER, body)

    assert 200 == server.connection().infer("people", *good)[0]


def test_what_is_no_http_is_refused_by_closing(server: Server) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(PATIENCE)
        raw.connect(str(server.socket))
        raw.sendall(b"\x16\x03\x01 hello\r\n\r\n")

        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert 200 == server.connection().ask("GET", "/v2/health/ready")[0]


def test_a_client_that_goes_away_halfway_does_no_harm(server: Server) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(server.socket))
        raw.sendall(f"POST {INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{{".encode())

    assert 200 == server.connection().ask("GET", "/v2/health/ready")[0]
    assert "Traceback" not in server.said


def test_a_declared_refusal_is_422_and_quotes_nothing(odd_server: Server) -> None:
    status, answer = odd_server.connection().infer("odd", word("refuse"))

    assert (422, {"error": "the model refused these rows: UnicodeError"}) == (status, answer)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("undeclared", "it raised ZeroDivisionError, which is not among its declared errors"),
        ("exit", "it raised SystemExit"),
        ("nan", "predict is not finite in rows 0, 1"),
        ("short", "2 rows got an answer of shape [0] in predict"),
        ("dict", "predict is a dict"),
    ],
)
def test_a_promise_that_the_model_broke_is_an_honest_500_that_quotes_nothing(
    odd_server: Server, text: str, words: str
) -> None:
    status, answer = odd_server.connection().infer("odd", word(text))

    assert 500 == status
    assert answer["error"].startswith("the model broke a promise: ") and words in answer["error"]
    assert "secret" not in answer["error"]
    assert 200 == odd_server.connection().infer("odd", word("fine"))[0]


def test_the_log_tells_where_and_not_what(odd_server: Server) -> None:
    odd_server.connection().infer("odd", word("undeclared"))

    assert "people.py" in odd_server.said and "ZeroDivisionError" in odd_server.said
    assert "undeclared-secret" not in odd_server.said


def test_a_model_that_spoils_its_input_spoils_one_answer_only(odd_server: Server) -> None:
    connection = odd_server.connection()

    assert 200 == connection.infer("odd", word("mutate"))[0]
    assert 200 == connection.infer("odd", word("fine"))[0]


def test_health_is_answered_while_the_model_computes_and_sigterm_lets_it_finish(
    repo: Repo, sockets: Path
) -> None:
    asked, gate = sockets / "asked", sockets / "gate"
    os.mkfifo(asked)
    os.mkfifo(gate)
    env = {"ASKED": str(asked), "GATE": str(gate)}
    found: list[Any] = []
    with serving(repo, repo.odd(), sockets / "s", "--drain", "0", **env) as server:
        client = threading.Thread(
            target=lambda: found.append(server.connection().infer("odd", word("wait")))
        )
        client.start()
        assert "asked" == asked.read_text()  # the request is in the model now
        health = server.connection()
        assert 200 == health.ask("GET", "/v2/health/ready")[0]

        server.process.send_signal(signal.SIGTERM)

        _until_closed(server)
        assert server.process.poll() is None  # it waits for what is in flight
        gate.write_text("go on")
        client.join(PATIENCE)
        assert 0 == server.process.wait(PATIENCE)
    ((status, answer),) = found
    assert (200, ["fine", "fine"]) == (status, answer["outputs"][0]["data"])


def _until_closed(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            server.connection().ask("GET", "/v2/health/live")
        except (OSError, BadStatusLine):
            return
    raise AssertionError("the server still listens")


def test_sigterm_turns_readiness_to_503_at_once_and_requests_are_still_answered(
    repo: Repo, sockets: Path
) -> None:
    with serving(repo, repo.odd(), sockets / "s", "--drain", "2") as server:
        server.process.send_signal(signal.SIGTERM)

        deadline = time.monotonic() + PATIENCE
        while server.connection().ask("GET", "/v2/health/ready")[0] == 200:
            assert time.monotonic() < deadline
        assert 200 == server.connection().infer("odd", word("fine"))[0]
        assert 200 == server.connection().ask("GET", "/v2/health/live")[0]
        assert 503 == server.connection().ask("GET", "/v2/models/odd/ready")[0]
        last = server.connection()
        last.request("GET", "/v2/health/live")
        assert "close" == last.getresponse().getheader("connection")
        assert 0 == server.process.wait(PATIENCE)
        with pytest.raises(OSError) as gone:
            server.connection().ask("GET", "/v2/health/live")
    assert gone.value.errno in (errno.ENOENT, errno.ECONNREFUSED)


def test_sigterm_with_an_idle_connection_ends_with_0(repo: Repo, sockets: Path) -> None:
    with serving(repo, repo.odd(), sockets / "s", "--drain", "0") as server:
        idle = server.connection()
        idle.ask("GET", "/v2/health/live")

        server.process.send_signal(signal.SIGTERM)

        assert 0 == server.process.wait(PATIENCE)


def run(repo: Repo, settings: Path, *options: str, python: tuple[str, ...] = ()) -> Any:
    return subprocess.run(
        [*command("serve.py", repo, settings, *python), *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_a_model_that_does_not_load_ends_the_server_with_1_and_its_traceback(
    repo: Repo, sockets: Path
) -> None:
    done = run(repo, repo.settings(load="people:load_never"), "--uds", str(sockets / "s"))

    assert 1 == done.returncode
    assert "OSError: the artifact is damaged" in done.stderr
    assert not (sockets / "s").exists()


def test_an_environment_without_uvicorn_is_1_with_a_line_that_says_so(repo: Repo) -> None:
    done = run(repo, repo.settings(), "--port", "0", python=("-I", "-S"))

    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "no uvicorn" in done.stderr


def test_a_place_where_it_cannot_listen_ends_the_server_with_1(repo: Repo, sockets: Path) -> None:
    done = run(repo, repo.odd(), "--uds", str(sockets / "no" / "folder" / "s"))

    assert 1 == done.returncode


def test_a_port_serves_as_well_as_a_socket(repo: Repo) -> None:
    from http.client import HTTPConnection

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*command("serve.py", repo, repo.odd()), "--port", str(port), "--drain", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            deadline = time.monotonic() + PATIENCE
            status = 0
            while status != 200 and time.monotonic() < deadline:
                try:
                    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
                    connection.request("GET", "/v2/health/ready")
                    status = connection.getresponse().status
                except OSError:
                    with pytest.raises(subprocess.TimeoutExpired):
                        process.wait(0.02)
            assert 200 == status
            process.terminate()
            assert 0 == process.wait(PATIENCE)
        finally:
            process.kill()


def test_eight_clients_at_once_each_get_their_own_answer(
    server: Server, repo: Repo, good: list[dict[str, Any]]
) -> None:
    model = joblib.load(repo.artifact / "model.joblib")
    wanted = model.predict_proba(pd.read_parquet(repo.parquet)[FEATURES])
    found: dict[int, Any] = {}

    def ask(client: int) -> None:
        part = slice(client * 30, client * 30 + 30)
        tensors = [{**t, "shape": [30], "data": t["data"][part]} for t in good]
        found[client] = server.connection().infer("people", *tensors)

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(PATIENCE)

    for number in range(8):
        status, answer = found[number]
        assert 200 == status
        assert (
            wanted[number * 30 : number * 30 + 30].ravel().tolist()
            == (answer["outputs"][0]["data"])
        )


def test_the_schema_of_these_tests_is_what_the_server_was_given(server: Server) -> None:
    _, found = Connection(server.socket).ask("GET", "/v2/models/people")

    assert list(SCHEMA["properties"]) == [t["name"] for t in found["inputs"]]
