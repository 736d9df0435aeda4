"""Who uses an environment is what ledgers and ``environment.lock`` files say, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.main import main
from harness.core.errors import DataMissing, LedgerInvalid, SpecMissing
from harness.decision.decide import Verdict
from harness.flows.consumers import consumers
from harness.ledger import record, sqlite
from harness.lock import resolved
from harness.lock.resolved import Resolved
from tests.ledger.scenes import clock, decided, opened

TABULAR = Resolved(name="tabular:3", lock="sha256:" + "0" * 64, source="../envs")


def ledger(folder: Path, *promoted: tuple[str, str], refused: str = "") -> Path:
    """Write a ledger in which challengers were promoted, each in an environment."""
    path = folder / ".harness" / "ledger.db"
    path.parent.mkdir(parents=True)
    with sqlite.open(path, create=True, clock=clock) as book:
        for challenger, environment in promoted:
            look = opened(book, challenger)
            decision = decided(look, Verdict.PROMOTE)
            evidence = {"environment": environment}
            record.settle(book, look=look, decision=decision, evidence=evidence)
        if refused:
            look = opened(book, "refused")
            decision = decided(look, Verdict.KEEP)
            record.settle(book, look=look, decision=decision, evidence={"environment": refused})
    return path


def told(name: str, *places: Path) -> list[tuple[str, str, bool | None]]:
    found = consumers(name, places, clock=clock)
    return [(one.environment, one.name, one.champion) for one in found]


def test_promoted_models_are_listed_and_the_champion_is_named(tmp_path: Path) -> None:
    ledger(tmp_path, ("a", "tabular:2"), ("b", "tabular:3"), ("c", "onnx:1"), refused="tabular:4")

    assert [
        ("tabular:2", "flights-delay:1", False),
        ("tabular:3", "flights-delay:2", False),
    ] == told("tabular", tmp_path)
    assert [("tabular:3", "flights-delay:2", False)] == told("tabular:3", tmp_path)
    assert [("onnx:1", "flights-delay:3", True)] == told("onnx", tmp_path)
    assert [] == told("tab", tmp_path)


def test_a_lock_of_what_a_name_resolved_to_counts_for_its_owner(tmp_path: Path) -> None:
    model, child = tmp_path / "model", tmp_path / "child"
    model.mkdir()
    child.mkdir()
    (model / "harness.toml").write_text('[model]\nname = "flights-delay"\n')
    (child / "environment.toml").write_text('name = "tabular-geo"\nversion = 2\n')
    for folder in (model, child):
        resolved.accept(folder, TABULAR, among=())

    assert [
        ("tabular:3", "flights-delay", None),
        ("tabular:3", "tabular-geo:2", None),
    ] == told("tabular", tmp_path)


def test_folders_that_hold_no_work_of_ours_are_passed_over(tmp_path: Path) -> None:
    for folder in (".git", ".venv/lib", "node_modules/x", "kept"):
        (tmp_path / folder).mkdir(parents=True)
        resolved.accept(tmp_path / folder, TABULAR, among=())

    assert [("tabular:3", "kept", None)] == told("tabular", tmp_path)


def test_a_file_that_is_named_twice_counts_once(tmp_path: Path) -> None:
    path = ledger(tmp_path, ("a", "tabular:2"))

    assert [("tabular:2", "flights-delay:1", True)] == told("tabular", tmp_path, path, tmp_path)


def test_nothing_to_read_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="no data"):
        told("tabular", tmp_path)
    with pytest.raises(SpecMissing):
        told("tabular", tmp_path / "nowhere")


def test_a_damaged_ledger_is_told_and_not_passed_over(tmp_path: Path) -> None:
    path = ledger(tmp_path, ("a", "tabular:2"))
    path.write_bytes(b"no database" * 1000)

    with pytest.raises(LedgerInvalid):
        told("tabular", tmp_path)


def test_the_command_prints_a_line_for_each_and_json(tmp_path: Path) -> None:
    path = ledger(tmp_path, ("a", "tabular:2"))

    text = CliRunner().invoke(main, ["env", "consumers", "tabular", str(tmp_path)])
    nobody = CliRunner().invoke(main, ["env", "consumers", "onnx", str(tmp_path)])
    body = CliRunner().invoke(
        main, ["env", "consumers", "tabular", str(tmp_path), "--output", "json"]
    )

    assert f"tabular:2  flights-delay:1  champion  {path}\n" == text.stdout
    assert (0, "nobody uses onnx, as far as these files say\n") == (nobody.exit_code, nobody.stdout)
    assert {
        "schema": "harness.env-consumers/1",
        "name": "tabular",
        "consumers": [
            {
                "environment": "tabular:2",
                "name": "flights-delay:1",
                "champion": True,
                "where": str(path),
            }
        ],
    } == json.loads(body.stdout)
