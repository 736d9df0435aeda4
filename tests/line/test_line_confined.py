"""A model reaches nothing that it was not given: no network, no file of ours, no other process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from line_command import Command

ATTEMPTS = '''
"""What a process could do and should not be able to."""

import os
import socket

FOLDERS = (
    "/", "/app", "/artifact", "/data", "/dev", "/etc", "/opt/harness", "/opt/model", "/proc/sys",
    "/sys", "/usr", "/usr/bin", "/usr/local/lib/python3.11/dist-packages", "/var", "/var/tmp",
)


def tcp(host, port):
    socket.create_connection((host, port), 2).close()


def udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"x", (host, port))


def abstract():
    with socket.socket(socket.AF_UNIX) as out:
        out.connect("\\0@SOCKET@")


def write(path, mode="w"):
    open(path, mode).close()


def attempts(training=False):
    """Return the names of what succeeded; *training* has an artifact's folder to write into."""
    done = []

    def attempt(name, action, *arguments):
        try:
            found = action(*arguments)
        except (OSError, ValueError):
            return
        if found is None or found:
            done.append(name)

    attempt("reach this machine", tcp, "127.0.0.1", @TCP@)
    attempt("reach another machine", tcp, "192.0.2.1", 80)
    attempt("send a datagram", udp, "192.0.2.1", 53)
    attempt("ask for a name", socket.getaddrinfo, "example.org", 80)
    attempt("reach an abstract socket", abstract)
    for folder in FOLDERS:
        if not (training and folder == "/artifact"):
            attempt("write into " + folder, write, folder + "/written")
    for name in os.listdir("/data") if os.path.isdir("/data") else ():
        attempt("write its data", write, "/data/" + name, "a")
        if not name.startswith("train"):
            done.append("see " + name)
    attempt("write its code", write, os.path.abspath(__file__), "a")
    attempt("read the holdout", open, "@REPOSITORY@/data/holdout.csv")
    attempt("list the ledger's folder", os.listdir, "@REPOSITORY@/.harness")
    attempt("list the cache", os.listdir, "@CACHE@")
    seen = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    attempt("see other processes", lambda: seen - {1, os.getpid(), os.getppid()})
    try:
        udp("127.0.0.1", @UDP@)  # nobody can tell here whether it arrives: the test looks
    except OSError:
        pass
    return done + @MORE@


def allowed(training=False):
    """Raise RuntimeError when anything succeeded."""
    if found := attempts(training):
        raise RuntimeError("could " + ", ".join(found))
'''

EVERYWHERE = """

from tiny.attempts import allowed

allowed(training=True)  # whoever imports this, for whatever: /artifact is tried below
_train, _load, _answer = train, load, Buys.predict_proba


def train(data, artifact, seed):
    allowed(training=True)
    _train(data, artifact, seed)


def load(artifact):
    allowed()
    return _load(artifact)


def predict_proba(self, visits):
    if not getattr(self, "tried", False):
        allowed()
        self.tried = True
    return _answer(self, visits)


Buys.predict_proba = predict_proba
"""

IN_PREDICTION = """

from tiny.attempts import allowed


def predict_proba(self, visits):
    allowed()


Buys.predict_proba = predict_proba
"""

OF_ITS_OWN = '["read its own code"] if open(__file__).read() else []'
"""Something that is allowed everywhere: it shows that a success would be told."""


@dataclass(frozen=True)
class Listeners:
    """What a process of this machine could reach: a port, a port for datagrams, a unix socket."""

    tcp: socket.socket
    udp: socket.socket
    unix: socket.socket
    name: str

    def heard(self) -> list[str]:
        """Return which of them somebody has reached."""
        found = []
        for kind, reached in (
            ("tcp", self.tcp.accept),
            ("udp", lambda: self.udp.recv(16)),
            ("unix", self.unix.accept),
        ):
            try:
                reached()
            except BlockingIOError:
                continue
            found.append(kind)
        return found


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        name = f"harness-line-{os.getpid()}"
        udp.bind(("127.0.0.1", 0))
        unix.bind(f"\0{name}")
        unix.listen()
        for one in (tcp, udp, unix):
            one.setblocking(False)
        yield Listeners(tcp, udp, unix, name)


Spoil = Callable[..., Path]


@pytest.fixture
def spoilt(harness: Command, tiny: Callable[..., Path], listeners: Listeners) -> Spoil:
    """Return a function that makes a repository whose model tries what *added* tells it to."""

    def make(added: str, more: str = "[]") -> Path:
        folder = tiny()
        text = ATTEMPTS
        for name, value in {
            "@TCP@": listeners.tcp.getsockname()[1],
            "@UDP@": listeners.udp.getsockname()[1],
            "@SOCKET@": listeners.name,
            "@REPOSITORY@": folder,
            "@CACHE@": harness.cache,
            "@MORE@": more,
        }.items():
            text = text.replace(name, str(value))
        (folder / "tiny" / "attempts.py").write_text(text)
        module = folder / "tiny" / "model.py"
        module.write_text(module.read_text() + added)
        (folder / ".harness").mkdir()
        (folder / ".harness" / "note").write_text("a ledger lies here")
        return folder

    return make


def test_a_model_that_tries_everything_everywhere_gets_nowhere(
    harness: Command, spoilt: Spoil, listeners: Listeners
) -> None:
    """Whenever it is imported, trained, loaded or asked, in every stage up to the decision."""
    folder = spoilt(EVERYWHERE)

    done = harness("promote", folder, "--output", "json")

    assert 0 == done.code, done.out + done.err
    assert ["passed"] * 5 == [stage["outcome"] for stage in done.body["stages"]]
    assert "PROMOTE" == done.body["verdict"]
    assert [] == listeners.heard()


def test_without_a_sandbox_the_same_attempts_succeed(spoilt: Spoil, listeners: Listeners) -> None:
    """Only its own folder is tried to write into here: this is nobody's sandbox."""
    folder = spoilt("")
    ask = "from tiny import attempts as a; a.FOLDERS = ('tiny',); print(a.attempts())"

    done = subprocess.run([sys.executable, "-c", ask], cwd=folder, capture_output=True, text=True)

    for what in (
        "reach this machine",
        "reach an abstract socket",
        "write into tiny",
        "write its code",
        "read the holdout",
        "list the ledger's folder",
        "list the cache",
        "see other processes",
    ):
        assert what in done.stdout, done.stdout + done.stderr
    assert ["tcp", "udp", "unix"] == listeners.heard()


def test_an_attempt_that_succeeds_in_training_would_be_told(
    harness: Command, spoilt: Spoil
) -> None:
    folder = spoilt(EVERYWHERE, more=OF_ITS_OWN)

    harness("train", folder).refused(1, "RuntimeError: could read its own code")


def test_an_attempt_that_succeeds_in_prediction_would_be_told(
    harness: Command, spoilt: Spoil
) -> None:
    folder = spoilt(IN_PREDICTION, more=OF_ITS_OWN)

    done = harness("stage", "contract", folder)

    assert 1 == done.code, done.err
    assert "RuntimeError: could read its own code" in done.out
