"""How long does a difference take, and how much longer than one that knows nothing of locks?

Two locks of as many made-up packages as asked for, some of them moved, come, gone and rebuilt; each
package a wheel with a few modules and a shared object in a store of its own. Times whole commands,
start-up included, and prints the median of the runs in seconds (elapsed, and of processor time,
which a busy machine doesn't stretch) and the ratio of the elapsed ones to ``git diff --no-index``
of the same two files.

    python benchmarks/lock/diff.py [--packages 300] [--changed 100] [--runs 5] [--seed 0]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from harness.core.digest import of_bytes
from harness.lock import pylock
from harness.lock.lock import Lock, Wheel
from harness.world.store import Store

ROOT = Path(__file__).parents[2]
BINARY = 200_000
"""Bytes of the shared object in each wheel."""


def wheel(
    store: Store, name: str, version: str, needs: tuple[str, ...], draw: random.Random
) -> Wheel:
    """Put a wheel into *store*; return what a lock says of it."""
    info = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {need}>=1\n" for need in needs)
    out = io.BytesIO()
    files: dict[str, str | bytes] = {
        f"{name}/m{number}.py": "".join(f"def f{draw.randrange(999)}(): ...\n" for _ in range(50))
        for number in range(10)
    }
    files |= {
        f"{name}/__init__.py": "",
        f"{name}.libs/lib{name}.so.1": draw.randbytes(BINARY),
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        f"License-Expression: MIT\n{requires}",
    }
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED)
    return Wheel(
        name=name,
        version=version,
        filename=f"{name}-{version}-py3-none-any.whl",
        digest=store.add(out.getvalue()),
        size=len(out.getvalue()),
        dependencies=needs,
    )


def pair(store: Store, packages: int, changed: int, draw: random.Random) -> tuple[Lock, Lock]:
    """Return two locks that differ in *changed* packages."""
    names = [f"p{number:04d}" for number in range(packages)]
    before: dict[str, Wheel] = {}
    for place, name in enumerate(names):
        later = names[place + 1 : place + 40]
        needs = tuple(sorted(draw.sample(later, min(len(later), draw.randrange(5)))))
        before[name] = wheel(store, name, "1.0", needs, draw)
    after = dict(before)
    for name in draw.sample(names, changed):
        old = before[name]
        version = draw.choice(["2.0", "0.9", "1.0"])
        after[name] = wheel(store, name, version, old.dependencies, draw)
    first = Lock(
        name="bench",
        version=1,
        python="3.11",
        suite="bookworm",
        architecture="amd64",
        spec=of_bytes(b"bench"),
        released=datetime(2026, 1, 1, tzinfo=UTC),
        requirements=tuple(names[:20]),
        packages=tuple(before.values()),
        debs=(),
    )
    return first, replace(first, packages=tuple(after.values()))


def timed(
    argv: list[str], env: Mapping[str, str], runs: int, prepare: Callable[[], None]
) -> tuple[float, float]:
    """Return the median seconds of a command, elapsed and of processor time.

    It may find a difference, and may not fail.
    """
    elapsed, busy = [], []
    for _ in range(runs):
        prepare()
        start, used = time.perf_counter(), _processor()
        done = subprocess.run(argv, env=env, capture_output=True)
        elapsed.append(time.perf_counter() - start)
        busy.append(_processor() - used)
        if done.returncode not in (0, 1):
            raise SystemExit(done.stderr.decode())
    return statistics.median(elapsed), statistics.median(busy)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=300)
    parser.add_argument("--changed", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        folder = Path(place)
        store = Store(folder / "cache")
        first, second = pair(store, asked.packages, asked.changed, random.Random(asked.seed))
        one, other = folder / "one.toml", folder / "other.toml"
        pylock.write(one, first)
        pylock.write(other, second)
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        env = {**os.environ, "HARNESS_CACHE": str(store.root), "PYTHONPATH": path}
        code = "from harness.cli.main import main; main()"
        harness = [sys.executable, "-c", code, "diff", str(one), str(other)]

        def forget() -> None:
            shutil.rmtree(store.root / "d", ignore_errors=True)

        rows = {
            "git diff --no-index": (["git", "diff", "--no-index", str(one), str(other)], None),
            "diff -u": (["diff", "-u", str(one), str(other)], None),
            "harness diff --quick": ([*harness, "--quick"], None),
            "harness diff, files read for the first time": (harness, forget),
            "harness diff, files read before": (harness, None),
            "harness git textconv, one lock": ([*harness[:3], "git", "textconv", str(one)], None),
        }
        digest = hashlib.sha256(one.read_bytes() + other.read_bytes()).hexdigest()[:12]
        print(f"{asked.packages} packages, {asked.changed} changed, seed {asked.seed} ({digest})")
        base = 0.0
        for name, (argv, prepare) in rows.items():
            seconds, busy = timed(argv, env, asked.runs, prepare or (lambda: None))
            base = base or seconds
            print(f"{name:<46} {seconds:7.3f} s  {busy:7.3f} s busy  {seconds / base:8.1f} ×")


if __name__ == "__main__":
    main()
