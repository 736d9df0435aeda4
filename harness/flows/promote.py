"""The whole line: specification, lock, image, contract, training, integration, decision, ledger."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.errors import LedgerMoved
from harness.decision.decide import Verdict
from harness.decision.policy import Policy
from harness.decision.power import power
from harness.engine.engine import Engine
from harness.flows import judge, line, stages
from harness.flows.judge import Judged
from harness.flows.line import Line, Progress
from harness.image import pack
from harness.image.image import Image
from harness.ledger import history
from harness.ledger.entry import Entry
from harness.ledger.history import Champion
from harness.ledger.ledger import Ledger
from harness.report.view import Run
from harness.spec.project import Project
from harness.stages.load import Limits
from harness.stages.stage import StageResult
from harness.world.clock import Clock, stamp
from harness.world.store import Store

ALL = frozenset({"train", "dev", "holdout"})
RACES = 20
"""How often a run begins its decision anew because another challenger was promoted meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a promotion is asked with. *commit* and *actor* are recorded as told."""

    project: Project
    challenger: str
    store: Store
    engine: Engine
    ledger: Ledger
    limits: Limits
    clock: Clock
    commit: str
    actor: str
    workers: int
    progress: Progress
    folder: Path


def promote(request: Request) -> Run:
    """Take the project's model through the line and return what came of it."""
    on = line.begin(
        request.project,
        challenger=request.challenger,
        store=request.store,
        engine=request.engine,
        limits=request.limits,
        workers=request.workers,
        progress=request.progress,
        required=ALL,
    )
    origin = {"commit": request.commit, "actor": request.actor}
    policy = judge.policy_of(on)
    checked = [stages.check_data(on)]
    if not checked[-1].passed:  # a misspelt target, sealed, would spoil the holdout for good
        champion = history.champion(request.ledger.entries(), on.declared.name)
        run = _stopped(_common(request, on, policy, None, tuple(checked), None, champion), champion)
        return replace(run, head=request.ledger.entries()[-1].digest)
    sealed = judge.sealed(on, request.ledger, policy, origin)
    image = line.assembled(on, line.trained(on)[0])
    for check in stages.after_training(on, image).values():
        checked.append(check())
        if not checked[-1].passed:
            break
    run = _decided(request, on, policy, sealed, tuple(checked), image, origin)
    return replace(
        run,
        head=request.ledger.entries()[-1].digest,
        notes=(*run.notes, _left(request, on, policy, sealed)),
    )


def _decided(
    request: Request,
    on: Line,
    policy: Policy,
    sealed: Entry,
    checked: tuple[StageResult, ...],
    image: Image,
    origin: dict[str, Any],
) -> Run:
    """Return the run with its decision, deciding anew while others become champion first."""
    champion = history.champion(request.ledger.entries(), on.declared.name)
    if not checked[-1].passed:
        return _stopped(_common(request, on, policy, sealed, checked, image, champion), champion)
    packed = pack.packed(image, on.store, workers=request.workers, progress=on.progress)
    for race in range(RACES):
        champion = history.champion(request.ledger.entries(), on.declared.name)
        common = {
            **_common(request, on, policy, sealed, checked, image, champion),
            "image": packed.digest,
        }
        if champion is not None and champion.image == packed.digest:
            return _same(common, champion)
        try:
            judged = judge.judge(
                on,
                packed,
                request.ledger,
                policy,
                sealed,
                champion,
                evidence=_evidence(on, image, checked),
                origin=origin,
            )
        except LedgerMoved:
            if race == RACES - 1:
                raise
            continue
        return _judged(common, judged, champion, policy)
    raise AssertionError("unreachable: the last race raises")


def _evidence(on: Line, image: Image, checked: tuple[StageResult, ...]) -> dict[str, Any]:
    return {
        "lock": on.environment.lock.digest,
        "environment": on.environment.lock.reference,
        "config": image.config,
        "data": {name: digest for name, (_, digest) in on.files.items()},
        "stages": {stage.stage: stage.summary for stage in checked},
    }


def _common(
    request: Request,
    on: Line,
    policy: Policy,
    sealed: Entry | None,
    checked: tuple[StageResult, ...],
    image: Image | None,
    champion: Champion | None,
) -> dict[str, Any]:
    gain = f", gain ≥ {policy.minimum_gain:g}" if policy.minimum_gain else ""
    notes = []
    if on.files["holdout"][0].is_relative_to(on.project.folder):
        notes.append(
            "the holdout lies in the repository, where trainers can read it: "
            "the reuse guarantee needs a private holdout"
        )
    return {
        "model": on.declared.name,
        "challenger": on.challenger,
        "commit": request.commit,
        "engine": request.engine.name,
        "time": stamp(request.clock()),
        "environment": on.environment.lock.reference,
        "config": image.config if image else "",
        "layers": len(image.layers) if image else len(on.environment.built.image.layers),
        "rebuilt": on.environment.built.rebuilt,
        "champion": champion.name if champion else "",
        "champion_image": champion.image if champion else "",
        "stages": checked,
        "policy": f"{policy.metric}{gain}, error {policy.error:.3g} over {policy.looks} looks",
        "policy_entry": sealed.number if sealed else None,
        "looks": policy.looks,
        "notes": tuple(notes),
        "digests": {
            "lock": on.environment.lock.digest,
            **{f"data {name}": digest for name, (_, digest) in on.files.items()},
        },
        "folder": str(request.folder),
    }


def _left(request: Request, on: Line, policy: Policy, sealed: Entry) -> str:
    """Return how many looks are left, and what they can show where the rows alone tell it."""
    entries = request.ledger.entries()
    left = policy.looks - history.looks_spent(entries, policy=sealed)
    given = history.promotions(entries, policy=sealed)
    if policy.metric != "accuracy" or left <= 0:
        return f"{left} of {policy.looks} looks left"
    rows = on.store.record(
        "count", on.files["holdout"][1].removeprefix("sha256:"), lambda: on.table("holdout").rows
    )
    gain = power(policy, rows=int(rows), promotions=given)
    if gain is None:
        seen = f"{rows:,} rows are too few to show another gain in accuracy"
    else:
        seen = f"{rows:,} rows show a gain of {gain:.1%} in accuracy with 80 % chance"
    return f"{left} of {policy.looks} looks left; {seen}"


def _stays(champion: Champion | None) -> str:
    return f"{champion.name} stays" if champion else "nothing is promoted"


def _stopped(common: dict[str, Any], champion: Champion | None) -> Run:
    failed = common["stages"][-1]
    return Run(
        **common,
        verdict=Verdict.KEEP,
        headline=f"{_stays(champion)}; holdout untouched, no look spent",
        why=f"stage {failed.stage} failed: {failed.summary}",
    )


def _same(common: dict[str, Any], champion: Champion) -> Run:
    return Run(
        **common,
        verdict=Verdict.KEEP,
        headline=f"{champion.name} stays; no look spent",
        why="this very image is the champion already",
        number=champion.number,
        entry=champion.entry.number,
    )


def _judged(
    common: dict[str, Any], judged: Judged, champion: Champion | None, policy: Policy
) -> Run:
    if judged.screened is not None:
        return Run(
            **common,
            verdict=Verdict.KEEP,
            headline=f"{_stays(champion)}; no look spent",
            why=judged.screened.reason,
        )
    if judged.early is not None:
        return Run(
            **common,
            verdict=judged.early.verdict,
            headline=f"{_stays(champion)}; no look spent",
            why=judged.early.reason,
            rule=judged.early.rule,
            level=judged.early.level,
        )
    assert judged.result is not None and judged.look is not None
    body = judged.result.body
    decision, number = body["decision"], body["number"]
    if number is not None:
        replaced = f"replaces :{champion.number}" if champion else "is the first champion"
        headline = f"{body['model']}:{number} {replaced}"
    else:
        headline = f"{_stays(champion)}"
    return Run(
        **common,
        verdict=Verdict(decision["verdict"]),
        headline=headline,
        why=decision["reason"] + ("; guardrails hold" if decision["guardrails"] else ""),
        number=number,
        look=judged.look.body["look"],
        spent=judged.spent,
        rule=decision["rule"],
        level=decision["level"],
        entry=judged.result.number,
    )
