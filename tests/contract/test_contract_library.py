"""What a library itself refuses is not blamed on the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.contract.batch import Answer, Batch, Refusal, cells
from harness.contract.claims import claims_of
from harness.contract.promise import Settings
from harness.contract.run import run
from harness.spec.project import Contract, Model, Outputs

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "subject": {"type": "string"},
        "hour": {"type": "integer", "minimum": 0, "maximum": 23},
    },
}


def _training() -> Batch:
    texts = [f"a ticket about {n} things" for n in range(60)]
    return Batch(
        columns=(
            cells("subject", "string", texts),
            cells("hour", "integer", [n % 24 for n in range(60)]),
        )
    )


class Words:
    """Reads a text as *module*'s code does: anything else has no ``lower``."""

    methods = ("predict",)

    def __init__(self, module: str) -> None:
        self.module = module

    def answer(self, batch: Batch, *, method: str) -> Answer:
        if set(batch.names) < {"subject", "hour"}:
            raise Refusal("ValueError", ["ValueError"], "a column is missing")
        if batch["hour"].kind not in ("integer", "number") or batch["hour"].absent.any():
            raise Refusal("ValueError", ["ValueError"], "hour is no number")
        column = batch["subject"]
        if column.kind != "string" or column.absent.any():
            message = "'int' object has no attribute 'lower'"
            raise Refusal("AttributeError", ["AttributeError"], message, self.module)
        return Answer(values=np.array([float(len(text)) for text in column.values]))


@pytest.mark.parametrize(
    ("module", "wanted"), [("sklearn.feature_extraction.text", "passed"), ("scoring", "failed")]
)
def test_scikit_learns_own_code_for_texts_may_refuse_what_is_none(module: str, wanted: str) -> None:
    contract = Contract(inputs=SCHEMA, outputs=Outputs(kind="regression"), errors=("ValueError",))
    settings = Settings(rows=500, seconds=30.0)

    report = run(
        claims_of(Model(name="words"), contract), Words(module), _training(), settings=settings
    )

    check = next(c for c in report.checks if c.id == "hostile-rows-are-answered-or-refused")
    assert wanted == check.outcome
    assert (wanted == "passed") == any("text code" in note for note in report.notes)
