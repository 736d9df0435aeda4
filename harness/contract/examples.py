"""The bridge to Hypothesis: rows as a strategy, kept rows as examples of a user's own test.

::

    from harness.contract.examples import kept_examples, rows

    @kept_examples("harness.toml")
    @given(row=rows("harness.toml"))
    def test_price_is_positive(row): ...

A row is drawn cell by cell, each by at most two primitive choices, so that a kept row can also be
written as the choices by which Hypothesis would draw it. Hypothesis is imported when it is used.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.core.errors import HarnessError, RowUndrawable

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from harness.contract.drawn import Drawn
    from harness.contract.keep import Kept
    from harness.contract.promise import Failure

Test = TypeVar("Test", bound=Callable[..., Any])
_ARGUMENT = "row"


def example_source(failure: Failure) -> str:
    """Return ``@example(row={...})`` for the row of *failure*: Python that gives the very row."""
    start, cells, end = example_parts(failure.row)
    return start + ", ".join(cells) + end


def example_parts(row: Mapping[str, Any]) -> tuple[str, list[str], str]:
    """Return the beginning, each cell and the end of a row's ``@example(row={...})``."""
    cells = [f"{name!r}: {literal(value)}" for name, value in row.items()]
    return f"@example({_ARGUMENT}={{", cells, "})"


def literal(value: Any) -> str:
    """Return *value* as Python source: a float to the bit, others as ``float("nan")``."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, Mapping):
        inner = ", ".join(f"{literal(name)}: {literal(held)}" for name, held in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    return repr(value)


def rows(source: str | Path | Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
    """Return a strategy of one row, a dict of Python values by column, that the schema admits.

    *source* is a ``harness.toml`` (or a folder with one), a schema's ``.json``, both relative to
    the calling file, or a schema itself. Raises SpecMissing, SpecInvalid.
    """
    from harness.contract import drawn
    from harness.contract.source import read

    found = read(source, _place(2))
    row = drawn.of(found.domains, found.seen)
    _MADE[id(row.strategy)] = (row, found.rows_folder)
    strategy: SearchStrategy[dict[str, Any]] = row.strategy
    return strategy


_MADE: dict[int, tuple[Drawn, Path]] = {}
"""What ``rows`` made, by the strategy's identity (it lives on here), and where rows are kept."""


def kept_examples(
    source: str | Path | Mapping[str, Any], *, argument: str = _ARGUMENT, check: str = ""
) -> Callable[[Test], Test]:
    """Return a decorator that adds each kept row of *source* (of one *check*, or of all) to a test
    as ``@example(row=...)``: tried first, in every run, without Hypothesis' database.

    *argument* is the test's name for the row. A row whose columns the schema no longer has is left
    out. Raises SpecMissing, SpecInvalid, DataInvalid.
    """
    from harness.contract import keep
    from harness.contract.source import read

    found = read(source, _place(2))
    fitting = [
        entry
        for entry in keep.read(found.rows_folder)
        if set(entry.row) == set(found.columns) and check in ("", entry.check)
    ]

    def decorate(test: Test) -> Test:
        from hypothesis import example

        for entry in reversed(fitting):
            test = example(**{argument: dict(entry.row)}).via(f"kept row {entry.id}")(test)
        return test

    return decorate


def save(test: Callable[..., Any], row: Mapping[str, Any]) -> bool:
    """Put *row* into Hypothesis' example database, so that *test* tries it first and shrinks it.

    *test* is decorated with ``@given`` of one argument, made by ``rows``. Returns False where the
    test's settings have no database (as in Hypothesis' own profile for CI). Raises RowUndrawable
    when the strategy can't draw the row, HypothesisUnknown when this Hypothesis can't be told.
    """
    made = _made(test)
    if made is None:
        raise RowUndrawable(
            f"{getattr(test, '__name__', test)} is no @given test of one row made by rows(...)",
            hint='@given(row=rows("harness.toml")), and no other argument',
        )
    from harness.contract import drawn

    return drawn.save(test, made[0], row)


def hand_over(items: Sequence[Any]) -> str:
    """Save every kept row for each collected test of ``rows(...)``; called by the pytest plugin.

    Returns why they can't be handed over, nothing when they were.
    """
    from harness.contract import keep

    kept: dict[Path, tuple[Kept, ...]] = {}
    for item in items:
        made = _made(getattr(item, "function", None))
        if made is None:
            continue
        row, folder = made
        try:
            if folder not in kept:
                kept[folder] = keep.read(folder)
            _save_all(item, row, kept[folder])
        except HarnessError as error:
            return f"kept rows are not handed to Hypothesis: {error.message}"
    return ""


def _save_all(item: Any, row: Drawn, kept: Sequence[Kept]) -> None:
    from harness.contract import drawn

    key = item.nodeid.encode() if drawn.own_key(item) else b""
    for entry in kept:
        try:
            drawn.save(item.function, row, entry.row, item=key)
        except RowUndrawable:
            continue  # a hostile row, or one that the schema no longer admits


def _made(test: Any) -> tuple[Drawn, Path] | None:
    """Return what *test* draws its only argument from, if that was made by ``rows``."""
    given = getattr(getattr(test, "hypothesis", None), "_given_kwargs", None)
    if not isinstance(given, Mapping) or len(given) != 1:
        return None
    strategy = next(iter(given.values()))
    made = _MADE.get(id(strategy))
    return made if made is not None and made[0].strategy is strategy else None


def _place(depth: int) -> Path:
    """Return the folder of the file that called, *depth* frames up."""
    return Path(sys._getframe(depth).f_globals.get("__file__", "test.py")).resolve().parent
