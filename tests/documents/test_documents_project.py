"""A project whose model takes documents: checked from its folder, kept, replayed, served."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from orders import SCHEMA, Model, orders, project

from harness.contract import keep
from harness.contract.check import check_project
from harness.contract.documents import lines
from harness.contract.documents.rows import list_of
from harness.contract.promise import Settings
from harness.core.errors import DataInvalid, SpecInvalid
from harness.runtime.service import Service
from harness.spec import parse

SHORT = Settings(rows=500, seconds=30.0)
CODE = """
class Model:
    def predict_proba(self, documents):
        return [self.one(order) for order in documents]

    def one(self, order):
        if not isinstance(order, dict):
            raise TypeError("no order")
        chance = 1.5 if order["customer"]["age"] > 140 else 0.5
        return [1 - chance, chance]

def load(artifact):
    return Model()
"""


def test_a_folder_is_checked_and_a_kept_document_replayed(tmp_path: Path) -> None:
    folder = project(tmp_path / "shop", CODE)
    check = "probabilities-lie-between-zero-and-one"

    report = check_project(parse.project(folder), settings=SHORT)

    (failure,) = next(found for found in report.checks if found.id == check).failures
    assert "/customer/age > 140" == failure.cause.rule
    kept = {entry.id: entry for entry in keep.read(folder / ".harness" / "rows")}
    assert dict(failure.row) == dict(kept[failure.replay].row)
    again = check_project(parse.project(folder), settings=SHORT, replayed=failure.replay)
    assert [check] == [found.id for found in again.failed]
    json.dumps(report.to_json(), allow_nan=False)


def test_documents_are_read_without_their_target(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text('{"a": {"b": null}, "label": 1}\n\n{"label": 0}\n')

    documents = list_of(lines.read(file, without="label"))

    assert [{"a": {"b": None}}, {}] == documents


@pytest.mark.parametrize("line", ["[1]", "{'a': 1}", '{"a": NaN}', "{"])
def test_a_line_that_is_no_document_is_named_and_not_quoted(tmp_path: Path, line: str) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(f'{{"a": 1}}\n{line}\n')

    with pytest.raises(DataInvalid, match="line 2") as raised:
        lines.read(file)

    assert line not in raised.value.message


def test_documents_in_a_table_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"train\.csv") as raised:
        lines.read(tmp_path / "train.csv")

    assert ".jsonl" in raised.value.hint


def test_the_target_among_the_documents_keys_is_refused(tmp_path: Path) -> None:
    properties = {**SCHEMA["properties"], "label": {"type": "string"}}
    folder = project(tmp_path / "shop", CODE, schema={**SCHEMA, "properties": properties})

    with pytest.raises(SpecInvalid, match="label"):
        parse.project(folder)


def asked(body: Any) -> tuple[int, Any]:
    """What the server says to one infer request."""
    said: list[Any] = []
    settings = {"name": "orders", "input": "documents", "inputs": SCHEMA,
                "outputs": {"kind": "probabilities", "labels": ["fine", "fraud"]}}  # fmt: skip
    scope = {
        "type": "http", "method": "POST", "path": "/v2/models/orders/infer",
        "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    with ThreadPoolExecutor(1) as worker:
        asyncio.run(Service(settings, Model(), worker)(scope, receive, send))
    return said[0]["status"], json.loads(said[1]["body"])


def request(*texts: str) -> Any:
    tensor = {"name": "document", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}
    return {"inputs": [tensor]}


def test_documents_are_served_as_json_text() -> None:
    texts = [json.dumps(order) for order in orders(3)]

    status, answer = asked(request(*texts))

    assert 200 == status, answer
    wanted = [chance for row in Model().predict_proba(orders(3)) for chance in row]
    assert wanted == answer["outputs"][0]["data"]


@pytest.mark.parametrize(("text", "status"), [("{", 400), ('{"a": 1}', 422), ("[]", 422)])
def test_what_is_no_order_is_a_client_s_error(text: str, status: int) -> None:
    assert status == asked(request(text))[0]
