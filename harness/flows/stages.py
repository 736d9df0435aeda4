"""The stages in their order, each given what it needs of the line."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract.promise import DEFAULT, Settings
from harness.core import canonical
from harness.decision import loss as losses
from harness.flows import clean_room
from harness.flows.line import Line
from harness.image import model
from harness.image.image import Image
from harness.stages import contract, data, imports, integration, smoke_train
from harness.stages.stage import StageResult, remembered

NAMES = ("data", "imports", "contract", "smoke_train", "integration")
SMOKE_ROWS = 2000


def check_data(line: Line) -> StageResult:
    """Run the data stage."""
    line.progress("data")
    project = line.project
    inputs = {
        "files": {name: digest for name, (_, digest) in line.files.items()},
        "environment": line.environment.built.image.config,
        "schema": line.contract.inputs,
        "labels": list(line.contract.outputs.labels),
        "target": line.data.target,
        "key": list(line.data.key),
        "described": str(line.data.described),
    }
    return remembered(
        "data",
        inputs,
        line.state,
        lambda: data.check(project, {name: line.table(name) for name in line.files}),
    )


def after_training(line: Line, image: Image) -> dict[str, Callable[[], StageResult]]:
    """Return the stages that need the trained model, by name, in their order."""
    return {
        "imports": lambda: check_imports(line, image),
        "contract": lambda: check_contract(line, image),
        "smoke_train": lambda: check_smoke_train(line, image),
        "integration": lambda: check_integration(line, image),
    }


def check_imports(line: Line, image: Image) -> StageResult:
    """Run the imports stage."""
    line.progress("imports")
    declared = line.declared
    own = tuple(sorted({name.split(":")[0] for name in (declared.load, declared.train) if name}))
    return remembered(
        "imports",
        {
            "trees": line.trees,
            "environment": line.environment.built.image.config,
            "own": own,
            "without": list(line.environment.without),
        },
        line.state,
        lambda: imports.check(
            line.bench,
            model.runnable(image, line.store),
            own=own,
            outside=clean_room.outside(line.environment, line.store),
            progress=line.progress,
        ),
    )


def check_contract(line: Line, image: Image, settings: Settings | None = None) -> StageResult:
    """Run the contract stage: the contract over the probe in the image."""
    line.progress("contract")
    if settings is None:  # no job may take longer than the person allows, this one included
        settings = replace(DEFAULT, seconds=min(DEFAULT.seconds, line.bench.limits.seconds))
    project = line.project
    body = {
        "image": image.config,
        "train": line.files["train"][1],
        "dev": line.files["dev"][1] if "dev" in line.files else None,
        "contract": canonical.dumps(_contract_body(line)).decode(),
        "settings": str(settings),
    }

    variant = f" --challenger {line.challenger}" if line.challenger else ""

    def work() -> StageResult:
        found = contract.report(
            line.bench,
            model.runnable(image, line.store),
            line.claims,
            line.table("train"),
            settings,
            dev=line.table("dev") if "dev" in line.files else None,
            digest=image.config,
            rows_folder=line.state / "rows",
            command=f"harness check {os.path.relpath(project.folder)}{variant} --image",
        )
        return contract.result(found)

    return remembered("contract", body, line.state, work)


def check_smoke_train(line: Line, image: Image) -> StageResult:
    """Run the smoke_train stage."""
    line.progress("smoke_train")
    project = line.project
    judged = "dev" if "dev" in line.files else "train"
    inputs = {
        "trees": line.trees,
        "environment": line.environment.built.image.config,
        "files": [line.files["train"][1], line.files[judged][1]],
        "seed": line.declared.seed,
        "success": str(project.success),
    }

    def work() -> StageResult:
        table = line.table(judged)
        table = table.take(np.arange(0, table.rows, max(1, table.rows // SMOKE_ROWS)))
        return smoke_train.check(
            line.bench,
            line.environment.built,
            line.trees,
            line.files["train"][0],
            seed=line.declared.seed,
            rows=data.features(table, line.contract.inputs),
            claims=line.claims,
            loss=lambda answers: float(losses_of(line, answers, table).mean()),
            baseline=float(baseline_losses(line, table).mean()),
            store=line.store,
        )

    return remembered("smoke_train", inputs, line.state, work)


def check_integration(line: Line, image: Image) -> StageResult:
    """Run the integration stage."""
    line.progress("integration")
    sampled = "dev" if "dev" in line.files else "train"

    def work() -> StageResult:
        rows = data.features(line.table(sampled), line.contract.inputs)
        return integration.check(
            line.bench,
            model.runnable(image, line.store),
            line.store,
            name=line.declared.name,
            claims=line.claims,
            rows=rows,
        )

    return remembered(
        "integration",
        {"image": image.config, "rows": line.files[sampled][1]},
        line.state,
        work,
    )


def losses_of(line: Line, answers: NDArray[Any], table: Any) -> NDArray[np.float64]:
    """Return the loss of each row of *table*, whose target is in it, for a model's *answers*."""
    success, outputs = line.project.success, line.contract.outputs
    assert success is not None
    return losses.losses(
        success.metric,
        answers,
        targets(line, table),
        labels=outputs.labels,
        clip=success.clip,
        kind=outputs.kind,
    )


def targets(line: Line, table: Any) -> NDArray[Any]:
    """Return the true labels of *table*'s rows, as the contract spells them."""
    labels = line.contract.outputs.labels
    column = data.target_of(table, line.data.target, "the data")
    held = np.empty(len(labels), object)
    held[:] = labels
    found: NDArray[Any] = held[data.codes(column, labels, "the data")]
    return found


def baseline_losses(line: Line, table: Any) -> NDArray[np.float64]:
    """Return the losses of the declared baseline: training's class frequencies for every row."""
    labels = line.contract.outputs.labels
    answers = losses.prior(targets(line, line.table("train")), labels=labels, rows=table.rows)
    if line.contract.outputs.kind == "labels":
        held = np.empty(len(labels), object)
        held[:] = labels
        answers = held[answers.argmax(axis=1)]
    return losses_of(line, answers, table)


def _contract_body(line: Line) -> dict[str, Any]:
    declared = line.contract
    return {
        "inputs": dict(declared.inputs),
        "outputs": str(declared.outputs),
        "monotone": dict(declared.monotone),
        "invariant": list(declared.invariant),
        "relations": [str(relation) for relation in declared.relations],
        "calibration": declared.calibration,
        "slices": dict(declared.slices),
        "errors": list(declared.errors),
    }
