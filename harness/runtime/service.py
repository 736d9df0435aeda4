"""What the server says to each request: an ASGI application around one loaded model."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING or __package__:
    from harness.runtime import adapter, loading, v2
    from harness.runtime.inputs import DOCUMENT
    from harness.runtime.v2 import Refused, Unanswerable
else:
    import adapter
    import loading
    import v2
    from inputs import DOCUMENT
    from v2 import Refused, Unanswerable

VERSION = "1"
LIMIT = 64 << 20
"""Bytes of a request's body, unless told otherwise."""
ERRORS = ("ValueError", "TypeError", "KeyError")
"""Declared refusals where ``model.json`` names none."""
NAMES = {"predict_proba": "probabilities", "predict": "predict"}
"""Output tensors of a model's methods."""

Answer = dict[str, Any] | bytes  # bytes: JSON already
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Service:
    """A loaded model that answers HTTP: an ASGI application, from its first request to its last.

    *settings* are those of ``model.json``; *limit* is in bytes. ``draining`` is set from outside;
    ``busy`` counts requests that are not answered yet.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        model: Any,
        worker: ThreadPoolExecutor,
        limit: int = LIMIT,
    ) -> None:
        self.settings = settings
        self.name = str(settings["name"])
        self.model = model
        self.worker = worker
        self.limit = limit
        self.kind = str(settings.get("input") or "pandas")
        self.draining = False
        self.busy = 0
        declared = settings.get("outputs") or {}
        main = NAMES["predict_proba" if declared.get("kind") == "probabilities" else "predict"]
        self.outputs = {
            NAMES.get(method, main): method for method in loading.methods(model, declared)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3.0)."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])  # uvicorn runs us with lifespan and ws off
        self.busy += 1
        try:
            status, answer, headers = await self._respond(scope, receive)
        except _Gone:
            return
        finally:
            self.busy -= 1
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        headers |= {"content-type": "application/json", "content-length": str(len(body))}
        if self.draining:
            headers["connection"] = "close"
        listed = [(key.encode(), value.encode()) for key, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": listed})
        await send({"type": "http.response.body", "body": body})

    async def _respond(self, scope: Scope, receive: Receive) -> tuple[int, Answer, dict[str, str]]:
        headers: dict[str, str] = {}
        try:
            body = await self._body(scope, receive)
            act = self._route(scope, headers)
            status, answer = await act(body)
        except Refused as refused:
            return refused.status, {"error": refused.reason}, headers
        except Unanswerable as broken:
            return 500, {"error": f"the model broke a promise: {broken}"}, headers
        except Exception as raised:  # ours; the client still gets JSON, the log gets the place
            _log(raised)
            return 500, {"error": f"the server failed: {type(raised).__name__}"}, headers
        return status, answer, headers

    def _route(
        self, scope: Scope, headers: dict[str, str]
    ) -> Callable[[bytes], Awaitable[tuple[int, Answer]]]:
        raw = scope.get("raw_path") or scope["path"].encode()
        parts = [unquote(part) for part in raw.decode("latin-1").strip("/").split("/")]
        match parts:
            case ["v2"]:
                method, act = "GET", self._server
            case ["v2", "health", "live"]:
                method, act = "GET", self._live
            case ["v2", "health", "ready"]:
                method, act = "GET", self._ready
            case ["v2", "models", name, *rest]:
                if name != self.name:
                    raise Refused(f"there is no such model here; there is {self.name}", 404)
                match rest:
                    case []:
                        method, act = "GET", self._metadata
                    case ["ready"]:
                        method, act = "GET", self._ready
                    case ["infer"]:
                        method, act = "POST", self._infer
                    case _:
                        raise Refused("no such path; the model has no versions here", 404)
            case _:
                raise Refused("no such path; it begins with /v2", 404)
        asked = scope["method"]
        if asked != method and (method, asked) != ("GET", "HEAD"):
            headers["allow"] = "GET, HEAD" if method == "GET" else method
            raise Refused(f"this path takes {method}", 405)
        if method == "POST":
            _check_kind(scope)
        return act

    async def _server(self, body: bytes) -> tuple[int, Answer]:
        return 200, {"name": "harness", "version": VERSION, "extensions": []}

    async def _live(self, body: bytes) -> tuple[int, Answer]:
        return 200, {"live": True}

    async def _ready(self, body: bytes) -> tuple[int, Answer]:
        ready = not self.draining
        return 200 if ready else 503, {"name": self.name, "live": True, "ready": ready}

    async def _metadata(self, body: bytes) -> tuple[int, Answer]:
        declared = (self.settings.get("inputs") or {}).get("properties") or {}
        if self.kind == "documents":
            declared = {DOCUMENT: {"type": "string"}}
        inputs = [
            {"name": name, "datatype": _datatype(described), "shape": [-1]}
            for name, described in declared.items()
        ]
        labels = (self.settings.get("outputs") or {}).get("labels") or []
        outputs = []
        for name in self.outputs:
            probabilities = name == "probabilities"
            shape = [-1, len(labels)] if probabilities and labels else [-1]
            text = not probabilities and any(isinstance(label, str) for label in labels)
            outputs.append({"name": name, "datatype": "BYTES" if text else "FP64", "shape": shape})
        return 200, {
            "name": self.name,
            "platform": "python",
            "inputs": inputs,
            "outputs": outputs,
        }

    async def _infer(self, body: bytes) -> tuple[int, Answer]:
        # In the worker from the first byte on: a big body must not hold up the health checks.
        answer = await asyncio.get_running_loop().run_in_executor(self.worker, self._predict, body)
        return 200, answer

    def _predict(self, body: bytes) -> bytes:
        request = v2.read(
            body,
            outputs=tuple(self.outputs),
            inputs=None if self.kind == "documents" else self.settings.get("inputs"),
            held=self.settings.get("dtypes"),
        )
        tensors = []
        for name in request.outputs or self.outputs:
            try:
                # Made anew for each method: a model may spoil what it was given.
                inputs = adapter.build(request.columns, kind=self.kind)
            except adapter.Unbuildable as wrong:
                raise Refused(str(wrong)) from wrong
            output = self._ask(self.outputs[name], inputs)
            if output.container == "unknown":
                raise Unanswerable(f"{name} is a {output.type} ({output.why})")
            tensors.append(v2.tensor(name, output.shape, output.column, request.rows))
        return json.dumps(v2.answer(self.name, request, tensors), allow_nan=False).encode()

    def _ask(self, method: str, inputs: Any) -> Any:
        errors = self.settings.get("errors")
        try:
            return adapter.ask(self.model, method, inputs)
        except (Exception, SystemExit) as raised:  # whatever the model raises
            kind = type(raised).__name__
            if adapter.declared(adapter.failure(raised), ERRORS if errors is None else errors):
                raise Refused(f"the model refused these rows: {kind}", 422) from None
            _log(raised)
            raise Unanswerable(
                f"it raised {kind}, which is not among its declared errors"
            ) from None

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the request's body; one over the limit is read to its end and kept no more."""
        parts: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            part = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(part)
            if size > self.limit:
                parts.clear()
                if size > 8 * self.limit:  # no polite client sends so much
                    break
            else:
                parts.append(part)
        if size > self.limit:
            raise Refused(f"the body is over {self.limit} bytes; send fewer rows at once", 413)
        return b"".join(parts)


class _Gone(Exception):
    """The client went away before its request was complete."""


def _check_kind(scope: Scope) -> None:
    headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in
               scope["headers"]}  # fmt: skip
    if "inference-header-content-length" in headers:
        raise Refused("binary tensors are not understood; send the data as JSON", 415)
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refused("a compressed body is not understood", 415)
    kind, _, rest = headers.get("content-type", "application/json").partition(";")
    if kind.strip().lower() != "application/json":
        raise Refused("the body must be application/json", 415)
    name, _, charset = rest.strip().partition("=")
    if name.lower() == "charset" and charset.strip('"').lower() not in ("utf-8", "utf8"):
        raise Refused("the body must be in UTF-8", 415)


def _datatype(described: Any) -> str:
    types = described.get("type") if isinstance(described, dict) else None
    kinds = {types} if isinstance(types, str) else set(types or ())
    if "boolean" in kinds:
        return "BOOL"
    if "number" in kinds:
        return "FP64"
    return "INT64" if "integer" in kinds else "BYTES"


def _log(raised: BaseException) -> None:
    """Say where an undeclared exception was raised; its message may quote a cell, so not that."""
    where = "".join(traceback.format_tb(raised.__traceback__))
    print(
        f"{where}{type(raised).__name__} (its message may hold data)", file=sys.stderr, flush=True
    )
