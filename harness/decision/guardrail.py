"""Guardrails: what must not get worse or too large, next to the metric."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a guardrail came out; INCONCLUSIVE (too few rows to tell) blocks as BROKEN does."""

    HELD = "held"
    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, kw_only=True, slots=True)
class Guardrail:
    """A guardrail that was looked at. *observed* and *limit* never come from holdout labels."""

    name: str
    outcome: Outcome
    observed: float
    limit: float
    unit: str

    def body(self) -> dict[str, Any]:
        """Return the guardrail as a JSON value."""
        return {
            "name": self.name,
            "outcome": self.outcome.value,
            "observed": self.observed,
            "limit": self.limit,
            "unit": self.unit,
        }


def artifact_size(observed: int, *, limit: int) -> Guardrail:
    """Return whether an artifact of *observed* bytes stays within *limit* bytes."""
    return Guardrail(
        name="artifact_size",
        outcome=Outcome.HELD if observed <= limit else Outcome.BROKEN,
        observed=observed,
        limit=limit,
        unit="bytes",
    )
