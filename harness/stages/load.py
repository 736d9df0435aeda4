"""Jobs in an image: the reader, the trainer, the probe. The same for every engine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract.asking import Elsewhere
from harness.contract.batch import Answer, Batch, Broken, Model, Refusal
from harness.contract.claims import Claims, roles
from harness.contract.probe import FrameModel
from harness.contract.process import SETTLED
from harness.core.errors import DataInvalid, JobFailed, ModelUnusable
from harness.engine.engine import Engine, Job, Mount, Result, Running
from harness.image.model import Runnable
from harness.runtime import frame

CHUNK = 50_000
"""Rows that a model is given at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a job may take: *seconds* of time and *memory* bytes of summed resident memory."""

    seconds: float = 3600.0
    memory: int = 0

    @property
    def bytes(self) -> int:
        """The memory limit; three quarters of the machine's where none is given."""
        if self.memory:
            return self.memory
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 * 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """Where jobs run: an engine, the environment's variables, and the limits of each job."""

    engine: Engine
    env: tuple[tuple[str, str], ...]
    limits: Limits

    def job(
        self, runnable: Runnable, *arguments: str, mounts: tuple[Mount, ...] = (), label: str
    ) -> Job:
        """Return the job that runs the image's interpreter with *arguments* in ``/app``."""
        return Job(
            root=runnable.root,
            overlays=tuple(Mount(source=s, target=t, writable=False) for s, t in runnable.overlays),
            image=runnable.image,
            argv=(runnable.program, *arguments),
            env=dict(self.env),
            mounts=(
                *(Mount(source=s, target=t, writable=False) for s, t in runnable.more),
                *mounts,
            ),
            cwd="/app",
            timeout=self.limits.seconds,
            memory=self.limits.bytes,
            label=label,
        )


def inside(path: Path) -> str:
    """Return the name under which a data file is seen inside: its own ending, no other trace."""
    return f"/data/{path.stem}{path.suffix}"


@contextmanager
def probe(
    bench: Bench, runnable: Runnable, *, mounts: tuple[Mount, ...] = (), label: str = "probe"
) -> Iterator[FrameModel]:
    """Give the model in the image, answering frames; it ends with the context."""
    settled = replace(bench, env=(*SETTLED.items(), *bench.env))
    job = settled.job(runnable, "/opt/harness/probe.py", "frames", mounts=mounts, label=label)
    with bench.engine.start(job) as running:
        try:
            model = Shipped(running)
        except Broken as gone:
            raise ModelUnusable(
                f"the model does not load in its image: {gone}", hint=_LOAD
            ) from gone
        except ModelUnusable as unusable:
            raise ModelUnusable(unusable.message, hint=_LOAD) from unusable
        yield model


def elsewhere(bench: Bench, runnable: Runnable) -> Elsewhere:
    """Return what gives the model in the image once more, with other environment variables."""

    def opened(environment: Mapping[str, str]) -> AbstractContextManager[Model]:
        other = replace(bench, env=(*bench.env, *sorted(environment.items())))
        return probe(other, runnable, label="contract elsewhere")

    return opened


_LOAD = (
    "what model.load names runs in the environment's image: it finds its packages, the model's "
    "code and the artifact there, and nothing else"
)


class Shipped(FrameModel):
    """The model in an image; when its process has ended, Broken says how it did."""

    def __init__(self, running: Running) -> None:
        """Say hello; raises ModelUnusable when the model can't be loaded, Broken when it ends."""
        self._running = running
        try:
            super().__init__(running.stdin, running.stdout)
        except Broken as gone:
            raise Broken(why(running)) from gone

    def answer(self, batch: Batch, *, method: str) -> Answer:
        """Answer *batch*; raises Refusal when the model raises, Broken when its process ends."""
        try:
            return super().answer(batch, method=method)
        except Broken as gone:
            raise self._told(gone) from gone

    def answers(
        self, batch: Batch, *, methods: tuple[str, ...], watch: bool = True
    ) -> dict[str, Answer]:
        """Answer *batch* by several methods; raises as ``answer`` does."""
        try:
            return super().answers(batch, methods=methods, watch=watch)
        except Broken as gone:
            raise self._told(gone) from gone

    def _told(self, gone: Broken) -> Broken:
        result = self._running.wait(timeout=1.0)
        return gone if result is None else Broken(f"the model's process is gone: {how(result)}")


def why(running: Running) -> str:
    """Return how a job ended that should have gone on, for an error message."""
    result = running.wait(timeout=5.0)
    return "it stopped answering and goes on" if result is None else how(result)


def how(result: Result) -> str:
    """Return how a job ended, in words."""
    match result.reason:
        case "memory":
            return "it took more memory than it may (--memory)"
        case "timeout":
            return "it took more time than it may (--seconds)"
        case "signal":
            return f"it was ended by signal {result.code}"
        case _:
            said = told(result.stderr_tail)
            return f"it exited with code {result.code}" + (f": {said}" if said else "")


def told(stderr: str, lines: int = 15) -> str:
    """Return the end of what a program said: an exception and the model's own lines that led to
    it, else the last *lines*."""
    after = stderr.rpartition("Traceback (most recent call last):\n")[2]
    raised = [line for line in after.splitlines() if line and not line.startswith("  ")]
    if after == stderr or not raised:
        return "\n".join(stderr.strip().splitlines()[-lines:])
    frames = re.findall(r'^  File "(/app/.+)", line (\d+), in (.+)$', after, re.MULTILINE)
    return "\n".join(
        [*raised, *(f"  {file}, line {number}, in {where}" for file, number, where in frames)]
    )


def answers(
    bench: Bench, runnable: Runnable, rows: Batch, claims: Claims, *, label: str = "predict"
) -> NDArray[Any]:
    """Return what the model in the image answers for *rows*, in the form that its claims name.

    Shape (n, k) for probabilities, (n,) for labels. The model gets the features as frames: no data
    file is in its reach. Raises ModelUnusable when it refuses them or ends.
    """
    try:
        with probe(bench, runnable, label=label) as model:
            method = roles(claims, model.methods)[claims.outputs.kind]
            parts = [
                np.asarray(
                    model.answer(
                        rows.take(np.arange(at, min(at + CHUNK, rows.rows))), method=method
                    ).values
                )
                for at in range(0, rows.rows, CHUNK)
            ]
    except (Refusal, Broken) as failed:
        raise ModelUnusable(
            f"the model does not answer rows of its own data: {failed}",
            hint="harness check --image shows which rows",
        ) from failed
    return np.concatenate(parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A data file as read inside the image: all its rows, or the asked part of them."""

    rows: int
    kinds: dict[str, str]
    batch: Batch


def read(
    bench: Bench,
    runnable: Runnable,
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    start: int = 0,
    stop: int | None = None,
) -> Table:
    """Return rows of a data file, or some of its *columns*, read by the environment's own
    libraries.

    No code of the model is in that process. Raises DataInvalid when the file can't be read.
    """
    mount = Mount(source=path, target=inside(path), writable=False)
    job = bench.job(
        runnable, "/opt/harness/probe.py", "frames", mounts=(mount,), label=f"read {path.name}"
    )
    with bench.engine.start(job) as running:
        request = {
            "op": "read",
            "path": inside(path),
            "columns": None if columns is None else list(columns),
            "start": start,
            "stop": stop,
        }
        try:
            frame.write(running.stdin, request)
            answer = frame.read(running.stdout)
        except (OSError, EOFError) as gone:
            raise JobFailed(
                f"{path.name} could not be read in the image: {why(running)}",
                hint="the environment needs pyarrow or pandas to read this file",
            ) from gone
        if answer is None:
            raise JobFailed(f"{path.name} could not be read in the image: {why(running)}")
    header, found, _ = answer
    if header["status"] != "ok":
        raise DataInvalid(
            f"{path.name} can't be read: {header['error']['type']}: {header['error']['message']}",
            hint="Parquet and CSV files are read, by the libraries of the model's environment",
        )
    return Table(rows=header["rows"], kinds=header["kinds"], batch=Batch.from_columns(found))
