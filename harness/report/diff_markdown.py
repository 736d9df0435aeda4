"""A difference as Markdown, for a pull request: GitHub's dialect, which GitLab reads too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.lock.diff_told import Account, Told
from harness.lock.pylock_reading import MACHINES
from harness.report import diff_words as words


def render(accounts: Sequence[Account]) -> str:
    """Return the Markdown of *accounts*; what packages say of themselves stands in code spans."""
    return "\n\n".join("\n".join(_lines(one)) for one in accounts) + "\n"


def _lines(account: Account) -> Iterator[str]:
    found = account.difference
    yield f"### {_code(words.title(found.before))} → {_code(words.title(found.after))}"
    yield ""
    yield f"**{words.summary(account)}**"
    for line in words.downloads(account):
        yield f"<br>download {line}"
    for note in (*found.before.notes, *found.after.notes):
        yield f"\n> {_code(words.plain(note))}"
    if found.settings or found.came or found.went:
        yield from ("", "| setting | change |", "| --- | --- |")
        for sign, platforms in (("+", found.came), ("-", found.went)):
            for name in platforms:
                yield f"| platform | {_code(f'{sign} {MACHINES.get(name, name)}')} |"
        for name, before, after in found.settings:
            told = "<br>".join(map(_code, words.setting(before, after)))
            yield f"| {words.plain(name)} | {told} |"
    if account.told:
        yield from ("", "| | package | version | why |", "| --- | --- | --- | --- |")
        yield from (_row(one, account) for one in account.told)
    if gone := words.gone(account):
        yield from ("", "**Names that the model uses and that are gone**", "")
        for name, how, where in gone:
            yield f"- {_code(name)} {_code(how)}: {_code(where)}"
    yield from _details(account)
    for title, text in words.unknown(account):
        yield f"\n{title}: {text if title == 'advisories' else _code(text)}"


def _row(told: Told, account: Account) -> str:
    change = told.change
    places = words.where(change, account.difference)
    only = f"<br>only {places}" if places else ""
    why = "<br>".join(map(_code, words.why(told)))
    package = f"{_code(words.plain(change.name))}{only}"
    return f"| {words.word(change)} | {package} | {_code(words.versions(change))} | {why} |"


def _details(account: Account) -> Iterator[str]:
    blocks = [(one, list(words.details(one, account.difference))) for one in account.told]
    if not any(lines for _, lines in blocks):
        return
    heading = "Sizes, licences, libraries, scripts, modules"
    yield from ("", f"<details><summary>{heading}</summary>", "")
    for told, lines in blocks:
        if lines:
            parts = "; ".join(f"{title} {_code(text)}" for title, text in lines)
            yield f"- {_code(words.plain(told.change.name))}: {parts}"
    yield from ("", "</details>")


def _code(text: str) -> str:
    """Return a code span, which mentions nobody and links nowhere; pipes don't end a cell."""
    inner = text.replace("`", "'").replace("|", "\\|")
    return f"`{inner}`" if inner.strip() else ""
