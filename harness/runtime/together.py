"""One model asked from several threads at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime import adapter
    from harness.runtime.frame import Column
    from harness.runtime.layout import taken
else:
    import adapter
    from frame import Column
    from layout import taken

Answered = tuple[dict[str, Any], "Column | None"]
_TURN = 1e-5
"""Seconds after which Python lets another thread go on, instead of its usual 5 ms."""


def ask(model: Any, method: str, inputs: Any, orders: Sequence[Sequence[int]]) -> list[Answered]:
    """Return the answers (as ``adapter.call`` gives them), one for each of *orders*.

    Each of *orders* is a thread of its own that asks about those rows of *inputs*; all start
    together.
    """
    batches = [taken(inputs, order) for order in orders]
    found: dict[int, Answered] = {}
    gate = threading.Barrier(len(orders))

    def work(number: int) -> None:
        gate.wait()
        try:
            found[number] = adapter.call(model, method, batches[number])
        except Exception as raised:  # ours: carried to where it is told
            found[number] = {"status": "failed", "error": adapter.failure(raised)}, None

    usual = sys.getswitchinterval()
    threads = [
        threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(orders))
    ]
    sys.setswitchinterval(_TURN)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    return [answered for _, answered in sorted(found.items())]
