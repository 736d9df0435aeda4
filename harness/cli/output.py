"""What every command shares: how it prints, how it fails, which options it takes."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from harness.core.errors import HarnessError
from harness.world import files

F = TypeVar("F", bound=Callable[..., Any])
UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def output_option(command: F) -> F:
    """Add ``--output text|json``."""
    option = click.option(
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How the result is written to stdout.",
    )
    return option(command)


def emit(body: Any, text: str, output: str) -> None:
    """Write the result to stdout: *body* as JSON, or *text*."""
    if output == "json":
        click.echo(json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(text.rstrip("\n"))


def progress(message: str) -> None:
    """Say on stderr what is being done, to a person at a terminal and to nobody else."""
    if sys.stderr.isatty():
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        click.echo(f"\r\x1b[K{message[: width - 1]}", err=True, nl=False)


def progress_done() -> None:
    """Wipe the line of ``progress``."""
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)


class Size(click.ParamType[int]):
    """A number of bytes, as people write it: ``4 GB``, ``512MiB``, ``1000``."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Return the bytes, or fail with what was expected."""
        if isinstance(value, int):
            return value
        text = str(value).strip().lower()
        digits = text.rstrip("kmgib ").strip()
        unit = text[len(digits) :].strip()
        try:
            return int(float(digits) * UNITS[unit])
        except (ValueError, KeyError):
            self.fail(f"{value!r} is no size; write it as 4 GB or 512 MiB", param, ctx)


def fails_well(command: F) -> F:
    """Turn a HarnessError into ``error:``, ``hint:`` and its exit code."""

    @functools.wraps(command)
    def guarded(*arguments: Any, **named: Any) -> Any:
        try:
            return command(*arguments, **named)
        except HarnessError as error:
            progress_done()
            if named.get("output") == "json":
                body = {
                    "schema": "harness.error/1",
                    "error": type(error).__name__,
                    "message": error.message,
                    "hint": error.hint,
                    "exit_code": error.exit_code,
                }
                click.echo(json.dumps(body, indent=2, ensure_ascii=False))
            click.echo(f"error: {error.message}", err=True)
            if error.hint:
                click.echo(f"hint: {error.hint}", err=True)
            sys.exit(error.exit_code)
        except OSError as error:
            progress_done()
            where = f": {error.filename}" if error.filename else ""
            click.echo(f"error: {error.strerror or error}{where}", err=True)
            cache = f"of where it writes, and of the cache, {files.user_cache()}"
            there = "there" if error.filename else cache
            click.echo(
                f"hint: look at the free space and the permissions {there}; what was whole before "
                "is still whole",
                err=True,
            )
            sys.exit(3)
        except KeyboardInterrupt:
            progress_done()
            click.echo("error: interrupted; the same command goes on from here", err=True)
            sys.exit(130)

    return guarded  # type: ignore[return-value]
