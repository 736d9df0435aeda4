"""Harness' steps as nox sessions, for any model's noxfile.

::

    from harness.sessions import register
    register()

then ``nox -s promote``. Imports nox and the standard library only, so that a checkout's noxfile
can use it before anything is installed; the sessions install Harness for themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import nox

NAME = "model-harness"
COMMANDS = {
    "lock": ("lock",),
    "diff": ("diff",),
    "build": ("build",),
    "train": ("train",),
    "contract": ("stage", "contract"),
    "smoke_train": ("stage", "smoke_train"),
    "integration": ("stage", "integration"),
    "promote": ("promote",),
}
"""The sessions, and the command of ``harness`` that each of them runs."""

_DOES = {
    "lock": "Resolve the model's environment, or the one named after --, and write its lock.",
    "diff": "Tell what changed in the model's environment since HEAD, or between what follows --.",
    "build": "Build the model's image.",
    "train": "Run the declared training in the environment's image.",
    "contract": "Check the contract inside the model's image.",
    "smoke_train": "Train on a few hundred rows inside the image.",
    "integration": "Try the image's own server.",
    "promote": "Take the model through every stage to a decision in the ledger.",
}


def register(prefix: str = "", folder: str = ".") -> None:
    """Define the sessions of COMMANDS, *prefix* before their names, for the model in *folder*.

    What follows ``--`` goes to ``harness``; a folder first is taken instead of *folder*. None of
    them runs unless it is asked for by name. The virtual environment is kept and reused;
    ``HARNESS_REQUIREMENT`` in the environment says what to install instead of this Harness.
    """
    for verb in COMMANDS:
        nox.session(name=prefix + verb, reuse_venv=True, default=False)(_session(verb, folder))


def _session(verb: str, folder: str) -> Callable[[nox.Session], None]:
    def session(session: nox.Session) -> None:
        _install(session, "promote,debian" if verb == "lock" else "promote")
        if verb in ("lock", "diff"):
            arguments = list(session.posargs) or environment_of(Path(folder))
        else:
            arguments = with_folder(session.posargs, folder)
            for project in filter(_holds_project, arguments):
                _prepare(session, Path(project))
        session.run("harness", *COMMANDS[verb], *arguments)

    session.__doc__ = _DOES[verb]
    return session


def with_folder(arguments: Sequence[str], folder: str) -> list[str]:
    """Return *arguments* with *folder* first, unless they name one of their own."""
    own = arguments and not arguments[0].startswith("-")
    if own or any(_holds_project(argument) for argument in arguments):
        return list(arguments)
    return [folder, *arguments]


def environment_of(folder: Path) -> list[str]:
    """Return the name of the environment of *folder*'s model and where it lies, as options."""
    declared = _declared(folder)
    name = str(declared.get("model", {}).get("environment", "")).partition(":")[0]
    source = declared.get("environments", {}).get("source", "../envs")
    place = source if "://" in source else os.path.normpath(folder / source)
    return [name, "--envs", place] if name else []


def dependencies(script: str) -> list[str]:
    """Return what a script says it needs (inline script metadata, PEP 723)."""
    block = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"  # its own
    for found in re.finditer(block, script):
        if found["type"] == "script":
            lines = found["content"].splitlines()
            table = tomllib.loads("\n".join(line[2:] for line in lines))
            return [str(requirement) for requirement in table.get("dependencies", ())]
    return []


def missing_data(folder: Path) -> list[str]:
    """Return the files that ``[data]`` of *folder*'s model names and that are not there."""
    data = _declared(folder).get("data", {})
    named = [data[key] for key in ("train", "dev", "holdout") if isinstance(data.get(key), str)]
    return [name for name in named if not (folder / name).exists()]


def requirement(extras: str) -> list[str]:
    """Return what to give to pip: this very Harness, with *extras*.

    In turn: ``HARNESS_REQUIREMENT``; the checkout that this file lies in, editable; the place
    that the running distribution was installed from (PEP 610); its version from the index.
    """
    if chosen := os.environ.get("HARNESS_REQUIREMENT"):
        if Path(chosen).is_dir():
            return ["-e", f"{Path(chosen).absolute()}[{extras}]"]
        return [f"{chosen}[{extras}]"] if Path(chosen).is_file() else shlex.split(chosen)
    checkout = Path(__file__).absolute().parents[1]
    if _name_of(checkout / "pyproject.toml") == NAME:
        return ["-e", f"{checkout}[{extras}]"]
    try:
        running = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return [f"{NAME}[{extras}]"]
    origin = json.loads(running.read_text("direct_url.json") or "{}")
    if "vcs_info" in origin:
        pinned = f"{origin['vcs_info']['vcs']}+{origin['url']}@{origin['vcs_info']['commit_id']}"
        return [f"{NAME}[{extras}] @ {pinned}"]
    if "url" in origin:
        return [f"{NAME}[{extras}] @ {origin['url']}"]
    return [f"{NAME}[{extras}]=={running.version}"]


def _install(session: nox.Session, extras: str) -> None:
    """Install Harness, unless the kept environment has just that already."""
    if session.venv_backend == "none":
        return  # --no-venv: the caller's own environment, as it is
    wanted = requirement(extras)
    state = json.dumps([wanted, sys.version, *map(_digest, wanted)])
    marker = Path(session.bin).parent / "harness-installed.json"
    if marker.is_file() and marker.read_text() == state:
        return
    session.install(*wanted)
    # run_install, because nox leaves both out with --no-install, and the marker must not lie
    write = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
    session.run_install("python", "-c", write, str(marker), state, silent=True, log=False)


def _digest(argument: str) -> str:
    """Return the digest of the file, or of the checkout's dependencies, that *argument* names."""
    path = Path(re.sub(r"\[[\w,-]*\]$", "", argument))
    path = path / "pyproject.toml" if path.is_dir() else path
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _prepare(session: nox.Session, folder: Path) -> None:
    """Let ``prepare.py`` of *folder* write the model's data, where they are not there yet.

    What the script needs is installed into an environment that is thrown away, so nothing of it
    can be mistaken for a part of the locked one.
    """
    script = folder / "prepare.py"
    if not script.is_file() or not missing_data(folder):
        return
    session.log(f"{script} writes the data once: {', '.join(missing_data(folder))}")
    with tempfile.TemporaryDirectory(prefix="harness-prepare-") as place:
        session.run(sys.executable, "-m", "virtualenv", "--quiet", place, external=True)
        python = str(Path(place, "Scripts" if os.name == "nt" else "bin", "python"))
        if needed := dependencies(script.read_text(encoding="utf-8")):
            session.run(python, "-m", "pip", "install", "--quiet", *needed, external=True)
        with session.chdir(folder):
            session.run(python, script.name, external=True)
    if still := missing_data(folder):
        session.error(f"{script} ended well and did not write {', '.join(still)}")


def _holds_project(argument: str) -> bool:
    folder = Path(argument)
    return (folder / "harness.toml").is_file() or "harness" in _table(
        folder / "pyproject.toml", "tool"
    )


def _declared(folder: Path) -> dict[str, Any]:
    """Return the model's declaration; empty where it can't be read: ``harness`` says why."""
    own = folder / "harness.toml"
    if own.is_file():
        return _toml(own)
    found = _table(folder / "pyproject.toml", "tool").get("harness", {})
    return found if isinstance(found, dict) else {}


def _name_of(pyproject: Path) -> Any:
    return _table(pyproject, "project").get("name")


def _table(file: Path, name: str) -> dict[str, Any]:
    found = _toml(file).get(name, {})
    return found if isinstance(found, dict) else {}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
