"""Choosing the parts that a run is made of: store, engine, limits, project, origin."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.output import Size, progress
from harness.core.errors import StoreUnavailable, ToolMissing
from harness.engine.engine import Engine
from harness.engine.select import select
from harness.spec.project import Project
from harness.world import files, process
from harness.world.store import Store

if TYPE_CHECKING:
    from harness.flows.line import Line

F = TypeVar("F", bound=Callable[..., Any])

NEEDS_DATA = frozenset({"model.environment", "model.train", "data", "contract"})
NEEDS_PROMOTION = NEEDS_DATA | {"data.holdout", "data.described", "success"}


def bench_options(command: F) -> F:
    """Add the options of every command that runs something in an image."""
    for option in (
        click.option("--challenger", default="", help="A variant of [challengers]."),
        click.option(
            "--engine",
            type=click.Choice(["auto", "sandbox", "docker"]),
            default="auto",
            show_default=True,
            help="What runs commands in images.",
        ),
        click.option(
            "--seconds",
            type=click.FloatRange(min=0.1),
            default=3600.0,
            show_default=True,
            help="Time that one job in an image may take.",
        ),
        click.option(
            "--memory",
            type=Size(),
            default=0,
            help="Memory that one job may take, e.g. 4 GB.  [default: 3/4 of the machine's]",
        ),
        click.option(
            "--workers",
            type=click.IntRange(min=0),
            default=0,
            help="Processes that build.  [default: one per core]",
        ),
    ):
        command = option(command)
    return command


def store() -> Store:
    """Return this user's store, with what killed runs left behind removed.

    Raises StoreUnavailable when it can't be written to.
    """
    opened = Store(files.user_cache())
    try:
        opened.root.mkdir(parents=True, exist_ok=True)
        opened.reap()
        with opened.scratch():
            pass
    except OSError as refused:
        raise StoreUnavailable(
            f"the store {opened.root} can't be used: {refused.strerror}",
            hint="HARNESS_CACHE=FOLDER names another folder, one that you can write to",
        ) from refused
    return opened


def engine(wanted: str) -> Engine:
    """Return the engine, proved to work here."""
    return select(wanted)[0]


def begin(
    project: Project,
    *,
    challenger: str,
    engine: str,
    seconds: float,
    memory: int,
    workers: int,
    required: frozenset[str] = frozenset({"train"}),
) -> Line:
    """Return the line of *project* at its start."""
    from harness.flows import line  # imports numpy, which commands of locks don't need
    from harness.stages.load import Limits

    return line.begin(
        project,
        challenger=challenger,
        store=store(),
        engine=select(engine)[0],
        limits=Limits(seconds=seconds, memory=memory),
        workers=workers,
        progress=progress,
        required=required,
    )


def commit(folder: Path) -> str:
    """Return the commit of the checkout that holds *folder*, with ``+`` where files differ."""
    try:
        head = process.run(["git", "-C", folder, "rev-parse", "HEAD"])
    except ToolMissing:
        return ""
    if head.code:
        return ""
    changed = process.run(["git", "-C", folder, "status", "--porcelain", "--", "."])
    return head.stdout.decode().strip() + ("+" if changed.stdout.strip() else "")


def actor() -> str:
    """Return who runs this: the CI's name for them, else the login name."""
    for name in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOR"):
        if found := os.environ.get(name):
            return found
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        return str(os.getuid())


def in_ci() -> bool:
    """Tell whether this is a CI run, by the variable that all of them set."""
    return os.environ.get("CI", "").lower() in ("true", "1", "yes")
