"""A virtual environment for development, as near to a lock as this machine can be.

What the lock names and this interpreter takes is installed from the very files; of the rest, the
same version in another file. Every difference that is left is told.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import packaging
from packaging.utils import canonicalize_name, parse_wheel_filename

from harness.core.digest import Digest
from harness.core.errors import BuildFailed, SpecInvalid, ToolMissing
from harness.lock import resolve
from harness.lock.fetch import fetch, link_wheels
from harness.lock.lock import Deb, Lock, Wheel
from harness.lock.pylock_reading import MACHINES
from harness.world import process
from harness.world.http import Progress
from harness.world.store import Store

_FACTS = """
import json, platform, sys
sys.path.insert(0, sys.argv[1])
from packaging.tags import sys_tags
print(json.dumps({"python": platform.python_version(), "minor": "%d.%d" % sys.version_info[:2],
    "system": sys.platform, "machine": platform.machine(), "tags": [str(t) for t in sys_tags()]}))
"""
_INSTALLED = """
import json
from importlib.metadata import distributions
print(json.dumps({d.metadata["Name"]: d.version for d in distributions()}))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Something that is not as in the image: *what*, as *locked*, and as it is *here*."""

    what: str
    locked: str
    here: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A virtual environment: *exact* packages are the locked files, *missing* ones have no file
    for this interpreter."""

    folder: Path
    python: str
    exact: tuple[str, ...]
    missing: tuple[str, ...]
    differences: tuple[Difference, ...]


def interpreter(lock: Lock) -> Path:
    """Return the interpreter to use: one of the lock's version where there is one, else ours."""
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == lock.python:
        return Path(sys.executable)
    found = shutil.which(f"python{lock.python}")
    if found and process.run([found, "-c", ""]).code == 0:
        return Path(found)
    return Path(sys.executable)


def which(name: str) -> Path | None:
    """Return the program of an interpreter that is named by its path or as on the command line."""
    found = shutil.which(name)
    return Path(found) if found else None


def made(
    lock: Lock,
    folder: Path,
    store: Store,
    *,
    python: Path,
    clear: bool = False,
    progress: Progress | None = None,
) -> Made:
    """Make a virtual environment of *lock*'s packages in *folder*, for the interpreter *python*.

    Raises SpecInvalid when the folder holds something (unless it is one and *clear* is set),
    ToolMissing for no interpreter, BuildFailed, and what ``fetch`` raises.
    """
    _room(folder, clear)
    facts = _ask(python, _FACTS, str(Path(packaging.__file__).parents[1]))
    tags = set(facts["tags"])
    exact = tuple(w for w in lock.packages if not w.built and _fits(w, tags))
    others = tuple(w for w in lock.packages if w not in exact) + _of_base(lock)
    fetch(replace(lock, packages=exact, debs=()), store, progress=progress)
    try:
        inside = _created(python, folder)
        with store.scratch() as scratch:
            link_wheels(replace(lock, packages=exact), store, scratch)
            names = [str(scratch / w.filename) for w in exact]
            if names and (done := _pip(inside, "--no-index", *names)).code:
                raise BuildFailed(
                    f"the locked wheels can't be installed: {done.tail}",
                    hint="try another interpreter: --python",
                )
        missing = _same_versions(inside, others)
        installed = _ask(inside, _INSTALLED)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    here = {str(canonicalize_name(name)): version for name, version in installed.items()}
    return Made(
        folder=folder,
        python=facts["python"],
        exact=tuple(w.name for w in exact),
        missing=missing,
        differences=(
            *_interpreters(lock, facts),
            *_packages(lock, others, here),
            *os_packages(lock, _dpkg),
        ),
    )


def _of_base(lock: Lock) -> tuple[Wheel, ...]:
    """Return what a base image has and stays, as packages of which no file is known."""
    kept = sorted(lock.base.kept.items()) if lock.base else ()
    return tuple(Wheel(name=n, version=v, filename="", digest=Digest("")) for n, v in kept)


def os_packages(lock: Lock, installed: Callable[[], dict[str, str] | None]) -> Iterator[Difference]:
    """Yield how this machine's OS packages differ: those that were asked for one by one, the rest
    as a number. *installed* returns versions by name, or None where nobody can tell."""
    here = installed()
    if here is None:
        told = f"{len(lock.debs)} of {lock.suite}"
        yield Difference(what="OS packages", locked=told, here="this machine has no dpkg")
        return
    for deb in lock.debs:
        if deb.name in lock.os and here.get(deb.name) != deb.version:
            version = here.get(deb.name, "not installed")
            yield Difference(what=f"OS package {deb.name}", locked=deb.version, here=version)
    rest = [deb for deb in lock.debs if deb.name not in lock.os]
    if told := _counted(rest, here):
        yield Difference(what="other OS packages", locked=f"{len(rest)} of {lock.suite}", here=told)


def _counted(debs: Sequence[Deb], here: dict[str, str]) -> str:
    absent = sum(deb.name not in here for deb in debs)
    moved = sum(here.get(deb.name, deb.version) != deb.version for deb in debs)
    words = [f"{absent} not installed" if absent else "", f"{moved} in other versions"]
    return ", ".join(filter(None, words if moved else words[:1]))


def _interpreters(lock: Lock, facts: dict[str, Any]) -> Iterator[Difference]:
    wanted = lock.base.python if lock.base else resolve.micro(lock.debs, lock.python)
    if facts["python"] != wanted:
        yield Difference(what="Python", locked=wanted, here=facts["python"])
    machine = MACHINES[lock.architecture]
    if (facts["system"], facts["machine"]) != ("linux", machine):
        here = f"{facts['system']} on {facts['machine']}"
        yield Difference(what="platform", locked=f"linux on {machine}", here=here)


def _packages(lock: Lock, others: Sequence[Wheel], here: dict[str, str]) -> Iterator[Difference]:
    for wheel in others:
        version = here.get(wheel.name)
        told = f"{version}, another file" if version else "no file for this interpreter"
        file = wheel.filename or "in the base image"
        yield Difference(what=wheel.name, locked=f"{wheel.version}, {file}", here=told)
    for name in sorted({*here} - {*lock.pins} - {wheel.name for wheel in others}):
        yield Difference(what=name, locked="not in the lock", here=here[name])


def _fits(wheel: Wheel, tags: set[str]) -> bool:
    return any(str(tag) in tags for tag in parse_wheel_filename(wheel.filename)[3])


def _room(folder: Path, clear: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / "pyvenv.cfg").is_file():
        raise SpecInvalid(
            f"{folder} is there and is no virtual environment", hint="name another folder"
        )
    if not clear:
        raise SpecInvalid(
            f"{folder} is a virtual environment already", hint="make it anew with --clear"
        )
    shutil.rmtree(folder)


def _created(python: Path, folder: Path) -> Path:
    """Make an empty virtual environment, without pip: the lock doesn't name it."""
    done = process.run([python, "-m", "venv", "--clear", "--without-pip", folder])
    if done.code:
        raise BuildFailed(f"no virtual environment could be made: {done.tail}", hint="try --python")
    return folder / "bin" / "python"


def _pip(inside: Path, *arguments: str) -> process.Finished:
    fixed = ("install", "--no-deps", "--quiet", "--disable-pip-version-check")
    return process.run([sys.executable, "-m", "pip", "--python", inside, *fixed, *arguments])


def _same_versions(inside: Path, wheels: Sequence[Wheel]) -> tuple[str, ...]:
    """Install the versions of *wheels* in whatever file an index has for this interpreter; return
    the names of those that have none. Source is built only where the lock has it built, too."""
    built = [f"--no-binary={wheel.name}" for wheel in wheels if wheel.built]

    def done(some: Sequence[Wheel]) -> bool:
        pins = [f"{wheel.name}=={wheel.version}" for wheel in some]
        return not some or _pip(inside, "--only-binary=:all:", *built, *pins).code == 0

    if done(wheels):
        return ()
    return tuple(wheel.name for wheel in wheels if not done([wheel]))


def _ask(python: Path, program: str, *arguments: str) -> dict[str, Any]:
    done = process.run([python, "-I", "-c", program, *arguments])
    if done.code:
        raise ToolMissing(f"{python} is no usable Python: {done.tail}", hint="name one: --python")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _dpkg() -> dict[str, str] | None:
    try:
        form = "${Package} ${Version} ${db:Status-Status}\n"
        asked = process.run(["dpkg-query", "--show", f"--showformat={form}"])
    except ToolMissing:
        return None
    rows = (line.split() for line in asked.stdout.decode("utf-8", "replace").splitlines())
    return {row[0]: row[1] for row in rows if row[2:] == ["installed"]}
