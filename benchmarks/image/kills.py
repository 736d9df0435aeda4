"""kill -9 at random moments of a build, again and again on one store; what is left each time.

    python -m benchmarks.image.kills --count 50 --cache CACHE [ENVIRONMENT]

CACHE is a store that has the environment's files. Each killed run is followed by the next on what
it left, until one ends well; then the store is made cold again. After every kill the store must be
whole (``harness store check``), after every end it must hold nothing half done, and every run that
ends must say the same digest.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.digest import hexadecimal
from harness.lock import pylock
from harness.world.store import Store
from harness.world.store_check import check

Make = Callable[[Path], Path]


@dataclass
class Seen:
    """What came of it: the moments of the kills (s), what runs that ended said, what was wrong."""

    moments: list[float] = field(default_factory=list)
    answers: set[str] = field(default_factory=set)
    ended: int = 0
    wrong: list[str] = field(default_factory=list)


def run(
    command: Callable[[Path], Sequence[str | Path]],
    cold: Make,
    folder: Path,
    *,
    count: int,
    seed: str,
    env: Mapping[str, str],
    say: Callable[[str], None] = lambda _: None,
) -> Seen:
    """Kill *command* (of a store's root) *count* times on a store that *cold* makes."""
    chance, seen, made = random.Random(seed), Seen(), 0

    def fresh() -> Path:
        nonlocal made
        made += 1
        return cold(folder / str(made))

    root = fresh()
    began = time.monotonic()
    _to_its_end(command(root), env, Store(root), seen)
    whole = time.monotonic() - began
    shutil.rmtree(root)
    root = fresh()
    while len(seen.moments) < count:
        moment = chance.uniform(0, whole * 0.15)  # a build is killed several times on its way
        if _killed(command(root), env, moment, Store(root), seen):
            seen.moments.append(moment)
            _whole(Store(root), f"after a kill at {moment:.2f} s", seen)
            say(f"{len(seen.moments)} of {count}: after {moment:.2f} s; {len(seen.wrong)} wrong")
        else:
            shutil.rmtree(root)
            root = fresh()
    _to_its_end(command(root), env, Store(root), seen)
    shutil.rmtree(root)
    return seen


def _to_its_end(
    command: Sequence[str | Path], env: Mapping[str, str], store: Store, seen: Seen
) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    _ended(done.returncode, done.stdout, done.stderr, store, seen)


def _killed(
    command: Sequence[str | Path], env: Mapping[str, str], moment: float, store: Store, seen: Seen
) -> bool:
    """Kill the command's own process after *moment* seconds; False when it had ended before."""
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        out, err = process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        process.kill()
        try:
            process.communicate(timeout=60)  # its children hold these pipes
        except subprocess.TimeoutExpired:
            seen.wrong.append(f"after a kill at {moment:.2f} s: a process of it lives on")
        return process.returncode == -signal.SIGKILL
    _ended(process.returncode, out, err, store, seen)
    return False


def _ended(code: int, out: str, err: str, store: Store, seen: Seen) -> None:
    seen.ended += 1
    if code:
        seen.wrong.append(f"exit code {code}: {err}")
        return
    said = json.loads(out)
    seen.answers.add(said if isinstance(said, str) else said["config"])
    left = [
        *(store.root / "run").glob("*"),
        *store.root.rglob("*.part"),
        *(store.root / "locks" / "users").glob("*"),
    ]
    seen.wrong += [f"left by a run that ended well: {path}" for path in _stale(store, left)]
    _whole(store, "after a run that ended well", seen)


def _stale(store: Store, left: list[Path]) -> list[Path]:
    """Return what is still there once the next run has begun, as every command begins."""
    store.reap()
    return [path for path in left if path.exists()]


def _whole(store: Store, when: str, seen: Seen) -> None:
    seen.wrong += [f"{when}: {damage}" for damage in check(store).damages]


def main() -> None:
    """Kill builds of an environment of the folder ``envs`` and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", nargs="?", default="tabular:1")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seed", default="6")
    given = parser.parse_args()
    name, _, version = given.environment.partition(":")
    lock = pylock.loads(Path("envs", name, f"pylock.{version or 1}.toml").read_text())
    source = Store(given.cache.absolute())

    def cold(root: Path) -> Path:
        blobs = root / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for item in (*lock.debs, *lock.packages):
            os.link(source.path(item.digest), blobs / hexadecimal(item.digest))
        return root

    program = [Path(sys.executable).with_name("harness"), "build", given.environment]
    with tempfile.TemporaryDirectory(dir=source.root.parent) as folder:
        seen = run(
            lambda root: ["env", f"HARNESS_CACHE={root}", *program, "--output", "json"],
            cold,
            Path(folder),
            count=given.count,
            seed=given.seed,
            env=dict(os.environ),
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
    print(json.dumps({**seen.__dict__, "answers": sorted(seen.answers)}, indent=1))
    sys.exit(1 if seen.wrong or len(seen.answers) != 1 else 0)


if __name__ == "__main__":
    main()
