"""The door to a model in a process of its own on this machine, run by this very interpreter.

The process is ``harness/runtime/probe.py``, as in the image: a model that prints, exits, crashes
its interpreter or eats memory takes nobody else along, and the next check gets a new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from harness.contract.batch import Answer, Batch, Broken
from harness.contract.deadline import Overdue, Worker
from harness.contract.probe import FrameModel
from harness.core.errors import ModelUnusable
from harness.runtime import probe
from harness.world.process import die_with_parent

SETTLED: Mapping[str, str] = {
    "PYTHONHASHSEED": "0",
    "OMP_WAIT_POLICY": "PASSIVE",  # hundreds of small calls: threads that spin between them
}
"""What a model's process gets for its environment, where the user's own says nothing."""

_SECONDS_TO_LOAD = 120.0
_SECONDS_TO_END = 2.0
_LOOK_EVERY = 0.05
_TAIL = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """How a model's process is started: *settings* as ``model.json`` holds them, the *artifact*,
    the *folder* that it works in, and how many bytes of *memory* it may take (0: three quarters of
    what the machine has; watched where there is a /proc)."""

    settings: Mapping[str, Any]
    artifact: Path
    folder: Path
    memory: int = 0

    def start(self, environment: Mapping[str, str] | None = None) -> Local:
        """Return the model in a new process with *environment* variables on top of ours.

        Raises ModelUnusable when it doesn't load.
        """
        return Local(self, environment or {})

    @contextmanager
    def elsewhere(self, environment: Mapping[str, str]) -> Iterator[Local]:
        """Give the model in a process that ends with the context."""
        model = self.start(environment)
        try:
            yield model
        finally:
            model.close()


class Process:
    """The model's process, one at a time: ``reopen`` ends the old one first."""

    def __init__(self, opening: Opening) -> None:
        """Start it; raises ModelUnusable."""
        self.opening = opening
        self.model = opening.start()

    def reopen(self) -> Local:
        """Return the model in a new process; raises ModelUnusable."""
        self.model.close()
        self.model = self.opening.start()
        return self.model

    def close(self) -> None:
        """End it."""
        self.model.close()


class Local(FrameModel):
    """A model in a process of its own; it ends with ``close``, and with us."""

    def __init__(self, opening: Opening, environment: Mapping[str, str]) -> None:
        """Start the process and load the model; raises ModelUnusable."""
        self.artifact = opening.artifact
        self.worker = Worker()
        self._limit = opening.memory or _most_memory()
        self._too_much = 0
        self._process, self._said = _started(opening, environment)
        self._end = weakref.finalize(self, _end, self._process)
        if Path("/proc/self/statm").exists():
            threading.Thread(target=_watch, args=(weakref.ref(self),), daemon=True).start()
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            self.worker.run(
                lambda: FrameModel.__init__(self, cast(BinaryIO, stdin), cast(BinaryIO, stdout)),
                seconds=_SECONDS_TO_LOAD,
            )
        except Overdue as overdue:
            self.close()
            raise ModelUnusable(
                f"the model does not load: {overdue}",
                hint="load must read an artifact, not train",
            ) from overdue
        except Broken as broken:
            ended = self._ended(broken)
            self.close()
            raise ModelUnusable(
                f"the model does not load: {ended}", hint=self._said_last()
            ) from broken
        except ModelUnusable as unusable:
            self.close()
            if unusable.hint:
                raise
            named = opening.settings.get("load") or opening.settings.get("object")
            hint = f"run {named or opening.artifact.name} by hand in {opening.folder}"
            message = unusable.message.replace(" in its image", "")
            raise ModelUnusable(message, hint=hint) from unusable

    def answer(self, batch: Batch, *, method: str) -> Answer:
        """Answer *batch*; raises Refusal when the model raises, Broken when its process ends."""
        try:
            return super().answer(batch, method=method)
        except Broken as broken:
            raise Broken(self._ended(broken)) from broken

    def answers(
        self, batch: Batch, *, methods: tuple[str, ...], watch: bool = True
    ) -> dict[str, Answer]:
        """Answer *batch* by several methods; raises as ``answer`` does."""
        try:
            return super().answers(batch, methods=methods, watch=watch)
        except Broken as broken:
            raise Broken(self._ended(broken)) from broken

    def close(self) -> None:
        """End the process and whatever it started."""
        self._end()

    def _ended(self, broken: Broken) -> str:
        """Return how the process ended, if it did."""
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return str(broken)
        if self._too_much:
            held, limit = self._too_much / 2**20, self._limit / 2**20
            return f"the model's process took {held:,.0f} MB of memory; it may take {limit:,.0f} MB"
        if code < 0:
            return f"the model's process was ended by signal {-code} ({_signal(-code)})"
        return f"the model ended its process with exit code {code}"

    def _said_last(self) -> str:
        lines = " / ".join(text for text in self._said if text)
        return f"it said: {lines}" if lines else "it said nothing"


def _started(
    opening: Opening, environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], deque[str]]:
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(dict(opening.settings), file)
    program = [sys.executable, str(probe.__file__), "--settings", file.name]
    places = ["--folder", str(opening.folder), "--artifact", str(opening.artifact), "frames"]
    path = os.pathsep.join(entry for entry in sys.path if entry and os.path.exists(entry))
    said: deque[str] = deque(maxlen=_TAIL)
    try:
        process = subprocess.Popen(
            [*program, *places],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**SETTLED, **os.environ, "PYTHONPATH": path, **environment},
            start_new_session=True,
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )
    except OSError:
        os.unlink(file.name)
        raise
    threading.Thread(
        target=_listen, args=(process.stderr, said, file.name), name="harness-said", daemon=True
    ).start()
    return process, said


def _listen(stream: BinaryIO, said: deque[str], settings: str) -> None:
    """Keep the last lines of what the process says; it must never wait for a reader."""
    with stream:
        while part := stream.read1(65536):  # type: ignore[attr-defined]
            said.extend(part[-8192:].decode("utf-8", "replace").splitlines()[-_TAIL:])
    Path(settings).unlink(missing_ok=True)


def _most_memory() -> int:
    if sys.platform == "win32":
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 * 3


def _watch(door: weakref.ref[Local]) -> None:
    """End the process when it takes too much memory (resident pages, proc(5))."""
    page = os.sysconf("SC_PAGE_SIZE")
    pause = threading.Event()
    while not pause.wait(_LOOK_EVERY):
        local = door()
        if local is None or local._process.poll() is not None:
            return
        try:
            pages = int(Path(f"/proc/{local._process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return
        if pages * page > local._limit:
            local._too_much = pages * page
            local._process.kill()
            return
        del local


def _end(process: subprocess.Popen[bytes]) -> None:
    """End *process* and its session; only then its pipes can be closed without waiting for it."""
    process.terminate()
    try:
        process.wait(timeout=_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):  # what was not sent is nobody's loss
                stream.close()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
