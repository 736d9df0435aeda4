"""What must not matter of the process: which one it is, its hash seed, its time zone, its clock."""

from __future__ import annotations

from collections.abc import Iterator

from harness.contract.blame import FIRST_CALL, LOAD, RANDOM, blamed, without_rows
from harness.contract.promise import Failure, Skip, structural
from harness.contract.trial import Trial
from harness.contract.visit import CLOCK, HASH_SEED, ZONE


@structural
def the_first_call_is_answered_like_later_ones(trial: Trial) -> Iterator[Failure]:
    """The first call after loading gets the same answers as later calls."""
    yield from to_blame(trial, FIRST_CALL)


@structural
def loading_again_gives_the_same_answers(trial: Trial) -> Iterator[Failure]:
    """The same artifact, loaded again in another process, gives the same answers."""
    yield from to_blame(trial, LOAD)


@structural
def the_hash_seed_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """Python's hash seed, and so the order of its sets, is no input."""
    yield from to_blame(trial, HASH_SEED)


@structural
def the_time_zone_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """The time zone of the machine is no input."""
    yield from to_blame(trial, ZONE)


@structural
def the_clock_does_not_matter(trial: Trial) -> Iterator[Failure]:
    """The day and the hour at which a model is asked are no input."""
    yield from to_blame(trial, CLOCK)


@structural
def the_artifact_is_left_alone(trial: Trial) -> Iterator[Failure]:
    """Loading a model and asking it changes none of its files."""
    blamed(trial)
    looked_at = [v.changed for v in trial.visits.values() if v.changed is not None]
    if not looked_at:
        raise Skip("the model's files can't be looked at from here")
    found = next((changed for changed in looked_at if changed), ())
    if found:
        yield without_rows(f"after loading it and asking it: {', '.join(found[:8])}")


def to_blame(trial: Trial, reason: str) -> Iterator[Failure]:
    """Yield the evidence against *reason*; raises Skip where it can't be told apart from others."""
    found = blamed(trial)
    if reason in found:
        yield found[reason]
    elif RANDOM in found:
        raise Skip("the same rows get other answers each time: see same-input-gives-same-output")
    elif LOAD in found:
        raise Skip("loading again changes answers: see loading-again-gives-the-same-answers")
