"""The nouns of a contract: a check, its settings, a failure, an outcome, a report.

Imports neither numpy nor pandas: pytest loads this while it collects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.contract.trial import Trial

SCHEMA = "harness.check/1"
GRADES = ("structural", "valid", "hostile")
OUTCOMES = ("passed", "failed", "skipped", "expected")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How far a contract looks. *rows* in the sweep, *seconds* for everything (a check that runs
    out of them has failed), *seed* of the rows, *probe_rows* real rows for the structural checks,
    *memory* bytes that the model's process may take (0: three quarters of the machine's).
    """

    rows: int = 300_000
    seconds: float = 45.0
    seed: int = 0
    probe_rows: int = 64
    memory: int = 0


DEFAULT = Settings()


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """The fewest cells that make a row fail, and the rule for them. *calls* of the model found it.

    No *columns* means that no cell is to blame: every row fails, or the other rows matter.
    *inside* and *outside* are the shares of fresh rows that fail where the rule holds and where it
    doesn't, None where that was not measured; *measured* says of how many rows each.
    It is not *steady* where the same row fails at one time and passes at another.
    """

    columns: tuple[str, ...]
    rule: str
    calls: int = 0
    inside: float | None = None
    outside: float | None = None
    measured: tuple[int, int] = (0, 0)
    steady: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One broken promise, shown as one row. *replay* is the id under which the row is kept, and
    *known* whether an earlier run kept it."""

    row: Mapping[str, Any]
    observed: str
    cause: Cause
    replay: str = ""
    known: bool = False


Evidence = Callable[["Trial"], Iterator[Failure]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A promise and how to find evidence against it. *id* is the function's name with dashes;
    *promise* the first line of its docstring; *grade* the kind of input it needs."""

    id: str
    promise: str
    grade: str
    evidence: Evidence


class Skip(Exception):
    """A check can't be run; the message is the reason."""


class OutOfTime(Exception):
    """The budget of seconds is used up."""


class OutOfCalls(OutOfTime):
    """So many calls as one cause may take are used up."""


def structural(evidence: Evidence) -> Check:
    """Return the check on real rows whose promise is *evidence*'s name."""
    return _check(evidence, "structural")


def valid(evidence: Evidence) -> Check:
    """Return the check on rows that the schema admits whose promise is *evidence*'s name."""
    return _check(evidence, "valid")


def hostile(evidence: Evidence) -> Check:
    """Return the check on rows that the schema does not admit, named by *evidence*."""
    return _check(evidence, "hostile")


def _check(evidence: Evidence, grade: str) -> Check:
    promise = (evidence.__doc__ or "").strip().splitlines()[0].rstrip(".")
    identity = evidence.__name__.replace("_", "-")
    return Check(id=identity, promise=promise, grade=grade, evidence=evidence)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one check: ``passed``, ``failed``, ``skipped``, or ``expected`` to fail."""

    id: str
    promise: str
    grade: str
    outcome: str
    reason: str = ""
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0

    @property
    def rank(self) -> int:
        """How early a failure is told: 0 first."""
        if self.grade == "structural":
            return 3 if self.id == "empty-batch" else 0
        if self.grade == "valid":
            return 2 if self.id.startswith(_OF_SEVERAL) else 1
        return 4


_OF_SEVERAL = (
    *("declared-", "every-label-", "answers-go-with-", "no-slice-"),
    *("probabilities-are-calibrated-", "unseen-values-"),
)
"""How the ids of valid checks begin that compare answers, or only ask for one in another way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a contract found. *coverage* maps the number of columns taken together to the share
    of their stated levels' combinations that were tried; *tolerance* says what "equal" meant."""

    model: str
    rows: int
    coverage: Mapping[int, float]
    checks: tuple[Outcome, ...]
    calls: int = 0
    seconds: float = 0.0
    tolerance: str = ""
    notes: tuple[str, ...] = ()
    digest: str | None = None
    command: str = "harness check"

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The checks that failed, the gravest first: what holds of batches, which explains most
        else, then what valid rows get, what is declared of several, and hostile ones."""
        found = (check for check in self.checks if check.outcome == "failed")
        return tuple(sorted(found, key=lambda check: check.rank))

    @property
    def ok(self) -> bool:
        """Whether no check failed and at least one passed."""
        return not self.failed and any(check.outcome == "passed" for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return the report as ``harness.check/1``: strict JSON, no NaN or infinity in it."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "digest": self.digest,
            "rows": self.rows,
            "coverage": {str(t): share for t, share in sorted(self.coverage.items())},
            "checks": [
                _outcome_json(check, self.command)
                for check in (*self.failed, *(c for c in self.checks if c.outcome != "failed"))
            ],
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "tolerance": self.tolerance,
            "notes": list(self.notes),
        }

    @property
    def text(self) -> str:
        """What a terminal shows (``harness.contract.lines``)."""
        from harness.contract.lines import lines

        return "\n".join(lines(self))


def _outcome_json(check: Outcome, command: str) -> dict[str, Any]:
    return {
        "id": check.id,
        "promise": check.promise,
        "grade": check.grade,
        "outcome": check.outcome,
        "reason": check.reason,
        "failures": [
            {
                "row": {name: strict(value) for name, value in failure.row.items()},
                "observed": failure.observed,
                "cause": {
                    "columns": list(failure.cause.columns),
                    "rule": failure.cause.rule,
                    "calls": failure.cause.calls,
                    "inside": failure.cause.inside,
                    "outside": failure.cause.outside,
                    "measured": list(failure.cause.measured),
                },
                "reproduce": reproduce(failure, command),
            }
            for failure in check.failures
        ],
    }


def reproduce(failure: Failure, command: str) -> str:
    """Return the command that runs this failure alone again; empty when its row isn't kept."""
    return f"{command} --replay {failure.replay}" if failure.replay else ""


def strict(value: Any) -> Any:
    """Return *value* for strict JSON: numbers that JSON lacks as their usual words."""
    if isinstance(value, float):
        if value != value:
            return "NaN"
        if value in (float("inf"), float("-inf")):
            return "Infinity" if value > 0 else "-Infinity"
    return value
