"""What each check is about: its promise and grade from the check itself, the rest from its page.

A page lies under ``pages/``, travels with the package, and is what ``harness explain`` shows.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.contract import checks
from harness.contract.checks.outputs import row_checks
from harness.contract.promise import GRADES, Check
from harness.core.errors import CheckUnknown
from harness.spec.nearest import did_you_mean

PAGES = Path(__file__).parent / "pages"
SECTIONS = (
    "Why it matters",
    "How it is tested",
    "What a failure looks like",
    "How to mend it",
    "How to declare an exception",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A check's page: its *text* whole, and its *sections* by heading."""

    id: str
    promise: str
    grade: str
    text: str
    sections: Mapping[str, str]


def every_check() -> tuple[Check, ...]:
    """Return all checks that any contract may call for, by grade, then by id."""
    found: dict[str, Check] = {}
    for module in pkgutil.iter_modules(checks.__path__):
        held = vars(importlib.import_module(f"{checks.__name__}.{module.name}"))
        found |= {check.id: check for check in held.values() if isinstance(check, Check)}
    for kind in ("probabilities", "regression"):
        made = row_checks(kind, positive_only=False, bounded=True)
        found |= {check.id: check for check in made}
    return tuple(sorted(found.values(), key=lambda check: (GRADES.index(check.grade), check.id)))


def page(identity: str) -> Page:
    """Return the page of the check called *identity*; raises CheckUnknown."""
    there = {check.id: check for check in every_check()}
    if identity not in there:
        raise CheckUnknown(
            f"no check is called {identity}{did_you_mean(identity, there)}",
            hint="harness explain lists them",
        )
    check = there[identity]
    file = PAGES / f"{identity}.md"
    text = file.read_text("utf-8") if file.exists() else ""
    return Page(
        id=check.id,
        promise=check.promise,
        grade=check.grade,
        text=text,
        sections=_sections(text),
    )


def _sections(text: str) -> dict[str, str]:
    found = {}
    for part in text.split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        found[heading.strip()] = body.strip()
    return found
