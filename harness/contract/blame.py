"""What a difference between here and another process is due to: found out by further visits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.contract.batch import Answer, Batch, Refusal
from harness.contract.compared import difference
from harness.contract.promise import Cause, Failure
from harness.contract.trial import Trial
from harness.contract.visit import (
    CLOCK,
    HASH_SEED,
    ZONE,
    Answers,
    Visit,
    asked_about,
    varied,
    visit,
)

FIRST_CALL, LOAD, EARLIER = "first call", "load", "earlier batches"
RANDOM = "random"
_RESERVE = 0.1  # of the seconds: what differs there is worth more than rows in bulk
_EDGES = ("inner", "edges", "inner")
_FRESH_FIRST = ("mixed", "probe", "mixed", *_EDGES)
_AS_HERE = ("probe", "probe", "mixed", *_EDGES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """The rows that visitors are asked about, and what the model says of them here."""

    batches: Mapping[str, Batch]
    answers: Mapping[str, Answers]


def blamed(trial: Trial) -> Mapping[str, Failure]:
    """Return what is to blame for answers that differ in another process: ``first call``,
    ``load``, ``earlier batches``, ``PYTHONHASHSEED``, ``TZ``, ``HARNESS_CLOCK``, each with its
    evidence; ``random`` where the model contradicts itself here already. Empty when none differ.

    Raises Skip where there is no other process, OutOfTime.
    """
    key = id(trial.probe)
    if key not in trial.blamed:
        trial.blamed[key] = _told(trial)
    return trial.blamed[key]


def _told(trial: Trial) -> Mapping[str, Failure]:
    first = visit(trial, varied(), _FRESH_FIRST)
    known = _known(trial)
    if not _odd(trial, first, known, "in another process"):
        return {}
    for what, batch in known.batches.items():
        again = _asked_here(trial, batch)
        self_made = _apart(trial, batch, known.answers[what], again, "asked again here")
        if self_made:
            return {RANDOM: self_made}
    return _blamed(trial, known, first)


def _blamed(trial: Trial, known: Known, first: Visit) -> dict[str, Failure]:
    found: dict[str, Failure] = {}
    if not _affordable(trial, first):
        return _untold(trial, known, first)
    plain = visit(trial, {}, _AS_HERE)
    if plain.broken:
        return {LOAD: without_rows(plain.broken)}
    one, two = plain.turns[0].answers, plain.turns[1].answers
    rows = known.batches["probe"]
    if odd := _apart(trial, rows, two, one, "as the first call of a new process"):
        found[FIRST_CALL] = odd
    if odd := _after_edges(trial, plain, known):
        return found | {EARLIER: odd}
    if odd := _odd_from(trial, plain, known, 1, "loaded anew in another process"):
        found[LOAD] = odd
        return found
    if not _affordable(trial, first):
        return found or _untold(trial, known, first)
    fresh = visit(trial, {}, _FRESH_FIRST)
    odd = _odd(trial, fresh, known, "in a new process, asked in another order")
    if odd and FIRST_CALL not in found:
        found[EARLIER] = odd
    if found and _same(trial, known, fresh, first):
        return found  # nothing is left for the environment to explain
    for name, value in varied().items():
        if not _affordable(trial, first):
            return found or _untold(trial, known, first)
        alone = visit(trial, {name: value}, _AS_HERE)
        if odd := _odd_from(trial, alone, known, 1, _WORDS[name]):
            found[name] = odd
    return found or _untold(trial, known, first)


def _after_edges(trial: Trial, seen: Visit, known: Known) -> Failure | None:
    """Return what is answered otherwise after rows at edges than before, in the same process."""
    inner = [turn.answers for turn in seen.turns if turn.what == "inner"]
    if not inner:
        return None
    how = "asked again after rows at the ends of the schema"
    return _apart(trial, known.batches["inner"], inner[0], inner[-1], how)


def _affordable(trial: Trial, first: Visit) -> bool:
    """Whether one more visit leaves the other checks enough time."""
    return trial.left - 1.5 * first.seconds > _RESERVE * trial.settings.seconds


def _untold(trial: Trial, known: Known, first: Visit) -> dict[str, Failure]:
    """Blame loading for what only shows with everything changed, or is not told apart in time."""
    how = "in another process, with another hash seed, time zone and clock"
    odd = _odd(trial, first, known, how)
    return {} if odd is None else {LOAD: odd}


def _same(trial: Trial, known: Known, one: Visit, other: Visit) -> bool:
    """Whether two visits in the same order, and at later moments, told the same."""
    turns = [
        (known.batches[a.what], a.answers, b.answers, "")
        for a, b in zip(one.turns, other.turns, strict=False)
    ]
    batch = known.batches["probe"]
    at = [(batch, other.turns[1].answers, answers, "") for answers in other.later.values()]
    return not other.broken and next(_found(trial, turns + at), None) is None


_WORDS = {
    HASH_SEED: "with another hash seed",
    ZONE: "in another time zone",
    CLOCK: "nine years, five months and twelve hours later",
}


def _known(trial: Trial) -> Known:
    batches = asked_about(trial)
    answers: dict[str, Answers] = {
        name: trial.probe.answers if name == "probe" else _asked_here(trial, batch)
        for name, batch in batches.items()
    }
    return Known(batches=batches, answers=answers)


def _asked_here(trial: Trial, batch: Batch) -> Answers:
    found: dict[str, Answer | Refusal] = {}
    for role in trial.roles:
        try:
            found[role] = trial.answer(batch, role)
        except Refusal as refusal:
            found[role] = refusal
    return found


def _odd(trial: Trial, seen: Visit, known: Known, how: str) -> Failure | None:
    return _odd_from(trial, seen, known, 0, how)


def _odd_from(trial: Trial, seen: Visit, known: Known, start: int, how: str) -> Failure | None:
    """Return the first answer from turn *start* on that is another than here, if there is one."""
    if seen.broken:
        return without_rows(f"{how}: {seen.broken}")
    told = [(known.batches[t.what], known.answers[t.what], t.answers, how) for t in seen.turns]
    probe, here = known.batches["probe"], known.answers["probe"]
    told = told[start:] + [
        (probe, here, answers, when if how == _WORDS[CLOCK] else f"{how}, and {when}")
        for when, answers in seen.later.items()
    ]
    return next(_found(trial, told), None)


def _found(trial: Trial, told: list[tuple[Batch, Answers, Answers, str]]) -> Iterator[Failure]:
    for batch, wanted, given, how in told:
        if odd := _apart(trial, batch, wanted, given, how):
            yield odd


def _apart(trial: Trial, batch: Batch, wanted: Answers, given: Answers, how: str) -> Failure | None:
    for role, answer in given.items():
        here = wanted[role]
        if isinstance(answer, Refusal) and isinstance(here, Refusal):
            continue
        if isinstance(answer, Refusal):
            return _one(batch, f"{how}: raised {answer}", how)
        if isinstance(here, Refusal):
            return _one(batch, f"raised {here}; {how}: answered", how)
        found = difference(trial, role, batch, here, answer, how)
        if found is not None:
            return found
    return None


def _one(batch: Batch, observed: str, how: str) -> Failure:
    cause = Cause(columns=(), rule=f"{how}: the whole batch")
    return Failure(row=batch.row(0), observed=observed, cause=cause)


def without_rows(observed: str) -> Failure:
    """Return a failure that no row shows."""
    return Failure(row={}, observed=observed, cause=Cause(columns=(), rule="any batch"))
