"""The contract alone, in the image: train, assemble, ask the probe."""

from __future__ import annotations

from contextlib import ExitStack

from harness.contract import keep, run
from harness.contract.batch import Model
from harness.contract.promise import Report, Settings
from harness.flows import line
from harness.flows.line import Line
from harness.image import model
from harness.stages import contract, load


def report(on: Line, settings: Settings, *, replay: str, command: str) -> Report:
    """Return the contract's report on the line's model in its image, or on one kept row."""
    image = line.assembled(on, line.trained(on)[0])
    runnable = model.runnable(image, on.store)
    rows, dev = on.table("train"), on.table("dev") if "dev" in on.files else None
    folder = on.state / "rows"
    on.progress("contract")
    if not replay:
        return contract.report(
            on.bench,
            runnable,
            on.claims,
            rows,
            settings,
            dev=dev,
            digest=image.config,
            rows_folder=folder,
            command=command,
        )
    with ExitStack() as running:

        def opened() -> Model:
            return running.enter_context(load.probe(on.bench, runnable, label="contract"))

        kept = keep.find(keep.read(folder), replay)
        return run.replay(
            on.claims,
            opened(),
            rows,
            kept,
            settings=settings,
            reopen=opened,
            elsewhere=load.elsewhere(on.bench, runnable),
            dev=dev,
            command=command,
        )
