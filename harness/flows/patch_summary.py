"""What a patch did, as Markdown for a pull request: one section for each environment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.flows.patch import Outcome, Patched
from harness.lock.patch import Target


def markdown(target: Target, outcome: Outcome) -> str:
    """Return the summary; what is patched first, then what needed nothing, then what failed."""
    lines = [f"# Patch {_plain(target.text)}", ""]
    others = sorted(target.names - {target.text})
    if others:
        lines += [f"Also known as {', '.join(map(_plain, others))}.", ""]
    for one in outcome.patched:
        lines += [*_section(one), ""]
    if outcome.fine:
        lines += ["## Nothing to do", ""]
        lines += [f"- {_plain(name)}: {_plain(why)}" for name, why in outcome.fine.items()]
        lines += [""]
    if outcome.failed:
        lines += ["## Failed", ""]
        for name, error in outcome.failed.items():
            lines.append(f"- {_plain(name)}: {_plain(' '.join(error.message.split()))}")
        lines += [""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(one: Patched) -> Iterator[str]:
    yield f"## {one.before.name} {one.before.version} → {one.after.version}"
    yield ""
    if one.after.change and one.before.change and one.after.change != one.before.change:
        yield f"Starts from {one.after.change.parent}, was {one.before.change.parent}."
        yield ""
    yield "| package | from | to | why |"
    yield "| --- | --- | --- | --- |"
    for move in one.moves:
        cells = (move.name, move.before or "new", move.after or "gone", "; ".join(move.why))
        yield f"| {' | '.join(map(_plain, cells))} |"
    yield ""
    yield f"The other {one.stay} packages stay."


def _plain(text: str) -> str:
    """Return *text* so that Markdown shows it as it is, in a table's cell too."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)
