"""One answer, looked at when it is given and once more after the model was asked again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime import adapter
    from harness.runtime.frame import Column
    from harness.runtime.layout import taken
    from harness.runtime.outputs import take_apart
else:
    import adapter
    from frame import Column
    from layout import taken
    from outputs import take_apart

Answered = tuple[dict[str, Any], "Column | None"]


def ask(model: Any, method: str, inputs: Any, orders: Sequence[Sequence[int]]) -> list[Answered]:
    """Return what ``looked`` does for batches of the rows of *inputs*, one for each of *orders*."""
    return looked(model, method, [taken(inputs, order) for order in orders])


def looked(model: Any, method: str, batches: Sequence[Any]) -> list[Answered]:
    """Return the answer to the first of *batches* as it was given, and what the same object holds
    after the others were asked (as ``adapter.call`` gives them); one refusal when any is refused.
    """
    first, *others = batches
    try:
        given = adapter.said(model, method, first)
        before = adapter.told(take_apart(given))
        for batch in others:
            adapter.said(model, method, batch)
    except BaseException as raised:  # whatever a model raises is its answer
        if isinstance(raised, adapter.UnknownMethod):
            raise
        return [({"status": "refused", "error": adapter.failure(raised)}, None)]
    return [before, adapter.told(take_apart(given))]
