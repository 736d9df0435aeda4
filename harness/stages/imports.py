"""The clean room: every needed shared library is there, every top-level module imports, every
script's function is found, and no wheel says of itself what isn't so."""

from __future__ import annotations

import configparser
import posixpath
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import JobFailed
from harness.image import installed, loaders, validate
from harness.image.installed import Distribution, EntryPoint
from harness.image.model import Runnable
from harness.runtime import frame
from harness.stages import import_report
from harness.stages.import_advice import Outside
from harness.stages.import_report import Found
from harness.stages.load import Bench, why
from harness.stages.stage import StageResult

SECONDS = 120.0
"""What one module's import may take."""

Progress = Callable[[str], None]


def check(
    bench: Bench,
    runnable: Runnable,
    *,
    own: tuple[str, ...] = (),
    outside: Outside | None = None,
    seconds: float = SECONDS,
    progress: Progress = lambda _: None,
) -> StageResult:
    """Return whether the image can load all that it holds, and the model's *own* modules.

    *outside* is what the lock, the specification and the sources can say about a failure. Raises
    JobFailed when the probe itself ends.
    """
    root, python, library = runnable.root, runnable.python, runnable.root / runnable.site
    lock = outside.lock if outside else None
    base = lock.base if lock else None
    wheels = installed.distributions(root, python, runnable.site)
    missing = validate.missing_libraries(root)
    if lock is not None and base is not None:  # what others made is not ours to judge
        wheels = tuple(one for one in wheels if one.name in lock.pins)
        files = {posixpath.join(runnable.site, file) for one in wheels for file in one.files}
        missing = tuple(one for one in missing if one.object in files)
    modules = validate.modules(wheels)
    scripts, broken = _entries(wheels, modules, library)
    names = list(dict.fromkeys([*modules, *own]))
    inner = loaders.inner(wheels)
    asked = [*names, *inner, *(f"{one.module}:{one.inner}" for one in scripts)]
    failures = _import(bench, runnable, list(dict.fromkeys(asked)), seconds, progress)
    found = Found(
        root=root,
        python=python,
        wheels=wheels,
        modules={**{name: "" for name in own}, **modules},
        missing=missing,
        failures={name: failures[name] for name in names if name in failures},
        scripts=tuple(
            (one, failures[address])
            for one in scripts
            if (address := f"{one.module}:{one.inner}") in failures and one.module not in failures
        ),
        inner={name: failures[name] for name in inner if name in failures},
        hollow=frozenset(
            top
            for top in {name.partition(".")[0] for name in inner if name in failures}
            if top not in failures and loaders.hollow(library, top)
        ),
        metadata=(*(p for one in wheels for p in installed.metadata_problems(one)), *broken),
    )
    return import_report.result(found, outside or Outside(), checked=len(names))


def _entries(
    wheels: Iterable[Distribution], modules: Mapping[str, str], library: Path
) -> tuple[list[EntryPoint], list[str]]:
    """Return the scripts whose function is to be found, and what is wrong with entry points."""
    scripts, broken = [], []
    for one in wheels:
        try:
            entries = list(installed.entry_points(one))
        except configparser.Error as unread:
            broken.append(f"entry_points.txt of {one.name} can't be read: {unread}")
            continue
        for entry in entries:
            if entry.extra:
                continue  # it says itself that it needs more than is installed
            if installed.leads_nowhere(entry, library, modules):
                broken.append(
                    f"{entry.group} {entry.name} of {one.name} names the module "
                    f"{entry.module}, which is not there"
                )
            elif entry.group in installed.SCRIPTS:
                scripts.append(entry)
    return scripts, broken


def _import(
    bench: Bench, runnable: Runnable, names: list[str], seconds: float, progress: Progress
) -> dict[str, dict[str, Any]]:
    """Return how each of *names* that fails does; each is imported in a process of its own."""
    failures: dict[str, dict[str, Any]] = {}
    job = bench.job(runnable, "/opt/harness/probe.py", "frames", label="imports")
    with bench.engine.start(job) as running:
        for done, name in enumerate(names):
            progress(f"importing {name}, {done + 1} of {len(names)}")
            try:
                request = {"op": "imports", "modules": [name], "seconds": seconds}
                frame.write(running.stdin, request)
                answer = frame.read(running.stdout)
            except (OSError, EOFError):
                answer = None
            if answer is None:
                raise JobFailed(
                    f"importing every module was not finished, {name} was next: {why(running)}",
                    hint="allow it more with --seconds or --memory; "
                    "harness doctor looks at the engine",
                )
            failures |= answer[0]["failures"]
    return failures
