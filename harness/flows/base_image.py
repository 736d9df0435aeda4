"""An image of others looked into: pulled, unpacked, and its Python asked what it is and has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from harness.content import facts
from harness.content.interpreter import Interpreter
from harness.content.scheme import Scheme
from harness.core.errors import BuildFailed, JobFailed, NotBuiltYet, PlatformMissing, SpecInvalid
from harness.engine.engine import Engine, Job
from harness.image import base_pull, on_base, os_packages
from harness.image.key import key
from harness.lock import base_image
from harness.lock.base_image import Pulled
from harness.lock.lock import Base, Installed
from harness.lock.on_base import Looked
from harness.lock.pylock_reading import MACHINES
from harness.spec.environment import Environment
from harness.world import machine, rooted
from harness.world.store import Store

LOOK = 1
"""Version of what is asked; part of the key of its answer."""
OLDEST = (3, 11)
"""The oldest Python that what travels into an image runs on."""
FOLDERS = ("/usr/local/bin", "/opt/conda/bin", "/opt/venv/bin", "/usr/bin", "/bin")
"""Where a Python is looked for after the folders of the image's PATH."""
SECONDS = 120.0

Progress = Callable[[str], None]


def looked(
    environment: Environment,
    store: Store,
    *,
    engine: Callable[[], Engine],
    program: str = "",
    progress: Progress = lambda _: None,
) -> Looked | None:
    """Return what is in the image that an effective *environment* stands on; None where it stands
    on none. Its Python is the *program* of a parent on the same image, else it is looked for.

    Raises PlatformMissing for a platform that isn't this machine's, SpecInvalid where the image's
    Python isn't the asked one, BuildFailed where it has none that can be used, and what
    ``base_pull.pull`` and ``on_base.ground`` raise.
    """
    if not environment.image:
        return None
    here = machine.architecture()
    if environment.platforms != (here,):
        raise PlatformMissing(
            f"{environment.name} stands on an image, which is looked into by running its Python: "
            f"that can be done for {MACHINES[here]} here, and for nothing else",
            hint=f'platforms = ["{MACHINES[here]}"] in environment.toml',
        )
    pulled = base_pull.pull(
        environment.image, here, store, folder=environment.folder, progress=progress
    )
    root = on_base.ground(pulled, store, progress)
    progress("asking the Python of the base image")
    programs = (f"/{program}",) if program else _candidates(pulled, root, environment.python)
    asked = key("look", LOOK, pulled.manifest, environment.python, *([program] if program else []))
    said = store.record(
        "look", asked, lambda: _asked(environment, pulled, root, programs, engine())
    )
    return _read(environment, pulled, root, said)


def fetched(
    base: Base,
    architecture: str,
    store: Store,
    *,
    folder: Path,
    progress: Progress = lambda _: None,
) -> None:
    """Put the image *base* into *store*; raises what ``base_pull.pull`` does."""
    if not base_image.here(base.manifest, store):
        base_pull.pull(base.image, architecture, store, folder=folder, progress=progress)


def interpreter(looked: Looked, store: Store) -> Interpreter:
    """Return the Python of a base image, to be run on this machine."""
    pulled = base_image.read(looked.base.manifest, store, text=looked.base.image)
    scheme = looked.base.scheme
    return Interpreter(on_base.ground(pulled, store), scheme.python, scheme.program)


def refuse(image: bool, what: str) -> None:
    """Raise NotBuiltYet where *what* is asked of an environment on an *image* of others."""
    if image:
        raise NotBuiltYet(
            f"{what} of an environment on an image of others is not built yet",
            hint="write 'P>=V' into what it asks for, and lock it: that moves what it forces",
        )


def _asked(
    environment: Environment, pulled: Pulled, root: Path, programs: Iterable[str], engine: Engine
) -> dict[str, Any]:
    """Return the facts that the first usable Python of *programs* tells, with its path as
    ``program``."""
    tried: list[str] = []
    for program in programs:
        job = Job(
            root=root,
            argv=(program, "-B", "-X", "utf8", "-c", Path(facts.__file__).read_text("utf-8")),
            env={**dict(pulled.env), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"},
            timeout=SECONDS,
            label="base image",
        )
        try:
            result, out = engine.run(job)
        except JobFailed as failed:
            tried.append(f"{program}: {failed.message}")
            continue
        if not result.ok:
            last = (result.stderr_tail.strip().splitlines() or ["it said nothing"])[-1]
            tried.append(f"{program}: {result.reason} {result.code}, {last}")
            continue
        said: dict[str, Any] = json.loads(out.decode("utf-8").strip().splitlines()[-1])
        minor = ".".join(said["python"].split(".")[:2])
        if environment.python and minor != environment.python:
            tried.append(f"{program} is Python {said['python']}")
            continue
        return {**said, "program": program}
    if environment.python and any(" is Python " in one for one in tried):
        raise SpecInvalid(
            f"{environment.image} has no Python {environment.python}: " + "; ".join(tried),
            hint="leave python out of environment.toml to take the image's own",
        )
    raise BuildFailed(
        f"{environment.image} has no Python that runs"
        + (": " + "; ".join(tried) if tried else ", in its PATH or where one usually is"),
        hint="name an image with a Python, or base = { debian = … }",
    )


def _candidates(pulled: Pulled, root: Path, python: str) -> Iterator[str]:
    """Yield paths in the image that may be a Python: of the asked version first."""
    path = dict(pulled.env).get("PATH", "").split(":")
    folders = dict.fromkeys(one for one in (*path, *FOLDERS) if one.startswith("/"))
    names = (*([f"python{python}"] if python else []), "python3", "python")
    seen: set[str] = set()
    for name in names:
        for folder in folders:
            place = f"{folder.rstrip('/')}/{name}"
            if rooted.file(root, place) is not None and place not in seen:
                seen.add(place)
                yield place


def _read(environment: Environment, pulled: Pulled, root: Path, said: dict[str, Any]) -> Looked:
    version = tuple(int(part) for part in said["python"].split("."))
    if said["implementation"] != "cpython" or version < OLDEST:
        raise BuildFailed(
            f"{environment.image} has {said['implementation']} {said['python']}; models are run by "
            f"CPython {OLDEST[0]}.{OLDEST[1]} or newer",
            hint="name another image",
        )
    if not said["platform"]:
        raise BuildFailed(
            f"{environment.image} has a C library that no wheels are made for",
            hint="name an image with glibc or musl",
        )
    minor = f"{version[0]}.{version[1]}"
    packages = tuple(sorted(map(lambda one: _installed(one, root), said["packages"]), key=_name))
    named = [(str(canonicalize_name(one["name"])), one) for one in reversed(said["packages"])]
    suite, system = os_packages.found(root)
    return Looked(
        base=Base(
            image=environment.image,
            manifest=pulled.manifest,
            python=said["python"],
            scheme=Scheme(
                python=minor,
                program=said["program"].lstrip("/"),
                site=_place(root, said["site"]),
                scripts=_place(root, said["scripts"]),
                prefix=_place(root, said["prefix"]),
            ),
            platform=said["platform"],
            packages=packages,
            suite=suite,
            os=system,
        ),
        architecture=pulled.architecture,
        created=pulled.created,
        needs={name: tuple(one["needs"]) for name, one in named},
        extras={name: tuple(one["extras"]) for name, one in named},
    )


def _name(one: Installed) -> str:
    return one.name


def _installed(said: dict[str, Any], root: Path) -> Installed:
    return Installed(
        name=str(canonicalize_name(said["name"])),
        version=said["version"],
        info=_place(root, said["info"]) if said["info"] else "",
    )


def _place(root: Path, path: str) -> str:
    """Return *path* as it lies below *root*, with no link in it: so it is in a layer, too."""
    found = rooted.real(root, path)
    if not found:
        raise BuildFailed(f"/{path} of the base image leads nowhere", hint="name another image")
    return found
