"""Whatever is wrong is one error with a hint and its exit code, and never a traceback."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import line_repository as repository
import pytest
from line_command import Command, Story

Make = Callable[..., Path]


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


@pytest.mark.parametrize(
    ("edits", "status", "said"),
    [
        ({"[success]": "[sucess]"}, 2, ["sucess", "success"]),
        ({'target = "bought"': 'target = "bougth"'}, 1, ["bougth"]),
        ({'name = "tiny"': 'name = "tiny'}, 2, ["line"]),
        ({'"tabular:1"': '"tabulr:1"'}, 2, ["tabulr", "tabular"]),
        ({'"tabular:1"': '"tabular:9"'}, 2, ["tabular:9"]),
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

    done = harness("promote", folder)

    if said == ["bougth"]:  # a failed stage: a verdict, not an error
        assert done.code == 1, done.err
        assert "has no column 'bougth'" in done.out
        assert "Traceback" not in done.out + done.err
    else:
        done.refused(status, *said)


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
    harness: Command, tiny: Make, tmp_path: Path, tabular_lock: object
) -> None:
    wheel = next(p for p in tabular_lock.packages if p.name == "click")  # type: ignore[attr-defined]
    links = tmp_path / "links"
    links.mkdir()
    (links / wheel.filename).write_bytes(b"not what was locked")
    settings = tmp_path / "config.toml"
    settings.write_text('[sources]\npypi = "http://127.0.0.1:9/simple"\n')
    cold = half_a_cache(harness.cache, tmp_path / "cold", without=wheel.digest)

    done = harness(
        "build",
        tiny(),
        env={
            "HARNESS_CACHE": str(cold),
            "HARNESS_CONFIG": str(settings),
            "PIP_FIND_LINKS": str(links),
        },
    )

    done.refused(3, wheel.filename)


def half_a_cache(cache: Path, target: Path, *, without: str) -> Path:
    """Return a cache with the blobs of *cache* but one, and nothing derived from them."""
    blobs = target / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in (cache / "blobs" / "sha256").iterdir():
        if blob.name != without.removeprefix("sha256:") and blob.is_file():
            os.link(blob, blobs / blob.name)
    return target


def test_a_debian_package_that_vanished_from_the_archive(
    harness: Command, tiny: Make, tmp_path: Path, tabular_lock: object
) -> None:
    deb = tabular_lock.debs[0]  # type: ignore[attr-defined]
    archive = tmp_path / "archive"
    (archive / "dists" / "bookworm").mkdir(parents=True)
    (archive / "dists" / "bookworm" / "InRelease").write_text("Origin: Debian\n")
    settings = tmp_path / "config.toml"
    settings.write_text(f'[sources]\ndebian = "{archive.as_uri()}"\n')
    cold = half_a_cache(harness.cache, tmp_path / "cold", without=deb.digest)

    done = harness(
        "build", tiny(), env={"HARNESS_CACHE": str(cold), "HARNESS_CONFIG": str(settings)}
    )

    done.refused(3, deb.name)


def test_no_network_on_a_cold_cache(harness: Command, tiny: Make, tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    nobody = "http://127.0.0.1:9"  # the discard port: nothing listens there
    settings.write_text(f'[sources]\ndebian = "{nobody}/debian"\npypi = "{nobody}/simple"\n')

    done = harness(
        "promote",
        tiny(),
        env={"HARNESS_CACHE": str(tmp_path / "cold"), "HARNESS_CONFIG": str(settings)},
    )

    done.refused(3, "127.0.0.1")


def test_holdout_rows_inside_train(harness: Command, tiny: Make) -> None:
    folder = tiny()
    with (folder / "data" / "holdout.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:4]
    with (folder / "data" / "train.csv").open("a", newline="") as file:
        csv.writer(file).writerows(rows)

    done = harness("promote", folder)

    assert done.code == 1, done.err
    assert "no row of holdout is in train" in done.out
    assert "3 of 400" in done.out
    assert "holdout untouched, no look spent" in done.out


@pytest.mark.parametrize(
    ("added", "options", "said"),
    [
        ("\nimport nowhere\n", (), "nowhere"),
        (
            "\ndef train(data, artifact, seed):\n    while True:\n        pass\n",
            ("--seconds", "5"),
            "did not end within 5 s",
        ),
        (
            "\ndef train(data, artifact, seed):\n"
            "    held = []\n    while True:\n        held.append(bytearray(50_000_000))\n",
            ("--memory", "1 GB"),
            "more than 1.0 GB of memory",
        ),
        ("\ndef train(data, artifact, seed):\n    pass\n", (), "wrote nothing"),
    ],
    ids=["does not import", "never returns", "eats memory", "writes nothing"],
)
def test_a_training_that_goes_wrong(
    harness: Command, tiny: Make, added: str, options: tuple[str, ...], said: str
) -> None:
    folder = tiny()
    code(folder, added)

    harness("promote", folder, *options).refused(1, said)


def test_a_training_that_raises_shows_the_models_own_traceback_and_none_of_ours(
    harness: Command, tiny: Make
) -> None:
    folder = tiny()
    code(folder, "\ndef train(data, artifact, seed):\n    raise OSError('no disk')\n")

    done = harness("promote", folder)

    assert done.code == 1
    assert "OSError: no disk" in done.err
    assert "/app/tiny/model.py" in done.err
    assert "harness/cli" not in done.err
    assert done.err.splitlines()[-1].startswith("hint: ")


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ("while True: pass", ("--seconds", "20")),
        ("held = [bytearray(50_000_000) for _ in range(10_000)]", ("--memory", "1 GB")),
        ("import os; os._exit(7)", ()),
    ],
    ids=["never returns", "eats memory", "exits"],
)
def test_a_prediction_that_goes_wrong_fails_its_contract(
    harness: Command, tiny: Make, body: str, options: tuple[str, ...]
) -> None:
    folder = tiny()
    code(folder, f"\ndef bad(self, visits):\n    {body}\n\nBuys.predict_proba = bad\n")

    done = harness("promote", folder, *options)

    assert done.code == 1, done.out + done.err
    assert "contract     FAILED" in done.out, done.out
    assert "Traceback" not in done.out + done.err


def test_ci_without_a_ledger(harness: Command, tiny: Make) -> None:
    folder = tiny()

    harness("promote", folder, env={"CI": "true"}).refused(2, "--new-ledger")

    assert not (folder / ".harness" / "ledger.db").exists()


def test_an_unknown_challenger_has_a_near_match(harness: Command, tiny: Make) -> None:
    harness("promote", tiny(), "--challenger", "bset").refused(2, "bset", "best")


def test_an_engine_that_is_not_built_yet(harness: Command, tiny: Make) -> None:
    harness("promote", tiny(), "--engine", "docker").refused(2, "not built yet")


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


def test_a_full_disk(harness: Command, tiny: Make, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    try:
        done = harness("build", tiny(), env={"HARNESS_CACHE": str(disk)})

        done.refused(3, "space")
    finally:
        subprocess.run(["umount", disk], check=True)
