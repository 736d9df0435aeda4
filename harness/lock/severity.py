"""How bad a flaw is: the CVSS base score of a vector, and the five words for it.

Scores are those of FIRST's specifications (CVSS v2, v3.1 §5, v4.0 §8), computed by the package
``cvss`` (extra ``audit``); the words are those of CVSS v3.1 §5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from harness.core.errors import ToolMissing


class Level(IntEnum):
    """The qualitative severity rating scale, and what nobody has rated, which counts as the worst:
    not to know is no reason to pass."""

    none = 0
    low = 1
    medium = 2
    high = 3
    critical = 4
    unknown = 5


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Rating:
    """A level, and the base score (0 to 10) that it comes from, where a vector was given."""

    level: Level
    score: float | None = None

    def __str__(self) -> str:
        return self.level.name if self.score is None else f"{self.level.name} {self.score:.1f}"


_WORDS = {
    "unimportant": Level.none,  # Debian: a bug that is no security problem as packaged
    "negligible": Level.none,
    "none": Level.none,
    "low": Level.low,
    "medium": Level.medium,
    "moderate": Level.medium,
    "high": Level.high,
    "important": Level.high,
    "critical": Level.critical,
}


def rated(vectors: Iterable[tuple[str, str]], words: Iterable[str] = ()) -> Rating:
    """Return the rating of a flaw with CVSS *vectors* (their OSV type and text), else by *words*.

    Vectors of the newest CVSS version count; of several the worst. Raises ToolMissing when there
    are vectors and the package ``cvss`` is not installed.
    """
    wordy = {word.lower() for word in words}
    if {"unimportant"} & wordy:  # Debian's word on its own package
        return Rating(level=Level.none)
    by_kind: dict[str, list[float]] = {}
    for kind, vector in vectors:
        if (score := _score(kind, vector)) is not None:
            by_kind.setdefault(kind, []).append(score)
    if by_kind:
        score = max(by_kind[max(by_kind)])
        return Rating(level=level_of(score), score=score)
    known = [_WORDS[word] for word in wordy if word in _WORDS]
    return Rating(level=max(known, default=Level.unknown))


def level_of(score: float) -> Level:
    """Return the word for a base *score* (CVSS v3.1 §5, table 14)."""
    bounds = ((9.0, Level.critical), (7.0, Level.high), (4.0, Level.medium), (0.1, Level.low))
    return next((level for bound, level in bounds if score >= bound), Level.none)


def _score(kind: str, vector: str) -> float | None:
    """Return the base score of *vector*; None for a kind that is not CVSS, or a broken vector."""
    if kind not in ("CVSS_V2", "CVSS_V3", "CVSS_V4"):
        return None
    try:
        import cvss
    except ImportError as missing:
        raise ToolMissing(
            "the severity of an advisory is a CVSS vector, and cvss is not installed",
            hint="pip install 'model-harness[audit]'",
        ) from missing
    reader = {"CVSS_V2": cvss.CVSS2, "CVSS_V3": cvss.CVSS3, "CVSS_V4": cvss.CVSS4}[kind]
    try:
        return float(reader(vector).base_score)
    except cvss.exceptions.CVSSError:
        return None
