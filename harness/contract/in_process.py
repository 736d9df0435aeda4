"""The door to a model in this very process: development, on any operating system.

Inputs are built and answers taken apart by ``harness.runtime.adapter``, as in the image, so that
both ways give the same results.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.contract.batch import Answer, Batch, Broken, Refusal, Unsendable, Written
from harness.contract.deadline import Overdue, Worker
from harness.core.errors import DataInvalid, DataMissing, ModelUnusable
from harness.runtime import adapter, constants, lasting, relation
from harness.runtime.frame import Column
from harness.spec.project import Outputs

MOST_TRAINING_ROWS = 20_000
_SECONDS_TO_LOAD = 120.0


class InProcess:
    """A model, *loaded*. *kind* is what it takes: ``pandas``, ``numpy`` or ``pyarrow``;
    *constants* are numbers by column that its own rules use, *words* texts.

    Its calls run in *folder*, in the thread that loaded it, and what it prints goes to stderr.
    """

    def __init__(
        self, model: Any, methods: Sequence[str], *, kind: str, folder: Path, worker: Worker
    ) -> None:
        """Take a model that is loaded already."""
        self.methods = tuple(methods)
        self.worker = worker
        self.loaded = model
        self.constants: Mapping[str, Sequence[float]] = constants.mine(model)
        self.words: Sequence[str] = constants.words(model)
        self.classes = adapter.classes(model)
        self.about: Mapping[str, Any] = adapter.about(model)
        self._kind = adapter.input_kind(model) if kind == "auto" else kind
        self._written = Written()
        self._folder = folder

    def answer(self, batch: Batch, *, method: str) -> Answer:
        """Answer *batch*; raises Refusal when the model raises, Unsendable for cells that its
        kind of input can't hold."""
        with _at_home(self._folder):
            return self._call(self._build(batch), method)

    def together(self, batches: Sequence[Batch], *, method: str) -> list[Answer]:
        """Answer *batches* at once, each in a thread of its own; raises what the first raised."""
        built = [self._build(batch) for batch in batches]
        gate = threading.Barrier(len(built))
        found: dict[int, Answer | Exception] = {}

        def ask(number: int, inputs: Any) -> None:
            gate.wait()
            try:
                found[number] = self._call(inputs, method)
            except Exception as raised:  # carried to the caller's thread
                found[number] = raised

        with _at_home(self._folder):
            threads = [
                threading.Thread(target=ask, args=pair, daemon=True) for pair in enumerate(built)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        answers = []
        for _, outcome in sorted(found.items()):
            if isinstance(outcome, Exception):
                raise outcome
            answers.append(outcome)
        return answers

    def function(
        self, name: str, batch: Batch, *, shape: tuple[int, ...] | None = None
    ) -> tuple[Column, ...]:
        """Return what the project's function *name* makes of rows, or says of two answers of
        *shape* (``harness.runtime.relation``); raises Refusal when it raises."""
        columns = batch.to_columns()
        with _at_home(self._folder):
            try:
                if shape is not None:
                    return (relation.holds(columns, name, shape=shape),)
                return tuple(relation.changed(columns, name, kind=self._kind))
            except (Exception, SystemExit) as raised:  # whatever the project's own code raises
                raise Refusal.from_header(adapter.failure(raised)) from raised

    def _build(self, batch: Batch) -> Any:
        try:
            return adapter.build(self._written.columns(batch), kind=self._kind, index=batch.index)
        except adapter.Unbuildable as unbuildable:
            raise Unsendable(str(unbuildable)) from unbuildable

    def lasting(self, batches: Sequence[Batch], *, method: str) -> tuple[Answer, Answer]:
        """Answer *batches* in turn; return the first answer as it was given, and what the same
        object holds at the end; raises Refusal when the model raises."""
        built = [self._build(batch) for batch in batches]
        with _at_home(self._folder):
            found = lasting.looked(self.loaded, method, built)
        before, after = (self._answer(*told) for told in (found[0], found[-1]))
        return before, after

    def _call(self, inputs: Any, method: str) -> Answer:
        return self._answer(*adapter.call(self.loaded, method, inputs))

    def _answer(self, header: dict[str, Any], column: Column | None) -> Answer:
        if header["status"] == "refused":
            raise Refusal.from_header(header["error"])
        if column is None:
            raise Broken("the adapter gave an answer without a column")
        return Answer.from_frame(header, column)


def open_artifact(
    artifact: Path,
    settings: Mapping[str, Any],
    *,
    outputs: Outputs | None,
    kind: str = "pandas",
    folder: Path,
) -> InProcess:
    """Return the model that *settings* make of *artifact*, loaded within *folder*.

    Raises ModelUnusable.
    """
    worker = Worker()
    claimed = {"kind": outputs.kind} if outputs else {}

    def load() -> tuple[Any, list[str]]:
        with _at_home(folder):
            loaded = adapter.load(settings, artifact, folder=folder)
            return loaded, adapter.methods(loaded, claimed)

    try:
        model, methods = worker.run(load, seconds=_SECONDS_TO_LOAD)
    except Overdue as overdue:
        raise ModelUnusable(
            f"the model does not load: {overdue}", hint="load must read an artifact, not train"
        ) from overdue
    except adapter.Unloadable as unloadable:
        raise ModelUnusable(f"the model does not load: {unloadable}") from unloadable
    except (Exception, SystemExit) as raised:  # the model's own code, whatever it raises
        raise ModelUnusable(
            f"the model does not load: {type(raised).__name__}: {raised}",
            hint=f"run {settings.get('load') or artifact.name} by hand in {folder}",
        ) from raised
    return InProcess(model, methods, kind=kind, folder=folder, worker=worker)


def read_rows(path: Path, *, without: str | None = None, most: int = MOST_TRAINING_ROWS) -> Batch:
    """Return the first *most* rows of a Parquet or CSV file, without the column *without*.

    Raises DataMissing, DataInvalid.
    """
    if not path.exists():
        raise DataMissing(f"the training data are not there: {path}")
    try:
        _, _, columns = adapter.read_table(path, stop=most)
    except (ValueError, ImportError, OSError) as wrong:
        raise DataInvalid(f"{path} can't be read: {wrong}") from wrong
    return Batch.from_columns([column for column in columns if column.name != without])


@contextlib.contextmanager
def _at_home(folder: Path) -> Iterator[None]:
    with contextlib.chdir(folder), contextlib.redirect_stdout(sys.stderr):
        yield
