"""A difference as a person reads it on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from harness.lock import diff
from harness.lock.diff import DEBIAN, PYTHON
from harness.lock.diff_told import Account, Told
from harness.lock.pylock_reading import MACHINES
from harness.report import diff_words as words

_COLOURS = {
    diff.ADDED: "green",
    diff.REMOVED: "red",
    diff.UPGRADE: "cyan",
    diff.DOWNGRADE: "magenta",
    diff.MOVED: "yellow",
    diff.REBUILD: "yellow",
    diff.RECORD: "white",
}


def render(accounts: Sequence[Account]) -> str:
    """Return the text of *accounts*, coloured with ANSI sequences."""
    return "\n\n".join("\n".join(_lines(one)) for one in accounts) + "\n"


def _lines(account: Account) -> Iterator[str]:
    found = account.difference
    sides = f"{words.title(found.before)} → {words.title(found.after)}"
    yield click.style(sides, bold=True)
    yield _row("", words.summary(account))
    for line in words.downloads(account):
        yield _row("download", line)
    for note in (*found.before.notes, *found.after.notes):
        yield _row("note", words.plain(note))
    if found.settings or found.came or found.went:
        yield _heading("settings")
        for sign, platforms, colour in (("+", found.came, "green"), ("-", found.went, "red")):
            for name in platforms:
                told = f"{sign} {MACHINES.get(name, name)}"
                yield _row("platform", click.style(told, fg=colour))
        width = max((len(name) for name, _, _ in found.settings), default=0) + 2
        for name, before, after in found.settings:
            for number, line in enumerate(words.setting(before, after)):
                yield f"  {_dim('' if number else words.plain(name), width)}{line}"
    for room, heading in ((PYTHON, "Python packages"), (DEBIAN, "OS packages")):
        changes = [one for one in account.told if one.change.room == room]
        if changes:
            yield _heading(heading)
        for one in changes:
            yield from _change(one, account)
    if gone := words.gone(account):
        yield _heading("names that the model uses")
        for name, how, where in gone:
            yield f"  {click.style(f'- {name}', fg='red')}  {how}  {where}"
    rest = list(words.unknown(account))
    if rest:
        yield ""
    for title, text in rest:
        yield _row(title, text)


def _change(told: Told, account: Account) -> Iterator[str]:
    change = told.change
    sign = click.style(
        f"{words.SIGNS[change.kind]} {words.plain(change.name)}", fg=_COLOURS[change.kind]
    )
    places = words.where(change, account.difference)
    only = f" (only {places})" if places else ""
    yield f"  {sign} {words.versions(change)}  {_dim(words.word(change) + only)}"
    for number, line in enumerate(words.why(told)):
        yield f"      {_dim('why' if not number else '', 11)}{line}"
    for title, text in words.details(told, account.difference):
        yield f"      {_dim(title, 11)}{text}"


def _heading(text: str) -> str:
    return "\n" + click.style(text, bold=True)


def _row(title: str, text: str) -> str:
    return f"  {_dim(title, 13)}{text}" if title else f"  {text}"


def _dim(text: str, width: int = 0) -> str:
    return click.style(f"{text:<{width}}", dim=True) if text else " " * width
