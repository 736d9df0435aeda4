"""The pytest plugin (entry point ``pytest11``): options, and one line a model at the end.

Imports nothing but pytest, so that it costs nothing where no contract is.
"""

from __future__ import annotations

from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that override a contract's settings."""
    group = parser.getgroup("harness", "contracts of models")
    group.addoption(
        "--contract-rows", type=int, default=None, metavar="N", help="rows in the sweep"
    )
    group.addoption(
        "--contract-seconds",
        type=float,
        default=None,
        metavar="S",
        help="seconds for all checks of a contract together",
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say for each model how many rows were tried and which failures can be replayed."""
    rows: dict[str, int] = {}
    coverage: dict[str, str] = {}
    replays: dict[str, list[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            told = {
                name.removeprefix("harness."): value
                for name, value in getattr(report, "user_properties", ())
                if str(name).startswith("harness.")
            }
            model = told.get("model")
            if model is None or getattr(report, "when", "") != "call":
                continue
            rows[model] = max(rows.get(model, 0), int(told.get("rows", 0)))
            if "coverage-3" in told:
                coverage[model] = f", 3-way {float(told['coverage-3']) * 100:.4g} %"
            replays.setdefault(model, []).extend(filter(None, told.get("replay", "").split(",")))
    if not rows:
        return
    terminalreporter.section("contracts")
    for model in sorted(rows):
        line = f"{model}: {rows[model]:,} rows{coverage.get(model, '')}"
        if replays.get(model):
            line += f", replay with: harness check --replay {' | '.join(sorted(replays[model]))}"
        terminalreporter.write_line(line)
