"""What the tests of real engines look at: what a job says, and which processes there are."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine_bench import Workbench

DEADLINE = 20.0


def told(bench: Workbench, code: str, *arguments: str, **changes: Any) -> Any:
    """Return the JSON that *code* prints in its job."""
    result, out = bench.engine.run(bench.python(code, *arguments, **changes))
    assert result.ok, result.stderr_tail
    return json.loads(out)


def marked(mark: str) -> list[int]:
    """Return the processes with *mark* in their command lines."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                line = Path("/proc", name, "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line:
                found.append(int(name))
    return found


def eventually(true: Callable[[], bool]) -> bool:
    """Tell whether *true* becomes so before the deadline."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if true():
            return True
        threading.Event().wait(0.005)
    return False
