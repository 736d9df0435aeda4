"""The rules that a ledger obeys, read from its first entry to its last.

Two kinds: the chain (numbers in a row, each entry names the digest of the one before, each digest
is that of its line) and the meaning (a policy before its looks, a look before its result, one
budget of looks per holdout, one champion). A backend applies the same rules before it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.digest import of_bytes
from harness.core.errors import SpecInvalid
from harness.decision import policy as policies
from harness.decision.decide import Verdict
from harness.decision.policy import Policy
from harness.ledger import entry as lines
from harness.ledger.entry import GENESIS, LOOK, POLICY, RESULT, ROLLBACK, SCHEMA, Entry, invalid

_VERDICTS = tuple(verdict.value for verdict in Verdict)
_TEXT, _OBJECT = str, dict
_FIELDS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    GENESIS: {"schema": _TEXT},
    POLICY: {"model": _TEXT, "policy": _OBJECT, "holdout": _TEXT, "target": _TEXT},
    LOOK: {
        "model": _TEXT,
        "policy": _TEXT,
        "key": _TEXT,
        "look": int,
        "promotions": int,
        "level": float,
        "champion": (dict, type(None)),
        "challenger": _TEXT,
    },
    RESULT: {
        "model": _TEXT,
        "key": _TEXT,
        "look": _TEXT,
        "decision": _OBJECT,
        "number": (int, type(None)),
        "image": _TEXT,
    },
    ROLLBACK: {"model": _TEXT, "number": int, "image": _TEXT, "reason": _TEXT},
}


def verify(entries: Iterable[Entry]) -> None:
    """Return if every rule holds; else raise LedgerInvalid with the first wrong entry and why."""
    chain = Chain()
    for entry in entries:
        chain.admit(entry)
    if chain.head is None:
        raise invalid(0, "there is none, not even a genesis")


@dataclass(slots=True)
class _Epoch:
    """What happened under one policy entry, i.e. on one holdout."""

    model: str
    policy: Policy
    looks: int = 0
    promotions: int = 0


@dataclass(slots=True)
class _Line:
    """The numbered images of one model, and which of them is champion."""

    images: dict[int, str] = field(default_factory=dict)
    champion: int = 0

    def in_force(self) -> dict[str, Any] | None:
        if not self.champion:
            return None
        return {"number": self.champion, "image": self.images[self.champion]}


class Chain:
    """The state of a ledger read so far. ``admit`` takes the next entry or leaves all as it was."""

    def __init__(self) -> None:
        self.head: Entry | None = None
        self._holdouts: dict[str, int] = {}
        self._epochs: dict[str, _Epoch] = {}
        self._looks: dict[str, Entry] = {}
        self._results: set[str] = set()
        self._models: dict[str, _Line] = {}

    def admit(self, entry: Entry) -> None:
        """Take the next entry; raises LedgerInvalid naming it when it breaks a rule."""
        self._chained(entry)
        rules: Mapping[str, Callable[[Entry], None]] = {
            GENESIS: self._genesis,
            POLICY: self._policy,
            LOOK: self._look,
            RESULT: self._result,
            ROLLBACK: self._rollback,
        }
        if entry.kind not in rules:
            raise invalid(entry.number, f"no kind {entry.kind!r} is known; a newer harness may be")
        for name, kind in _FIELDS[entry.kind].items():
            value = entry.body.get(name, ...)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise invalid(entry.number, f"its body has no {name}, or one of another type")
        rules[entry.kind](entry)
        self.head = entry

    def _chained(self, entry: Entry) -> None:
        number = 0 if self.head is None else self.head.number + 1
        if entry.number != number:
            raise invalid(number, f"entry {entry.number} stands in its place")
        if of_bytes(lines.line(entry)) != entry.digest:
            raise invalid(number, "its digest is not that of its line")
        if entry.previous != (None if self.head is None else self.head.digest):
            raise invalid(number, "it doesn't follow from the entry before")
        if (entry.kind == GENESIS) != (number == 0):
            raise invalid(number, "the first entry is the genesis, and no other is")

    def _genesis(self, entry: Entry) -> None:
        if entry.body["schema"] != SCHEMA:
            raise invalid(0, f"its schema is {entry.body['schema']}, and {SCHEMA} is read here")

    def _policy(self, entry: Entry) -> None:
        body = entry.body
        if (earlier := self._holdouts.get(body["holdout"])) is not None:
            raise invalid(entry.number, f"entry {earlier} sealed a policy for the same holdout")
        try:
            policy = policies.of_body(body["policy"])
        except (TypeError, SpecInvalid) as wrong:
            raise invalid(entry.number, "it holds no policy") from wrong
        self._holdouts[body["holdout"]] = entry.number
        self._epochs[entry.digest] = _Epoch(model=body["model"], policy=policy)

    def _look(self, entry: Entry) -> None:
        body = entry.body
        epoch = self._epochs.get(body["policy"])
        if epoch is None or epoch.model != body["model"]:
            raise invalid(entry.number, "no earlier entry seals its policy for its model")
        if body["key"] in self._looks:
            raise invalid(entry.number, f"entry {self._looks[body['key']].number} has its key")
        if body["look"] != epoch.looks + 1 or body["look"] > epoch.policy.looks:
            raise invalid(
                entry.number,
                f"it is look {body['look']}, after {epoch.looks} of {epoch.policy.looks}",
            )
        if body["promotions"] != epoch.promotions:
            raise invalid(entry.number, f"{epoch.promotions} promotions came before it")
        if body["level"] != policies.level(epoch.policy, promotions=epoch.promotions):
            raise invalid(entry.number, "its level is not what the sealed policy gives")
        if body["champion"] != self._model(body["model"]).in_force():
            raise invalid(entry.number, "its champion is not the one in force")
        epoch.looks += 1
        self._looks[body["key"]] = entry

    def _result(self, entry: Entry) -> None:
        body = entry.body
        look = self._looks.get(body["key"])
        if look is None or look.digest != body["look"] or look.body["model"] != body["model"]:
            raise invalid(entry.number, "no earlier entry opens its look")
        if body["key"] in self._results:
            raise invalid(entry.number, "its look has a result already")
        decision, opened = body["decision"], look.body
        if decision.get("verdict") not in _VERDICTS:
            raise invalid(entry.number, "its verdict is none")
        if (decision.get("level"), decision.get("look")) != (opened["level"], opened["look"]):
            raise invalid(entry.number, "its level or number is not that of its look")
        line = self._model(body["model"])
        if opened["champion"] != line.in_force():
            raise invalid(entry.number, "its look compares with a champion no longer in force")
        if body["image"] != opened["challenger"]:
            raise invalid(entry.number, "its image is not the challenger of its look")
        promoted = decision["verdict"] == Verdict.PROMOTE
        number = len(line.images) + 1 if promoted else None
        if body["number"] != number:
            raise invalid(entry.number, f"the number it gives is {body['number']}, not {number}")
        self._results.add(body["key"])
        if number is not None:
            self._models[body["model"]] = line
            line.images[number] = body["image"]
            line.champion = number
            self._epochs[opened["policy"]].promotions += 1

    def _rollback(self, entry: Entry) -> None:
        line, number = self._model(entry.body["model"]), entry.body["number"]
        if line.images.get(number) != entry.body["image"]:
            raise invalid(entry.number, f"no earlier entry gave {number} to its image")
        if number == line.champion:
            raise invalid(entry.number, f"{number} is the champion already")
        line.champion = number

    def _model(self, name: str) -> _Line:
        return self._models.get(name) or _Line()
