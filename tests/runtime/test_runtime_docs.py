"""docs/serving.md says what the server does."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest
from runtime_models import Server

from harness.runtime import serve, service, v2

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
REQUEST, ANSWER = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


def test_the_pages_request_gets_the_pages_answer(server: Server) -> None:
    found = server.connection().ask("POST", "/v2/models/people/infer", REQUEST.encode())

    assert (200, json.loads(ANSWER)) == found


@pytest.mark.parametrize(
    ("method", "path"), re.findall(r"^\| (GET|POST) \| `(.*?)` \|", PAGE, re.MULTILINE)
)
def test_every_path_of_the_page_is_there(server: Server, method: str, path: str) -> None:
    body = REQUEST.encode() if method == "POST" else None

    assert 200 == server.connection().ask(method, path.replace("NAME", "people"), body)[0]


def test_every_option_status_and_limit_is_on_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: list[str] = []
    add = argparse.ArgumentParser.add_argument
    monkeypatch.setattr(
        argparse.ArgumentParser,
        "add_argument",
        lambda self, *names, **more: options.extend(names) or add(self, *names, **more),
    )
    with pytest.raises(SystemExit):
        serve.main(["--help"])
    sources = [Path(module.__file__).read_text() for module in (service, v2)]  # type: ignore[arg-type]
    statuses = set(re.findall(r"\b([45]\d\d)\b", "".join(sources)))

    assert {"400", "404", "405", "413", "415", "422", "500", "503"} == statuses
    for status in statuses:
        assert f"| {status} |" in PAGE
    for option in set(options) - {"-h", "--help"}:
        assert f"`{option}" in PAGE
    assert str(service.LIMIT) in PAGE
    assert f"{serve.GRACE:g} seconds" in PAGE
    for datatype in ("BOOL", "FP32", "FP64", "BYTES"):
        assert datatype in v2.DATATYPES and f"`{datatype}`" in PAGE
