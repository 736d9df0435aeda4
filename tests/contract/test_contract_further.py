"""Rows beside those to probe with: crashes of single rows, large batches, ends of the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contract_zoo import LABELS, batch_of, opened

from harness.contract.batch import Batch, Model
from harness.contract.checks.catalogue import checks_for
from harness.contract.claims import claims_of
from harness.contract.further import at_edges, many_real, with_unseen
from harness.contract.promise import Outcome, Settings
from harness.contract.run import examine, open_trial
from harness.contract.trial import Trial
from harness.spec.project import Contract, Outputs
from harness.spec.project import Model as Declared

SCHEMA = {
    "type": "object",
    "properties": {
        "score": {"type": "number", "minimum": 0, "maximum": 1000},
        "shop": {"type": "string", "x-harness-open": True},
    },
}
SINGLE = "batch-equals-single"
ORDER = "row-order-does-not-matter"
REPEATED = "same-input-gives-same-output"
MUTATED = "the-input-is-left-alone"
EARLIER = "earlier-batches-do-not-matter"
HASHED = "the-hash-seed-does-not-matter"
CUTS = "cuts-of-large-batches-do-not-matter"
CHECKS = (SINGLE, ORDER, REPEATED, MUTATED, EARLIER, HASHED, CUTS)


class Plain:
    """A healthy model; *salt* is its process's hash seed."""

    def __init__(self, salt: str) -> None:
        self.salt = len(salt)
        self.top = 700.0

    def __call__(self, rows: pd.DataFrame) -> Any:
        return self.answer(rows, rows["score"].to_numpy(float) / 1000)

    def answer(self, rows: pd.DataFrame, share: Any) -> Any:
        return share


class Empty(Plain):
    """Raises where no row of a batch is for its second stage, as few rows are not."""

    def answer(self, rows: pd.DataFrame, share: Any) -> Any:
        if len(share) and not (share > 0.33).any():
            raise ValueError("0 rows")
        return share


class Sorted(Plain):
    """Sorts the answers of a batch in which a rare row is."""

    def answer(self, rows: pd.DataFrame, share: Any) -> Any:
        return np.sort(share) if (share > 0.698).any() else share


class Averaged(Plain):
    """Answers unseen shops by their mean."""

    def answer(self, rows: pd.DataFrame, share: Any) -> Any:
        new = ~rows["shop"].isin(["a", "b"]).to_numpy(bool)
        share[new] = share[new].mean() if new.any() else 0
        return share


class Bucketed(Plain):
    """Puts an unseen shop into a bucket by its hash."""

    def answer(self, rows: pd.DataFrame, share: Any) -> Any:
        new = ~rows["shop"].isin(["a", "b"]).to_numpy(bool)
        return share * np.where(new, 1 / self.salt, 1.0)


class Clipping(Plain):
    """Clips the caller's own frame."""

    def __call__(self, rows: pd.DataFrame) -> Any:
        rows["score"] = rows["score"].clip(upper=900)
        return super().__call__(rows)


class Noisy(Plain):
    """Is random far from the training data."""

    def answer(self, rows: pd.DataFrame, share: Any) -> Any:
        noise = np.random.default_rng().uniform(0.5, 1.0, len(share))
        return share * np.where(share > 0.9, noise, 1.0)


class Learning(Plain):
    """Measures high scores by the highest one that it was ever asked about."""

    def answer(self, rows: pd.DataFrame, share: Any) -> Any:
        self.top = max([self.top, *rows["score"].tolist()])
        return np.where(share > 0.7, 700 * share / self.top, share)


class Refusing(Plain):
    """Refuses what is far from the training data, or answers it by nothing."""

    def answer(self, rows: pd.DataFrame, share: Any) -> Any:
        if (share > 0.9).any() or (rows["shop"] == "").any():
            raise ValueError("too high")
        return np.where(share < 0.1, np.nan, share)


def training() -> Batch:
    draw = np.random.default_rng(5)
    return batch_of(
        pd.DataFrame(
            {
                "score": np.round(draw.uniform(300, 700, 2000), 1),
                "shop": draw.choice(["a", "b"], 2000),
            }
        )
    )


def tried(mutant: type[Plain], *, seed: int = 0) -> Trial:
    @contextmanager
    def elsewhere(environment: Mapping[str, str]) -> Iterator[Model]:
        yield opened(mutant(environment.get("PYTHONHASHSEED", "0")))

    outputs = Outputs(kind="probabilities", labels=LABELS, positive_only=True)
    return open_trial(
        claims_of(Declared(name="tried"), Contract(inputs=SCHEMA, outputs=outputs), target="good"),
        opened(mutant("0")),
        training(),
        settings=Settings(rows=500, seconds=600.0, seed=seed),
        elsewhere=elsewhere,
    )


def outcomes(trial: Trial) -> dict[str, Outcome]:
    return {c.id: examine(trial, c) for c in checks_for(trial.claims) if c.id in CHECKS}


@pytest.mark.parametrize(
    ("mutant", "checks"),
    [
        (Empty, {SINGLE}),
        (Sorted, {SINGLE, CUTS}),
        (Averaged, {SINGLE}),
        (Bucketed, {HASHED}),
        (Clipping, {MUTATED}),
        (Noisy, {REPEATED}),
        (Learning, {EARLIER}),
    ],
)
def test_what_the_rows_to_probe_with_do_not_show_is_found(
    mutant: type[Plain], checks: set[str]
) -> None:
    found = outcomes(tried(mutant))

    assert checks <= {name for name, told in found.items() if told.outcome == "failed"}


def test_a_row_that_raises_when_asked_alone_is_shown_with_its_cause() -> None:
    [failure, *_] = outcomes(tried(Empty))[SINGLE].failures

    assert 330 >= failure.row["score"]
    assert "alone raised ValueError: 0 rows; in a batch of" in failure.observed
    assert ("score",) == failure.cause.columns


@pytest.mark.parametrize("mutant", [Plain, Refusing])
def test_rows_that_are_refused_or_answered_badly_fail_no_structural_check(
    mutant: type[Plain],
) -> None:
    found = outcomes(tried(mutant))

    assert {"passed"} == {told.outcome for told in found.values()}


def test_rows_at_the_edges_hold_ends_and_unseen_values_that_are_answered() -> None:
    healthy, refusing = at_edges(tried(Plain)), at_edges(tried(Refusing))

    assert healthy is not None
    assert refusing is not None
    assert {0.0, 1000.0} <= set(healthy.rows["score"].values.tolist())
    assert {"harness unseen", ""} <= set(healthy.rows["shop"].values.tolist())
    assert 900 >= refusing.rows["score"].values.max()
    assert 100 <= refusing.rows["score"].values.min()
    assert "harness unseen" in refusing.rows["shop"].values.tolist()


def test_another_seed_asks_other_rows() -> None:
    one, other = tried(Plain), tried(Plain, seed=1)

    for rows_of in (lambda t: t.probe, with_unseen, many_real):
        first, second = rows_of(one), rows_of(other)
        assert first is not None
        assert second is not None
        assert first.rows.rows == second.rows.rows
        assert set(first.rows["score"].values) != set(second.rows["score"].values)
