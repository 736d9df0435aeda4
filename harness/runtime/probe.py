"""The probe inside a model image: ``probe.py frames`` answers the host's frames on stdin and
stdout; ``probe.py train DATA ARTIFACT SEED`` runs the declared training.

What the model prints goes to stderr. A model that raises is answered as *refused*; anything else
that goes wrong with one request as *failed*; only a broken frame ends the probe (exit code 2).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING or __package__:
    from harness.runtime import (
        adapter,
        clock,
        constants,
        frame,
        lasting,
        loading,
        relation,
        together,
        usage,
    )
    from harness.runtime.frame import Column
else:
    # A process that the model spawns runs this file again, with the path that we left to it.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import adapter
    import clock
    import constants
    import frame
    import lasting
    import loading
    import relation
    import together
    import usage
    from frame import Column

    loading.step_aside()

Answer = tuple[dict[str, Any], list[Column]]
MESSAGE = 2000
"""Characters of an import's error that are kept; a pipe holds that without a reader."""
CAUSES, FILES = 4, 20
"""How many of the exceptions and files that led to an import's error are told."""


class Probe:
    """One session: the model is loaded at its first need and kept."""

    def __init__(self, settings: Path, folder: Path, artifact: Path) -> None:
        self.places = (settings, folder, artifact)
        self.loaded: Any = None
        self.settings: dict[str, Any] = {}

    def model(self) -> Any:
        """Return the model, loaded once; raises what loading raises."""
        if self.loaded is None:
            settings, folder, artifact = self.places
            self.settings = loading.settings(settings)
            self.loaded = adapter.load(self.settings, artifact, folder=folder)
            if self.settings.get("input") == "auto":
                self.settings["input"] = adapter.input_kind(self.loaded)
        return self.loaded

    def answer(self, header: dict[str, Any], columns: Sequence[Column]) -> Answer:
        """Return the answer to one request; a failure of the request itself is an answer too."""
        try:
            match header.get("op"):
                case "hello":
                    return self.hello()
                case "predict":
                    return self.predict(header, columns)
                case "together":
                    return self.several(together.ask, header, columns)
                case "lasting":
                    return self.several(lasting.ask, header, columns)
                case "usage":
                    collect, trace = bool(header.get("collect")), header.get("trace")
                    return {"status": "ok", **usage.told(collect=collect, trace=trace)}, []
                case "clock":
                    clock.shift(float(header["seconds"]))
                    return {"status": "ok"}, []
                case "function":
                    return self.function(header, columns)
                case "read":
                    return read(header)
                case "imports":
                    seconds = float(header.get("seconds", 0))
                    return imports(header["modules"], self.places[1], seconds)
                case other:
                    raise ValueError(
                        f"op {other!r} is none of hello, predict, together, lasting, usage, "
                        "clock, read, imports"
                    )
        except (Exception, SystemExit) as raised:
            traceback.print_exc(file=sys.stderr)
            return {"status": "failed", "error": adapter.failure(raised)}, []

    def hello(self) -> Answer:
        """Say which methods the model has, and which numbers its own rules use."""
        model = self.model()
        return {
            "status": "ok",
            "python": ".".join(map(str, sys.version_info[:3])),
            "methods": adapter.methods(model, self.settings.get("outputs") or {}),
            "constants": constants.mine(model),
            "words": constants.words(model),
            "classes": adapter.classes(model),
            "about": adapter.about(model) | {"module": adapter.module(model)},
        }, []

    def predict(self, header: dict[str, Any], columns: Sequence[Column]) -> Answer:
        """Ask the model once, or once by each of ``methods``."""
        if "methods" in header:
            return self._by_each(header, columns)
        answered, column = adapter.call(
            self.model(), header["method"], self._built(header, columns)
        )
        return answered, [] if column is None else [column]

    def _by_each(self, header: dict[str, Any], columns: Sequence[Column]) -> Answer:
        model, watch = self.model(), bool(header.get("watch", True))
        inputs = self._built(header, columns)
        answers: list[dict[str, Any]] = []
        found: list[Column] = []
        for method in header["methods"]:
            answered, column = adapter.call(model, method, inputs, watch=watch)
            if column is None:
                return answered | {"method": method}, []
            answers.append(answered)
            found.append(column)
            if answered["mutated"]:
                inputs = self._built(header, columns)
        return {"status": "answered", "answers": answers}, found

    def several(self, way: Any, header: dict[str, Any], columns: Sequence[Column]) -> Answer:
        """Ask the model about each of ``orders`` of the rows, in a *way* that gives answers."""
        inputs = self._built(header, columns)
        found = way(self.model(), header["method"], inputs, header["orders"])
        kept = [column for _, column in found if column is not None]
        return {"status": "answered", "answers": [answered for answered, _ in found]}, kept

    def function(self, header: dict[str, Any], columns: Sequence[Column]) -> Answer:
        """Ask a function of the project: rows for changed ones, answers whether all is well."""
        self.model()  # first: it enters the project's folder
        try:
            if "shape" in header:
                found = [relation.holds(columns, header["function"], shape=header["shape"])]
            else:
                kind = self.settings.get("input", "pandas")
                found = relation.changed(columns, header["function"], kind=kind)
        except (Exception, SystemExit) as raised:  # whatever the project's own code raises
            return {"status": "refused", "error": adapter.failure(raised)}, []
        return {"status": "ok"}, found

    def _built(self, header: dict[str, Any], columns: Sequence[Column]) -> Any:
        self.model()  # first, for its settings
        return adapter.build(
            columns,
            kind=self.settings.get("input", "pandas"),
            index=header.get("index", "range"),
        )


def read(header: dict[str, Any]) -> Answer:
    """Read rows of a data file; no model is loaded."""
    rows, kinds, columns = adapter.read_table(
        header["path"], header.get("only"), header.get("start", 0), header.get("stop")
    )
    return {"status": "ok", "rows": rows, "kinds": kinds}, columns


def imports(modules: Sequence[str], folder: Path, seconds: float) -> Answer:
    """Import each of *modules* in a process of its own; say which ones fail, and how.

    ``module:name`` also asks for what the module has of that name. Each may take *seconds*; 0 is
    no limit.
    """
    if folder.is_dir():
        loading.enter(folder)
    failures = {}
    for module in modules:
        failure = _import(module, seconds)
        if failure is not None:
            failures[module] = failure
    return {"status": "ok", "failures": failures}, []


def _import(module: str, seconds: float) -> dict[str, Any] | None:
    reader, writer = os.pipe()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends it in the middle of C code too
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            name, _, inner = module.partition(":")
            found: Any = importlib.import_module(name)
            for part in filter(None, inner.split(".")):
                found = getattr(found, part)
            said = b""
        except BaseException as raised:  # a module may even call sys.exit
            said = json.dumps(_said(raised)).encode()
        os.write(writer, said)
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)  # first: what it says fits into the pipe
    with os.fdopen(reader, "rb") as pipe:
        os.set_blocking(reader, False)  # a grandchild may hold the other end
        said = pipe.read() or b""
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGALRM and seconds:
        return {"type": "TimedOut", "message": f"importing it takes longer than {seconds:g} s"}
    if code:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return {"type": "Died", "message": f"importing it ended the process by {how}"}
    return json.loads(said) if said else None


def _said(raised: BaseException) -> dict[str, Any]:
    """Return an exception as an import's failure: type, message, those that led to it, and the
    files of the modules on the way to it, the last one first."""
    error = adapter.failure(raised)
    before: list[str] = []
    cause = raised.__cause__ or raised.__context__
    while cause is not None and len(before) < CAUSES:
        before.append(adapter.failure(cause)["message"][:MESSAGE])
        cause = cause.__cause__ or cause.__context__
    files = [frame.filename for frame in reversed(traceback.extract_tb(raised.__traceback__))]
    own = (os.path.abspath(__file__), importlib.__file__)
    way = [name for name in files if not name.startswith("<frozen") and name not in own]
    return {
        "type": error["type"],
        "message": error["message"][:MESSAGE],
        "before": before,
        "files": list(dict.fromkeys(way))[:FILES],
    }


def frames(probe: Probe, requests: BinaryIO, answers: BinaryIO) -> int:
    """Answer frames until *requests* ends (0), or is no sequence of frames (2)."""
    own = os.getpid()
    while True:
        try:
            message = frame.read(requests)
            if message is None:
                return 0
            header, columns, _ = message
        except Exception as broken:  # whatever it was: the stream can't be followed any more
            frame.write(answers, {"status": "failed", "error": adapter.failure(broken)})
            return 2
        answered, found = probe.answer(header, columns)
        if os.getpid() != own:  # the model forked, and this is the child: it has no say
            os._exit(0)
        frame.write(answers, answered, found)


def take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Return stdin and stdout for frames alone: from here on the model's own are elsewhere."""
    sys.stdout.flush()
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def train(settings: Path, folder: Path, data: Path, artifact: Path, seed: int) -> int:
    """Run the declared training; return 0, 1 when it raised, 2 when there is none to run."""
    declared = loading.settings(settings).get("train")
    if not declared:
        print('no training is declared: train = "module:function" in [model]', file=sys.stderr)
        return 2
    try:
        loading.enter(folder)
        try:
            function = loading.function(declared, "train")
        except loading.Unloadable as missing:
            print(missing, file=sys.stderr)
            return 2
        function(data, artifact, seed)
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code of one run."""
    parser = argparse.ArgumentParser(prog="probe.py", description=__doc__)
    loading.add_places(parser)
    modes = parser.add_subparsers(dest="mode", required=True)
    modes.add_parser("frames")
    training = modes.add_parser("train")
    training.add_argument("data", type=Path)
    training.add_argument("target", type=Path)
    training.add_argument("seed", type=int)
    chosen = parser.parse_args(arguments)
    settings, folder = chosen.settings.absolute(), chosen.folder.absolute()
    if chosen.mode == "train":
        return train(
            settings, folder, chosen.data.absolute(), chosen.target.absolute(), chosen.seed
        )
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as process 1 it would be ignored
    clock.start()
    requests, answers = take_streams()
    return frames(Probe(settings, folder, chosen.artifact.absolute()), requests, answers)


if __name__ == "__main__":
    sys.exit(main())
