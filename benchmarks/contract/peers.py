"""Other tools on the corpus' mutants, side by side with Harness in one run.

    python benchmarks/contract/peers.py [--every 3] [--seconds 15] [--jobs 2] [--json FILE]

Each tool gets each mutant and its healthy base in a process of its own, and the same seconds; it
has *found* a mutant when it objects to the mutant and not to the base. Needs hypothesis-jsonschema,
pandera and schemathesis, and the Hypothesis that the first of them works with.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import functools
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:] = [str(ROOT), *(entry for entry in sys.path if entry != str(Path(__file__).parent))]

import pandas as pd  # noqa: E402  (the path is set above)

from benchmarks.contract import corpus, oracle, run  # noqa: E402
from benchmarks.contract.corpus import Case  # noqa: E402

Found = dict[str, Any]


class Enough(KeyboardInterrupt):
    """The seconds are over; no exception that Hypothesis would take for a failure."""


class Budget:
    """Counts rows and ends a test when its seconds are over."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.rows = 0

    def spend(self, rows: int) -> None:
        if time.monotonic() > self.end:
            raise Enough
        self.rows += rows


def hypothesis_jsonschema(case: Case, model: Any, budget: Budget) -> None:
    """One row a test, drawn by from_schema; the answers are judged."""
    from hypothesis import given
    from hypothesis_jsonschema import from_schema

    schema, formats = _own_formats(case)

    @_settings()
    @given(from_schema(schema, custom_formats=formats))
    def test(row: dict[str, Any]) -> None:
        budget.spend(1)
        oracle.basic(case, model, oracle.frame(case, [row]))

    test()


def hypothesis_pandas(case: Case, model: Any, budget: Budget) -> None:
    """Frames of 0 to 10 rows by data_frames; the answers and the relations are judged."""
    from hypothesis import given
    from hypothesis.extra.pandas import column, data_frames, range_indexes

    columns = [
        column(name, elements=_cells(case, name), dtype=object) for name in case.table.columns
    ]

    @_settings()
    @given(data_frames(columns, index=range_indexes(max_size=10)))
    def test(drawn: pd.DataFrame) -> None:
        budget.spend(len(drawn))
        oracle.full(case, model, oracle.frame(case, drawn.to_dict("records")))

    test()


def pandera_strategies(case: Case, model: Any, budget: Budget) -> None:
    """Frames of five rows by DataFrameSchema.strategy; the answers and the relations are judged."""
    import pandera.pandas as pa
    from hypothesis import given

    checks: dict[str, Any] = {}
    train = case.train
    for name, described in case.table.columns.items():
        kind, nullable = _kind(described)
        if kind in ("number", "integer"):
            bounds = [
                check(described[key])
                for key, check in (("minimum", pa.Check.ge), ("maximum", pa.Check.le))
                if key in described
            ]
            checks[name] = pa.Column(float if kind == "number" else int, bounds, nullable=nullable)
        elif kind == "boolean":
            checks[name] = pa.Column(bool)
        else:
            known = [v for v in described.get("enum", train[name].unique()) if isinstance(v, str)]
            checks[name] = pa.Column(str, pa.Check.isin(known[:200]))

    @_settings()
    @given(pa.DataFrameSchema(checks).strategy(size=5))
    def test(drawn: pd.DataFrame) -> None:
        budget.spend(len(drawn))
        oracle.full(case, model, oracle.frame(case, drawn.to_dict("records")))

    test()


def schemathesis_requests(case: Case, model: Any, budget: Budget) -> None:
    """One row a request to a WSGI application with an OpenAPI description of the same claims."""
    import schemathesis
    from hypothesis import given

    rows, formats = _own_formats(case)
    for name, strategy in formats.items():
        schemathesis.openapi.format(name, strategy)
    kind, labels = case.outputs["kind"], case.labels
    single: dict[str, Any] = {"type": "number"}
    if kind == "labels":
        single = {"enum": labels}
    elif kind == "regression":
        single |= {k: case.outputs[k] for k in ("minimum", "maximum") if k in case.outputs}
    else:
        single |= {"minimum": 0, "maximum": 1}
    width = len(case.outputs.get("targets", ())) if kind == "regression" else len(labels)
    if kind == "labels" or case.outputs.get("positive_only"):
        width = 0
    answer = {
        "type": "array",
        "items": single,
        "minItems": max(width, 1),
        "maxItems": max(width, 1),
    }
    described = {
        "openapi": "3.1.0",
        "info": {"title": case.name, "version": "1"},
        "paths": {
            "/predict": {
                "post": {
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": rows}},
                    },
                    "responses": {
                        "200": {
                            "description": "the answer",
                            "content": {"application/json": {"schema": answer}},
                        }
                    },
                }
            }
        },
    }

    def application(environ: Any, start: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/openapi.json":
            body: Any = described
        else:
            size = int(environ.get("CONTENT_LENGTH") or 0)
            row = json.loads(environ["wsgi.input"].read(size))
            found = oracle.answer(case, model, oracle.frame(case, [row]))[0]
            body = found.tolist() if hasattr(found, "tolist") else found
            body = body if isinstance(body, list) else [body]
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(body).encode()]

    schema = schemathesis.openapi.from_wsgi("/openapi.json", application)

    @_settings()
    @given(case=schema["/predict"]["POST"].as_strategy())
    def test(case: Any) -> None:
        budget.spend(1)
        case.call_and_validate()

    test()


def check_estimator(case: Case, model: Any, budget: Budget) -> None:
    """scikit-learn's own checks, where the model is an estimator at all."""
    from sklearn.base import BaseEstimator
    from sklearn.utils.estimator_checks import check_estimator as checks

    if not isinstance(model, BaseEstimator):
        raise NotImplementedError("no scikit-learn estimator")
    results = checks(model, on_skip=None, on_fail=None)
    failed = [found["check_name"] for found in results if found["status"] == "failed"]
    assert not failed, f"{len(failed)} of {len(results)} checks fail"


TOOLS: dict[str, Callable[[Case, Any, Budget], None]] = {
    "hypothesis-jsonschema": hypothesis_jsonschema,
    "hypothesis.extra.pandas": hypothesis_pandas,
    "pandera": pandera_strategies,
    "schemathesis": schemathesis_requests,
    "check_estimator": check_estimator,
}


def _settings() -> Any:
    from hypothesis import HealthCheck, Phase, settings

    return settings(
        max_examples=5000,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def _kind(described: dict[str, Any]) -> tuple[str, bool]:
    types = described["type"]
    listed = [types] if isinstance(types, str) else types
    return next(t for t in listed if t != "null"), "null" in listed


def _own_formats(case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema with a format of its own for each date column, and how to draw it: JSON
    Schema has no word for the bounds of a date, and a careful user would say them this way."""
    formats: dict[str, Any] = {}
    properties = {}
    for name, described in case.schema["properties"].items():
        if described.get("format") in ("date", "date-time"):
            drawn = _cells(case, name).filter(lambda cell: cell is not None)
            own = f"{described['format']}-of-{name.replace('_', '-')}"
            formats[own] = drawn
            described = {**described, "format": own}
        properties[name] = described
    return {**case.schema, "properties": properties}, formats


def _cells(case: Case, name: str) -> Any:
    from hypothesis import strategies as st

    described = case.table.columns[name]
    kind, nullable = _kind(described)
    low, high = described.get("minimum"), described.get("maximum")
    if "enum" in described:
        found = st.sampled_from([v for v in described["enum"] if v is not None])
    elif kind == "number":
        found = st.floats(low, high, allow_nan=False, allow_infinity=False)
    elif kind == "integer":
        found = st.integers(-(2**63) if low is None else low, 2**63 - 1 if high is None else high)
    elif kind == "boolean":
        found = st.booleans()
    elif described.get("format") == "date":
        ends = [described.get(key) for key in ("formatMinimum", "formatMaximum")]
        first, last = (day and datetime.date.fromisoformat(day[:10]) for day in ends)
        found = st.dates(first or datetime.date.min, last or datetime.date.max).map(str)
    elif described.get("format") == "date-time":
        ends = [described.get(key) for key in ("formatMinimum", "formatMaximum")]
        first, last = (
            at and datetime.datetime.fromisoformat(at).replace(tzinfo=None) for at in ends
        )
        found = st.datetimes(first or datetime.datetime.min, last or datetime.datetime.max).map(
            lambda at: at.isoformat() + "Z"
        )
    else:
        known = sorted({v for v in case.train[name].tolist() if isinstance(v, str)})[:50]
        found = st.sampled_from(known) | st.text(max_size=described.get("maxLength", 40))
    return st.none() | found if nullable else found


def child(tool: str, name: str, seconds: float) -> Found:
    """Return what *tool* says of one model."""
    warnings.simplefilter("ignore")
    case = corpus.find(name)
    model = case.build()
    budget, began = Budget(seconds), time.monotonic()
    said = ""
    try:
        TOOLS[tool](case, model, budget)
        objects: bool | None = False
    except Enough:
        objects = False
    except NotImplementedError as unfit:
        objects, said = None, str(unfit)
    except BaseException as found:  # a failed test, whatever it was
        objects, said = True, f"{type(found).__name__}: {found}"[:300]
    return {
        "objects": objects,
        "said": said,
        "rows": budget.rows,
        "seconds": round(time.monotonic() - began, 2),
    }


@functools.cache
def asked(tool: str, name: str, seconds: float) -> Found:
    """Return what *tool* says of the model called *name*, from a process of its own."""
    if tool == "harness":
        found = run.examine(name)
        return {
            "objects": found["found"] or bool(found["broke"]),
            "said": ", ".join(found["checks"]) or found["broke"],
            "rows": found["rows"] or 0,
            "seconds": found["checking"] or found["seconds"],
        }
    command = [sys.executable, __file__, "--child", tool, name, str(seconds)]
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 3 + 60)
    except subprocess.TimeoutExpired:
        return {"objects": True, "said": "hangs", "rows": 0, "seconds": time.monotonic() - began}
    lines = done.stdout.strip().splitlines()
    if lines and lines[-1].startswith("{"):
        found = json.loads(lines[-1])
        return dict(found)
    # The model took the process along: whoever runs the tool sees that.
    spent = round(time.monotonic() - began, 2)
    return {"objects": True, "said": f"ended by {done.returncode}", "rows": 0, "seconds": spent}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="take every n-th mutant")
    parser.add_argument("--seconds", type=float, default=15.0, help="for each tool and model")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        tool, name, seconds = chosen.child
        print("\n" + json.dumps(child(tool, name, float(seconds))))
        return 0
    mutants = corpus.mutants()[:: chosen.every]
    if chosen.only:
        mutants = [case for case in corpus.mutants() if case.name in chosen.only]
    results = []

    def both(pair: tuple[str, Case]) -> Found:
        tool, case = pair
        mutant, base = (asked(tool, name, chosen.seconds) for name in (case.name, case.base))
        return {
            "tool": tool,
            "mutant": case.name,
            "found": mutant["objects"] is True and base["objects"] is False,
            "unfit": mutant["objects"] is None or base["objects"] is None,
            "false_alarm": base["objects"] is True,
            "of_mutant": mutant,
            "of_base": base,
        }

    pairs = [(tool, case) for case in mutants for tool in ("harness", *TOOLS)]
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        for found in pool.map(both, pairs):
            told = "found" if found["found"] else "unfit" if found["unfit"] else "-"
            alarm = "  (objects to the healthy base too)" if found["false_alarm"] else ""
            print(f"{found['tool']:24} {found['mutant']:32} {told}{alarm}", flush=True)
            results.append(found)
    print(f"\n| tool | found of {len(mutants)} | bases flagged | median seconds | median rows |")
    print("| --- | --- | --- | --- | --- |")
    for tool in ("harness", *TOOLS):
        mine = [found for found in results if found["tool"] == tool]
        bases = {f["mutant"]: f["of_base"] for f in mine}
        names = {case.base for case in mutants}
        flagged = sum(asked(tool, name, chosen.seconds)["objects"] is True for name in names)
        seconds = statistics.median(f["of_mutant"]["seconds"] for f in mine)
        rows = statistics.median(f["of_mutant"]["rows"] for f in mine)
        count = sum(f["found"] for f in mine)
        print(f"| {tool} | {count} | {flagged} of {len(names)} | {seconds:.1f} | {rows:,.0f} |")
        assert len(bases) == len(mutants)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
