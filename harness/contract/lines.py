"""A report as the lines that a person reads on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.contract.examples import example_parts
from harness.contract.promise import Cause, Failure, Outcome, Report
from harness.contract.rule import brief

_WIDTH = 100
_LABEL = 13


def lines(report: Report) -> list[str]:
    """Return the verdict, then each failure as its promise, row, cause and replay, then notes."""
    found = [headline(report)]
    for check in report.failed:
        found += failed(check, report.command)
    for (outcome, reason), ids in _grouped(report.checks).items():
        found += _entry(outcome, f"{', '.join(ids)}: {reason}")
    found += _entry("equal means", report.tolerance)
    for note in report.notes:
        found += _entry("note", note)
    return found


def _grouped(checks: Sequence[Outcome]) -> dict[tuple[str, str], list[str]]:
    """Return the checks that were not run, or failed as expected, by the reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for check in checks:
        if check.outcome in ("skipped", "expected"):
            found.setdefault((check.outcome, check.reason), []).append(check.id)
    return found


def headline(report: Report) -> str:
    """Return the one line of DESIGN: the verdict, how many checks, rows and coverage."""
    counted = [check for check in report.checks if check.outcome != "skipped"]
    rows = f"{report.rows:,} rows"
    shares = [f"{t}-way {percent(share)}" for t, share in sorted(report.coverage.items())]
    if report.failed:
        verdict = f"FAILED   {len(report.failed)} of {len(counted)} checks"
    else:
        verdict = f"passed   {len(counted)} checks"
    return f"{'contract':<{_LABEL}}{', '.join([verdict, rows, *shares])}"


def percent(share: float) -> str:
    """Return a share as per cent, never rounded up to 100."""
    if share == 1.0:
        return "100 %"
    shown = f"{share * 100:.2f}"
    return f"{min(float(shown), 99.99):g} %"


def failed(
    check: Outcome,
    command: str = "harness check",
    *,
    option: str = "--replay",
    notes: Sequence[str] = (),
) -> list[str]:
    """Return the lines of one failed check, and of the *notes* made while it ran.

    *command* with *option* and an id runs one failure again.
    """
    found = _entry("  promise", f"{check.promise} ({check.id}, {check.grade})")
    if check.reason:
        found += _entry("  reason", check.reason)
    for failure in check.failures:
        found += _failure(failure, f"{command} {option}")
    for note in notes:
        found += _entry("  note", note)
    return found


def _failure(failure: Failure, command: str) -> Iterator[str]:
    cells = {name: failure.row[name] for name in failure.cause.columns if name in failure.row}
    if cells:
        yield from _entry("  row", _row(cells))
    yield from _entry("  observed", failure.observed)
    count = len(failure.cause.columns)
    calls = failure.cause.calls
    effort = f"{count} cell{'s' if count != 1 else ''}, {calls} call{'s' if calls != 1 else ''}"
    effort += _precision(failure.cause)
    told = f"{failure.cause.rule} ({effort})" if count else failure.cause.rule
    yield from _entry("  cause", told)
    if failure.row:
        yield from _example(failure.row)
    if failure.known:
        yield from _entry("  known", f"since an earlier run, which kept it as {failure.replay}")
    if failure.replay:
        yield from _entry("  replay", f"{command} {failure.replay}")


def _precision(cause: Cause) -> str:
    """Return how many of the fresh rows that were asked fail where the rule holds and where it
    doesn't."""
    if cause.inside is None:
        return ""
    inside, outside = cause.measured
    told = f"; {round(cause.inside * inside):,} of {inside:,} rows inside fail"
    if cause.outside is None:
        return told
    return f"{told}, {round(cause.outside * outside):,} of {outside:,} outside"


def _row(cells: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {brief(value)}" for name, value in cells.items())


def _example(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the whole row as Hypothesis' decorator: Python that can be copied, broken at cells.
    Only a long text is told by its beginning; the JSON has it whole."""
    start, cells, end = example_parts(row)
    cells = [
        f"{name!r}: {brief(value)}" if isinstance(value, str) else cell
        for cell, (name, value) in zip(cells, row.items(), strict=True)
    ]
    line = f"{'  example':<{_LABEL}}{start}"
    room = " " * (_LABEL + 4)
    for number, cell in enumerate(cells):
        piece = cell + (", " if number < len(cells) - 1 else end)
        if len(line) + len(piece.rstrip()) > _WIDTH and line.strip() and number:
            yield line.rstrip()
            line = room
        line += piece
    yield line.rstrip()


def _entry(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        " ".join(line.strip() for line in text.splitlines()),  # spaces in a value are its own
        _WIDTH,
        initial_indent=f"{label:<{_LABEL}}",
        subsequent_indent=" " * _LABEL,
        break_on_hyphens=False,
    )
