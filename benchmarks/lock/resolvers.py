"""Two resolvers, one lock: do pip-tools and uv agree, and how long does each take?

Pins: every environment of ``envs/`` is locked from nothing by both at the same time, each in a
process with a folder and a cache of its own, so that neither sees the other's answer or the
committed lock; every pin is compared. Seconds: an environment of more than 50 packages is locked
from nothing by uv, with what an index said in uv's cache, and again by pip-tools, which has to
resolve and find nothing to change; the whole command, and the resolver's part of it.

    python benchmarks/lock/resolvers.py [--part pins|seconds] [--runs 5] [--output json]

Ends with 1 when a pin differs, or when a lock that should stay changes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import commands

TARGETS = {"uv": 3.0, "pip-tools": 20.0}
WIDE = """\
# A service with tables, models, plots and a database.
resolver = "RESOLVER"
name = "wide"
version = 1
python = "3.11"
base = { debian = "bookworm" }
requirements = [
    "scikit-learn", "lightgbm", "xgboost-cpu", "pandas", "pyarrow", "statsmodels", "matplotlib",
    "openpyxl", "sqlalchemy", "fastapi", "uvicorn", "httpx", "requests", "jinja2", "rich", "typer",
    "pyyaml",
]
os = ["libgomp1"]
"""


def agreement(name: str, folder: Path) -> dict[str, Any]:
    """Lock *name* by both resolvers at once; return what differs."""
    begun = time.perf_counter()
    running = {}
    for resolver in commands.DOORS:
        envs = folder / f"{name}-{resolver}" / "envs"
        commands.curated(name, envs, resolver)
        running[resolver] = commands.start(name, envs, envs.parent / "cache", resolver)
    found = {r: commands.finish(process, begun) for r, process in running.items()}
    uv, other = (commands.pins(folder / f"{name}-{r}" / "envs" / name) for r in ("uv", "pip-tools"))
    differing = {
        one: {"uv": uv.get(one), "pip-tools": other.get(one)}
        for one in sorted({*uv, *other})
        if uv.get(one) != other.get(one)
    }
    return {
        "environment": name,
        "pins": len({*uv, *other}),
        "differing": differing,
        "load": max(one.load for one in found.values()),
    }


def seconds(resolver: str, folder: Path, runs: int) -> dict[str, Any]:
    """Lock the wide environment *runs* times with caches that one run before has filled: by uv from
    nothing, by pip-tools again."""
    envs, cache = folder / f"wide-{resolver}" / "envs", folder / f"wide-{resolver}" / "cache"
    (envs / "wide").mkdir(parents=True)
    (envs / "wide" / "environment.toml").write_text(WIDE.replace("RESOLVER", resolver))
    lock = envs / "wide" / "pylock.1.toml"
    first = commands.lock("wide", envs, cache, resolver)
    before = lock.read_bytes()
    rows = []
    for _ in range(runs):
        if resolver == "uv":
            lock.unlink()
        rows.append(commands.lock("wide", envs, cache, resolver))
    whole = commands.spread([row.seconds for row in rows])
    return {
        "resolver": resolver,
        "packages": len(commands.pins(envs / "wide")),
        "from": "nothing" if resolver == "uv" else "its lock",
        "first": first.seconds,
        "seconds": commands.plain(whole),
        "resolving": commands.plain(commands.spread([sum(row.resolver) for row in rows])),
        "processors": commands.plain(commands.spread([row.cpu for row in rows])),
        "questions": [len(row.resolver) for row in rows],
        "load": [row.load for row in rows],
        "target": TARGETS[resolver],
        "met": whole.median <= TARGETS[resolver],
        "same": before == lock.read_bytes(),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=["pins", "seconds"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="an empty folder for locks and caches")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    asked = parser.parse_args()
    agreed: list[dict[str, Any]] = []
    timed: list[dict[str, Any]] = []
    with commands.working(asked.folder) as folder:
        if asked.part != "seconds":
            for path in sorted((commands.ROOT / "envs").glob("*/environment.toml")):
                agreed.append(agreement(path.parent.name, folder))
        if asked.part != "pins":
            timed = [seconds(resolver, folder, asked.runs) for resolver in commands.DOORS]
    if asked.output == "json":
        body = {
            "schema": "harness.benchmark.resolvers/1",
            "cores": os.cpu_count(),
            "agreement": agreed,
            "seconds": timed,
        }
        print(json.dumps(body, indent=2))
    for row in agreed if asked.output == "text" else ():
        told = f"{row['pins']} pins, {len(row['differing'])} differ"
        print(f"{row['environment']:<10} {told}  load {row['load']:.1f}")
        for name, versions in row["differing"].items():
            print(f"  {name}: uv {versions['uv']}, pip-tools {versions['pip-tools']}")
    for row in timed if asked.output == "text" else ():
        kind = "locked" if row["from"] == "nothing" else "locked again"
        loads = f"{min(row['load']):.1f} to {max(row['load']):.1f} on {os.cpu_count()} cores"
        print(f"{row['resolver']:<10} {row['packages']} packages {kind}, {asked.runs} runs")
        print(f"  whole command  {commands.Spread(**row['seconds'])}  target {row['target']:g} s")
        print(f"  resolver       {commands.Spread(**row['resolving'])}")
        print(f"  processors     {commands.Spread(**row['processors'])}")
        print(f"  first, cold    {row['first']:6.2f} s  load {loads}")
    wrong = any(row["differing"] for row in agreed) or not all(row["same"] for row in timed)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
