"""The ``harness`` command as a process, as a person starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("harness")
OURS = ("CI", "COV_", "GITHUB_", "GITLAB_", "BUILD_", "HARNESS_", "PYTEST_")
"""Variables of the surroundings that change what the command does."""


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def body(self) -> Any:
        """What it wrote as JSON."""
        assert self.out, self.err
        return json.loads(self.out)

    def refused(self, code: int, *said: str) -> None:
        """Check an error that a person can read: exit code, ``error:``, ``hint:``, no traceback."""
        assert code == self.code, self.out + self.err
        lines = self.err.splitlines()
        assert lines and lines[0].startswith("error: "), self.err
        assert lines[-1].startswith("hint: ") and lines[-1] != "hint: ", self.err
        assert "Traceback" not in self.err + self.out
        for text in said:
            assert text in self.err, self.err


@dataclass(frozen=True)
class Story:
    """What became of one repository: each run by name, and where the repository is."""

    folder: Path
    runs: Mapping[str, Done]


@dataclass(frozen=True)
class Command:
    """How the command is started: the cache, and further variables."""

    cache: Path
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of the process."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        return {**inherited, "HARNESS_CACHE": str(self.cache), **dict(self.variables)}

    def having(self, cache: Path | None = None, **variables: str) -> Command:
        """Return the same with another cache or more variables."""
        return Command(cache or self.cache, (*self.variables, *variables.items()))

    def __call__(
        self,
        *arguments: str | Path,
        cwd: Path | None = None,
        through: tuple[str, ...] = (),
        before: Callable[[], None] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run ``harness`` with *arguments* to its end; *through* is a program that starts it."""
        done = subprocess.run(
            [*through, str(COMMAND), *map(str, arguments)],
            env={**self.env, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            preexec_fn=before,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(
        self, *arguments: str | Path, output: Path, group: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start ``harness`` with *arguments*; what it says goes into the file *output*.

        With *group* it leads a process group of its own, as a shell would have it, and may be
        interrupted also where these tests run in the background.
        """

        def heard() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        with output.open("wb") as file:
            return subprocess.Popen(
                [str(COMMAND), *map(str, arguments)],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0 if group else None,
                preexec_fn=heard if group else None,
            )
