"""The door to a model behind frames: the probe in an image, over a pair of binary streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from harness.contract.batch import Answer, Batch, Broken, Refusal, Unsendable, Written
from harness.core.errors import ModelUnusable
from harness.runtime import frame


class FrameModel:
    """A model that answers frames: *stdin* is what the probe reads, *stdout* what it writes.

    *constants* are the numbers by column that the model's own rules use, *classes* its own labels
    in its own order, as the probe found them.
    """

    def __init__(self, stdin: BinaryIO, stdout: BinaryIO) -> None:
        """Say hello; raises ModelUnusable when the model can't be loaded, Broken without answer."""
        self._stdin = stdin
        self._stdout = stdout
        self._written = Written()
        header, _ = self._ask({"op": "hello"})
        if header.get("status") != "ok":
            error = header.get("error") or {}
            raise ModelUnusable(
                f"the model does not load in its image: "
                f"{error.get('type', 'unknown error')}: {error.get('message', '')}"
            )
        self.python = str(header.get("python", ""))
        self.methods: tuple[str, ...] = tuple(header["methods"])
        self.constants: Mapping[str, Sequence[float]] = header.get("constants") or {}
        self.classes: list[Any] | None = header.get("classes")

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
