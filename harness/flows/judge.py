"""Champion against challenger on the holdout: the look is recorded, then computed, then settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.contract.batch import Batch
from harness.core.digest import Digest, short
from harness.core.errors import ChampionMissing
from harness.decision import guardrail
from harness.decision.decide import Decision, decide, ready
from harness.decision.policy import Policy, of_project
from harness.decision.screen import Screen, screen
from harness.flows import stages
from harness.flows.line import Line
from harness.image import model
from harness.image.image import Image
from harness.image.pack import Packed
from harness.ledger import history, record
from harness.ledger.entry import Entry
from harness.ledger.history import Champion
from harness.ledger.ledger import Ledger
from harness.stages import data, load
from harness.world.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What came of a challenger: screened out on dev, decided without a label, or settled."""

    screened: Screen | None = None
    early: Decision | None = None
    result: Entry | None = None
    look: Entry | None = None
    spent: bool = False


def policy_of(line: Line) -> Policy:
    """Return the declared policy."""
    project = line.project
    assert project.success is not None
    return of_project(
        project.success, project.guardrails, classes=len(line.contract.outputs.labels)
    )


def sealed(line: Line, ledger: Ledger, policy: Policy, origin: dict[str, Any]) -> Entry:
    """Return the policy entry of this holdout: it precedes every result."""
    digest = line.files["holdout"][1]
    rows = line.store.record(
        "rows", digest.removeprefix("sha256:"), lambda: data.rows_digest(line.table("holdout"))
    )
    described = line.data.described
    return record.seal(
        ledger,
        model=line.declared.name,
        policy=policy,
        holdout=Digest(rows),
        target=line.data.target,
        described={
            "collected": described.collected,
            "grain": described.grain,
            "source": described.source,
            "personal_data": described.personal_data,
        }
        if described
        else None,
        origin={**origin, "files": {name: d for name, (_, d) in line.files.items()}},
    )


def judge(
    line: Line,
    packed: Packed,
    ledger: Ledger,
    policy: Policy,
    sealed_policy: Entry,
    champion: Champion | None,
    *,
    evidence: dict[str, Any],
    origin: dict[str, Any],
) -> Judged:
    """Return what becomes of the *packed* image against *champion* (None: the declared baseline).

    Nothing of the holdout but the settled bit leaves. Raises LedgerMoved when another challenger
    became champion meanwhile, ChampionMissing, NoLooksLeft.
    """
    entries, image = ledger.entries(), packed.image
    key = record.look_key(policy=sealed_policy, champion=champion, challenger=packed.digest)
    known = history.find_result(entries, key)
    if known is not None:
        return Judged(result=known, look=history.find_look(entries, key))
    opened = history.find_look(entries, key)
    if opened is None:
        early = _before_a_look(line, image, policy, sealed_policy, champion, entries)
        if early is not None:
            return early
    line.progress("deciding")
    look = record.open_look(
        ledger, policy=sealed_policy, champion=champion, challenger=packed.digest, origin=origin
    )
    table = line.table("holdout")
    decision = decide(
        losses_of_champion(line, champion, table),
        losses_of_image(line, image, table),
        policy,
        look=look.body["look"],
        promotions=look.body["promotions"],
        guardrails=guardrails(line, image, policy),
    )
    result = record.settle(ledger, look=look, decision=decision, evidence=evidence)
    return Judged(result=result, look=look, spent=opened is None)


def _before_a_look(
    line: Line,
    image: Image,
    policy: Policy,
    sealed_policy: Entry,
    champion: Champion | None,
    entries: tuple[Entry, ...],
) -> Judged | None:
    early = ready(
        policy,
        rows=line.table("holdout").rows,
        look=history.looks_spent(entries, policy=sealed_policy) + 1,
        promotions=history.promotions(entries, policy=sealed_policy),
        guardrails=guardrails(line, image, policy),
    )
    if early is not None:
        return Judged(early=early)
    if "dev" in line.files:
        table = line.table("dev")
        seen = screen(
            losses_of_champion(line, champion, table), losses_of_image(line, image, table), policy
        )
        if not seen.passed:
            return Judged(screened=seen)
    return None


def guardrails(line: Line, image: Image, policy: Policy) -> tuple[guardrail.Guardrail, ...]:
    """Return how the declared guardrails came out."""
    if policy.artifact_size is None:
        return ()
    tree = next(layer.trees[0] for layer in image.layers if layer.title == "artifact")
    size = sum(path.stat().st_size for path in model.below(line.store.root / "t" / tree).values())
    return (guardrail.artifact_size(size, limit=policy.artifact_size),)


def losses_of_champion(line: Line, champion: Champion | None, table: Batch) -> Any:
    """Return the champion's loss for each row: its own image answers, as it shipped."""
    if champion is None:
        return stages.baseline_losses(line, table)
    image = _image_of(champion, line.store)
    if image is None:
        raise ChampionMissing(
            f"{champion.name} ({short(champion.image)}) is the champion, and its image is not in "
            "this machine's store: nothing can be compared with it",
            hint="harness pull brings it from where it was pushed; or check out the commit of "
            f"`harness why {champion.name}` and run `harness build` there",
        )
    return losses_of_image(line, image, table)


def _image_of(champion: Champion, store: Store) -> Image | None:
    """Return the champion's image: by the manifest's digest where it was packed here, else by the
    config's, which a build comes to as well."""
    config = champion.entry.body.get("evidence", {}).get("config")
    found = model.find(champion.image, store)
    return found or (model.find(Digest(config), store) if config else None)


def losses_of_image(line: Line, image: Image, table: Batch) -> Any:
    """Return the loss of each row of *table* for the model in *image*, which never sees a label."""
    rows = data.features(table, line.contract.inputs)
    answers = load.answers(
        line.bench, model.runnable(image, line.store), rows, line.claims, label="judge"
    )
    return stages.losses_of(line, answers, table)
