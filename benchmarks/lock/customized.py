"""Twenty customized environments of ``tabular``, made by adding real packages: what stays?

The parent is locked once; each child adds a package to it and is locked from nothing. Of every
pin that moved: is the chain told, and was it forced? A move is forced when the child's own
requirements with that pin held, and every pin held that stayed, have no answer; that question goes
to the resolver anew, outside of ``harness lock``.

    python benchmarks/lock/customized.py [--wide] [--resolver pip-tools] [--folder F]

``tabular`` has 16 pins, and eight children that force one each leave at most 97.5 % of them. With
``--wide`` the parent is as large as those that teams keep: ``tabular`` and what is asked for beside
it here. Ends with 1 when fewer than 98 % of the pins that weren't forced stay (``--wide``: of all
pins), fewer than 8 children move one, or a move has no reason or was not forced.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import commands

from harness.lock import pylock
from harness.lock.lock import Lock
from harness.lock.resolve import micro
from harness.lock.resolver import Question, Unsolvable
from harness.lock.uv import Uv
from harness.spec import parse
from harness.spec.environment import Environment
from harness.world import sources

WIDE = (
    *("scikit-image", "networkx", "plotly", "lxml", "beautifulsoup4", "redis", "psycopg-binary"),
    *("requests", "pyyaml", "rich", "orjson", "polars", "pydantic-settings", "aiohttp", "pyjwt"),
    *("prometheus-client", "structlog", "tenacity", "psutil", "cloudpickle", "zstandard"),
    *("cachetools", "more-itertools", "cryptography", "python-json-logger", "websockets"),
)
"""What the wide parent asks for beside ``tabular``."""

ADDED = (
    # these fit beside every pin of the parent
    ("fastapi",),
    ("sqlalchemy", "alembic"),
    ("matplotlib", "seaborn"),
    ("imbalanced-learn",),
    ("optuna",),
    ("numba",),
    ("statsmodels", "openpyxl"),
    ("httpx", "jinja2"),
    ("category-encoders",),
    ("duckdb",),
    # these need another version of something that the parent has
    ("boto3",),
    ("python-dateutil<3", "croniter"),
    ("mlflow-skinny", "pyarrow<22"),
    ("narwhals<2.20", "altair"),
    ("apache-beam",),
    ("numpy<2.4",),
    ("scipy<1.17",),
    ("uvicorn<0.35",),
    ("click<8.2", "typer"),
    ("joblib<1.5",),
)


def child(place: int, added: tuple[str, ...], envs: Path, resolver: str) -> str:
    """Write a customized environment into *envs* and return its name."""
    name = f"tabular-{place + 1:02}"
    lines = [
        f'resolver = "{resolver}"',
        f'name = "{name}"',
        "version = 1",
        'from = "tabular:1"',
        f"add = {json.dumps(added)}",
    ]
    (envs / name).mkdir()
    (envs / name / "environment.toml").write_text("\n".join(lines) + "\n")
    return name


def forced(environment: Environment, move: dict[str, Any], above: Lock, cache: Path) -> bool:
    """Tell whether *move* had to be: with that pin held beside all that stayed, uv finds no
    answer, or one without the package."""
    (lock,) = pylock.read_all(environment)
    stayed = {name: v for name, v in above.pins.items() if lock.pins.get(name) == v}
    held = stayed | {move["name"]: move["before"]}
    question = Question(
        requirements=lock.requirements,
        python=micro(lock.debs, lock.python),
        architecture=lock.architecture,
        constraints=tuple(f"{name}=={version}" for name, version in sorted(held.items())),
    )
    try:
        pins = Uv(source=sources.python(), cache=cache).pins(question)
    except Unsolvable:
        return True
    return not move["after"] and move["name"] not in {pin.name for pin in pins}


def customize(place: int, envs: Path, cache: Path, resolver: str, above: Lock) -> dict[str, Any]:
    """Lock one child and return what moved of the parent's pins, and why."""
    name = child(place, ADDED[place], envs, resolver)
    done = commands.lock(name, envs, cache, resolver)
    environment = parse.find(name, envs)
    (lock,) = pylock.read_all(environment)
    moved = sorted(n for n, version in above.pins.items() if lock.pins.get(n) != version)
    moves = done.body["parent"]["moved"]
    gone = sorted(set(moved) - set(lock.pins) - {move["name"] for move in moves})
    debs = {deb.name: deb.version for deb in lock.debs}
    return {
        "added": ADDED[place],
        "packages": len(lock.packages),
        "kept": len(above.pins) - len(moved),
        "moves": [
            {**move, "forced": forced(environment, move, above, cache.parent / "proof")}
            for move in moves
        ],
        "gone": gone,
        "untold": sorted((set(moved) - set(gone)) ^ {m["name"] for m in moves if m["why"]}),
        "os_kept": sum(debs.get(deb.name) == deb.version for deb in above.debs),
        "seconds": done.seconds,
        "load": done.load,
    }


def report(rows: list[dict[str, Any]], above: Lock) -> dict[str, Any]:
    """Return the figures of all children together."""
    moves = [move for row in rows for move in row["moves"]]
    pins, debs = len(above.pins) * len(rows), len(above.debs) * len(rows)
    kept, os_kept = (sum(row[key] for row in rows) for key in ("kept", "os_kept"))
    gone = sum(len(row["gone"]) for row in rows)  # nothing needs them beside a pin that moved
    needless = pins - gone - sum(move["forced"] for move in moves)
    return {
        "schema": "harness.benchmark.customized/1",
        "cores": os.cpu_count(),
        "parent": {"pins": len(above.pins), "os": len(above.debs)},
        "children": rows,
        "moving": sum(bool(row["moves"]) for row in rows),
        "kept": kept / pins,
        "kept_with_os": (kept + os_kept) / (pins + debs),
        "kept_of_not_forced": kept / needless,
        "gone": gone,
        "not_forced": sum(not move["forced"] for move in moves),
        "untold": sum(len(row["untold"]) for row in rows),
    }


def told(body: dict[str, Any]) -> str:
    """Return the report as a person reads it."""
    lines = []
    for row in body["children"]:
        moves = f"{len(row['moves'])} moved" if row["moves"] else "all kept"
        lines.append(f"{', '.join(row['added']):<24} {moves:<9} {row['packages']:>4} packages")
        for move in row["moves"]:
            state = "forced" if move["forced"] else "NOT FORCED"
            lines.append(f"  {move['name']} {move['before']} → {move['after'] or 'gone'}, {state}")
            lines += [f"    because {line}" for line in move["why"]]
    seconds = commands.spread([row["seconds"] for row in body["children"]])
    loads = [row["load"] for row in body["children"]]
    return "\n".join(
        [
            *lines,
            f"children that move a pin   {body['moving']} of {len(body['children'])}",
            f"pins kept                  {body['kept']:.2%}; with OS packages "
            f"{body['kept_with_os']:.2%}",
            f"kept of those not forced   {body['kept_of_not_forced']:.2%}",
            f"not needed any more        {body['gone']}",
            f"moves without a reason     {body['untold']}",
            f"seconds                    {seconds}  load {min(loads):.1f} to {max(loads):.1f} "
            f"on {body['cores']} cores",
        ]
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolver", choices=sorted(commands.DOORS), default="uv")
    parser.add_argument("--folder", type=Path, help="an empty folder for locks and caches")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    parser.add_argument("--wide", action="store_true", help="a parent of the size teams have")
    asked = parser.parse_args()
    with commands.working(asked.folder) as folder:
        envs, cache = folder / "envs", folder / "cache"
        parent = commands.curated("tabular", envs, asked.resolver) / "environment.toml"
        if asked.wide:
            beside = "".join(f'"{name}", ' for name in WIDE)
            parent.write_text(
                parent.read_text().replace("requirements = [", f"requirements = [{beside}")
            )
        commands.lock("tabular", envs, cache, asked.resolver)
        (above,) = pylock.read_all(parse.find("tabular", envs))
        rows = [customize(one, envs, cache, asked.resolver, above) for one in range(len(ADDED))]
    body = report(rows, above)
    print(json.dumps(body, indent=2) if asked.output == "json" else told(body))
    kept = body["kept" if asked.wide else "kept_of_not_forced"]
    good = kept >= 0.98 and body["moving"] >= 8 and not body["untold"]
    sys.exit(0 if good and not body["not_forced"] else 1)


if __name__ == "__main__":
    main()
