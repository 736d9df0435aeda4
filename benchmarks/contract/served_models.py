"""Healthy models behind a wall: an MLflow pyfunc, and a V2 endpoint of HTTP."""

from __future__ import annotations

import http.client
import http.server
import json
import logging
import shutil
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.corpus import Case, find
from benchmarks.contract.tables import FLOWERS, INCIDENTS

ERRORS = ("ValueError", "TypeError", "KeyError", "MlflowException")


def flowers_pyfunc() -> Any:
    """A scikit-learn model saved by MLflow and loaded as a pyfunc: labels, under a signature."""
    import mlflow
    from sklearn.tree import DecisionTreeClassifier

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    inputs = FLOWERS.inputs()
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(
        inputs, FLOWERS.rows()["species"]
    )
    signature = mlflow.models.infer_signature(inputs, tree.predict(inputs))
    folder = Path(tempfile.mkdtemp(prefix="pyfunc-"))
    try:
        mlflow.sklearn.save_model(
            tree,
            folder / "model",
            signature=signature,
            pip_requirements=[],
            serialization_format="cloudpickle",
        )
        return mlflow.pyfunc.load_model(str(folder / "model"))
    finally:
        shutil.rmtree(folder)


class Endpoint:
    """A V2 endpoint on this machine, and the client that asks it.

    The server lives as long as the object; a 4xx is raised as a ValueError.
    """

    def __init__(self, model: Any, columns: list[str], name: str = "model") -> None:
        self.columns, self.path = columns, f"/v2/models/{name}/infer"
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(model))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.port = server.server_port
        weakref.finalize(self, server.server_close)

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        inputs = [_tensor(name, rows[name]) for name in self.columns]
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            body = json.dumps({"inputs": inputs}, allow_nan=False)
            connection.request("POST", self.path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(answer["error"])
        output = answer["outputs"][0]
        dtype = {"BOOL": bool, "INT64": np.int64, "FP64": float, "BYTES": object}
        return np.array(output["data"], dtype[output["datatype"]]).reshape(output["shape"])


def _tensor(name: str, column: Any) -> dict[str, Any]:
    cells = [None if pd.isna(cell) else cell for cell in column.astype(object)]
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds <= {bool, np.bool_}:
        datatype, cells = "BOOL", [None if cell is None else bool(cell) for cell in cells]
    elif kinds <= {int, np.int64, float, np.float64}:
        datatype, cells = "FP64", [None if cell is None else float(cell) for cell in cells]
    else:
        datatype = "BYTES"
    return {"name": name, "datatype": datatype, "shape": [len(cells)], "data": cells}


def _handler(model: Any) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                held = {t["name"]: np.array(t["data"], object) for t in request["inputs"]}
                answer = np.asarray(model.predict(pd.DataFrame(held, dtype=object)))
                kind = {"b": "BOOL", "i": "INT64", "f": "FP64"}.get(answer.dtype.kind, "BYTES")
                output = {"name": "predict", "datatype": kind, "shape": list(answer.shape)}
                status, told = 200, {"outputs": [output | {"data": answer.reshape(-1).tolist()}]}
            except (ValueError, TypeError, KeyError) as refused:
                status, told = 422, {"error": f"{type(refused).__name__}: {refused}"}
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: Any) -> None:
            return

    return Handler


def incidents_endpoint() -> Any:
    return Endpoint(find("fraud-rule").build(), list(INCIDENTS.columns))


def cases() -> list[Case]:
    """Return this file's cases."""
    return [
        Case(
            name="flowers-pyfunc",
            build=flowers_pyfunc,
            table=FLOWERS,
            outputs={"kind": "labels", "labels": [0, 1, 2]},
            errors=ERRORS,
        ),
        Case(
            name="incidents-endpoint",
            build=incidents_endpoint,
            table=INCIDENTS,
            outputs={"kind": "labels", "labels": [False, True]},
        ),
    ]
