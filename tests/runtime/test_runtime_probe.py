"""The probe as it ships: a process, and frames."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from runtime_models import PATIENCE, Repo, Session, command, probing

from harness.runtime import cells, frame
from harness.runtime.frame import Column
from harness.runtime.table import read_table

FEATURES = ["age", "income", "region"]


def word(text: str, rows: int = 2) -> list[Column]:
    return [cells.encode("word", [text] * rows)]


def test_hello_tells_methods_python_and_the_models_own_numbers(probe: Session) -> None:
    header, columns = probe.ask({"op": "hello"})

    assert ("ok", ["predict_proba", "predict"], []) == (
        header["status"],
        header["methods"],
        columns,
    )
    assert ".".join(map(str, sys.version_info[:3])) == header["python"]
    assert {"age", "income"} <= set(header["constants"])


def test_answers_are_to_the_bit_those_of_the_model_itself(probe: Session, repo: Repo) -> None:
    model = joblib.load(repo.artifact / "model.joblib")
    rows = pd.read_parquet(repo.parquet)[FEATURES]
    _, _, columns = read_table(repo.parquet, FEATURES)

    header, (probabilities,) = probe.ask({"op": "predict", "method": "predict_proba"}, columns)
    labels, (label,) = probe.ask({"op": "predict", "method": "predict"}, columns)

    assert ("answered", [300, 2], "ndarray", None, False) == tuple(
        header[key] for key in ("status", "shape", "container", "names", "mutated")
    )
    assert ("answer", "f8", 600) == (probabilities.name, probabilities.type, probabilities.rows)
    assert model.predict_proba(rows).tobytes() == probabilities.data
    assert model.predict(rows).tolist() == cells.decode(label)
    assert [300] == labels["shape"]


@pytest.mark.parametrize("index", ["shifted", "shuffled", "string"])
def test_every_index_reaches_the_model(probe: Session, repo: Repo, index: str) -> None:
    _, _, columns = read_table(repo.parquet, FEATURES, stop=5)
    request = {"op": "predict", "method": "predict_proba"}

    _, plain = probe.ask(request, columns)
    header, indexed = probe.ask({**request, "index": index}, columns)

    assert "answered" == header["status"]
    assert plain == indexed


def test_no_rows_are_a_batch_and_what_the_model_says_of_it_comes_back(odd: Session) -> None:
    header, (column,) = odd.ask({"op": "predict", "method": "predict"}, word("", rows=0))

    assert ("answered", [0], 0) == (header["status"], header["shape"], column.rows)


def test_a_refusal_names_the_exception_and_its_classes(odd: Session) -> None:
    header, columns = odd.ask({"op": "predict", "method": "predict"}, word("refuse"))

    assert ("refused", []) == (header["status"], columns)
    assert "UnicodeError" == header["error"]["type"]
    assert ["UnicodeError", "ValueError", "Exception"] == header["error"]["mro"][:3]
    assert "subclass" in header["error"]["message"]


def test_a_model_that_calls_exit_refuses_and_the_probe_lives(odd: Session) -> None:
    header, _ = odd.ask({"op": "predict", "method": "predict"}, word("exit"))
    after, _ = odd.ask({"op": "predict", "method": "predict"}, word("fine"))

    assert ("refused", "SystemExit") == (header["status"], header["error"]["type"])
    assert "answered" == after["status"]


def test_a_mutated_input_is_told_and_the_next_request_starts_afresh(odd: Session) -> None:
    request = {"op": "predict", "method": "predict"}

    assert odd.ask(request, word("mutate"))[0]["mutated"] is True
    assert odd.ask(request, word("fine"))[0]["mutated"] is False


def test_a_model_cannot_read_the_frames_as_its_stdin(odd: Session) -> None:
    _, (column,) = odd.ask({"op": "predict", "method": "predict"}, word("stdin"))

    assert [0, 0] == cells.decode(column)


def test_prints_go_to_stderr_from_python_and_from_c(repo: Repo) -> None:
    with probing(repo, repo.settings()) as session:
        session.ask({"op": "hello"})
        session.requests.close()
        rest = session.answers.read()

        assert 0 == session.process.wait(PATIENCE)
        said = session.said
    assert b"" == rest
    assert b"loading prints to stdout" in said and b"and so does C" in said


def test_a_model_that_does_not_load_fails_each_time_it_is_needed(repo: Repo) -> None:
    with probing(repo, repo.settings(load="people:load_never")) as session:
        for request in ({"op": "hello"}, {"op": "predict", "method": "predict"}):
            header, _ = session.ask(request)

            assert ("failed", "OSError") == (header["status"], header["error"]["type"])
            assert "the artifact is damaged" == header["error"]["message"]


def test_a_process_that_dies_ends_the_stream(repo: Repo) -> None:
    with probing(repo, repo.odd()) as session:
        frame.write(session.requests, {"op": "predict", "method": "predict"}, word("die"))

        assert frame.read(session.answers) is None
        assert 9 == session.process.wait(PATIENCE)


def test_reading_needs_no_model_and_gives_what_the_table_holds(repo: Repo) -> None:
    with probing(repo, Path("/nowhere/model.json")) as session:
        for path in (repo.parquet, repo.csv):
            request = {"op": "read", "path": str(path), "start": 80, "stop": 100}
            header, columns = session.ask({**request, "only": ["region", "income"]})
            rows, kinds, wanted = read_table(path, ["region", "income"], 80, 100)

            assert {"status": "ok", "rows": rows, "kinds": kinds} == header
            assert wanted == columns
        failed, _ = session.ask({"op": "read", "path": "/nowhere/t.parquet"})
        assert ("failed", "FileNotFoundError") == (failed["status"], failed["error"]["type"])


def test_imports_are_tried_each_in_a_process_of_its_own(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo.folder / "exits.py").write_text("import sys; sys.exit(4)")
    (repo.folder / "dies.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    (repo.folder / "forks.py").write_text(  # leaves a process behind, which holds what it holds
        "import os, sys\nif os.fork() == 0:\n    open(os.environ['GATE']).read()\n    os._exit(0)\n"
    )
    (repo.folder / "loud.py").write_text("print('loud' * 100_000); raise RuntimeError('x' * 10**6)")
    (repo.folder / "marks.py").write_text("import sys; sys.modules['numpy'] = None")
    names = [
        "people",
        "exits",
        "dies",
        "forks",
        "loud",
        "no_such_module",
        "marks",
        "numpy",
        "json.tool",
    ]

    gate = tmp_path / "gate"
    os.mkfifo(gate)
    monkeypatch.setenv("GATE", str(gate))
    with probing(repo, repo.settings()) as session:
        header, _ = session.ask({"op": "imports", "modules": names})
        gate.open("w").close()  # lets the one that was left behind end

    failures = header["failures"]
    assert {
        "exits": "SystemExit",
        "dies": "Died",
        "loud": "RuntimeError",
        "no_such_module": "ModuleNotFoundError",
    } == {name: failure["type"] for name, failure in failures.items()}
    assert "signal 9" in failures["dies"]["message"]
    assert "no_such_module" in failures["no_such_module"]["message"]


def test_an_import_that_takes_too_long_is_ended_and_the_next_one_is_tried(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo.folder / "hangs.py").write_text("import os; open(os.environ['GATE']).read()")
    os.mkfifo(tmp_path / "gate")
    monkeypatch.setenv("GATE", str(tmp_path / "gate"))

    with probing(repo, repo.settings()) as session:
        header, _ = session.ask({"op": "imports", "modules": ["hangs", "json"], "seconds": 0.2})

    assert {
        "hangs": {"type": "TimedOut", "message": "importing it takes longer than 0.2 s"}
    } == header["failures"]


def test_a_failed_import_tells_what_led_to_it_and_the_files_on_the_way(repo: Repo) -> None:
    (repo.folder / "lower.py").write_text("raise OSError('libthing.so.1: cannot open')")
    (repo.folder / "upper.py").write_text(
        "try:\n    import lower\nexcept OSError as e:\n    raise ImportError('no luck') from e\n"
    )

    with probing(repo, repo.settings()) as session:
        header, _ = session.ask({"op": "imports", "modules": ["upper", "lower"]})

    upper, lower = header["failures"]["upper"], header["failures"]["lower"]
    assert ["libthing.so.1: cannot open"] == upper["before"]
    assert [str(repo.folder / "lower.py")] == lower["files"]
    assert [str(repo.folder / "upper.py")] == upper["files"]


def test_a_name_of_a_module_is_asked_for_too(repo: Repo) -> None:
    names = ["json:dumps", "json:JSONEncoder.encode", "json:gone", "gone:dumps"]

    with probing(repo, repo.settings()) as session:
        header, _ = session.ask({"op": "imports", "modules": names})

    assert {"json:gone": "AttributeError", "gone:dumps": "ModuleNotFoundError"} == {
        name: failure["type"] for name, failure in header["failures"].items()
    }


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "dance"},
        {},
        {"op": ["hello"]},
        {"op": "predict", "method": "fit"},
        {"op": "predict"},
        {"op": "predict", "method": "predict", "index": "random"},
        {"op": "read"},
        {"op": "imports"},
        {"op": "imports", "modules": 3},
    ],
    ids=str,
)
def test_a_request_that_makes_no_sense_fails_and_the_next_one_is_answered(
    probe: Session, request_: dict[str, object]
) -> None:
    header, columns = probe.ask(request_, [cells.encode("age", [1])])
    after, _ = probe.ask({"op": "hello"})

    assert ("failed", []) == (header["status"], columns)
    assert header["error"]["type"] and header["error"]["message"]
    assert "ok" == after["status"]


@pytest.mark.parametrize(
    "damage", [{"offsets": None}, {"rows": 9}, {"type": "c16"}, {"dtype": "Int64"}], ids=str
)
def test_cells_that_do_not_fit_fail_by_the_columns_name(
    odd: Session, damage: dict[str, object]
) -> None:
    column = replace(cells.encode("height", ["a", "b"]), **damage)  # type: ignore[arg-type]
    if "dtype" in damage:
        column = replace(cells.encode("height", [0.5]), dtype="Int64")

    header, _ = odd.ask({"op": "predict", "method": "predict"}, [column])

    assert "failed" == header["status"]
    assert "height" in header["error"]["message"]


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x02{}",
        b"\x00\x00\x00\x02[]",
        b"\x00\x00\x00\x02\xff\xff",
        b'\x00\x00\x00\x1c{"columns":[],"buffers":[-5]}',
        b"\x00\x00",
        b"\x00\x01\x00\x00" + b"[" * 65536,
        b"\x00\x00\x00\x09",
    ],
)
def test_what_is_no_frame_gets_an_error_frame_and_exit_code_2(repo: Repo, junk: bytes) -> None:
    done = subprocess.run(
        [*command("probe.py", repo, repo.settings(), "-S"), "frames"],
        input=junk,
        capture_output=True,
        timeout=PATIENCE,
    )

    assert 2 == done.returncode
    header, columns, _ = frame.read(io.BytesIO(done.stdout)) or ({}, [], [])
    assert ("failed", []) == (header["status"], columns)
    assert header["error"]["type"]


def test_sigterm_ends_the_probe_cleanly(repo: Repo) -> None:
    with probing(repo, repo.settings(), "-S") as session:
        assert "failed" == session.ask({"op": "dance"})[0]["status"]  # it listens

        session.process.send_signal(signal.SIGTERM)

        assert 0 == session.process.wait(PATIENCE)


def test_an_arrow_model_of_the_standard_library_answers(repo: Repo) -> None:
    settings = repo.settings(
        load="people:load_average", input="pyarrow", outputs={"kind": "regression"}
    )
    columns = [cells.encode("a", [1.0, 2.0]), cells.encode("b", [3, 5])]

    with probing(repo, settings) as session:
        hello, _ = session.ask({"op": "hello"})
        header, (column,) = session.ask({"op": "predict", "method": "call"}, columns)

    assert ["call"] == hello["methods"]
    assert ([2], "list", [2.0, 3.5]) == (
        header["shape"],
        header["container"],
        cells.decode(column),
    )


@pytest.mark.parametrize("kind", ["pandas", "numpy", "pyarrow"])
def test_an_environment_without_the_library_says_which_one_and_what_to_do(
    repo: Repo, kind: str
) -> None:
    settings = repo.settings(load="people:load_average", input=kind, outputs={"kind": "regression"})

    with probing(repo, settings, "-S") as session:  # -S: no site-packages
        hello, _ = session.ask({"op": "hello"})
        header, _ = session.ask({"op": "predict", "method": "call"}, [cells.encode("a", [1])])

    assert "ok" == hello["status"]
    assert ("failed", "LibraryMissing") == (header["status"], header["error"]["type"])
    assert f"no {kind}" in header["error"]["message"]


def run_training(repo: Repo, settings: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command("probe.py", repo, settings, "-S"), "train", repo.csv, target, "7"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_training_runs_the_declared_function_in_the_folder(repo: Repo, tmp_path: Path) -> None:
    done = run_training(repo, repo.settings(), tmp_path)

    assert (0, f"people.csv 7 {repo.folder}") == (
        done.returncode,
        (tmp_path / "trained.txt").read_text(),
    )


def test_training_that_raises_is_1_with_its_traceback(repo: Repo, tmp_path: Path) -> None:
    done = run_training(repo, repo.settings(train="people:train_badly"), tmp_path)

    assert 1 == done.returncode
    assert "RuntimeError: the recipe is wrong" in done.stderr and "people.py" in done.stderr


@pytest.mark.parametrize("train", [None, "people:nothing", "people"])
def test_training_that_is_not_there_is_2_with_one_line(
    repo: Repo, tmp_path: Path, train: str | None
) -> None:
    done = run_training(repo, repo.settings(train=train), tmp_path)

    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))


def test_a_model_that_starts_processes_does_not_run_the_probe_in_them(repo: Repo) -> None:
    (repo.folder / "parallel.py").write_text(
        "import multiprocessing\nimport frame\n\n\ndef owner(n):\n    return frame.OWNER\n\n\n"
        "def load(artifact):\n    return lambda rows: (\n"
        "        multiprocessing.get_context('spawn').Pool(1).map(owner, range(len(rows))))\n"
    )
    settings = repo.settings(load="parallel:load", outputs={"kind": "labels"})

    with probing(repo, settings) as session:
        _, (column,) = session.ask({"op": "predict", "method": "call"}, [cells.encode("a", [1, 2])])

    assert ["the model repo"] * 2 == cells.decode(column)


def test_a_hundred_thousand_rows_come_back_to_the_bit(odd: Session, repo: Repo) -> None:
    settings = repo.settings(load="people:load_echo", outputs={"kind": "regression"})
    (repo.folder / "people.py").write_text(
        (repo.folder / "people.py").read_text()
        + "\n\ndef load_echo(artifact):\n    return lambda rows: rows['x'].to_numpy()\n"
    )
    values = np.random.default_rng(0).standard_normal(100_000)

    with probing(repo, settings) as session:
        _, (column,) = session.ask(
            {"op": "predict", "method": "call"}, [cells.encode_array("x", values)]
        )

    assert values.tobytes() == column.data
