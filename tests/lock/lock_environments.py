"""Environments on disk, locked without a network: the locks are written as values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from harness.cli.main import main
from harness.core.digest import of_bytes
from harness.lock import pylock
from harness.lock.lock import Lock, Parent, Wheel
from harness.spec import parse
from harness.spec.environment import Environment

PLAIN = 'python = "3.11"\nbase = { debian = "bookworm" }\nrequirements = ["app"]\n'
ABOUT = 'purpose = "To test"\nowner = "Somebody"\nend_of_life = 2028-06-30\n'


def wheel(name: str = "app", version: str = "1.0", *, content: bytes = b"") -> Wheel:
    """Return a wheel whose bytes nobody has."""
    return Wheel(
        name=name,
        version=version,
        filename=f"{name}-{version}-py3-none-any.whl",
        digest=of_bytes(f"{name} {version}".encode() + content),
    )


def declared(
    envs: Path, name: str = "above", version: int = 1, *, body: str = PLAIN, more: str = ABOUT
) -> Environment:
    """Write an environment's specification, and return it."""
    folder = envs / name
    folder.mkdir(parents=True, exist_ok=True)
    text = f'name = "{name}"\nversion = {version}\n{body}{more}'
    (folder / "environment.toml").write_text(text)
    return parse.environment(folder)


def locked(
    environment: Environment, wheels: Sequence[Wheel] = (), *, parent: Parent | None = None
) -> Environment:
    """Write a lock of *environment*, and return it."""
    lock = Lock(
        name=environment.name,
        version=environment.version,
        python="3.11",
        suite="bookworm",
        architecture="amd64",
        spec=environment.digest,
        released=datetime(2026, 7, 11, tzinfo=UTC),
        requirements=("app",),
        packages=tuple(wheels) or (wheel(),),
        debs=(),
        parent=parent,
    )
    pylock.write(environment.lock_path, lock)
    return environment


def harness(
    *arguments: str | Path, cache: Path, variables: Mapping[str, str] | None = None
) -> Result:
    """Run the command in this process, with a cache of its own."""
    told = {"HARNESS_CACHE": str(cache), **(variables or {})}
    return CliRunner().invoke(main, [str(a) for a in arguments], env=told)


def body(result: Result) -> Any:
    """Return what the command wrote as JSON."""
    assert result.stdout, result.output
    return json.loads(result.stdout)


def refused(result: Result, code: int, *said: str) -> None:
    """Check an error that a person can read."""
    assert code == result.exit_code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    lines = result.stderr.splitlines()
    assert lines[0].startswith("error: ") and lines[-1].startswith("hint: "), result.stderr
    for text in said:
        assert text in result.stderr, result.stderr
