"""``doctor``: what was found on this machine, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from harness.cli.output import emit, fails_well, output_option
from harness.core.errors import HarnessError
from harness.engine.select import survey
from harness.ledger import history, sqlite
from harness.spec import parse
from harness.world import clock, files, sources

EXTRAS = {"pip-tools": "promote", "jinja2": "promote", "nox": "promote", "pysequoia": "debian"}


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was looked at."""

    what: str
    good: bool
    said: str
    mend: str = ""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("."), required=False)
@output_option
@fails_well
def doctor(folder: Path, output: str) -> None:
    """Look at engine, sources, cache, tools and ledger, and say what to do."""
    found = [*_all(folder)]
    lines = []
    for one in found:
        lines.append(f"{one.what:<12} {'ok     ' if one.good else 'MISSING'} {one.said}")
        if one.mend:
            lines.append(f"{'':<12} hint:   {one.mend}")
    body = {"schema": "harness.doctor/1", "found": [asdict(one) for one in found]}
    emit(body, "\n".join(lines), output)
    sys.exit(0 if all(one.good for one in found) else 3)


def _all(folder: Path) -> Iterator[Found]:
    yield Found("python", True, f"{platform.python_version()} on {platform.machine()}")
    yield _tried("engine", _engine)
    yield _tried("debian", _debian)
    yield _tried("pypi", lambda: sources.python().index or "pip's own default index")
    yield _cache()
    for name, extra in EXTRAS.items():
        yield _tool(name, extra)
    yield _tried("ledger", lambda: _ledger(folder))


def _tried(what: str, look: Callable[[], str]) -> Found:
    try:
        return Found(what, True, look())
    except HarnessError as error:
        return Found(what, False, error.message, error.hint)


def _engine() -> str:
    return "; ".join(f"{found.engine}: {found.what}" for found in survey())


def _debian() -> str:
    source = sources.debian("bookworm")
    return f"{source.mirror}, signed by keys of {source.keyring}"


def _cache() -> Found:
    root = files.user_cache()
    place = root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    said = f"{root}, {free / 1e9:.0f} GB free"
    if not os.access(place, os.W_OK):
        return Found(
            "cache", False, f"{said}, not writable", "set HARNESS_CACHE to a folder of yours"
        )
    if free < 3e9:
        return Found("cache", False, said, "an environment takes 1 to 3 GB: set HARNESS_CACHE")
    return Found("cache", True, said)


def _tool(name: str, extra: str) -> Found:
    try:
        return Found(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Found(name, False, "not installed", f'pip install "model-harness[{extra}]"')


def _ledger(folder: Path) -> str:
    if not (folder / "harness.toml").is_file() and not (folder / "pyproject.toml").is_file():
        return "no harness.toml here, so none is expected"
    project = parse.project(folder)
    location = project.ledger.location
    if not location.exists():
        return f"none yet at {location}; the first `harness promote` begins it"
    with sqlite.open(location, create=False, clock=clock.now) as opened:
        entries = opened.entries()
    champion = history.champion(entries, project.model.name)
    return f"{len(entries)} entries hold together; champion {champion.name if champion else 'none'}"
