"""The whole line on an image of others: a company's Python, its packages, and the tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import companies
import line_repository
import pytest
from line_command import Command

from harness.world.store import Store

pytest.importorskip("uv", reason="uv is not installed")
pytestmark = pytest.mark.network


def test_a_model_on_an_image_of_others_is_promoted(
    cache: Path, harness: Command, tmp_path: Path
) -> None:
    digest = companies.company(Store(cache), tmp_path / "layout", tmp_path / "scratch")
    envs = tmp_path / "envs"
    (envs / "on").mkdir(parents=True)
    (envs / "on" / "environment.toml").write_text(
        f'name = "on"\nversion = 1\nbase = {{ image = "oci:../../layout@{digest}" }}\n'
        'requirements = ["numpy", "pandas~=3.0", "uvicorn"]\nresolver = "uv"\n'
    )
    edits = {'environment = "tabular:1"': 'environment = "on:1"'}
    folder = line_repository.make(tmp_path / "tiny", edits=edits)
    line_repository.edit(folder / "harness.toml", {str(line_repository.ROOT / "envs"): str(envs)})

    locked = harness("lock", "on", "--envs", envs)
    done = harness("promote", folder, "--output", "json")

    assert 0 == locked.code, locked.err
    assert 0 == done.code, done.out + done.err
    assert "PROMOTE" == done.body["verdict"].upper(), json.dumps(done.body)[:2000]
