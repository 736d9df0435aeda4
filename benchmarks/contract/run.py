"""Every model of the corpus through Harness, as a user would: what is found, and what is blamed.

    python benchmarks/contract/run.py [--only NAME …] [--jobs N] [--json FILE] [--rows N]
    python benchmarks/contract/run.py --witnesses [--only NAME …]

Each model gets a project folder of its own and a process of its own; the settings are the default
ones with 60 seconds. Exit code 1 when fewer than 95 % of the mutants are found, fewer than 85 % of
the causes are exactly right, any healthy model is flagged, or any model takes more than 60 s.
With --witnesses no model goes through Harness: each mutant's witness is asked, of the mutant and
of its base.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:] = [str(ROOT), *(entry for entry in sys.path if entry != str(Path(__file__).parent))]

from benchmarks.contract import corpus  # noqa: E402  (the path is set above)

FOUND, EXACT, SECONDS = 0.95, 0.85, 60.0
LONGEST = 150.0
"""Seconds after which a run is ended: then Harness itself hangs."""

QUIET = {"OMP_NUM_THREADS": "1"}
"""Threads of OpenMP spin while they wait, and on a busy machine that is most of the time."""

MODEL = """
import json
import sys

sys.path.insert(1, {root!r})

from benchmarks.contract.corpus import find


def load(artifact):
    return find(json.loads(artifact.read_text())["name"]).build()
"""


def write(case: corpus.Case, folder: Path) -> None:
    """Write *case* as a project: model.py, artifact, data, harness.toml, inputs.schema.json."""
    (folder / "data").mkdir()
    case.train.to_parquet(folder / "data" / "train.parquet", index=False)
    (folder / "artifact").write_text(json.dumps({"name": case.name}))
    (folder / "model.py").write_text(textwrap.dedent(MODEL).format(root=str(ROOT)))
    (folder / "inputs.schema.json").write_text(json.dumps(case.schema, indent=2))
    (folder / "harness.toml").write_text(
        f"""
[model]
name = {toml(case.name)}
input = {toml(case.input)}
load = "model:load"
artifact = "artifact"

[data]
train = "data/train.parquet"
target = {toml(case.target)}

[contract]
inputs = "inputs.schema.json"
outputs = {toml(dict(case.outputs))}
monotone = {toml(dict(case.monotone))}
invariant = {toml(list(case.invariant))}
errors = {toml(list(case.errors))}
"""
    )


def toml(value: Any) -> str:
    """Return *value* in TOML's inline form."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(held)}" for key, held in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False)


def check(folder: Path, *, rows: int | None) -> dict[str, Any]:
    """Return the JSON report on the project in *folder*; *rows* in the sweep, None for default."""
    from harness.contract.check import check_project
    from harness.contract.promise import Settings
    from harness.spec.parse import project

    settings = Settings(seconds=60) if rows is None else Settings(seconds=60, rows=rows)
    return check_project(project(folder), settings=settings).to_json()


def examine(name: str, *, rows: int | None = None) -> dict[str, Any]:
    """Return what a run in a process of its own says of the case called *name*."""
    case = corpus.find(name)
    with tempfile.TemporaryDirectory(prefix="corpus-") as place:
        write(case, Path(place))
        began = time.monotonic()
        command = [sys.executable, __file__, "--folder", place]
        command += [] if rows is None else ["--rows", str(rows)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LONGEST, env=os.environ | QUIET
            )
            said, broke = done.stdout, done.stderr
        except subprocess.TimeoutExpired:
            said, broke = "", f"no report within {LONGEST:g} s"
        seconds = time.monotonic() - began
    lines = said.strip().splitlines()
    report = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None
    return judged(case, report, seconds=seconds, broke=broke[-300:])


def judged(
    case: corpus.Case, report: dict[str, Any] | None, *, seconds: float, broke: str
) -> dict[str, Any]:
    """Return *case*'s line of the results. *exact*: the failure told first blames the expected
    columns and no other; *all_exact*: so does every failure."""
    failed = [] if report is None else [c for c in report["checks"] if c["outcome"] == "failed"]
    blamed = [
        tuple(sorted(failure["cause"]["columns"]))
        for check in failed
        for failure in check["failures"]
    ]
    if failed and not blamed:
        blamed = [()]  # checks that failed without a row to show
    right = {tuple(sorted(columns)) for columns in (case.columns, *case.also)}
    return {
        "name": case.name,
        "family": case.family,
        "base": case.base,
        "found": bool(failed),
        "exact": bool(blamed) and blamed[0] in right,
        "all_exact": bool(blamed) and all(columns in right for columns in blamed),
        "expected": sorted(case.columns),
        "blamed": [list(columns) for columns in dict.fromkeys(blamed)],
        "checks": [c["id"] for c in failed],
        "reasons": [c["reason"] for c in failed],
        "failures": [
            {
                "check": c["id"],
                "rule": f["cause"]["rule"],
                "calls": f["cause"]["calls"],
                "observed": f["observed"],
            }
            for c in failed
            for f in c["failures"]
        ],
        "passed": 0 if report is None else sum(c["outcome"] == "passed" for c in report["checks"]),
        "rows": report and report["rows"],
        "calls": report and report["calls"],
        "seconds": round(seconds, 1),
        "checking": report and report["seconds"],
        "broke": "" if report else broke,
    }


def line(found: dict[str, Any]) -> str:
    """Return one result for a reader."""
    healthy = found["family"] == "healthy"
    if found["broke"]:
        verdict = "NO REPORT"
    elif healthy:
        verdict = "FLAGGED" if found["found"] else "clean"
    else:
        verdict = "found" if found["found"] else "MISSED"
        verdict += "" if not found["found"] else ", exact" if found["exact"] else ", INEXACT"
    blamed = " ".join("{" + ", ".join(columns) + "}" for columns in found["blamed"])
    expected = "" if healthy else f" expected {{{', '.join(found['expected'])}}}"
    told = f"  {', '.join(found['checks'])}  {blamed}{expected}" if found["checks"] else ""
    told += found["broke"] and f"\n    {found['broke']}"
    return (
        f"{found['name']:32} {verdict:15} {found['seconds']:6.1f} s {found['calls'] or 0:7,} calls"
        f" {found['rows'] or 0:9,} rows{told}"
    )


def totals(results: list[dict[str, Any]]) -> tuple[str, bool]:
    """Return the summary and whether every target is met."""
    healthy = [r for r in results if r["family"] == "healthy"]
    mutants = [r for r in results if r["family"] != "healthy"]
    found = [r for r in mutants if r["found"]]
    exact = [r for r in mutants if r["exact"]]
    entirely = [r for r in mutants if r["all_exact"]]
    flagged = [r for r in healthy if r["found"] or r["broke"]]
    slow = [r for r in results if r["seconds"] > SECONDS]
    count = max(len(mutants), 1)
    told = [
        f"mutants       {len(found)} of {len(mutants)} found ({len(found) / count:.1%}), "
        f"{len({r['family'] for r in mutants})} families",
        f"causes        {len(exact)} of {len(mutants)} exactly right in the failure told first "
        f"({len(exact) / count:.1%}), {len(entirely)} in every failure told",
        f"false alarms  {len(flagged)} of {len(healthy)} healthy models",
        f"most calls    {max((f['calls'] for r in results for f in r['failures']), default=0)} "
        "for one cause",
        f"longest       {max((r['seconds'] for r in results), default=0):.1f} s; "
        f"{len(slow)} above {SECONDS:g} s",
    ]
    met = not mutants or (len(found) >= FOUND * count and len(exact) >= EXACT * count)
    return "\n".join(told), met and not flagged and not slow


def unsound(cases: list[corpus.Case]) -> list[str]:
    """Return the names of mutants whose witness isn't true of them and false of their base."""
    found = []
    for case in cases:
        if case.witness is None:
            continue
        asked = case.witness(case), case.witness(corpus.find(case.base))
        print(f"{case.name:32} {'holds' if asked == (True, False) else f'UNSOUND {asked}'}")
        found += [] if asked == (True, False) else [case.name]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], help="names, families, healthy or mutants")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--witnesses", action="store_true", help="ask the witnesses alone")
    parser.add_argument("--rows", type=int, help="rows in the sweep, instead of the default")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.folder:
        report = check(chosen.folder, rows=chosen.rows)
        print("\n" + json.dumps(report))
        return 0
    cases = [*corpus.healthy(), *corpus.mutants()]
    if chosen.only:
        kinds = {"mutants" if case.base else "healthy" for case in cases}
        wanted = set(chosen.only)
        known = {case.name for case in cases} | {case.family for case in cases} | kinds
        if wanted - known:
            parser.error(f"no case or family is called {', '.join(sorted(wanted - known))}")
        cases = [
            case
            for case in cases
            if wanted & {case.name, case.family, "mutants" if case.base else "healthy"}
        ]
    if chosen.witnesses:
        return 1 if unsound(cases) else 0
    results = []
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        ask = functools.partial(examine, rows=chosen.rows)
        for result in pool.map(ask, [case.name for case in cases]):
            print(line(result), flush=True)
            results.append(result)
            if chosen.json:
                chosen.json.write_text(json.dumps({"results": results}, indent=1))
    told, met = totals(results)
    print("\n" + told)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
