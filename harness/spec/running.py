"""What the runtime must know of a model: ``model.json`` in an image, the same beside a process."""

from __future__ import annotations

from typing import Any

from harness.spec.project import Contract, Model


def settings(model: Model, contract: Contract | None) -> dict[str, Any]:
    """Return the settings of *model* as strict JSON values (``harness.runtime.loading``)."""
    outputs = contract.outputs if contract else None
    return {
        "name": model.name,
        "load": model.load,
        "train": model.train,
        "input": model.input,
        "seed": model.seed,
        "errors": list(contract.errors) if contract else [],
        "inputs": contract.inputs if contract else None,
        "outputs": {
            "kind": outputs.kind,
            "labels": list(outputs.labels),
            "positive_only": outputs.positive_only,
            "targets": list(outputs.targets),
        }
        if outputs
        else None,
    }
