"""The pytest plugin (entry point ``pytest11``): options, and one line a model at the end.

Imports nothing but pytest, so that it costs nothing where no contract is.
"""

from __future__ import annotations

import sys
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
    group.addoption(
        "--contract-profile",
        default=None,
        metavar="NAME",
        help="quick, default or ci: rows and seconds that no test file says (HARNESS_PROFILE too)",
    )
    group.addoption(
        "--contract-replay",
        default=None,
        metavar="ID",
        help="run one kept row again, alone: its check and no other test",
    )
    group.addoption(
        "--contract-in-process",
        action="store_true",
        help="load models into this process, where a debugger sees them",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave the test of one kept row alone, or hand kept rows to Hypothesis' tests of rows."""
    replay = config.getoption("contract_replay", None)
    if replay is not None:
        _leave_alone(session, items, replay)
    examples = sys.modules.get("harness.contract.examples")
    if examples is not None and replay is None:  # some test of the session imported it
        note = examples.hand_over(items)
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if note and reporter is not None:  # a warning might be an error here, and end the session
            reporter.write_line(note, yellow=True)


def _leave_alone(session: pytest.Session, items: list[pytest.Item], replay: str) -> None:
    from harness.contract.replayed import choose
    from harness.core.errors import HarnessError

    try:
        chosen, others = choose(items, replay)
    except HarnessError as error:
        told = f"--contract-replay: {error.message}" + (f"\n{error.hint}" if error.hint else "")
        if not hasattr(session.config, "workerinput"):
            raise pytest.UsageError(told) from error
        # A worker of xdist that ends before its tests is a crash to xdist: one test says it there.
        items[:] = [Refused.from_parent(session, name="contract-replay", told=told)]
        return
    if others:
        session.config.hook.pytest_deselected(items=others)
    items[:] = chosen


class Refused(pytest.Item):
    """A test that fails with what is wrong with the options."""

    def __init__(self, *, told: str, **named: Any) -> None:
        """Take what is *told*."""
        super().__init__(**named)
        self._told = told

    def runtest(self) -> None:
        """Fail."""
        pytest.fail(self._told, pytrace=False)


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
            line += f", replay with: pytest --contract-replay {' | '.join(sorted(replays[model]))}"
        terminalreporter.write_line(line)
