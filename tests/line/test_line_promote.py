"""From a model's repository to the ledger, by the command alone."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import line_ledger
import line_repository
import pytest
from line_command import Command, Story

STAGES = ["data", "imports", "contract", "smoke_train", "integration"]


@pytest.fixture(scope="module")
def copied(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story's repository with its ledger, to go on from."""
    folder = tmp_path_factory.mktemp("copied") / "tiny"
    shutil.copytree(story.folder, folder)
    return folder


def test_the_first_model_is_promoted_over_the_baseline(story: Story):
    run = story.runs["first"]

    assert 0 == run.code, run.err
    assert "PROMOTE" == run.body["verdict"]
    assert 1 == run.body["number"]
    assert {"number": 1, "of": 20, "spent": True} == run.body["look"]
    assert STAGES == [stage["stage"] for stage in run.body["stages"]]
    assert {"passed"} == {stage["outcome"] for stage in run.body["stages"]}
    assert not any(stage["cached"] for stage in run.body["stages"])
    assert run.body["champion"] is None


def test_the_same_again_is_champion_already_and_nothing_is_done_twice(story: Story):
    first, again = story.runs["first"].body, story.runs["again"]

    assert 0 == again.code, again.err
    assert "KEEP" == again.body["verdict"]
    assert "this very image is the champion already" == again.body["why"]
    assert first["image"] == again.body["image"]
    assert first["ledger"]["head"] == again.body["ledger"]["head"]
    assert all(stage["cached"] for stage in again.body["stages"])


def test_a_challenger_that_is_better_is_promoted_in_its_place(story: Story):
    run = story.runs["best"]

    assert 0 == run.code, run.err
    assert ("PROMOTE", 2) == (run.body["verdict"], run.body["number"])
    assert "tiny:1" == run.body["champion"]["name"]


def test_a_challenger_that_is_not_shown_to_be_better_costs_a_look_and_changes_nothing(
    story: Story,
):
    run = story.runs["other"]

    assert 0 == run.code, run.err
    assert ("KEEP", None) == (run.body["verdict"], run.body["number"])
    assert {"number": 2, "of": 20, "spent": True} == run.body["look"]


def test_a_worse_challenger_is_turned_down_by_dev_and_costs_no_look(story: Story):
    run = story.runs["worse"]

    assert 0 == run.code, run.err
    assert "KEEP" == run.body["verdict"]
    assert run.body["why"].startswith("hopeless on dev")
    assert not run.body["look"]["spent"]


def test_who_requires_a_promotion_gets_exit_code_1_for_a_keep(story: Story):
    assert 1 == story.runs["required"].code
    assert "KEEP" == story.runs["required"].body["verdict"]


def test_a_broken_contract_names_row_column_and_value_and_the_holdout_stays_untouched(
    story: Story,
):
    run = story.runs["broken"]
    failed = run.body["stages"][-1]
    said = {name: dict(p["lines"]) for p in failed["problems"] for name in [p["promise"]]}
    problem = said["Probabilities lie in [0, 1]"]

    assert 1 == run.code
    assert ["data", "imports", "contract"] == [s["stage"] for s in run.body["stages"]]
    assert "failed" == failed["outcome"]
    value = re.fullmatch(r"minutes = ([\d.]+)", problem["row"])
    assert value and 100 < float(value[1]) <= 1440, "far outside of what was trained on"
    assert re.search(r"1 = (1\.\d+|[2-9])", problem["observed"]), problem
    assert problem["cause"].startswith("minutes > ")
    assert "no look spent" in run.body["headline"]


def test_a_row_that_broke_the_contract_can_be_asked_again_alone(
    story: Story, harness: Command, copied: Path
):
    problems = story.runs["broken"].body["stages"][-1]["problems"]
    lines = [dict(p["lines"]) for p in problems if p["promise"] == "Probabilities lie in [0, 1]"]
    replay = lines[0]["replay"].split()

    assert ["harness", "check"] == replay[:2]
    done = harness(*replay[1:])

    assert 1 == done.code, done.err
    assert "Probabilities lie in [0, 1]" in done.out


def test_the_ledger_holds_the_policy_before_every_look_and_one_look_for_each_result(
    story: Story, harness: Command
):
    verified = harness("ledger", "verify", "--folder", story.folder)

    assert 0 == verified.code, verified.err
    assert [
        *("genesis", "policy"),
        *("look", "result"),  # the first
        *("look", "result"),  # other
        *("look", "result"),  # best
    ] == line_ledger.kinds(story.folder)
    assert [1, 2] == line_ledger.numbers(story.folder)


def test_the_verdict_of_the_last_run_lies_beside_the_reports(story: Story):
    last = story.runs["broken"].body
    kept = json.loads((story.folder / ".harness" / "verdict.json").read_text())

    assert last == kept


def test_each_report_is_one_page_that_loads_nothing(story: Story):
    latest = {run.body["report"]: run.body for run in story.runs.values()}

    assert 6 == len(latest), "one for each image and verdict"
    for name, body in latest.items():
        text = Path(name).read_text(encoding="utf-8")
        loads = r"(?i)(?:src|href|action)\s*=|url\(|@import|<script|<link|<iframe|https?://"
        assert [] == re.findall(loads, text), name
        assert body["verdict"] in text
        assert body["headline"] in html.unescape(text)


def test_why_tells_what_was_promised_before_what(story: Story, harness: Command):
    done = harness("why", "tiny:1", "--folder", story.folder, "--output", "json")

    assert 0 == done.code, done.err
    entries = [done.body[kind]["number"] for kind in ("policy", "look", "result")]
    assert sorted(entries) == entries
    assert story.runs["first"].body["image"]["digest"] == done.body["image"]
    assert done.body["result"]["body"]["evidence"]["stages"].keys() == set(STAGES)


def test_a_readme_changes_no_image_and_a_line_of_code_does(
    story: Story, harness: Command, copied: Path
):
    def digest() -> str:
        done = harness("train", copied, "--output", "json")
        assert 0 == done.code, done.err
        return str(done.body["config"])

    before = digest()
    (copied / "README.md").write_text("# Tiny\n")
    (copied / "tests").mkdir()
    (copied / "tests" / "test_nothing.py").write_text("def test_nothing(): ...\n")
    line_repository.commit(copied, "Words")
    words = digest()
    (copied / "tiny" / "__init__.py").write_text("COLOUR = 'red'\n")

    assert story.runs["first"].body["image"]["config"] == before == words
    assert before != digest()


def test_a_champion_that_was_built_again_and_not_packed_is_known(
    story: Story, harness: Command, copied: Path
):
    """The ledger names it by its manifest, a build alone comes to its config."""
    digest = str(story.runs["best"].body["image"]["digest"])
    record = harness.cache / "d" / "manifest" / f"{digest.removeprefix('sha256:')}.json"
    kept = record.read_bytes()
    record.unlink()
    try:
        done = harness("promote", copied, "--challenger", "worse", "--output", "json")
    finally:
        record.write_bytes(kept)

    assert 0 == done.code, done.err
    assert "KEEP" == done.body["verdict"]


def test_who_rolls_back_has_the_older_number_as_champion_and_the_numbers_go_on(
    harness: Command, copied: Path
):
    (copied / "tiny" / "__init__.py").write_text("")
    done = harness("rollback", "tiny:1", "--reason", "a test", "--folder", copied)
    assert 0 == done.code, done.err

    kept = harness("promote", copied, "--output", "json")
    again = harness("rollback", "tiny:1", "--reason", "once more", "--folder", copied)
    last = line_ledger.entries(copied)[-1]

    assert "this very image is the champion already" == kept.body["why"]
    assert "tiny:1" == kept.body["champion"]["name"]
    assert "is the champion already" in again.out
    assert ("rollback", 1, "a test") == (last.kind, last.body["number"], last.body["reason"])
