"""A stage: one step with a result, which is a function of the digests of all that went in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.core import canonical
from harness.world import files

VERSION = 1
"""Version of the stages' rules; a change makes every earlier result stale."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that a stage found wrong: what was promised, and what was seen."""

    promise: str
    lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StageResult:
    """What a stage found. *summary* is what a person reads on one line."""

    stage: str
    passed: bool
    summary: str
    problems: tuple[Problem, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    cached: bool = False

    def body(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {
            "stage": self.stage,
            "outcome": "passed" if self.passed else "failed",
            "summary": self.summary,
            "problems": [
                {"promise": p.promise, "lines": [list(line) for line in p.lines]}
                for p in self.problems
            ],
            "details": dict(self.details),
            "cached": self.cached,
        }


def remembered(
    stage: str, inputs: object, state: Path, work: Callable[[], StageResult]
) -> StageResult:
    """Return the stage's result for *inputs*, from *state* if it passed there before.

    Only what passed is remembered: a failure is looked at again, since a person is about to
    change something anyway.
    """
    digest = canonical.digest([VERSION, stage, inputs]).removeprefix("sha256:")
    path = state / "stages" / f"{stage}-{digest[:24]}.json"
    if path.is_file():
        return replace(_load(path.read_bytes()), cached=True)
    result = work()
    if result.passed:
        files.write_atomic(path, canonical.dumps(asdict(result)))
    return result


def _load(data: bytes) -> StageResult:
    body = json.loads(data)
    body["problems"] = tuple(
        Problem(promise=p["promise"], lines=tuple((a, b) for a, b in p["lines"]))
        for p in body["problems"]
    )
    return StageResult(**body)
