"""A model repo to drive the runtime with: one module, several models, each with its settings."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any

from harness.runtime import frame
from harness.runtime.frame import Column

RUNTIME = Path(frame.__file__).parent
PATIENCE = 60.0
SCHEMA = {
    "type": "object",
    "properties": {
        "age": {"type": "integer"},
        "income": {"type": ["number", "null"]},
        "region": {"type": "string", "x-harness-open": True},
    },
}
CODE = '''
"""Models for tests. ``frame`` and ``adapter`` beside this file are the repo's own modules."""
import os
import sys

import adapter
import frame

assert frame.OWNER == adapter.OWNER == "the model repo"


def load(artifact):
    print("loading prints to stdout")
    os.write(1, b"and so does C\\n")
    import joblib

    return joblib.load(artifact / "model.joblib")


def train(data, artifact, seed):
    print("training prints too")
    (artifact / "trained.txt").write_text(f"{data.name} {seed} {os.getcwd()}")


def train_badly(data, artifact, seed):
    raise RuntimeError("the recipe is wrong")


def average(rows):
    """A plain function of an Arrow table, in the standard library alone."""
    return [sum(cell for cell in row.values()) / len(row) for row in rows.to_pylist()]


def load_average(artifact):
    return average


class Odd:
    """Does what its input's first cell says."""

    def predict(self, frame):
        word = frame.iloc[0, 0] if len(frame) else "fine"
        print("odd model was asked", word)
        sys.stdout.flush()
        if word == "refuse":
            raise UnicodeError(f"a subclass of ValueError that quotes {word}-secret")
        if word == "undeclared":
            raise ZeroDivisionError(f"quotes {word}-secret")
        if word == "exit":
            sys.exit(3)
        if word == "die":
            os._exit(9)
        if word == "mutate":
            frame.iloc[0, 0] = "changed"
        if word == "nan":
            return [float("nan")] * len(frame)
        if word == "short":
            return []
        if word == "dict":
            return {"a": 1}
        if word == "wait":
            with open(os.environ["ASKED"], "w") as asked:
                asked.write("asked")
            with open(os.environ["GATE"]) as gate:
                gate.read()
        if word == "stdin":
            return [len(sys.stdin.read())] * len(frame)
        return ["fine"] * len(frame)


def load_odd(artifact):
    return Odd()


def load_never(artifact):
    raise OSError("the artifact is damaged")
'''


@dataclass(frozen=True)
class Repo:
    """A model repo on disk: its code's *folder*, *artifact*, and data files."""

    folder: Path
    artifact: Path
    parquet: Path
    csv: Path

    def settings(self, **changes: Any) -> Path:
        """Write a ``model.json`` and return its path."""
        found = {
            "name": "people",
            "load": "people:load",
            "train": "people:train",
            "input": "pandas",
            "outputs": {"kind": "probabilities", "labels": ["no", "yes"]},
            "inputs": SCHEMA,
            "errors": ["ValueError"],
            "seed": 0,
        } | changes
        path = self.folder.parent / f"model-{abs(hash(json.dumps(found, sort_keys=True)))}.json"
        path.write_text(json.dumps(found))
        return path

    def odd(self) -> Path:
        """Write the settings of the odd model."""
        return self.settings(
            name="odd", load="people:load_odd", outputs={"kind": "labels"}, inputs=None
        )


def make(root: Path) -> Repo:
    """Write a repo below *root*, with a scikit-learn pipeline as its artifact."""
    import joblib
    import numpy
    import pandas
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    folder, artifact = root / "app", root / "artifact"
    folder.mkdir()
    artifact.mkdir()
    (folder / "people.py").write_text(CODE)
    for name in ("frame", "adapter"):
        (folder / f"{name}.py").write_text('OWNER = "the model repo"\n')
    random = numpy.random.default_rng(0)
    rows = pandas.DataFrame(
        {
            "age": random.integers(18, 80, 300),
            "income": random.normal(30_000, 9_000, 300),
            "region": random.choice(["north", "süd"], 300),
        }
    )
    rows.loc[::7, "income"] = numpy.nan
    late = numpy.where(rows.age * 700 + rows.income.fillna(0) > 60_000, "yes", "no")
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["region"]),
            (SimpleImputer(), ["age", "income"]),
        ),
        RandomForestClassifier(7, random_state=0),
    ).fit(rows, late)
    joblib.dump(model, artifact / "model.joblib")
    rows.assign(target=late).to_parquet(root / "people.parquet", row_group_size=90)
    rows.assign(target=late).to_csv(root / "people.csv", index=False)
    return Repo(folder, artifact, root / "people.parquet", root / "people.csv")


class Session:
    """A probe that runs, its frames, and what it says besides."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self.process = process
        self.log = log
        assert process.stdin is not None and process.stdout is not None
        self.requests, self.answers = process.stdin, process.stdout

    @property
    def said(self) -> bytes:
        """What went to stderr so far."""
        self.log.seek(0)
        return self.log.read()

    def ask(
        self, header: dict[str, Any], columns: Sequence[Column] = ()
    ) -> tuple[dict[str, Any], list[Column]]:
        """Send one frame and return the answer's header and columns."""
        frame.write(self.requests, header, list(columns))
        found = frame.read(self.answers)
        assert found is not None, "the probe ended"
        return found[0], found[1]


def command(script: str, repo: Repo, settings: Path, *python: str) -> list[str]:
    """Return the command that runs one of the runtime's scripts on *repo*."""
    return [
        *(sys.executable, *python, str(RUNTIME / script)),
        *("--settings", str(settings), "--folder", str(repo.folder)),
        *("--artifact", str(repo.artifact)),
    ]


@contextmanager
def probing(repo: Repo, settings: Path, *python: str) -> Iterator[Session]:
    """Give a running probe; it ends with the context."""
    with tempfile.TemporaryFile() as log:  # no pipe: nobody would read it
        process = subprocess.Popen(
            [*command("probe.py", repo, settings, *python), "frames"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        with process:
            try:
                yield Session(process, log)
            finally:
                process.kill()


class Connection(HTTPConnection):
    """A client of a server that listens on a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))

    def ask(
        self, method: str, target: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Send one request; return its status and its JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.request(method, target, body, {"content-type": "application/json", **named})
        response = self.getresponse()
        raw = response.read()
        return response.status, json.loads(raw) if raw else None

    def infer(self, name: str, *tensors: dict[str, Any], **more: Any) -> tuple[int, Any]:
        """Ask for an inference."""
        body = json.dumps({"inputs": tensors, **more}).encode()
        return self.ask("POST", f"/v2/models/{name}/infer", body)


@dataclass(frozen=True)
class Server:
    """A server that runs, and what it says."""

    process: subprocess.Popen[bytes]
    socket: Path
    log: IO[bytes]

    @property
    def said(self) -> str:
        """What went to stdout and stderr so far."""
        self.log.seek(0)
        return self.log.read().decode()

    def connection(self) -> Connection:
        """Return a new connection to it."""
        return Connection(self.socket)


@contextmanager
def serving(
    repo: Repo, settings: Path, socket: Path, *options: str, **env: str
) -> Iterator[Server]:
    """Give a server that is ready; it ends with the context."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command("serve.py", repo, settings), "--uds", str(socket), *options],
            stdout=log,
            stderr=log,
            env={**os.environ, **env},
        )
        with process:
            try:
                server = Server(process, socket, log)
                _await(server)
                yield server
            finally:
                process.kill()


def _await(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if server.connection().ask("GET", "/v2/health/ready")[0] == 200:
                return
        except OSError:
            pass  # not listening yet
        try:
            server.process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the server ended: {server.said}")
    raise AssertionError("the server is not ready")


def tensor(name: str, datatype: str, data: list[Any], shape: Any = None) -> dict[str, Any]:
    """Return one input tensor."""
    shape = [len(data)] if shape is None else shape
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}
