"""The values worth trying in each column: its pool of levels.

A pool is drawn from what the schema admits alone: declared bounds and their neighbours, the
training data's quantiles, magnitudes, the edges of number types, odd text, edges of the calendar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.contract.batch import Array, Batch, Cells, cells, moment
from harness.contract.domain import Domain, admits, snap
from harness.contract.moments import moments
from harness.contract.stamps import Form, drawn_from
from harness.core.errors import SpecInvalid

STATED = 12
"""How many levels of a column count for the coverage that is printed."""

_TURNS = (
    *(2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 16, 17, 18, 20, 21, 24, 25, 30, 31, 50, 59, 60),
    *(64, 65, 90, 99, 100, 120, 127, 128, 180, 255, 256, 360, 365, 366, 500, 999, 1000),
    *(1440, 1900, 1970, 2000, 2038, 9999, 10_000),
)  # numbers at which people's rules turn: ages, clocks, angles, sentinels, bytes
_EDGES = (32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**53, 2**53 + 1)
_MAGNITUDES = tuple(10.0**k for k in (*range(-12, 17, 2), 20, 38, 100, 154, 200, 300))
_TINY = (5e-324, 2.2250738585072014e-308, 1e-300, 1e-45, 1.1754943508222875e-38)
_SINGLE_MAX = float(np.finfo(np.float32).max)
UNSEEN = ("harness unseen", "", "Ωmega", "NaN")
ODD_TEXT = (
    *(" ", "0", "-1", "1e5", "None", "null", "nan", "N/A", "true", "İstanbul", "straße"),
    *("e\u0301", "日本語", "🛩️", "\u200b", "\u202eabc", "a\x00b", "line\nbreak", "tab\t"),
    *("'; --", '"quoted", comma', "\\", "%s{0}", "x" * 1000, "\u00b2", "\u0663", "\u00bd"),
)
_LONG_RUNS = (
    *("a" * 48 + "!", "1" * 48 + "x", "word " * 16 + "; word", "x, y. " * 12 + "?", " " * 64 + "x"),
    *("(" * 48, "a@" + "a." * 24, "a sentence that has a mark within; it goes on"),
)  # what a pattern that tries every way to split a run never gets done with
_SOME_WORDS, _MANY_WORDS = 70, 520  # models cut texts at 64, 128, 256 or 512 words


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """What is tried in one column. The first *stated* of *levels* count for coverage; *seen* are
    training values, of the same kind and dtype; *low* and *high* are the ends of their range, for
    moments in microseconds since 1970; *forms* are what a moment's text is written in."""

    domain: Domain
    levels: Cells
    stated: int
    seen: Cells
    low: float
    high: float
    forms: tuple[Form, ...] = ()

    @property
    def drawable(self) -> bool:
        """Whether values between the levels may be drawn."""
        ordered = self.moments or self.levels.kind in ("number", "integer")
        return ordered and not self.domain.values

    @property
    def numeric(self) -> bool:
        """Whether such values lie there as numbers, not as text."""
        return self.drawable and self.levels.kind != "string"

    @property
    def moments(self) -> bool:
        """Whether the column holds moments, as such or as text."""
        return self.domain.kind in ("date", "datetime")


def pools(
    domains: Sequence[Domain],
    training: Batch | None,
    *,
    constants: Mapping[str, Sequence[float]] | None = None,
    words: Sequence[str] = (),
) -> tuple[Pool, ...]:
    """Return one pool a column; *constants* are numbers that the model's own rules use, by
    column, those of no certain column under ``*``; *words* texts that they use.

    Raises SpecInvalid when nothing that we know of fits a column's domain.
    """
    known = constants or {}
    return tuple(
        _pool(
            domain,
            None
            if training is None or domain.name not in training.names
            else training[domain.name],
            [*known.get(domain.name, ()), *known.get("*", ())],
            words,
        )
        for domain in domains
    )


def _pool(
    domain: Domain, training: Cells | None, constants: Sequence[float], words: Sequence[str]
) -> Pool:
    kind = _kind(domain, training)
    dtype = training.dtype if training is not None and training.kind == kind else ""
    seen = cells(domain.name, kind, [], dtype=dtype)
    if training is not None and training.kind == kind:
        fine = admits(domain, training) & ~training.absent
        seen = training.take(np.flatnonzero(fine))
    candidates = _candidates(domain, kind, seen, constants, words)
    if dtype == "float32":
        candidates = [float(np.float32(v)) for v in candidates if abs(v) <= _SINGLE_MAX]
    tried = cells(domain.name, kind, candidates, dtype=dtype)
    fine = admits(domain, tried)
    values = [v for v, good in zip(candidates, fine.tolist(), strict=True) if good]
    values = _distinct(values)
    if domain.nullable:
        values.insert(min(2, len(values)), None)
    if not values:
        raise SpecInvalid(
            f"contract.inputs.properties.{domain.name}: no value is known that it admits",
            hint="give training data that holds some, or list values under enum",
        )
    low, high = _ends(domain, seen)
    stamped = kind == "string" and domain.kind == "datetime"
    return Pool(
        domain=domain,
        levels=cells(domain.name, kind, values, dtype=dtype),
        stated=min(STATED, len(values)),
        seen=seen,
        low=min(low, high),
        high=max(low, high),
        forms=drawn_from(seen.values.tolist()) if stamped else (),
    )


def _ends(domain: Domain, seen: Cells) -> tuple[float, float]:
    """Return the ends of the range of the values *seen*; where none are, of what is usual."""
    numbers = seen.values if seen.kind in ("number", "integer", "datetime") else np.zeros(0)
    dated = domain.kind in ("date", "datetime")
    if dated and seen.kind == "string":
        numbers = np.array([moment(text) for text in dict.fromkeys(seen.values.tolist())])
    if len(numbers):
        return float(numbers.min()), float(numbers.max())
    if dated:
        return float(domain.low), float(domain.high)
    return max(float(domain.low), -1000.0), min(float(domain.high), 1000.0)


def _kind(domain: Domain, training: Cells | None) -> str:
    if domain.kind in ("date", "datetime"):
        as_moment = training is not None and training.kind == "datetime"
        return "datetime" if as_moment else "string"
    if domain.kind == "integer" and training is not None and training.kind == "number":
        return "number"  # whole numbers held as floats, as pandas does where some are missing
    if domain.kind == "number" and training is not None and training.kind == "integer":
        return "number"
    return domain.kind


def _candidates(
    domain: Domain, kind: str, seen: Cells, constants: Sequence[float], words: Sequence[str]
) -> list[Any]:
    if domain.kind == "boolean":
        return list(domain.values) or [False, True]
    if domain.closed:
        return [float(v) for v in domain.values] if kind == "number" else list(domain.values)
    if domain.kind in ("number", "integer"):
        numbers = _numbers(domain, kind, seen, constants)
        return [_as_number(v, kind) for v in numbers if _holds(v, kind)]
    if domain.kind in ("date", "datetime"):
        return moments(domain, kind, seen)
    return _texts(domain, seen, words)


def _as_number(value: float | int, kind: str) -> float | int:
    return float(value) if kind == "number" else int(value)


def _holds(value: float | int, kind: str) -> bool:
    if kind == "number":
        return True
    return value == int(value) and -(2**63) <= int(value) < 2**63


def _numbers(
    domain: Domain, kind: str, seen: Cells, constants: Sequence[float]
) -> list[float | int]:
    low, high = domain.low, domain.high
    values = np.sort(seen.values.astype(np.float64)) if len(seen) else np.zeros(0)
    quantiles = [float(_at(values, q)) for q in (0.5, 0.0, 1.0, 0.05, 0.95, 0.01, 0.99, 0.25, 0.75)]
    if not len(values):
        quantiles = []
    whole = domain.kind == "integer"
    inner: list[float | int] = [low + 1, high - 1]
    if not whole:
        inner = [float(np.nextafter(low, high)), float(np.nextafter(high, low)), *inner]
    first: list[float | int] = [low, high, *quantiles[:1], 0, *quantiles[1:3], *inner]
    rest: list[float | int] = [*quantiles, 1, -1]
    for value in constants:
        rest += [value, np.floor(value), np.ceil(value)]
        if not whole:
            rest += [float(np.nextafter(value, -np.inf)), float(np.nextafter(value, np.inf))]
    for end in quantiles[1:3]:
        rest += [end * 1.0001, end * 2, end * 10, end * 1e3]
    rest += [sign * v for v in (*_TURNS, *_EDGES, *_MAGNITUDES) for sign in (1, -1)]
    if not whole:
        rest += [0.5, -0.5, -0.0, *_TINY, _SINGLE_MAX, _SINGLE_MAX * 1.0000001]
    found: list[float | int] = first + rest
    if whole:
        found = [int(v) for v in found if np.isfinite(float(v))]
    if domain.multiple_of:
        found = snap(np.array(found, float), domain.multiple_of).tolist()
    return [v for v in found if low <= v <= high]


def _at(values: Array, quantile: float) -> float:
    return float(values[round(quantile * (len(values) - 1))]) if len(values) else np.nan


def _texts(domain: Domain, seen: Cells, words: Sequence[str]) -> list[str]:
    counted = Counter(seen.values.tolist())
    common = sorted(counted, key=lambda text: (-counted[text], text))
    if domain.open:
        known = _distinct([*domain.values, *common])
        return [*known[:4], *UNSEEN, *known[4:64], *words, *ODD_TEXT, *_LONG_RUNS]
    padded = ["x" * domain.shortest, "x" * (domain.longest or 5000)]
    long = list(_long(common, domain.longest or 5000))
    return [*common[:3], "", *padded, *common[3:16], *UNSEEN, *words, *long, *ODD_TEXT, *_LONG_RUNS]


def _long(known: Sequence[str], longest: int) -> Iterator[str]:
    """Yield texts of many words, of many lines and of many sentences, made of *known* ones; each as
    many as go into *longest* characters, few of them short words."""
    words = _distinct(word for text in known[:64] for word in text.split())[:64] or ["word"]
    short = sorted(words, key=len)[:4]
    for pool, count, mark in (
        (words, _SOME_WORDS, " "),
        (words, _MANY_WORDS, " "),
        (short, _MANY_WORDS, " "),
        (words, _SOME_WORDS, "\n"),
        (words, _SOME_WORDS, ". "),
    ):
        repeated = [pool[i % len(pool)] for i in range(count)]
        text = mark.join(repeated)
        if len(text) > longest:
            text = text[: longest + 1].rpartition(mark)[0]
        if text:
            yield text


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: dict[Any, Any] = {}
    for value in values:
        key = repr(value) if isinstance(value, float) else value  # -0.0 is not 0.0
        found.setdefault(key, value)
    return list(found.values())
