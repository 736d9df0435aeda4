"""The run as a person reads it on a terminal: what was decided, why, and where to look."""

from __future__ import annotations

from collections.abc import Iterator

from harness.core.digest import Digest, short
from harness.report.view import Run
from harness.stages.stage import StageResult


def render(run: Run) -> str:
    """Return the summary of a run, without colour."""
    return "\n".join(_lines(run)) + "\n"


def stage(result: StageResult) -> str:
    """Return one stage's result."""
    return "\n".join(_stage(result)) + "\n"


def _lines(run: Run) -> Iterator[str]:
    yield f"{run.model} · commit {run.commit[:7] or 'none'} · engine {run.engine}"
    if run.champion:
        yield _line("champion", f"{run.champion}  {short(Digest(run.champion_image))}")
    else:
        yield _line("champion", "none yet: the baseline is what must be beaten")
    if run.policy:
        sealed = f", sealed as entry {run.policy_entry}" if run.policy_entry else ""
        look = f", look {run.look} of {run.looks}" if run.look else ""
        yield _line("policy", f"{run.policy}{sealed}{look}")
    digest = run.image or run.config  # packed only when it got as far as a decision
    built = f" · image {short(Digest(digest))}, {run.rebuilt} of {run.layers} layers rebuilt"
    yield _line("environment", f"{run.environment}, current{built if digest else ''}")
    for stage in run.stages:
        yield from _stage(stage)
    for note in run.notes:
        yield _line("note", note)
    yield ""
    yield _line(run.verdict.value, run.headline)
    yield _line("why", run.why)
    if run.number and run.image:
        same = short(Digest(run.image))
        yield _line("ships", f"{same} = tested {same}")
    if run.entry:
        after = f"next: {run.ask}" if run.ask else ""
        yield _line("ledger", f"entry {run.entry:<9} {after}".rstrip())
    if run.report:
        yield _line("report", run.report)
    if run.failed:
        yield _line("again", run.reproduce)


def _stage(stage: StageResult) -> Iterator[str]:
    word = "passed" if stage.passed else "FAILED"
    yield _line(stage.stage, f"{word}   {stage.summary}")
    for problem in stage.problems[:5]:
        yield f"  {'promise':<10} {problem.promise}"
        for title, text in problem.lines:
            for i, line in enumerate(text.splitlines() or [""]):
                yield f"  {title if not i else '':<10} {line}"
    if len(stage.problems) > 5:
        yield f"  {len(stage.problems) - 5} more in the report"


def _line(title: str, text: str) -> str:
    return f"{title:<12} {text}".rstrip()
