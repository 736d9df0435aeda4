"""The door to a model behind frames: the probe in an image, over a pair of binary streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np

from harness.contract.batch import Answer, Batch, Broken, Refusal, Unsendable, Written, join
from harness.core.errors import ModelUnusable
from harness.runtime import frame
from harness.runtime.frame import Column


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a model's process uses: *cpu* seconds of all its threads since its start, *rss* bytes
    of memory now, *peak* the most since it was asked last; None where the system doesn't say.
    *blocks* is how many pieces of memory Python's objects hold, *traced* the bytes of those that
    were taken since tracing began; None where it isn't known."""

    cpu: float
    rss: float | None
    peak: float | None
    blocks: int | None = None
    traced: float | None = None


class FrameModel:
    """A model that answers frames: *stdin* is what the probe reads, *stdout* what it writes.

    *constants* are numbers by column that the model's own rules use, *words* texts, *classes*
    its own labels in its own order, *about* what else the probe told of it.
    """

    def __init__(self, stdin: BinaryIO, stdout: BinaryIO) -> None:
        """Say hello; raises ModelUnusable when the model can't be loaded, Broken without answer."""
        self._stdin = stdin
        self._stdout = stdout
        self._written = Written()
        header, _ = self._ask({"op": "hello"})
        if header.get("status") != "ok":
            error = header.get("error") or {}
            if error.get("type") == "Unloadable":  # ours: it says all there is to say
                raise ModelUnusable(
                    f"the model does not load: {error.get('message', '')}",
                    hint="or give a function that makes the model: module:function",
                )
            raise ModelUnusable(
                f"the model does not load in its image: "
                f"{error.get('type', 'unknown error')}: {error.get('message', '')}"
            )
        self.python = str(header.get("python", ""))
        self.methods: tuple[str, ...] = tuple(header["methods"])
        self.constants: Mapping[str, Sequence[float]] = header.get("constants") or {}
        self.words: Sequence[str] = header.get("words") or ()
        self.classes: list[Any] | None = header.get("classes")
        self.about: Mapping[str, Any] = header.get("about") or {}

    def answer(self, batch: Batch, *, method: str) -> Answer:
        """Answer *batch*; raises Refusal when the model raises, Broken when the probe is gone."""
        request = {"op": "predict", "method": method, "index": batch.index}
        header, columns = self._ask(request, self._written.columns(batch))
        status = header.get("status")
        if status == "refused":
            raise Refusal.from_header(header["error"])
        if status == "failed" and header["error"]["type"] in ("Unbuildable", "Unrepresentable"):
            raise Unsendable(str(header["error"]["message"]))
        if status != "answered" or len(columns) != 1:
            raise Broken(f"the probe answered {status!r}: {header.get('error')}")
        return Answer.from_frame(header, columns[0])

    def ahead(self, batch: Batch) -> None:
        """Write *batch* for the wire already, in another thread than the one that will ask."""
        self._written.ahead(batch)

    def answers(
        self, batch: Batch, *, methods: tuple[str, ...], watch: bool = True
    ) -> dict[str, Answer]:
        """Answer *batch* by each of *methods*, sent once; raises as ``answer`` does.

        Without *watch* nobody looks whether the model changes its input.
        """
        request = {"op": "predict", "methods": list(methods), "index": batch.index, "watch": watch}
        header, columns = self._ask(request, self._written.columns(batch))
        status = header.get("status")
        if status == "refused":
            raise Refusal.from_header(header["error"])
        if status == "failed" and header["error"]["type"] in ("Unbuildable", "Unrepresentable"):
            raise Unsendable(str(header["error"]["message"]))
        if status != "answered" or len(columns) != len(methods):
            raise Broken(f"the probe answered {status!r}: {header.get('error')}")
        return {
            method: Answer.from_frame(told, column)
            for method, told, column in zip(methods, header["answers"], columns, strict=True)
        }

    def function(
        self, name: str, batch: Batch, *, shape: tuple[int, ...] | None = None
    ) -> tuple[Column, ...]:
        """Return what the project's function *name* makes of rows, or says of two answers of
        *shape* (``harness.runtime.relation``); raises Refusal when it raises."""
        request: dict[str, Any] = {"op": "function", "function": name}
        if shape is not None:
            request["shape"] = list(shape)
        header, columns = self._ask(request, batch.to_columns())
        if header.get("status") != "ok":
            raise Refusal.from_header(header["error"])
        return tuple(columns)

    def together(self, batches: Sequence[Batch], *, method: str) -> list[Answer]:
        """Answer *batches* at once, each in a thread of its own within the model's process;
        raises what the first raised, Broken when the probe is gone."""
        return self._several("together", batches, method)

    def lasting(self, batches: Sequence[Batch], *, method: str) -> tuple[Answer, Answer]:
        """Answer *batches* in turn; return the first answer as it was given, and what the same
        object holds at the end. Raises as ``together`` does."""
        before, after = self._several("lasting", batches, method)
        return before, after

    def _several(self, op: str, batches: Sequence[Batch], method: str) -> list[Answer]:
        ends = np.cumsum([0, *(batch.rows for batch in batches)]).tolist()
        orders = [list(range(start, stop)) for start, stop in pairwise(ends)]
        request = {"op": op, "method": method, "orders": orders}
        header, columns = self._ask(request, join(batches).to_columns())
        if header.get("status") != "answered":
            raise Broken(f"the probe answered {header.get('status')!r}: {header.get('error')}")
        answers, left = [], iter(columns)
        for told in header["answers"]:
            if told["status"] == "refused":
                raise Refusal.from_header(told["error"])
            if told["status"] != "answered":
                raise Broken(f"the probe answered {told['status']!r}: {told.get('error')}")
            answers.append(Answer.from_frame(told, next(left)))
        return answers

    def usage(self, *, collect: bool = False, trace: bool | None = None) -> Usage:
        """Return what the model's process uses; from now on its peak of memory starts anew.

        With *collect* it gives back first what nobody refers to; *trace* begins or ends to trace
        what Python's objects hold. Raises Broken.
        """
        header, _ = self._ask({"op": "usage", "collect": collect, "trace": trace})
        if header.get("status") != "ok":
            raise Broken(f"the probe answered {header.get('status')!r}: {header.get('error')}")
        peak = header["peak"] if header["reset"] else None
        return Usage(
            cpu=header["cpu"],
            rss=header["rss"],
            peak=peak,
            blocks=header.get("blocks"),
            traced=header.get("traced"),
        )

    def shift_clock(self, seconds: float) -> None:
        """Let the model's process take for now what comes *seconds* later; raises Broken."""
        header, _ = self._ask({"op": "clock", "seconds": seconds})
        if header.get("status") != "ok":
            raise Broken(f"the probe answered {header.get('status')!r}: {header.get('error')}")

    def _ask(
        self, header: dict[str, Any], columns: list[frame.Column] | None = None
    ) -> tuple[dict[str, Any], list[frame.Column]]:
        try:
            frame.write(self._stdin, header, columns)
            found = frame.read(self._stdout)
        except (OSError, EOFError, ValueError) as gone:
            raise Broken(f"the probe is gone: {gone}") from gone
        if found is None:
            raise Broken("the probe ended")
        return found[0], found[1]
