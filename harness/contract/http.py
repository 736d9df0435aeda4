"""The door to a model behind a server: the Open Inference Protocol (V2 REST, JSON).

https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md. One
tensor a column, named by it, and null for a missing cell, as ``harness.runtime.v2`` reads them; a
server whose metadata name one input of several columns gets one matrix. Any 4xx is a refusal
(``HTTP4xx``); a 5xx is one that nobody declared.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.contract.batch import Answer, Array, Batch, Broken, Refusal, Unsendable
from harness.contract.tensors import inputs_of, values_of
from harness.core.errors import ModelUnusable, SpecInvalid

DECLARED = "HTTP4xx"
"""The error that stands for every answer between 400 and 499."""
_PROBABLE = ("probabilities", "predict_proba", "probability", "output_probability")
_LABELS = ("predict", "label", "labels", "output_label", "prediction", "predictions")
_SECONDS = 60.0
_LONGEST_WAIT = 5.0
_ATTEMPTS = 4
_BUSY = (429, 503)


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where a model is served: *url* up to the model's name, and *headers* for every request."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The model's name."""
        parts = urllib.parse.urlsplit(self.url).path.split("/")
        return urllib.parse.unquote(parts[parts.index("models") + 1])


def endpoint(url: str, headers: Mapping[str, str] | None = None) -> Endpoint:
    """Return the endpoint at *url*; a user and password in it become a header.

    Raises SpecInvalid for an address that names no model of the protocol.
    """
    parts = urllib.parse.urlsplit(url)
    path = parts.path.rstrip("/").removesuffix("/infer")
    if parts.scheme not in ("http", "https") or not parts.hostname or "/v2/models/" not in path:
        raise SpecInvalid(
            f"{url} is no address of a served model",
            hint="http://HOST:PORT/v2/models/NAME (Open Inference Protocol V2)",
        )
    sent = dict(headers or {})
    if parts.username is not None:
        user, password = parts.username, parts.password or ""
        pair = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
        sent["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    netloc = parts.netloc.rpartition("@")[2]
    return Endpoint(url=f"{parts.scheme}://{netloc}{path}", headers=sent)


class HttpModel:
    """A served model. *methods* follow from the names of its output tensors; one that has a single
    output of another name is ``call``. *about* tells ``input``: ``http``, or ``numpy`` for one
    matrix, where only the place of a column counts.
    """

    def __init__(self, at: Endpoint, sample: Batch) -> None:
        """Ask for the metadata, and for an answer to *sample* where they don't name the outputs.

        Raises ModelUnusable when there is no such model.
        """
        self._at = at
        self._local = threading.local()
        self.classes: list[Any] | None = None
        self.constants: Mapping[str, Sequence[float]] = {}
        try:
            told = self._metadata()
            self._inputs: list[dict[str, Any]] = _tensors(told.get("inputs"))
            names = [str(tensor["name"]) for tensor in _tensors(told.get("outputs"))]
            if not names:
                names = [str(t["name"]) for t in self._infer(sample.head(8), ())]
        except (Broken, Refusal) as broken:
            raise ModelUnusable(
                f"the model at {at.url} does not answer: {broken}",
                hint="is the server up, and is the model's name right?",
            ) from broken
        self._outputs = _methods(names)
        self.methods: tuple[str, ...] = tuple(self._outputs)
        matrix = len(self._inputs) == 1 and sample.names != (self._inputs[0]["name"],)
        self.about: Mapping[str, Any] = {
            "input": "numpy" if matrix else "http",
            "kind": "",
            "features": None if matrix else [str(t["name"]) for t in self._inputs] or None,
            "width": 0,
            "refusals": [DECLARED],
        }

    def answer(self, batch: Batch, *, method: str) -> Answer:
        """Answer *batch*; raises Refusal for a 4xx or 5xx, Broken without an answer, Unsendable
        for cells that JSON or the protocol has no word for."""
        return self.answers(batch, methods=(method,))[method]

    def answers(
        self, batch: Batch, *, methods: tuple[str, ...], watch: bool = True
    ) -> dict[str, Answer]:
        """Answer *batch* by several methods in one request; raises as ``answer`` does."""
        wanted = {method: self._outputs[method] for method in methods}
        found = {str(t.get("name")): t for t in self._infer(batch, tuple(wanted.values()))}
        lost = [name for name in wanted.values() if name not in found]
        if lost:
            raise Refusal("BadAnswer", ("BadAnswer",), f"no output {', '.join(lost)}")
        return {
            method: Answer(values=values_of(found[name]), container="tensor")
            for method, name in wanted.items()
        }

    def together(self, batches: Sequence[Batch], *, method: str) -> list[Answer]:
        """Answer *batches* at once, each over a connection of its own; raises what one raised."""
        gate = threading.Barrier(len(batches))

        def ask(batch: Batch) -> Answer:
            gate.wait()
            try:
                return self.answer(batch, method=method)
            finally:
                self.close()

        with ThreadPoolExecutor(max_workers=len(batches)) as pool:
            return list(pool.map(ask, batches))

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
        self._local.connection = None

    def _metadata(self) -> dict[str, Any]:
        status, body, _ = self._send("GET", "", None)
        if status in (404, 410) and _says(body):
            raise Refusal(f"HTTP{status}", (f"HTTP{status}", DECLARED), _says(body))
        told = _json(body) if status == 200 else None
        return told if isinstance(told, dict) else {}

    def _infer(self, batch: Batch, outputs: Sequence[str]) -> list[dict[str, Any]]:
        body: dict[str, Any] = {"inputs": inputs_of(batch, self._inputs)}
        if not self._inputs:
            body["parameters"] = {"content_type": "pd"}  # for servers that must be told
        if outputs:
            body["outputs"] = [{"name": name} for name in outputs]
        try:
            sent = json.dumps(body, allow_nan=False).encode()
        except ValueError as wrong:
            raise Unsendable("JSON has no NaN and no infinity") from wrong
        status, answer, _ = self._patiently(sent)
        if status == 413 and batch.rows > 1:
            half = batch.rows // 2
            first = self._infer(batch.take(np.arange(half)), outputs)
            return _under(first, self._infer(batch.take(np.arange(half, batch.rows)), outputs))
        if status >= 400:
            family = DECLARED if status < 500 else "HTTP5xx"
            raise Refusal(f"HTTP{status}", (f"HTTP{status}", family), _says(answer))
        told = _json(answer)
        found = _tensors(told.get("outputs")) if isinstance(told, dict) else []
        if not found:
            raise Refusal("BadAnswer", ("BadAnswer",), "no outputs in the answer")
        return found

    def _patiently(self, body: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        """Send an inference; wait for a server that says it is busy."""
        for attempt in range(_ATTEMPTS):
            status, answer, headers = self._send("POST", "/infer", body)
            if status not in _BUSY:
                return status, answer, headers
            asked = headers.get("retry-after", "")
            pause = float(asked) if asked.isdigit() else 0.25 * 2**attempt
            time.sleep(min(pause, _LONGEST_WAIT))
        raise Broken(f"the server is busy: it answered {status} {_ATTEMPTS} times")

    def _send(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        kept = getattr(self._local, "connection", None)
        for connection in (kept, None) if kept is not None else (None,):
            try:
                return self._exchange(connection or self._connect(), method, path, body)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as gone:
                self.close()
                if connection is None:
                    raise Broken(f"the server closed the connection: {gone}") from gone
                # A server may close a connection that waits; only a new one tells that it is gone.
            except (OSError, http.client.HTTPException) as gone:
                self.close()
                reason = str(gone) or type(gone).__name__
                raise Broken(f"the server can't be reached: {reason}") from gone
        raise Broken("the server closed the connection")

    def _connect(self) -> http.client.HTTPConnection:
        self._local.connection = _connection(urllib.parse.urlsplit(self._at.url))
        connection: http.client.HTTPConnection = self._local.connection
        return connection

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        headers = {"Content-Type": "application/json", "User-Agent": "harness", **self._at.headers}
        parts = urllib.parse.urlsplit(self._at.url)
        address = parts.path + path
        if connection.host != parts.hostname and parts.scheme == "http":
            address = self._at.url + path  # a proxy wants the whole of it
        connection.request(method, address, body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.will_close:
            self.close()
        return response.status, answer, {k.lower(): v for k, v in response.getheaders()}


def _connection(parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    host, port = parts.hostname or "", parts.port
    proxies = {} if urllib.request.proxy_bypass(host) else urllib.request.getproxies()
    proxy = urllib.parse.urlsplit(proxies.get(parts.scheme, ""))
    if parts.scheme == "https":
        tls = ssl.create_default_context()
        if proxy.hostname:
            through = http.client.HTTPSConnection(
                proxy.hostname, proxy.port, timeout=_SECONDS, context=tls
            )
            through.set_tunnel(host, port)
            return through
        return http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=tls)
    if proxy.hostname:
        return http.client.HTTPConnection(proxy.hostname, proxy.port, timeout=_SECONDS)
    return http.client.HTTPConnection(host, port, timeout=_SECONDS)


def _methods(names: Sequence[str]) -> dict[str, str]:
    probable = next((name for name in names if name.lower() in _PROBABLE), None)
    labels = next((name for name in names if name.lower() in _LABELS), None)
    if probable is not None:
        return {"predict_proba": probable} | ({"predict": labels} if labels is not None else {})
    return {"call": labels if labels is not None else names[0]}


def _tensors(told: Any) -> list[dict[str, Any]]:
    listed = told if isinstance(told, list) else []
    return [t for t in listed if isinstance(t, dict) and isinstance(t.get("name"), str)]


def _under(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the output tensors of two requests as those of one, row under row."""
    rest = {tensor["name"]: tensor for tensor in second}
    joined = []
    for tensor in first:
        other = rest.get(tensor["name"])
        if other is None:
            continue
        both: Array = np.concatenate([values_of(tensor), values_of(other)])
        joined.append(tensor | {"shape": list(both.shape), "data": both.ravel().tolist()})
    return joined


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _says(body: bytes) -> str:
    """Return the reason in an error's body, at most 500 characters of it."""
    told = _json(body)
    if isinstance(told, dict):
        told = told.get("error") or told.get("detail") or told
    text = told if isinstance(told, str) else json.dumps(told) if told else ""
    return text[:500]
