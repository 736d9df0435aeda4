"""A way to a model that is open: the model, how to get it anew, and how to leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.contract.asking import Elsewhere
from harness.contract.batch import Batch, Model
from harness.contract.in_process import open_artifact
from harness.contract.process import Opening, Process
from harness.spec.project import Outputs


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """An open way to a model. *reopen* gives it anew after it died or hung, *elsewhere* (None:
    there is no way) in another process; *classes* are the model's own labels, if it tells any."""

    model: Model
    reopen: Callable[[], Model]
    elsewhere: Elsewhere | None
    close: Callable[[], None]
    classes: list[Any] | None = None


def in_its_own_process(opening: Opening) -> Door:
    """Return the model in a process of its own; raises ModelUnusable."""
    process = Process(opening)
    return Door(
        model=process.model,
        reopen=process.reopen,
        elsewhere=opening.elsewhere,
        close=process.close,
        classes=process.model.classes,
    )


def in_this_process(opening: Opening, outputs: Outputs | None) -> Door:
    """Return the model in this process, where a debugger sees it; raises ModelUnusable."""

    def load() -> Any:
        return open_artifact(
            opening.artifact,
            opening.settings,
            outputs=outputs,
            kind=str(opening.settings["input"]),
            folder=opening.folder,
        )

    model = load()
    return Door(
        model=model,
        reopen=load,
        elsewhere=opening.elsewhere,
        close=lambda: None,
        classes=model.classes,
    )


def over_http(url: str, headers: Mapping[str, str], sample: Batch) -> Door:
    """Return the model served at *url*; *sample* are rows to ask it about where its metadata say
    too little. Raises ModelUnusable."""
    # Imported here: most checks need no sockets.
    from harness.contract.http import HttpModel, endpoint

    model = HttpModel(endpoint(url, headers), sample)
    return Door(model=model, reopen=lambda: model, elsewhere=None, close=model.close)
