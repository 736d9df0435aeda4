"""What a promotion comes to: the values that the terminal, the JSON and the page all show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from harness.decision.decide import Verdict
from harness.stages.stage import StageResult

SCHEMA = "harness.verdict/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run of the line, from the model's name to the entry in the ledger.

    No figure that was computed on the holdout is in here: one bit leaves.
    """

    model: str
    challenger: str
    commit: str
    engine: str
    time: str
    environment: str
    config: str
    layers: int
    rebuilt: int
    verdict: Verdict
    headline: str
    why: str
    champion: str = ""
    image: str = ""
    champion_image: str = ""
    number: int | None = None
    stages: tuple[StageResult, ...] = ()
    policy: str = ""
    policy_entry: int | None = None
    look: int | None = None
    looks: int | None = None
    spent: bool = False
    rule: str = ""
    level: float | None = None
    entry: int | None = None
    head: str = ""
    notes: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    report: str = ""
    folder: str = "."

    @property
    def reproduce(self) -> str:
        """The command that does the same again."""
        variant = f" --challenger {self.challenger}" if self.challenger else ""
        return f"harness promote {quote(self.folder)}{variant}"

    @property
    def ask(self) -> str:
        """The command that says why a champion is one; empty where none was made."""
        if not self.number:
            return ""
        place = "" if self.folder == "." else f" --folder {quote(self.folder)}"
        return f"harness why {self.model}:{self.number}{place}"

    @property
    def failed(self) -> StageResult | None:
        """The stage that stopped the line, if one did."""
        return next((stage for stage in self.stages if not stage.passed), None)

    def body(self) -> dict[str, Any]:
        """Return the run as ``harness.verdict/1``."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "challenger": self.challenger,
            "verdict": self.verdict.value,
            "headline": self.headline,
            "why": self.why,
            "number": self.number,
            "champion": {"name": self.champion, "image": self.champion_image}
            if self.champion
            else None,
            "commit": self.commit,
            "engine": self.engine,
            "time": self.time,
            "environment": self.environment,
            "image": {"digest": self.image, "config": self.config},
            "policy": {"text": self.policy, "entry": self.policy_entry},
            "look": {"number": self.look, "of": self.looks, "spent": self.spent},
            "rule": self.rule,
            "level": self.level,
            "stages": [stage.body() for stage in self.stages],
            "ledger": {"entry": self.entry, "head": self.head},
            "notes": list(self.notes),
            "digests": dict(self.digests),
            "report": self.report,
            "reproduce": self.reproduce,
        }
