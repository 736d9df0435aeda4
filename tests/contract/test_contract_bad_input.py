"""Bad input: contracts that can't be kept, and models that behave as no model should.

Each gets a clear word, and takes no other check along.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.contract.check import check_project, prepare
from harness.contract.checks.catalogue import checks_for
from harness.contract.promise import Outcome, Report, Settings
from harness.contract.run import examine, open_trial
from harness.core.errors import HarnessError, ModelUnusable, SpecInvalid
from harness.spec import parse

SHORT = Settings(rows=300, seconds=20.0, probe_rows=16, memory=1_500_000_000)
AGE = {"type": "integer", "minimum": 0, "maximum": 120}
PLAN = {"type": "string", "enum": ["basic", "gold"]}
TOML = """
[model]
name = "bad"
input = "numpy"
load = "bad:load"
artifact = "artifact"

[data]
train = "train.csv"
target = "price"

[contract]
inputs = "inputs.schema.json"
outputs = { kind = "regression" }
"""
SOUND = """
import numpy as np

class Model:
    def predict(self, rows):
        self.before(rows)
        rows = np.asarray(rows, object)
        if rows.shape[1:] != (2,):
            raise ValueError("no such rows")
        ages = [float(age) for age in rows[:, 0]]
        plans = list(rows[:, 1])
        if not set(plans) <= {"basic", "gold"} or not all(0 <= a <= 120 for a in ages):
            raise ValueError("no such row")
        return self.after(np.array(ages))

    def before(self, rows):
        pass

    def after(self, values):
        return values

def load(artifact):
    return Model()
"""


def project(
    folder: Path,
    code: str = SOUND,
    *,
    properties: dict[str, Any] | None = None,
    toml: str = TOML,
    rows: str = "",
) -> Path:
    """A model's folder: 40 training rows of an age, a plan and a price."""
    folder.mkdir()
    (folder / "artifact").mkdir()
    (folder / "artifact" / "weights.txt").write_text("1\n")
    given = [f"{20 + i},{'gold' if i % 2 else 'basic'},{i}" for i in range(40)]
    (folder / "train.csv").write_text(rows or "age,plan,price\n" + "\n".join(given) + "\n")
    schema = {"type": "object", "properties": properties or {"age": AGE, "plan": PLAN}}
    (folder / "inputs.schema.json").write_text(json.dumps(schema))
    (folder / "bad.py").write_text(code)
    (folder / "harness.toml").write_text(toml)
    return folder


def with_body(before: str = "pass", after: str = "return values", *, top: str = "") -> str:
    """The sound model with something added before it looks at its rows, or after."""
    code = SOUND.replace("        pass\n", _indented(before, 8))
    return top + code.replace("        return values\n", _indented(after, 8))


def _indented(text: str, spaces: int) -> str:
    return "".join(" " * spaces + line + "\n" for line in text.strip("\n").splitlines())


def checked(folder: Path, settings: Settings = SHORT) -> Report:
    return check_project(parse.project(folder), settings=settings)


def asked(folder: Path, checks: Sequence[str], settings: Settings = SHORT) -> dict[str, Outcome]:
    """What some checks find, without the others; the model is in a process of its own."""
    ready = prepare(parse.project(folder), memory=settings.memory)
    try:
        trial = open_trial(
            ready.claims,
            ready.door.model,
            ready.rows,
            settings=settings,
            reopen=ready.door.reopen,
            elsewhere=ready.door.elsewhere,
        )
        chosen = [check for check in checks_for(ready.claims) if check.id in checks]
        return {check.id: examine(trial, check) for check in chosen}
    finally:
        ready.door.close()


ANSWERED, ONE, SAME = "valid-rows-are-answered", "one-row", "same-input-gives-same-output"
FEW = (ONE, SAME, ANSWERED)
HARNESS = (sys.executable, "-c", "from harness.cli.main import main; main()")


def words(outcome: Outcome) -> str:
    """All that an outcome says."""
    told = [f"{found.observed} {found.cause.rule}" for found in outcome.failures]
    return " / ".join([outcome.reason, *told])


# Contracts


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"age": {"type": "integer", "minimum": 5, "maximum": 4}}, "age"),
        ({"age": AGE, "plan": {"enum": []}}, "plan"),
        ({"age": AGE, "plan": {"type": "string", "pattern": "("}}, "plan"),
        ({"age": AGE, "plan": {"type": "string", "pattern": "^a$", "minLength": 3}}, "plan"),
        ({"age": {"allOf": [{"type": "integer", "minimum": 9}, {"maximum": 3}]}}, "age"),
        ({"age": {"allOf": [{"type": "integer"}, {"type": "string"}]}}, "age"),
        ({"age": {"type": "integer", "multipleOf": 7, "minimum": 1, "maximum": 6}}, "age"),
        ({"age": {"const": "a", "type": "integer"}}, "age"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_schema_that_no_row_satisfies_is_said_with_its_column(
    tmp_path: Path, properties: dict[str, Any], named: str
) -> None:
    folder = project(tmp_path / "m", properties=properties)

    with pytest.raises(HarnessError, match=named):
        checked(folder)


def test_the_target_among_the_inputs_is_refused(tmp_path: Path) -> None:
    folder = project(tmp_path / "m", properties={"age": AGE, "price": {"type": "number"}})

    with pytest.raises(SpecInvalid, match="price"):
        checked(folder)


def test_training_data_that_the_contract_does_not_admit_fail_one_check(tmp_path: Path) -> None:
    properties = {"age": {**AGE, "maximum": 30}, "plan": PLAN}

    report = checked(project(tmp_path / "m", properties=properties))

    assert ["training-rows-fit-the-schema"] == [check.id for check in report.failed], report.text
    assert "age" in words(report.failed[0])


def test_training_data_without_a_column_fail_one_check_and_the_rest_is_made(tmp_path: Path) -> None:
    report = checked(project(tmp_path / "m", rows="age,price\n20,1\n30,2\n"))

    assert ["training-rows-fit-the-schema"] == [check.id for check in report.failed], report.text
    assert ("plan",) == report.failed[0].failures[0].cause.columns


# Models


@pytest.mark.parametrize(
    "code",
    [
        with_body('print("hello"); import sys; sys.stdout.write("x" * 100)'),
        with_body(r'import os; os.write(1, b"\x00\x00\x00\x02{}"); os.write(2, b"noise\n")'),
        with_body('import os; os.system("echo from a shell")'),
        with_body('print("x" * 3_000_000)'),
        with_body("import sys; sys.stdin.read()"),
        with_body(top='print("at import")\n'),
    ],
    ids=["print", "fd 1", "shell", "much", "reads stdin", "at import"],
)
def test_a_model_that_prints_is_answered_all_the_same(tmp_path: Path, code: str) -> None:
    found = asked(project(tmp_path / "m", code), FEW)

    assert {"passed"} == {outcome.outcome for outcome in found.values()}, found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize(
    "before",
    [
        "import os; child = os.fork(); child and os.waitpid(child, 0)",
        "import os\nif os.fork() == 0:\n    raise ValueError('the child')",
        "import os, sys\nif os.fork() == 0:\n    sys.exit(3)",
        "import subprocess\nsubprocess.Popen(['sleep', '600'])",
        "import multiprocessing as m\nm.get_context('fork').Pool(1).map(abs, [1])",
    ],
    ids=["child returns", "child raises", "child exits", "left behind", "pool"],
)
def test_a_model_that_forks_is_answered_once(tmp_path: Path, before: str) -> None:
    found = asked(project(tmp_path / "m", with_body(before)), FEW)

    assert {"passed"} == {outcome.outcome for outcome in found.values()}, found


KILLS = {
    "import os; os._exit(3)": "exit code 3",
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": "SIGKILL",
    "import ctypes; ctypes.string_at(0)": "SIGSEGV",
}
OLD = "if any(isinstance(a, (int, float)) and a > 100 for a in np.asarray(rows, object)[:, 0]):\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("kill", KILLS)
def test_a_model_that_ends_its_process_is_told_how_and_the_others_report(
    tmp_path: Path, kill: str
) -> None:
    found = asked(project(tmp_path / "m", with_body(OLD + "    " + kill)), FEW)

    assert "failed" == found[ANSWERED].outcome
    assert KILLS[kill] in words(found[ANSWERED])
    assert {"passed"} == {found[ONE].outcome, found[SAME].outcome}


def test_a_model_that_always_ends_its_process_fails_every_check_and_ends(tmp_path: Path) -> None:
    found = asked(project(tmp_path / "m", with_body("import os; os._exit(7)")), FEW)

    assert {"failed"} == {outcome.outcome for outcome in found.values()}
    assert all("exit code 7" in words(outcome) for outcome in found.values()), found


def test_a_model_that_hangs_on_some_rows_is_told_and_the_others_report(tmp_path: Path) -> None:
    code = with_body(OLD + "    import threading; threading.Event().wait()")
    settings = replace(SHORT, seconds=12.0)

    found = asked(project(tmp_path / "m", code), FEW, settings)

    assert "failed" == found[ANSWERED].outcome
    assert "hangs" in words(found[ANSWERED])
    assert {"passed"} == {found[ONE].outcome, found[SAME].outcome}


TEXT = {"age": AGE, "plan": {"type": "string"}}
STUCK = {
    "a run that a pattern can't split": "re.match('^(a+)+$', text)",
    "no text at all": "while not text: pass",
}


@pytest.mark.parametrize("stuck", STUCK)
def test_a_text_that_a_model_hangs_on_is_found_and_left_out_and_known_the_next_time(
    tmp_path: Path, stuck: str
) -> None:
    before = f"for text in np.asarray(rows, object)[:, 1]:\n    {STUCK[stuck]}"
    code = with_body(before, top="import re\n").replace('set(plans) <= {"basic", "gold"}', "plans")
    folder = project(tmp_path / "m", code, properties=TEXT)
    settings = replace(SHORT, rows=3000, seconds=60.0)

    first, second = checked(folder, settings), checked(folder, settings)

    for report in (first, second):
        (told,) = (check for check in report.checks if check.id == ANSWERED)
        assert ("plan",) == told.failures[0].cause.columns, report.text
        assert "hangs" in told.failures[0].observed
        assert report.rows > 2000, report.text
        assert report.seconds < 60.0
    assert told.failures[0].known
    assert 1 == len(told.failures)


def test_a_hostile_row_that_was_kept_is_told_once_with_its_id(tmp_path: Path) -> None:
    before = "if any(not isinstance(p, str) for p in np.asarray(rows, object)[:, 1]):\n    rows[9]"
    code = with_body(before, top="").replace("rows[9]", "raise IndexError('no such plan')")
    folder = project(tmp_path / "m", code)
    check = "hostile-rows-are-answered-or-refused"

    first, second = checked(folder), checked(folder)

    (old,), (new,) = ([c for c in r.checks if c.id == check] for r in (first, second))
    assert len(old.failures) > 1
    told = [(found.cause.rule, found.replay) for found in old.failures]
    assert told == [(found.cause.rule, found.replay) for found in new.failures]
    assert not any(found.known for found in old.failures)
    assert all(found.known for found in new.failures)
    assert "kept row" not in second.text
    assert f"which kept it as {told[0][1]}" in " ".join(second.text.split())


def test_a_model_that_always_hangs_ends_within_its_time(tmp_path: Path) -> None:
    code = with_body("import threading; threading.Event().wait()")
    settings = replace(SHORT, seconds=4.0)

    report = checked(project(tmp_path / "m", code), settings)

    assert report.failed
    assert not any(
        check.outcome == "passed" for check in report.checks if check.grade != "structural"
    )
    assert report.seconds < 12.0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is watched by /proc")
def test_a_model_that_eats_memory_is_stopped_and_told_how_much(tmp_path: Path) -> None:
    eats = "    self.held = []\n    while True:\n        self.held.append(np.ones(20_000_000))"
    settings = replace(SHORT, seconds=60.0, memory=400_000_000)

    found = asked(project(tmp_path / "m", with_body(OLD + eats)), FEW, settings)

    assert "failed" == found[ANSWERED].outcome
    assert "memory" in words(found[ANSWERED])
    assert {"passed"} == {found[ONE].outcome, found[SAME].outcome}


@pytest.mark.parametrize(
    ("raises", "told"),
    [
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise StopIteration", "StopIteration"),
        ("raise SystemExit(3)", "SystemExit"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise type('Odd', (BaseException,), {})('odd')", "Odd"),
        ("raise RuntimeError('x' * 20_000_000)", "RuntimeError"),
        (r"raise RuntimeError('\ud800')", "RuntimeError"),
        ("raise RuntimeError(lambda: 1, open(__file__))", "RuntimeError"),
        ("raise type('Mute', (Exception,), {'__str__': lambda s: 1})()", "Mute"),
        ("return next(iter(()))", "StopIteration"),
        ("def f(): return f()\nreturn f()", "RecursionError"),
    ],
    ids=lambda value: value.split("(")[0][:24],
)
def test_whatever_a_model_raises_is_told_by_its_name(
    tmp_path: Path, raises: str, told: str
) -> None:
    found = asked(project(tmp_path / "m", with_body(after=raises)), (ONE, ANSWERED))

    assert "failed" == found[ANSWERED].outcome
    assert told in words(found[ANSWERED])
    assert len(words(found[ANSWERED])) < 20_000


@pytest.mark.parametrize(
    "answer",
    [
        "return (value for value in values)",
        "return self",
        "return None",
        "return [[1.0], [1.0, 2.0]] * len(values)",
        "return values[:-1]",
        "return {1, 2}",
        "return 'text'",
        "return values.astype(object) * 1j",
        "return print",
    ],
)
def test_an_answer_of_another_form_is_told_and_never_passes(tmp_path: Path, answer: str) -> None:
    found = asked(
        project(tmp_path / "m", with_body(after=answer)), (ONE, "outputs-have-the-claimed-shape")
    )

    assert "failed" == found["outputs-have-the-claimed-shape"].outcome, found


@pytest.mark.parametrize(
    "before",
    [
        "import os, tempfile; os.chdir(tempfile.mkdtemp())",
        "import os; os.environ.clear()",
        "import locale; locale.setlocale(locale.LC_ALL, 'C')",
        "np.seterr(all='raise')",
        "import warnings; warnings.simplefilter('error')",
        "import random; random.seed(1); np.random.seed(1)",
        "import json, pickle; json.dumps = json.loads = pickle.dumps = None",
        "import sys; sys.stdout.close(); sys.stdin and sys.stdin.close()",
        "import os; [os.close(n) for n in (0, 1) if os.path.exists(f'/proc/self/fd/{n}')]",
        "import sys; sys.stdout = sys.stderr = None",
        "import sys; sys.setrecursionlimit(200)",
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "import gc; gc.disable()",
        "import threading; threading.Thread(target=threading.Event().wait).start()",
        "import builtins; builtins.print = builtins.open = None",
        "import logging; logging.disable()",
    ],
    ids=lambda value: value[-36:],
)
def test_what_a_model_does_to_its_process_changes_no_verdict(tmp_path: Path, before: str) -> None:
    here, environment, stdout = os.getcwd(), dict(os.environ), sys.stdout

    found = asked(project(tmp_path / "m", with_body(before)), FEW)

    assert {"passed"} == {outcome.outcome for outcome in found.values()}, found
    assert (here, environment, stdout) == (os.getcwd(), dict(os.environ), sys.stdout)


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ("raise RuntimeError('no weights')", "no weights"),
        ("import os; os._exit(5)", "exit code 5"),
        ("import sys; sys.exit('stop')", "stop"),
        ("raise KeyboardInterrupt", "SIGINT|KeyboardInterrupt"),
        ("import no_such_module_anywhere", "no_such_module_anywhere"),
        ("def load(", "SyntaxError|never closed"),
    ],
)
def test_a_model_that_does_not_load_is_one_error(tmp_path: Path, top: str, told: str) -> None:
    folder = project(tmp_path / "m", top + "\n" + SOUND)

    with pytest.raises(ModelUnusable, match=told) as raised:
        checked(folder)

    assert raised.value.hint


def test_a_model_that_deletes_its_artifact_still_gets_a_report(tmp_path: Path) -> None:
    code = with_body(top="import shutil\n").replace(
        "    return Model()", "    shutil.rmtree(artifact)\n    return Model()"
    )

    report = checked(project(tmp_path / "m", code))

    outcomes = {check.id: check.outcome for check in report.checks}
    assert "passed" == outcomes[ONE]
    assert "the check itself broke" not in report.text


def test_the_command_reports_on_a_model_that_ends_its_process(tmp_path: Path) -> None:
    folder = project(tmp_path / "m", with_body(OLD + "    import os; os._exit(3)"))
    program = [*HARNESS, "check", str(folder)]

    done = subprocess.run(
        [*program, "--rows", "300", "--seconds", "20", "--output", "json"],
        capture_output=True,
        text=True,
    )

    assert 1 == done.returncode, done.stderr
    report = json.loads(done.stdout)
    outcomes = {check["id"]: check["outcome"] for check in report["checks"]}
    assert "failed" == outcomes[ANSWERED]
    assert "passed" in outcomes.values()
    assert "Traceback" not in done.stderr


def test_the_command_refuses_what_can_t_be_checked_with_one_error(tmp_path: Path) -> None:
    folder = project(tmp_path / "m", properties={"age": AGE, "price": {"type": "number"}})
    program = [*HARNESS, "check", str(folder), "--output", "json"]

    done = subprocess.run(program, capture_output=True, text=True)

    assert 2 == done.returncode
    assert "error: " in done.stderr and "price" in done.stderr
    assert "Traceback" not in done.stderr
    assert "harness.error/1" == json.loads(done.stdout)["schema"]
