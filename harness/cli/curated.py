"""``env list``, ``show``, ``release``, ``check``, ``accept``: environments and their versions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from harness.cli import bench, place
from harness.cli.output import emit, fails_well, output_option
from harness.core.digest import short
from harness.flows import curated as flow
from harness.flows.curated import Listed
from harness.lock import pylock, releases
from harness.lock import source as sources
from harness.lock.pylock_reading import MACHINES
from harness.world import clock


@click.command("list")
@place.source_option
@output_option
@fails_well
def list_(envs: str | None, output: str) -> None:
    """List environments: version, state, end of life, purpose."""
    folder = place.folder(envs, doing="a registry has no list of what it holds")
    found = flow.listed(folder, clock.now().date())
    body = {"schema": "harness.env-list/1", "environments": [_body(one) for one in found]}
    width = max((len(one.reference) for one in found), default=0)
    lines = []
    for one in found:
        words = (one.reference.ljust(width), _state(one), _end(one), one.about.purpose)
        lines.append("  ".join(word for word in words if word))
        if one.why:
            lines.append(f"  {one.why}")
    emit(body, "\n".join(lines) or f"no environment in {folder}", output)


@click.command()
@click.argument("name")
@place.source_option
@output_option
@fails_well
def show(name: str, envs: str | None, output: str) -> None:
    """Show an environment: what it is for, what is in it, which versions are released."""
    where = place.source(envs)
    environment = place.found(name, envs, bench.store())
    one = flow.standing(environment, clock.now().date())
    known = releases.read(environment.folder)
    locks = pylock.read_all(environment) if environment.lock_path.is_file() and not one.why else ()
    change = environment.change
    if sources.is_registry(where):
        versions = sources.versions(where, environment.name)
    else:
        versions = tuple(release.version for release in known)
    body = _body(one) | {
        "schema": "harness.env-show/1",
        "folder": str(environment.folder),
        "from": change.parent if change else None,
        "requirements": list(locks[0].requirements if locks else environment.requirements),
        "os": list(environment.os),
        "smoke": environment.about.smoke.name
        if environment.about and environment.about.smoke
        else None,
        "platforms": {
            MACHINES[lock.architecture]: {
                "digest": lock.digest,
                "python": lock.python,
                "suite": lock.suite,
                "base": lock.base.image if lock.base else None,
                "packages": (lock.base.kept if lock.base else {}) | lock.pins,
                "os_packages": len(lock.base.os if lock.base else lock.debs),
            }
            for lock in locks
        },
        "versions": list(versions),
        "releases": [
            {"version": r.version, "date": str(r.date), "end_of_life": _date(r.end_of_life)}
            | {"lock": r.lock, "spec": r.spec}
            for r in known
        ],
    }
    emit(body, "\n".join(f"{k:<13}{v}" for k, v in _rows(one, body).items() if v), output)


@click.command()
@click.argument("name")
@click.option("--to", default="", metavar="oci://…", help="Publish it in this registry, too.")
@place.source_option
@output_option
@fails_well
def release(name: str, to: str, envs: str | None, output: str) -> None:
    """Release an environment's version: from then on its lock is final."""
    environment = place.maintained(name, envs)
    new = flow.released(environment, clock.now().date(), bench.store())
    digest = flow.published(environment, to) if to else None
    record = environment.folder / releases.FILE
    body = {
        "schema": "harness.env-release/1",
        "name": environment.reference,
        "date": str(new.date),
        "end_of_life": _date(new.end_of_life),
        "lock": new.lock,
        "spec": new.spec,
        "record": str(record),
        "published": {"to": to, "digest": digest} if to else None,
    }
    lines = [
        f"{environment.reference} released on {new.date} · lock {short(new.lock)}",
        f"  commit {record} and {environment.lock_path.name}",
        f"  the next one: version = {releases.following(environment.folder)}",
    ]
    if new.end_of_life is None:
        lines.insert(1, "  no end of life: end_of_life = 2028-06-30 in environment.toml")
    if digest:
        lines.append(f"  published in {to}: {digest}")
    emit(body, "\n".join(lines), output)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@place.source_option
@output_option
@fails_well
def check(paths: tuple[Path, ...], envs: str | None, output: str) -> None:
    """Check environments without resolving: locks fit, releases are untouched, names stand for
    what environment.lock says.

    PATHS are folders of environments or models, or files in them; without any, all environments
    and the model here. Exit code 1 when something is wrong.
    """
    folders = {path if path.is_dir() else path.parent for path in paths}
    if not paths:
        where = place.source(envs)
        files = [] if sources.is_registry(where) else Path(where).glob("*/environment.toml")
        folders = {Path(), *(file.parent for file in files)}
    store = bench.store()
    found = [one for folder in sorted(folders) for one in flow.checked(folder, store)]
    wrong = [one for one in found if one.error]
    body = {
        "schema": "harness.env-check/1",
        "checked": [str(one.folder) for one in found],
        "problems": [
            {"folder": str(one.folder), "error": type(one.error).__name__}
            | {"message": one.error.message, "hint": one.error.hint}
            for one in wrong
            if one.error
        ],
    }
    lines = [
        f"{one.folder}: {one.error.message}\n  hint: {one.error.hint}" for one in wrong if one.error
    ]
    lines.append(f"{len(found)} checked, {len(wrong)} with problems")
    emit(body, "\n".join(lines), output)
    sys.exit(1 if wrong else 0)


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@output_option
@fails_well
def accept(folder: Path, output: str) -> None:
    """Take what the names in a FOLDER (a model, a customized environment) stand for now.

    Writes environment.lock, which refuses any other lock from then on.
    """
    found = flow.accepted(folder, bench.store())
    body = {
        "schema": "harness.env-accept/1",
        "environments": [
            {"name": new.name, "before": before, "lock": new.lock, "source": new.source}
            for before, new in found
        ],
    }
    lines = [
        f"{new.name}  {short(before) if before else 'new'} → {short(new.lock)}"
        if before != new.lock
        else f"{new.name}  {short(new.lock)}, as it was"
        for before, new in found
    ]
    emit(body, "\n".join(lines), output)


def _body(one: Listed) -> dict[str, Any]:
    return {
        "name": one.reference,
        "state": one.state,
        "why": one.why,
        "released": str(one.release.date) if one.release else None,
        "end_of_life": _date(one.about.end_of_life),
        "ended": one.ended,
        "owner": one.about.owner,
        "purpose": one.about.purpose,
    }


def _rows(one: Listed, body: dict[str, Any]) -> dict[str, str]:
    """Return what a person reads of an environment, by heading."""
    rows = {
        "environment": f"{one.reference} · {_state(one)}" + (f" ({one.why})" if one.why else ""),
        "purpose": one.about.purpose,
        "owner": one.about.owner,
        "life": _end(one),
        "from": body["from"] or "",
        "asks for": ", ".join([*body["requirements"], *body["os"]]),
    }
    for machine, what in body["platforms"].items():
        count = f"{len(what['packages'])} wheels, {what['os_packages']} OS packages"
        rows[machine] = f"Python {what['python']} on {what['base'] or what['suite']}: {count}"
    rows["smoke test"] = body["smoke"] or ""
    rows["versions"] = ", ".join(map(str, body["versions"]))
    return rows


def _state(one: Listed) -> str:
    return f"released {one.release.date}" if one.state == "released" and one.release else one.state


def _end(one: Listed) -> str:
    end = one.about.end_of_life
    if end is None:
        return ""
    return f"END OF LIFE passed on {end}" if one.ended else f"until {end}"


def _date(found: Any) -> str | None:
    return None if found is None else str(found)
