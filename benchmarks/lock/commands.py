"""What the benchmarks of locks share: ``harness lock`` in a process of its own, timed.

Every command gets a folder of environments and a cache of its own; sources are this machine's.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOORS = {"uv": ("uv", "Uv"), "pip-tools": ("pip_tools", "PipTools")}
COMMAND = """
import sys, time
from harness.cli.main import main
from harness.lock.{module} import {kind}
pins = {kind}.pins
def timed(self, question):
    start = time.perf_counter()
    try:
        return pins(self, question)
    finally:
        print("resolver", time.perf_counter() - start, file=sys.stderr)
{kind}.pins = timed
main()
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """A finished command: its JSON, the seconds of the whole and of each question to the resolver,
    the load of the machine when it ended, and the seconds of processors that it took (0: not
    known), which a busy machine changes little."""

    body: dict[str, Any]
    seconds: float
    resolver: tuple[float, ...]
    load: float
    cpu: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Seconds of several runs."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:6.2f} s  ({self.least:.2f} to {self.most:.2f})"


class Failed(Exception):
    """The command ended with an error; what it said."""


def start(name: str, envs: Path, cache: Path, resolver: str) -> subprocess.Popen[str]:
    """Start ``harness lock NAME``; the bytecode of Harness is kept beside the cache, as it is in
    an installation."""
    module, kind = DOORS[resolver]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(
        [
            *(sys.executable, "-c", COMMAND.format(module=module, kind=kind)),
            *("lock", name, "--envs", str(envs), "--output", "json"),
        ],
        cwd=envs,
        env={
            **environment,
            "HARNESS_CACHE": str(cache),
            "PYTHONPATH": str(ROOT),
            "PYTHONPYCACHEPREFIX": str(cache.parent / "bytecode"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], begun: float) -> Locked:
    """Wait for *process*, which was started at *begun*; raises Failed."""
    out, err = process.communicate()
    seconds = time.perf_counter() - begun
    asked = tuple(float(found) for found in re.findall(r"^resolver (\S+)$", err, re.MULTILINE))
    if process.returncode:
        raise Failed(re.sub(r"^resolver .*\n", "", err, flags=re.MULTILINE).strip())
    return Locked(body=json.loads(out), seconds=seconds, resolver=asked, load=os.getloadavg()[0])


def lock(name: str, envs: Path, cache: Path, resolver: str) -> Locked:
    """Run ``harness lock NAME``; raises Failed."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = finish(start(name, envs, cache, resolver), begun)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return replace(done, cpu=used)


def curated(name: str, envs: Path, resolver: str) -> Path:
    """Copy the specification of a curated environment, without any lock, and return its folder."""
    folder = envs / name
    folder.mkdir(parents=True)
    text = (ROOT / "envs" / name / "environment.toml").read_text()
    text = re.sub(r"(?m)^resolver = .*\n", "", text)
    (folder / "environment.toml").write_text(f'resolver = "{resolver}"\n{text}')
    smoke = ROOT / "envs" / name / "smoke.py"
    if smoke.is_file():
        (folder / "smoke.py").write_bytes(smoke.read_bytes())
    return folder


def pins(folder: Path) -> dict[str, str]:
    """Return the versions of the only lock in *folder*, by package."""
    (file,) = folder.glob("pylock.*.toml")
    return {one["name"]: one["version"] for one in tomllib.loads(file.read_text())["packages"]}


def spread(seconds: list[float]) -> Spread:
    """Return the median, the least and the most."""
    ordered = sorted(seconds)
    half = len(ordered) // 2
    median = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
    return Spread(median=median, least=ordered[0], most=ordered[-1])


@contextmanager
def working(folder: Path | None) -> Iterator[Path]:
    """Give *folder*, or a temporary one that is gone afterwards."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.absolute()
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def plain(value: Spread) -> dict[str, float]:
    """Return *value* as JSON has it."""
    return asdict(value)
