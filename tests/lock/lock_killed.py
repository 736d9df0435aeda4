"""The ``harness`` command, killed by kill -9 at a chosen moment: none is missed, none is timed.

Python tells an audit hook of each file before it is opened, linked, renamed or removed (PEP 578).
Those below one folder are counted; at the one that is chosen the process kills itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOLD = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.chmod")
DRIVER = f"""
import json, os, signal, sys
left, root, log = int(sys.argv[1]), sys.argv[2], open(sys.argv[3], "w")
def hook(event, arguments):
    global left
    paths = [os.fspath(a) for a in arguments[:2] if isinstance(a, (str, os.PathLike))]
    if event in {TOLD!r} and any(isinstance(p, str) and p.startswith(root) for p in paths):
        log.write(json.dumps([event, *paths]) + "\\n")
        log.flush()
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
sys.argv = ["harness", *sys.argv[4:]]
from harness.cli.main import main
main()
"""


@dataclass(frozen=True)
class Watched:
    """A command, which changes files below *folder* and nowhere else that matters."""

    folder: Path
    arguments: tuple[str, ...]
    variables: Mapping[str, str]

    def events(self) -> list[list[str]]:
        """Run it to its end; return what it did with files: what, and the paths."""
        done = self._run(0)
        assert 0 == done.returncode, done.stderr
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def killed(self, moment: int) -> bool:
        """Run it, and kill it before the *moment*-th thing that it does, from 1; tell whether it
        did so many this time: files that are fetched side by side make some more or fewer."""
        done = self._run(moment)
        assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
        return done.returncode != 0

    @property
    def _log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.events")

    def _run(self, moment: int) -> subprocess.CompletedProcess[str]:
        told = [str(moment), str(self.folder), str(self._log), *self.arguments]
        return subprocess.run(
            [sys.executable, "-c", DRIVER, *told],
            cwd=self.folder,
            env={**os.environ, **self.variables, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )


def renames(events: Sequence[Sequence[str]], name: str) -> list[int]:
    """Return the moments before the first file is renamed to *name* and after the last one is."""
    found = [i for i, e in enumerate(events, 1) if e[0] == "os.rename" and e[-1].endswith(name)]
    assert found, f"nothing was renamed to {name}"
    return sorted({found[0], min(found[-1] + 1, len(events))})
