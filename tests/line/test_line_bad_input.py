"""Whatever is wrong is one error with a hint and its exit code, and never a traceback."""

from __future__ import annotations

import csv
import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import line_ledger
import line_repository as repository
import pytest
from line_command import Command, Done, Story
from line_processes import at, awaited, no_orphans

Make = Callable[..., Path]
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there
CAPBSET_DROP, OVERRIDE = 24, 1  # prctl(2), capabilities(7)


def own_environments(folder: Path) -> Path:
    """Give *folder* a copy of the curated environment, to spoil."""
    envs = folder / "envs"
    shutil.copytree(repository.ROOT / "envs", envs, ignore=shutil.ignore_patterns("wheels"))
    repository.edit(folder / "harness.toml", {f'"{repository.ROOT / "envs"}"': '"envs"'})
    return envs / "tabular"


def code(folder: Path, text: str) -> None:
    """Put *text* at the end of the model's module."""
    module = folder / "tiny" / "model.py"
    module.write_text(module.read_text() + text)


def failed(done: Done, stage: str, *said: str) -> None:
    """Check a verdict that stopped at *stage*: exit code 1, what was wrong, no traceback."""
    assert done.code == 1, done.out + done.err
    line = next(line for line in done.out.splitlines() if line.startswith(stage))
    assert line.split()[1] == "FAILED", done.out
    assert "no look spent" in done.out
    assert "Traceback" not in done.out + done.err
    for text in said:
        assert text in done.out, done.out


def cold(harness: Command, folder: Path, *, without: str = "") -> Command:
    """Return the command with a cache that has the locked files but one, and nothing made of
    them, and with sources that nobody answers for."""
    blobs = folder / "cache" / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in (harness.cache / "blobs" / "sha256").iterdir():
        if blob.name != without.removeprefix("sha256:"):
            (blobs / blob.name).symlink_to(blob)
    settings = folder / "config.toml"
    settings.write_text(f'[sources]\ndebian = "{NOBODY}/debian"\npypi = "{NOBODY}/simple"\n')
    return harness.having(cache=folder / "cache", HARNESS_CONFIG=str(settings))


@pytest.mark.parametrize(
    ("edits", "status", "said"),
    [
        ({"[success]": "[sucess]"}, 2, ["sucess", 'did you mean "success"']),
        ({"artifact = ": "artefact = "}, 2, ["model.artefact", 'did you mean "artifact"']),
        ({'name = "tiny"': 'name = "tiny'}, 2, ["line 5"]),
        ({'"tabular:1"': '"tabulr:1"'}, 2, ["tabulr:1", 'did you mean "tabular:1"']),
        ({'"tabular:1"': '"tabular:9"'}, 2, ["tabular:9", "version 1"]),
        ({'policy = "frozen"': 'policy = "greedy"'}, 2, ["success.policy"]),
        ({"looks = 20": "looks = 20\n[guardrails]\nlatency_p99 = '50 ms'"}, 2, ["latency_p99"]),
        ({'"data/train.csv"': '"data/trian.csv"'}, 4, ["trian.csv"]),
        ({'"inputs.schema.json"': '"nothing.json"'}, 2, ["nothing.json"]),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else "",
)
def test_a_wrong_declaration(
    harness: Command, tiny: Make, edits: dict[str, str], status: int, said: list[str]
) -> None:
    folder = tiny()
    repository.edit(folder / "harness.toml", edits)

    harness("promote", folder).refused(status, *said)


def test_a_lock_that_is_older_than_its_specification(harness: Command, tiny: Make) -> None:
    folder = tiny()
    repository.edit(
        own_environments(folder) / "environment.toml",
        {"requirements = [": 'requirements = ["six", '},
    )

    harness("promote", folder).refused(2, "environment.toml", "harness lock tabular")


def test_a_lock_that_was_changed_by_hand(harness: Command, tiny: Make) -> None:
    folder = tiny()
    lock = own_environments(folder) / "pylock.1.toml"
    text = lock.read_text()
    at = text.index('sha256 = "') + len('sha256 = "')
    lock.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])

    harness("promote", folder).refused(2, "changed by hand")


def test_a_wheel_whose_bytes_are_not_the_locked_ones(
    harness: Command, tiny: Make, tmp_path: Path, tabular_lock: Any
) -> None:
    wheel = next(p for p in tabular_lock.packages if p.name == "click")
    links = tmp_path / "links"
    links.mkdir()
    (links / wheel.filename).write_bytes(b"not what was locked")
    mine = cold(harness, tmp_path, without=wheel.digest).having(PIP_FIND_LINKS=str(links))

    mine("build", tiny()).refused(3, wheel.filename, wheel.digest, "find out why")


def test_a_stored_file_whose_bytes_are_not_those_of_its_name(
    harness: Command, tiny: Make, tmp_path: Path, tabular_lock: Any
) -> None:
    largest = max(tabular_lock.debs, key=lambda deb: deb.size)
    mine = cold(harness, tmp_path, without=largest.digest)
    spoilt = mine.cache / "blobs" / "sha256" / largest.digest.removeprefix("sha256:")
    spoilt.write_bytes(b"other bytes")

    mine("build", tiny()).refused(3, str(spoilt), "harness store check --repair")


def test_a_debian_package_that_vanished_from_the_archive(
    harness: Command, tiny: Make, tmp_path: Path, tabular_lock: Any
) -> None:
    deb = tabular_lock.debs[0]
    (tmp_path / "archive").mkdir()
    settings = tmp_path / "archive.toml"
    settings.write_text(f'[sources]\ndebian = "{(tmp_path / "archive").as_uri()}"\n')
    mine = cold(harness, tmp_path, without=deb.digest).having(HARNESS_CONFIG=str(settings))

    mine("build", tiny()).refused(3, deb.name, deb.version, "left the archive")


def test_no_network_on_a_cold_cache(
    harness: Command, tiny: Make, tmp_path: Path, tabular_lock: Any
) -> None:
    mine = cold(harness, tmp_path, without=tabular_lock.debs[0].digest)

    mine("promote", tiny()).refused(3, "127.0.0.1:9 could not be reached", "harness doctor")


def test_a_target_that_the_data_lack_spoils_nothing_for_whoever_corrects_it(
    harness: Command, tiny: Make, story: Story
) -> None:
    folder = repository.with_results_of(tiny(), story.folder)
    repository.edit(folder / "harness.toml", {'target = "bought"': 'target = "bougth"'})

    failed(harness("promote", folder), "data", "has no column 'bougth'", "correct data.target")
    assert ["genesis"] == line_ledger.kinds(folder)

    repository.edit(folder / "harness.toml", {'target = "bougth"': 'target = "bought"'})
    done = harness("promote", folder, "--output", "json")
    assert (0, "PROMOTE") == (done.code, done.body["verdict"]), done.err


def test_holdout_rows_inside_train(harness: Command, tiny: Make) -> None:
    folder = tiny()
    with (folder / "data" / "holdout.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:4]
    with (folder / "data" / "train.csv").open("a", newline="") as file:
        csv.writer(file).writerows(rows)

    done = harness("promote", folder)

    failed(done, "data", "no row of holdout is in train", "3 of 400", "drop them from train")


@pytest.mark.parametrize(
    ("added", "options", "said"),
    [
        (
            "\nimport nowhere\n",
            (),
            ["ModuleNotFoundError: No module named 'nowhere'", "/app/tiny/model.py, line "],
        ),
        (
            "\ndef train(data, artifact, seed):\n    raise OSError('no disk')\n",
            (),
            ["OSError: no disk", "/app/tiny/model.py, line ", "in train"],
        ),
        (
            "\ndef train(data, artifact, seed):\n    raise SystemExit('not today')\n",
            (),
            ["exited with code 1", "not today"],
        ),
        (
            "\ndef train(data, artifact, seed):\n    while True:\n        pass\n",
            ("--seconds", "3"),
            ["did not end within 3 s", "--seconds"],
        ),
        (
            "\ndef train(data, artifact, seed):\n"
            "    held = []\n    while True:\n        held.append(bytearray(50_000_000))\n",
            ("--memory", "500 MB"),
            ["more than 0.5 GB of memory", "--memory"],
        ),
        ("\ndef train(data, artifact, seed):\n    pass\n", (), ["wrote nothing"]),
    ],
    ids=["does not import", "raises", "exits", "never returns", "eats memory", "writes nothing"],
)
def test_a_training_that_goes_wrong(
    harness: Command, tiny: Make, added: str, options: tuple[str, ...], said: list[str]
) -> None:
    folder = tiny()
    code(folder, added)

    done = harness("promote", folder, *options)

    done.refused(1, *said)
    assert "/opt/harness" not in done.err, "the model's own lines, and none of ours"
    assert ["genesis", "policy"] == line_ledger.kinds(folder)


def test_a_model_that_does_not_load(harness: Command, tiny: Make) -> None:
    folder = tiny()
    code(folder, "\ndef load(artifact):\n    import nowhere\n")

    done = harness("stage", "contract", folder)

    done.refused(1, "does not load", "ModuleNotFoundError: No module named 'nowhere'")


@pytest.mark.parametrize(
    ("body", "options", "said"),
    [
        ("while True: pass", ("--seconds", "8"), "the model hangs: no answer within "),
        (
            "held = [bytearray(50_000_000) for _ in range(10_000)]",
            ("--memory", "500 MB"),
            "it took more memory than it may (--memory)",
        ),
        ("import os; os._exit(7)", (), "it exited with code 7"),
    ],
    ids=["never returns", "eats memory", "exits"],
)
def test_a_prediction_that_goes_wrong_fails_its_contract_and_says_how(
    harness: Command, tiny: Make, body: str, options: tuple[str, ...], said: str
) -> None:
    """Only a batch of one row is its undoing: all others are answered."""
    folder = tiny()
    code(
        folder,
        "\nanswers = Buys.predict_proba\n\n"
        f"def bad(self, visits):\n    if len(visits) == 1:\n        {body}\n"
        "    return answers(self, visits)\n\nBuys.predict_proba = bad\n",
    )

    done = harness("stage", "contract", folder, *options)

    assert 1 == done.code, done.out + done.err
    assert "contract     FAILED" in done.out
    assert "promise    A batch of one row gets an answer of the claimed shape\n" in done.out
    assert said in done.out, done.out
    assert "Traceback" not in done.out + done.err


def test_ci_without_a_ledger(harness: Command, tiny: Make) -> None:
    folder = tiny()

    harness("promote", folder, env={"CI": "true"}).refused(2, "--new-ledger")

    assert not (folder / ".harness" / "ledger.db").exists()


def test_an_unknown_challenger_has_a_near_match(harness: Command, tiny: Make) -> None:
    harness("promote", tiny(), "--challenger", "bset").refused(2, "bset", "best")


def test_an_engine_that_nobody_runs(harness: Command, tiny: Make, tmp_path: Path) -> None:
    nowhere = harness.having(DOCKER_HOST=f"unix://{tmp_path}/nobody")

    nowhere("promote", tiny(), "--engine", "docker").refused(3, "no engine can run a command")


def test_a_ledger_that_is_none(harness: Command, tiny: Make) -> None:
    folder = tiny()
    (folder / ".harness").mkdir()
    (folder / ".harness" / "ledger.db").write_bytes(b"a text, and no ledger at all" * 100)

    harness("promote", folder).refused(2, "ledger.db")

    assert (folder / ".harness" / "ledger.db").read_bytes().startswith(b"a text")


def test_an_entry_that_was_changed_is_found(harness: Command, story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(story.folder, folder)
    ledger = folder / ".harness" / "ledger.db"
    data = ledger.read_bytes()
    assert b'"accuracy"' in data
    ledger.write_bytes(data.replace(b'"accuracy"', b'"accurate"'))

    harness("ledger", "verify", "--folder", folder).refused(2, "entry")
    harness("promote", folder).refused(2, "entry")


def test_a_state_folder_that_can_t_be_written(harness: Command, tiny: Make) -> None:
    folder = tiny()
    (folder / ".harness").mkdir(mode=0o555)
    prctl = ctypes.CDLL(None).prctl

    def as_anybody() -> None:
        if os.getuid() == 0:  # root without the capability to write where it may not
            prctl(CAPBSET_DROP, OVERRIDE, 0, 0, 0)

    done = harness("promote", folder, before=as_anybody)

    done.refused(2, str(folder / ".harness" / "ledger.db"), "permission")


def test_a_full_disk(harness: Command, tiny: Make, tmp_path: Path) -> None:
    """The cache lies on a disk of 64 MB that only the command sees."""
    mine = cold(harness, tmp_path)
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=64m tmpfs "$0" && cp -a "$1/." "$0" && shift && exec "$@"'
    alone = ("unshare", *(() if os.getuid() == 0 else ("--user", "--map-root-user")), "--mount")
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this machine gives nobody but root a mount namespace of his own")
    through = (*alone, "sh", "-c", script, str(disk), str(mine.cache))

    done = mine.having(cache=disk)("build", tiny(), through=through)

    done.refused(3, "No space left on device", str(disk))


@pytest.mark.parametrize("step", ["training", "building"])
def test_who_interrupts_is_told_so_in_one_line(
    harness: Command, tiny: Make, tmp_path: Path, step: str
) -> None:
    """As a terminal does it: the signal goes to every process of the command."""
    folder, log = tiny(), tmp_path / "log"
    code(folder, f"\nNAME = {os.urandom(8).hex()!r}\n")  # never trained before
    mine = cold(harness, tmp_path) if step == "building" else harness
    trees = mine.cache / "t"

    def begun(owner: int) -> bool:
        if step == "building":
            return trees.is_dir() and bool(os.listdir(trees))
        return at("train", 0.1)(owner)

    with no_orphans():
        process = mine.start("promote", folder, output=log, group=True)
        awaited(process, lambda: begun(process.pid))
        os.killpg(process.pid, signal.SIGINT)
        code_ = process.wait(60)

    assert 130 == code_
    assert "error: interrupted; the same command goes on from here\n" == log.read_text()
    assert not list((mine.cache / "run").iterdir()) or step == "training"
