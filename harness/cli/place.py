"""Which environment a command speaks of: ``--envs``, else the project's source, else ./envs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.core.errors import SpecInvalid
from harness.lock import source as place
from harness.spec import parse
from harness.spec.environment import Environment
from harness.world.store import Store

F = TypeVar("F", bound=Callable[..., Any])


def source_option(command: F) -> F:
    """Add ``--envs``."""
    option = click.option(
        "--envs",
        default=None,
        metavar="FOLDER|oci://…",
        help="Where environments are.  [default: that of ./harness.toml, else ./envs]",
    )
    return option(command)


def source(envs: str | None) -> str:
    """Return where environments come from: a folder or a registry."""
    if envs is None and Path("harness.toml").is_file():
        return parse.project(Path()).source
    return envs or "envs"


def folder(envs: str | None, *, doing: str) -> Path:
    """Return the folder of environments; raises SpecInvalid where it is a registry, which has no
    place for what the command does."""
    found = source(envs)
    if place.is_registry(found):
        raise SpecInvalid(
            f"{found} is a registry, and {doing}",
            hint="name the folder where the environment is maintained: --envs FOLDER",
        )
    return Path(found)


def maintained(name: str, envs: str | None) -> Environment:
    """Return the environment that ``tabular`` or ``tabular:1`` names, in a folder."""
    return parse.find(name, folder(envs, doing="what was pulled is not changed"))


def found(name: str, envs: str | None, store: Store) -> Environment:
    """Return the environment that ``tabular`` or ``tabular:1`` names, wherever it is."""
    where = source(envs)
    return parse.find(name, place.folder(where, name, store))
