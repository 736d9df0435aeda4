"""What must not matter: each check finds a model for which it does, and passes one without."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from contract_zoo import FEW_SCHEMA, LABELS, batch_of, boosted, customers, inputs, opened

from harness.contract import artifact, growth
from harness.contract.batch import Batch, Model
from harness.contract.checks.catalogue import checks_for
from harness.contract.claims import Claims, claims_of
from harness.contract.door import in_its_own_process
from harness.contract.process import Opening
from harness.contract.promise import Outcome, Settings
from harness.contract.run import examine, open_trial
from harness.contract.trial import Trial
from harness.contract.visit import CLOCK, HASH_SEED, ZONE
from harness.core.errors import ModelUnusable
from harness.spec.project import Contract, Outputs
from harness.spec.project import Model as Declared

ONE = Outputs(kind="probabilities", labels=LABELS, positive_only=True)
SETTINGS = Settings(rows=500, seconds=600.0)
NUMBERS = {
    "type": "object",
    "properties": {
        "score": {"type": "number", "minimum": 0, "maximum": 1000},
        "visits": {"type": "integer", "minimum": 0, "maximum": 10_000},
        "moment": {"type": "number", "minimum": 0, "maximum": 2e9},
    },
}


def numbers() -> Batch:
    """Training rows of three numbers."""
    draw = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "score": np.round(draw.uniform(300, 850, 300), 1),
            "visits": draw.integers(0, 60, 300),
            "moment": np.round(draw.uniform(1.5e9, 1.7e9, 300)),
        }
    )
    return batch_of(frame)


def claimed(kind: str, schema: dict[str, Any], outputs: Outputs = ONE) -> Claims:
    return claims_of(
        Declared(name="tried", input=kind), Contract(inputs=schema, outputs=outputs), target="good"
    )


def formula(matrix: Any) -> Any:
    """A healthy model of three numbers."""
    wide = np.asarray(matrix, float)
    return 1 / (1 + np.exp(-(wide[:, 0] - 600) / 80 - wide[:, 1] / 50))


class Plain:
    """A healthy model; a mutant overrides one step. *environment* is its process's."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.calls = 0

    def __call__(self, matrix: Any) -> Any:
        self.calls += 1
        return np.clip(self.answer(matrix), 0, 1)

    def answer(self, matrix: Any) -> Any:
        return formula(matrix)


def tried(
    made: Any,
    kind: str = "numpy",
    claims: Claims | None = None,
    rows: Batch | None = None,
    settings: Settings = SETTINGS,
) -> Trial:
    """A trial of the model that *made* returns for a process's environment variables."""

    @contextmanager
    def elsewhere(environment: Mapping[str, str]) -> Iterator[Model]:
        yield opened(made({HASH_SEED: "0", **environment}), kind=kind)

    return open_trial(
        claims or claimed(kind, NUMBERS),
        opened(made({HASH_SEED: "0"}), kind=kind),
        numbers() if rows is None else rows,
        settings=settings,
        elsewhere=elsewhere,
    )


def outcome(trial: Trial, check: str) -> Outcome:
    return next(examine(trial, found) for found in checks_for(trial.claims) if found.id == check)


class WarmUp(Plain):
    def answer(self, matrix: Any) -> Any:
        return formula(matrix) + (0.01 if self.calls == 1 else 0.0)


class Trained(Plain):
    """Trains as it loads, from a seed that nobody set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.shift = np.random.default_rng().uniform(0.001, 0.1)

    def answer(self, matrix: Any) -> Any:
        return formula(matrix) * (1 - self.shift)


class Hashed(Plain):
    def answer(self, matrix: Any) -> Any:
        return formula(matrix) * (0.9 if self.environment[HASH_SEED] == "0" else 0.8)


class Zoned(Plain):
    def answer(self, matrix: Any) -> Any:
        return formula(matrix) * (0.9 if ZONE in self.environment else 1.0)


class Aged(Plain):
    def answer(self, matrix: Any) -> Any:
        return formula(matrix) * (0.9 if float(self.environment.get(CLOCK, 0)) > 86_400 else 1.0)


class Remembering(Plain):
    """Keeps what it said of a score, and says it again whatever the other columns hold."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.known: dict[float, float] = {}

    def answer(self, matrix: Any) -> Any:
        fresh = formula(matrix).tolist()
        scores = np.asarray(matrix)[:, 0].tolist()
        return np.array([self.known.setdefault(s, f) for s, f in zip(scores, fresh, strict=True)])


class RunningMean(Plain):
    """Centres by the mean of the last batch that was large enough."""

    mean = 600.0

    def answer(self, matrix: Any) -> Any:
        wide = np.array(matrix, float)
        before, self.mean = self.mean, self.mean if len(wide) < 70 else float(wide[:, 0].mean())
        wide[:, 0] -= before - 600.0
        return formula(wide)


class RememberingEnds(Plain):
    """Keeps what it said of a batch by its first and last row."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.known: dict[Any, Any] = {}

    def answer(self, matrix: Any) -> Any:
        key = (len(matrix), np.asarray(matrix)[[0, -1]].tobytes()) if len(matrix) else 0
        return self.known.setdefault(key, formula(matrix)).copy()


class Noisy(Plain):
    def answer(self, matrix: Any) -> Any:
        return formula(matrix) * np.random.default_rng().uniform(0.5, 1, len(matrix))


ELSEWHERE = [
    (WarmUp, "the-first-call-is-answered-like-later-ones"),
    (Trained, "loading-again-gives-the-same-answers"),
    (Hashed, "the-hash-seed-does-not-matter"),
    (Zoned, "the-time-zone-does-not-matter"),
    (Aged, "the-clock-does-not-matter"),
    (Remembering, "earlier-batches-do-not-matter"),
    (RunningMean, "earlier-batches-do-not-matter"),
    (RememberingEnds, "earlier-batches-do-not-matter"),
]
LOADED = "loading-again-gives-the-same-answers"
BLAMED = sorted({check for _, check in ELSEWHERE})


@pytest.mark.parametrize(("mutant", "check"), ELSEWHERE)
def test_what_differs_in_another_process_is_blamed_on_its_reason_alone(
    mutant: type[Plain], check: str
) -> None:
    trial = tried(mutant)

    found = {name: outcome(trial, name) for name in BLAMED}

    assert [check] == [name for name, told in found.items() if told.outcome == "failed"]
    assert set(found[check].failures[0].row) == {"score", "visits", "moment"}


def test_the_reason_is_looked_for_though_it_takes_most_of_the_time() -> None:
    class Slow(Zoned):
        def __init__(self, environment: Mapping[str, str]) -> None:
            super().__init__(environment)
            time.sleep(0.7)  # to load

    trial = tried(Slow, settings=Settings(rows=500, seconds=6.0))

    found = {
        name: outcome(trial, name).outcome for name in ("the-time-zone-does-not-matter", LOADED)
    }

    assert {"the-time-zone-does-not-matter": "failed", LOADED: "passed"} == found


def test_one_visit_is_enough_for_a_healthy_model() -> None:
    trial = tried(Plain)

    found = {name: outcome(trial, name).outcome for name in BLAMED}

    assert {"passed"} == set(found.values())
    assert 1 == len(trial.visits)


def test_a_model_that_contradicts_itself_is_blamed_on_no_process() -> None:
    trial = tried(Noisy)

    found = {
        name: outcome(trial, name) for name in BLAMED if name != "earlier-batches-do-not-matter"
    }

    assert "failed" == outcome(trial, "same-input-gives-same-output").outcome
    assert {"skipped"} == {told.outcome for told in found.values()}


def test_without_another_process_the_checks_say_so() -> None:
    trial = open_trial(
        claimed("numpy", NUMBERS), opened(formula, kind="numpy"), numbers(), settings=SETTINGS
    )

    found = outcome(trial, "the-clock-does-not-matter")

    assert ("skipped", "passed") == (
        found.outcome,
        outcome(trial, "earlier-batches-do-not-matter").outcome,
    )
    assert "no second process" in found.reason


CODE = '''
"""Numpy models whose answers depend on what they must not."""
import json, os, time
from datetime import datetime, timezone
from pathlib import Path
import numpy as np

HELD = []


def formula(matrix):
    wide = np.asarray(matrix, float)
    if not np.isfinite(wide).all():
        raise ValueError("numbers must be finite")
    return 1 / (1 + np.exp(-(wide[:, 0] - 600) / 80 - wide[:, 1] / 50))


def load(artifact):
    kind = json.loads(artifact.read_text())["kind"]
    return {name: found for name, found in globals().items()}[kind]


def ordered(matrix):
    weights = {name: place for place, name in enumerate({"a", "b", "c", "d", "e", "f", "g", "h"})}
    return formula(matrix) * (1 - weights["a"] / 100 - weights["b"] / 1000)


def zoned(matrix):
    hours = [time.localtime(moment).tm_hour for moment in np.asarray(matrix)[:, 2].tolist()]
    return formula(matrix) * (1 - np.array(hours) / 100)


def aged(matrix):
    years = datetime.now(timezone.utc).year - 1970 - np.asarray(matrix)[:, 2] / 31_557_600
    return formula(matrix) * np.exp(-np.abs(years) / 100)


def writing(matrix):
    path = Path(os.environ["WRITTEN"])
    path.write_text(path.read_text() + " ")
    return formula(matrix)


def leaking(matrix):
    HELD.append(np.repeat(formula(matrix), 64))
    return formula(matrix)


def squared(matrix):
    """Looks each row up among all others, in Python."""
    keys = np.asarray(matrix)[:, 0].tolist()
    places = np.array([sum(key == other for other in keys) for key in keys])
    return formula(matrix) + places * 0


def wide(matrix):
    """Holds a number for each pair of rows."""
    keys = np.asarray(matrix, float)[:, 0]
    return formula(matrix) + np.exp(-((keys[:, None] - keys) ** 2)).min(axis=1) * 0
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "odd_models.py").write_text(CODE)
    return folder


@contextmanager
def in_a_process(folder: Path, kind: str) -> Iterator[Trial]:
    file = folder / f"{kind}.json"
    file.write_text(json.dumps({"kind": kind}))
    outputs = {"kind": "probabilities"}
    door = in_its_own_process(
        Opening(
            settings={
                "name": kind,
                "load": "odd_models:load",
                "input": "numpy",
                "outputs": outputs,
            },
            artifact=file,
            folder=folder,
        )
    )
    try:
        yield open_trial(
            claimed("numpy", NUMBERS),
            door.model,
            numbers(),
            settings=SETTINGS,
            reopen=door.reopen,
            elsewhere=door.elsewhere,
        )
    finally:
        door.close()


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("ordered", "the-hash-seed-does-not-matter"),
        ("zoned", "the-time-zone-does-not-matter"),
        ("aged", "the-clock-does-not-matter"),
    ],
)
def test_real_processes_differ_in_what_they_are_told_to(
    folder: Path, kind: str, check: str
) -> None:
    with in_a_process(folder, kind) as trial:
        found = {name: outcome(trial, name).outcome for name in BLAMED}

    assert [check] == [name for name, told in found.items() if told == "failed"]


def test_a_healthy_model_in_a_process_of_its_own_passes_every_check(folder: Path) -> None:
    with in_a_process(folder, "formula") as trial:
        found = [examine(trial, check) for check in checks_for(trial.claims)]

    assert [] == [
        (told.id, told.reason, told.failures) for told in found if told.outcome == "failed"
    ]
    passed = {told.id for told in found if told.outcome == "passed"}
    assert {
        *BLAMED,
        *("the-artifact-is-left-alone", "cuts-of-large-batches-do-not-matter"),
        *("the-layout-in-memory-does-not-matter", "threads-get-the-same-answers"),
        *("time-grows-no-faster-than-the-batch", "memory-grows-no-faster-than-the-batch"),
        *("repeated-calls-leak-no-memory", "answers-keep-their-type"),
    } <= passed


def test_a_model_that_writes_into_its_artifact_is_told_by_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRITTEN", str(folder / "writing.json"))

    with in_a_process(folder, "writing") as trial:
        found = outcome(trial, "the-artifact-is-left-alone")

    assert "writing.json changed" in found.failures[0].observed


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("leaking", "repeated-calls-leak-no-memory"),
        ("squared", "time-grows-no-faster-than-the-batch"),
        ("wide", "memory-grows-no-faster-than-the-batch"),
    ],
)
def test_growth_is_found_and_told_in_numbers(folder: Path, kind: str, check: str) -> None:
    with in_a_process(folder, kind) as trial:
        found = outcome(trial, check)

    assert "failed" == found.outcome, found
    assert any(unit in found.failures[0].observed for unit in ("KB", " s", "MB"))


@pytest.mark.parametrize(
    ("costs", "told"),
    [
        ([10 + n for n in growth.SIZES], 4.0),
        ([7 + n * n for n in growth.SIZES], 16.0),
        ([1 + n * np.log2(n) for n in growth.SIZES], 6.0),
    ],
)
def test_steps_tell_proportion_from_squares_whatever_a_call_costs(
    costs: list[float], told: float
) -> None:
    assert all(4.0 <= step <= told + 0.01 for step in growth.steps(costs)[1:])
    assert growth.steps(costs)[-1] == pytest.approx(told, rel=0.25)


class Cut(Plain):
    """Answers in parts of 256 and forgets that the last one may be of one row."""

    def answer(self, matrix: Any) -> Any:
        parts = [np.asarray(matrix)[at : at + 256] for at in range(0, len(matrix), 256)]
        single = len(parts) > 1 and len(parts[-1]) == 1
        found = [formula(part) for part in parts] or [np.zeros(0)]
        return np.concatenate([*found[:-1], found[-1] * (0.5 if single else 1)])


class Capped(Plain):
    """Gives all rows after the five thousandth the last one's answer."""

    def answer(self, matrix: Any) -> Any:
        found = formula(matrix)
        found[5000:] = found[4999] if len(found) > 5000 else 0.0
        return found


@pytest.mark.parametrize(("mutant", "size"), [(Cut, 257), (Capped, 10_001)])
def test_a_cut_at_the_wrong_row_is_found_at_the_first_size_that_shows_it(
    mutant: type[Plain], size: int
) -> None:
    found = outcome(tried(mutant), "cuts-of-large-batches-do-not-matter")

    assert f"in a batch of {size} rows" in found.failures[0].cause.rule


class Shared(Plain):
    """Keeps the batch on itself between two steps."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.turn = threading.Event()

    def answer(self, matrix: Any) -> Any:
        self.matrix = matrix
        self.turn.wait(0.002)
        return formula(self.matrix)


def test_threads_that_meet_in_one_model_are_seen_and_those_that_do_not_are_not() -> None:
    shared = outcome(tried(Shared), "threads-get-the-same-answers")
    plain = outcome(tried(Plain), "threads-get-the-same-answers")

    assert ("failed", "passed") == (shared.outcome, plain.outcome)
    assert "4 threads at once" in shared.failures[0].cause.rule


def as_list_for_one(matrix: Any) -> Any:
    found = formula(matrix)
    return found.tolist() if len(found) == 1 else found


def narrow_for_few(matrix: Any) -> Any:
    return formula(matrix).astype(np.float32 if len(matrix) < 3 else float)


@pytest.mark.parametrize("mutant", [as_list_for_one, narrow_for_few])
def test_an_answer_of_another_type_for_fewer_rows_is_found(mutant: Any) -> None:
    found = outcome(tried(lambda _: mutant), "answers-keep-their-type")

    assert "failed" == found.outcome


def whole_numbers_or_not(matrix: Any) -> Any:
    """Python's own numbers: 1 and 0.5 in one list are no broken promise."""
    return [1 if value > 0.9 else value for value in formula(matrix).tolist()]


def test_whole_and_other_numbers_in_a_list_are_one_type() -> None:
    assert (
        "passed"
        == outcome(tried(lambda _: whole_numbers_or_not), "answers-keep-their-type").outcome
    )


def by_bytes(matrix: Any) -> Any:
    return formula(np.frombuffer(matrix.tobytes("A"), float).reshape(matrix.shape))


def by_stride(matrix: Any) -> Any:
    flat = np.lib.stride_tricks.as_strided(matrix, (len(matrix),), (8 * matrix.shape[1],))
    return 1 / (1 + np.exp(-(flat - 600) / 80))


def double_only(matrix: Any) -> Any:
    return formula(matrix) * (1.0 if matrix.dtype == float else 0.5)


@pytest.mark.parametrize("mutant", [by_bytes, by_stride, double_only])
def test_a_model_that_looks_at_memory_and_not_at_cells_is_found(mutant: Any) -> None:
    found = outcome(tried(lambda _: mutant), "the-layout-in-memory-does-not-matter")

    assert "failed" == found.outcome


def first_chunk(table: Any) -> Any:
    parts = [column.chunk(0).to_numpy() for column in table.columns]
    rows = np.stack([np.resize(part, table.num_rows) for part in parts], axis=1)
    return formula(rows)


def whole_table(table: Any) -> Any:
    return formula(np.stack([column.to_numpy() for column in table.columns], axis=1))


def test_a_table_in_chunks_is_one_table() -> None:
    check = "the-layout-in-memory-does-not-matter"

    odd = outcome(tried(lambda _: first_chunk, kind="pyarrow"), check)
    healthy = outcome(tried(lambda _: whole_table, kind="pyarrow"), check)

    assert ("failed", "passed") == (odd.outcome, healthy.outcome)
    assert "in chunks" in odd.failures[0].cause.rule
    assert pa.table({}).num_rows == 0


PEOPLE = FEW_SCHEMA
BOTH = Outputs(kind="probabilities", labels=LABELS)
FEW = list(FEW_SCHEMA["properties"])


def of_people(model: Any) -> Trial:
    return open_trial(
        claimed("pandas", PEOPLE, BOTH),
        opened(model, kind="pandas"),
        batch_of(inputs()[FEW]),
        settings=SETTINGS,
    )


class People:
    """A healthy model of frames; a mutant changes the frame first."""

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        if not len(frame):
            return np.zeros((0, 2))
        return boosted().predict_proba(self.before(frame))

    def before(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame


class NaNAlone(People):
    """Knows NaN as missing, and takes None and pandas.NA for nothing at all: zero."""

    def before(self, frame: pd.DataFrame) -> pd.DataFrame:
        held = [0.0 if v is None or v is pd.NA else float(v) for v in frame["income"]]
        return frame.assign(income=held)


class Codes(People):
    def before(self, frame: pd.DataFrame) -> pd.DataFrame:
        if str(frame["plan"].dtype) == "category":
            return frame.assign(plan=pd.Series(["basic", "gold", "silver"])[
                frame["plan"].cat.codes % 3
            ].to_numpy())  # fmt: skip
        return frame


class Overflowing(People):
    def before(self, frame: pd.DataFrame) -> pd.DataFrame:
        with np.errstate(over="ignore"):
            cubed = frame["age"].to_numpy() ** 7 / 1e7
        return frame.assign(age=np.where(cubed < 0, 0, frame["age"]))


class Labelled(People):
    """Joins by the row index."""

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        found = super().predict_proba(frame)
        if not len(frame):
            return found
        by_label = pd.DataFrame(found, index=frame.index)
        return by_label.groupby(level=0, sort=False).transform("mean").to_numpy()


class Peeking(People):
    """Uses the outcome where somebody left it in the frame."""

    def before(self, frame: pd.DataFrame) -> pd.DataFrame:
        if "good" in frame:
            return frame.assign(age=np.where(frame["good"] == "good", 80, 20))
        return frame


@pytest.mark.parametrize(
    ("mutant", "check", "columns"),
    [
        (NaNAlone, "forms-of-a-missing-cell-do-not-matter", ("income",)),
        (Codes, "category-codes-do-not-matter", ("plan",)),
        (Overflowing, "int-or-float-does-not-matter", ("age",)),
        (Labelled, "the-index-does-not-matter", ()),
        (Peeking, "extra-columns-do-not-matter", ()),
    ],
)
def test_frames_held_otherwise_are_found_and_pass_a_healthy_model(
    mutant: type[People], check: str, columns: tuple[str, ...]
) -> None:
    odd, healthy = outcome(of_people(mutant()), check), outcome(of_people(People()), check)

    assert ("failed", columns) == (odd.outcome, odd.failures[0].cause.columns)
    assert healthy.outcome in ("passed", "skipped"), healthy


def test_a_refused_type_of_one_column_does_not_hide_another() -> None:
    class Strict(People):
        def before(self, frame: pd.DataFrame) -> pd.DataFrame:
            if str(frame["plan"].dtype) == "string":
                raise TypeError("no nullable texts")
            if str(frame["age"].dtype) == "Int64":
                return frame.assign(age=20)
            return frame

    found = outcome(of_people(Strict()), "nullable-dtypes-do-not-matter")

    assert ("failed", ("age",)) == (found.outcome, found.failures[0].cause.columns)


def test_files_that_were_added_removed_or_changed_are_named(tmp_path: Path) -> None:
    for name in ("kept.bin", "lost.bin", "other.bin"):
        (tmp_path / name).write_bytes(b"1234")
    (tmp_path / "__pycache__").mkdir()
    before = artifact.files(tmp_path)
    (tmp_path / "kept.bin").write_bytes(b"1234")
    (tmp_path / "other.bin").write_bytes(b"4321")
    (tmp_path / "lost.bin").unlink()
    (tmp_path / "new.bin").touch()
    (tmp_path / "__pycache__" / "code.pyc").touch()
    after = artifact.files(tmp_path)

    assert before is not None and after is not None
    assert ("lost.bin removed", "new.bin added", "other.bin changed") == artifact.changed(
        before, after
    )
    assert artifact.files(tmp_path / "nowhere") is None


def test_the_healthy_zoo_of_frames_stays_unflagged_within_seconds() -> None:
    began = time.monotonic()
    trial = of_people(boosted())

    found = [outcome(trial, check) for check in (
        "category-codes-do-not-matter", "forms-of-a-missing-cell-do-not-matter",
        "answers-keep-their-type", "cuts-of-large-batches-do-not-matter",
        "threads-get-the-same-answers", "time-grows-no-faster-than-the-batch",
    )]  # fmt: skip

    assert [] == [told for told in found if told.outcome == "failed"]
    assert time.monotonic() - began < 60 and len(customers()) == 2000


def test_without_time_for_more_visits_what_differs_is_told_all_the_same() -> None:
    trial = tried(Zoned)
    outcome(trial, "same-input-gives-same-output")
    trial.spent = 0.95 * SETTINGS.seconds

    found = outcome(trial, "loading-again-gives-the-same-answers")

    assert "failed" == found.outcome
    assert "another hash seed, time zone and clock" in found.failures[0].observed
    assert 1 == len(trial.visits)


def test_a_model_that_loads_only_once_is_told_once() -> None:
    loaded: list[Plain] = []

    def once(environment: Mapping[str, str]) -> Plain:
        if loaded:
            raise ModelUnusable("the artifact was used up")
        loaded.append(Plain(environment))
        return loaded[0]

    trial = tried(once)

    found = {name: outcome(trial, name) for name in BLAMED}

    failed = [told for told in found.values() if told.outcome == "failed"]
    assert ["loading-again-gives-the-same-answers"] == [told.id for told in failed]
    assert "the artifact was used up" in failed[0].failures[0].observed
