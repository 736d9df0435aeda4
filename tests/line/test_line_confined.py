"""A model reaches nothing that it was not given: no network, no file of ours, no other process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from line_command import Command

ATTEMPTS = '''

import os as _os
import socket as _socket


def attempts():
    """Return what this process could do and should not."""
    done = []

    def attempt(name, action):
        try:
            action()
        except (OSError, ValueError):
            return
        done.append(name)

    def tcp(host, port):
        with _socket.create_connection((host, port), 2):
            pass

    def udp():
        with _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM) as out:
            out.sendto(b"x", ("192.0.2.1", 53))

    def abstract():
        with _socket.socket(_socket.AF_UNIX) as out:
            out.connect("\\0@@SOCKET@@")

    attempt("tcp to this machine", lambda: tcp("127.0.0.1", @@PORT@@))
    attempt("tcp elsewhere", lambda: tcp("192.0.2.1", 80))
    attempt("udp", udp)
    attempt("names", lambda: _socket.getaddrinfo("example.org", 80))
    attempt("an abstract socket of the host", abstract)
    for folder in ("/app", "/usr", "/opt/harness", "/opt/model", "/etc", "/data", "/", "/proc/sys"):
        attempt("write " + folder, lambda f=folder: open(f + "/written", "w").close())
    attempt("the holdout", lambda: open("@@HOLDOUT@@").close())
    attempt("the ledger's folder", lambda: _os.listdir("@@STATE@@"))
    for entry in _os.listdir("/data") if _os.path.isdir("/data") else ():
        if not entry.startswith("train"):
            done.append("sees " + entry)
    others = [p for p in _os.listdir("/proc") if p.isdigit() and int(p) > 64]
    if others:
        done.append("sees processes " + " ".join(others))
    if _os.getuid() == 0:
        done.append("is root")
    return done
'''

IN_TRAINING = """

def train_confined(data, artifact, seed):
    train(data, artifact, seed)
    found = attempts()
    if found:
        raise SystemExit("could: " + ", ".join(found))


_train = train


def train(data, artifact, seed):
    _train(data, artifact, seed)
    found = attempts()
    if found:
        raise RuntimeError("could: " + ", ".join(found))
"""

IN_PREDICTION = """

_matrix = matrix
_found = None


def matrix(visits):
    global _found
    if _found is None:
        _found = attempts() + (["write /artifact"] if _writes() else [])
    if _found:
        raise RuntimeError("could: " + ", ".join(_found))
    return _matrix(visits)


def _writes():
    try:
        open("/artifact/written", "w").close()
    except OSError:
        return False
    return True
"""


def spoil(folder: Path, port: int, socket: str, added: str) -> None:
    text = (
        ATTEMPTS.replace("@@PORT@@", str(port))
        .replace("@@SOCKET@@", socket)
        .replace("@@HOLDOUT@@", str(folder / "data" / "holdout.csv"))
        .replace("@@STATE@@", str(folder / ".harness"))
    )
    module = folder / "tiny" / "model.py"
    module.write_text(module.read_text() + text + added)


@pytest.mark.parametrize(("where", "added"), [("training", IN_TRAINING), ("all", IN_PREDICTION)])
def test_a_model_that_tries_everything_gets_nowhere(
    harness: Command, tiny: Callable[..., Path], where: str, added: str
) -> None:
    """Two listeners of this test are what it could reach without a sandbox."""
    import socket

    folder = tiny()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        name = f"harness-{folder.name}-{listening.getsockname()[1]}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        spoil(folder, listening.getsockname()[1], name, added)
        if where == "all":  # the attempts run in prediction only: training calls matrix as well
            module = folder / "tiny" / "model.py"
            text = module.read_text()
            module.write_text(text.replace("x, y = matrix(visits)", "x, y = _matrix(visits)"))

        done = harness("promote", folder, "--output", "json")

    assert done.code == 0, done.out + done.err
    assert [s["outcome"] for s in json.loads(done.out)["stages"]] == ["passed"] * 5


def test_the_attempts_would_succeed_without_a_sandbox(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    """What the test above looks for is something that this machine allows outside."""
    import socket

    folder = tiny()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        spoil(folder, listening.getsockname()[1], "none", "")
        space: dict[str, object] = {}
        text = (folder / "tiny" / "model.py").read_text()
        exec(text[text.index("import os as _os") :], space)
        could = space["attempts"]()  # type: ignore[operator]

    assert "tcp to this machine" in could
    assert "the holdout" in could
