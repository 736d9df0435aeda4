"""A curated environment locked from nothing in many surroundings: is it one sequence of bytes?

Umask, time zone, locale, hash seed, working directory, clock and (as root) user differ, each alone
and all together; every run has an empty cache of its own but for blobs. The sources are this
machine's, asked anew each time, or those of a bundle, which can't change meanwhile.

    python benchmarks/lock/surroundings.py [--env tabular] [--bundle FILE] [--output json]

Ends with 1 when two locks differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOBODY = 65534
COMMAND = """
from datetime import timedelta
from harness.cli.main import main
from harness.world import clock
moment = clock.now() + timedelta(days={days})
clock.now = lambda: moment
main()
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Where a lock is made; *days* is how far the clock is off, *user* another one's number."""

    name: str
    umask: int = 0o022
    days: int = 0
    deep: bool = False
    user: int | None = None
    variables: dict[str, str] = field(default_factory=dict)


def surroundings() -> Iterator[Surroundings]:
    plain = Surroundings(name="plain")
    yield plain
    yield replace(plain, name="umask", umask=0o077)
    yield replace(plain, name="time zone", variables={"TZ": "Pacific/Chatham"})
    yield replace(plain, name="locale", variables={"LC_ALL": "tr_TR.UTF-8"})
    yield replace(plain, name="hash seed", variables={"PYTHONHASHSEED": "4711"})
    yield replace(plain, name="working directory", deep=True)
    yield replace(plain, name="clock", days=3650)
    everything = {"TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "1"}
    user = NOBODY if os.geteuid() == 0 and shutil.which("setpriv") else None
    yield Surroundings(
        name="all, another user" if user else "all",
        umask=0o077,
        days=-3650,
        deep=True,
        user=user,
        variables=everything,
    )


def lock(env: str, bundle: Path | None, one: Surroundings, folder: Path) -> bytes:
    envs = folder / "envs"
    for path in sorted((ROOT / "envs").glob("*/environment.toml")):
        (envs / path.parent.name).mkdir(parents=True)
        shutil.copyfile(path, envs / path.parent.name / path.name)
    there = folder / ("deep/" * 30 if one.deep else ".")
    there.mkdir(parents=True, exist_ok=True)
    through: list[str] = []
    if one.user is not None:
        caps = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search")
        number = str(one.user)
        through = ["setpriv", "--reuid", number, "--regid", number, "--clear-groups", *caps]
        for path in (folder, *folder.rglob("*")):
            os.chown(path, one.user, one.user)
    more = ["--bundle", str(bundle)] if bundle else []
    done = subprocess.run(
        [
            *through,
            *(sys.executable, "-c", COMMAND.format(days=one.days)),
            *("lock", env, "--envs", str(envs), *more),
        ],
        cwd=there,
        umask=one.umask,
        env={
            **{k: v for k, v in os.environ.items() if k not in ("LANG", "LC_ALL", "TZ")},
            "HARNESS_CACHE": str(folder / "cache"),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            **one.variables,
        },
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{one.name}: {done.stderr}")
    (written,) = (envs / env).glob("pylock.*.toml")
    return written.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="tabular")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    asked = parser.parse_args()
    bundle = asked.bundle and asked.bundle.absolute()
    rows = []
    for one in surroundings():
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o755)
            start = time.monotonic()
            made = lock(asked.env, bundle, one, Path(name))
            digest = hashlib.sha256(made).hexdigest()
            rows.append((one.name, digest, time.monotonic() - start))
        if asked.output == "text":
            print(f"{rows[-1][0]:<20} sha256:{digest[:12]}  {rows[-1][2]:6.1f} s", flush=True)
    same = len({digest for _, digest, _ in rows}) == 1
    if asked.output == "json":
        body = {
            "schema": "harness.benchmark.surroundings/1",
            "environment": asked.env,
            "same": same,
            "runs": [{"name": n, "sha256": d, "seconds": s} for n, d, s in rows],
        }
        print(json.dumps(body, indent=2))
    else:
        print("one lock" if same else "THE LOCKS DIFFER")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
