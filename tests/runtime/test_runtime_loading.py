"""From settings to a model."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.runtime import adapter, loading
from harness.runtime.loading import Unloadable


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model repo's folder; the path and the working directory are put back."""
    before = sys.path[:]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runtime_loaded.py").write_text(
        "import os\nclass A:\n    @staticmethod\n    def load(artifact):\n"
        "        return (artifact, os.getcwd())\nnumber = 3\n"
    )
    yield tmp_path
    sys.path[:] = before
    sys.modules.pop("runtime_loaded", None)


def test_the_declared_function_gets_the_artifact_and_runs_in_the_folder(folder: Path) -> None:
    artifact = folder / "artifact"

    model = adapter.load({"load": "runtime_loaded:A.load"}, artifact, folder=folder)

    assert (artifact, str(folder)) == model


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("runtime_loaded", "module:function"),
        ("runtime_loaded:", "module:function"),
        ("runtime_loaded:nope", "has no nope"),
        ("runtime_loaded:number", "is no function"),
    ],
)
def test_a_load_that_names_no_function_is_refused(folder: Path, address: str, words: str) -> None:
    with pytest.raises(Unloadable, match=words):
        adapter.load({"load": address}, folder, folder=folder)


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "model.pickle"])
@pytest.mark.parametrize("within", [True, False], ids=["a folder", "a file"])
def test_one_pickle_needs_no_load(folder: Path, name: str, within: bool) -> None:
    artifact = folder / "artifact"
    artifact.mkdir()
    (artifact / name).write_bytes(pickle.dumps({"a": 1}))

    model = adapter.load({}, artifact if within else artifact / name, folder=folder)

    assert {"a": 1} == model


def test_unknown_files_and_folders_of_many_ask_for_a_load(folder: Path) -> None:
    many = folder / "many"
    many.mkdir()
    (many / "a.pkl").touch()
    (many / "b.pkl").touch()
    (folder / "weights.h5").touch()

    for artifact in (many, folder / "weights.h5"):
        with pytest.raises(Unloadable, match='load = "module:function"'):
            adapter.load({}, artifact, folder=folder)
    with pytest.raises(Unloadable, match="no artifact"):
        adapter.load({}, folder / "nothing.pkl", folder=folder)


class Both:
    def predict(self, rows: object) -> None: ...

    def predict_proba(self, rows: object) -> None: ...


class Labels:
    def predict(self, rows: object) -> None: ...


class Callable(Labels):
    def __call__(self, rows: object) -> None: ...


@pytest.mark.parametrize(
    ("model", "kind", "methods"),
    [
        (Both(), "probabilities", ["predict_proba", "predict"]),
        (Both(), "labels", ["predict", "predict_proba"]),
        (Both(), "regression", ["predict"]),
        (Both(), None, ["predict_proba", "predict"]),
        (Labels(), "labels", ["predict"]),
        (Labels(), None, ["predict"]),
        (Callable(), "probabilities", ["call", "predict"]),
        (len, "probabilities", ["call"]),
        (len, "labels", ["call"]),
        (len, "regression", ["call"]),
        (len, None, ["call"]),
    ],
)
def test_methods_are_those_of_the_declared_kind_first(
    model: object, kind: str | None, methods: list[str]
) -> None:
    assert methods == adapter.methods(model, {"kind": kind} if kind else {})


@pytest.mark.parametrize("model", [Labels(), object(), {"a": 1}])
def test_an_object_that_cannot_answer_the_kind_is_refused(model: object) -> None:
    with pytest.raises(Unloadable, match="predict_proba"):
        adapter.methods(model, {"kind": "probabilities"})


def test_an_image_has_its_places_by_default() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    loading.add_places(parser)

    assert {
        "settings": Path("/opt/model/model.json"),
        "folder": Path("/app"),
        "artifact": Path("/artifact"),
    } == vars(parser.parse_args([]))
