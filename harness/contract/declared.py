"""What the arguments of ``contract(...)`` declare: a project, read from its file or said here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import SpecInvalid, SpecMissing
from harness.spec import parse
from harness.spec.project import Contract, Data, Ledger, Model, Project

_FUNCTION = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")
_STATE = Path(".harness") / "ledger.db"


@dataclass(frozen=True, kw_only=True, slots=True)
class Relations:
    """What a test file claims in the place of ``[contract]``; None leaves what stands there."""

    monotone: Mapping[str, str] | None = None
    invariant: Sequence[str] | None = None

    def of(self, contract: Contract) -> Contract:
        """Return *contract* with them."""
        return replace(
            contract,
            monotone=contract.monotone if self.monotone is None else dict(self.monotone),
            invariant=contract.invariant if self.invariant is None else tuple(self.invariant),
        )

    @property
    def any(self) -> bool:
        """Whether something is claimed here."""
        return self.monotone is not None or self.invariant is not None


def project(
    what: str | Path,
    place: Path,
    *,
    train: str | Path | None,
    target: str | None,
    input: str,
    artifact: str | Path | None,
    relations: Relations,
) -> Project:
    """Return the project that *what* names: a ``harness.toml`` (or ``pyproject.toml``, or a folder
    with one), or ``module:load`` with the data that it was trained on. All is relative to *place*.

    Raises SpecMissing, SpecInvalid.
    """
    if isinstance(what, str) and _FUNCTION.fullmatch(what):
        return _of_function(what, place, train, target, input, artifact)
    said = {"train": train, "target": target, "artifact": artifact}
    for name in sorted(name for name, value in said.items() if value is not None):
        raise SpecInvalid(
            f"contract({str(what)!r}): {name}= goes with module:function, not with a file",
            hint="write it into harness.toml, under [data] or [model]",
        )
    found = parse.project(place / what)
    if found.contract is None:
        return found
    return replace(found, contract=relations.of(found.contract))


def _of_function(
    what: str,
    place: Path,
    train: str | Path | None,
    target: str | None,
    input: str,
    artifact: str | Path | None,
) -> Project:
    if train is None or target is None:
        raise SpecInvalid(
            f'contract("{what}"): the contract is drafted from training rows',
            hint=f'contract("{what}", train="data/train.parquet", target="COLUMN")',
        )
    rows = (place / train).resolve()
    if not rows.exists():
        raise SpecMissing(f"the training rows are not there: {rows}")
    if artifact is None:
        artifact = "artifact" if (place / "artifact").exists() else "."
    return Project(
        folder=place,
        file=place / "harness.toml",
        model=Model(
            name=what.partition(":")[0].rpartition(".")[2],
            input=input,
            load=what,
            artifact=Path(artifact),
        ),
        data=Data(train=rows, target=target),
        ledger=Ledger(location=place / _STATE),
    )
