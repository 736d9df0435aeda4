"""The flaws that a team lives with for now: ``audit.toml``, each with a reason and a last day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from harness.core.errors import SpecInvalid
from harness.lock.advisories import Finding
from harness.spec import document

ALLOWED_FILE = "audit.toml"
_KEYS = ("id", "package", "reason", "expires")


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """One flaw that is allowed, of every package or of one: why, and the last day on which. *file*
    is where that is written."""

    id: str
    reason: str
    expires: date
    file: Path
    package: str = ""

    def covers(self, finding: Finding) -> bool:
        """Tell whether *finding* is the flaw, by any of its names."""
        return self.id in finding.names and self.package in ("", finding.package)

    def expired(self, today: date) -> bool:
        """Tell whether its last day is over."""
        return today > self.expires


def read(file: Path) -> tuple[Allowed, ...]:
    """Return what *file* allows; raises SpecMissing, SpecInvalid with every problem."""
    raw = document.toml(file)
    problems = [f"{key}: unknown key" for key in raw if key != "allow"]
    entries = raw.get("allow", [])
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        problems.append("allow: expected tables [[allow]]")
        entries = []
    found = []
    for place, entry in enumerate(entries):
        wrong = list(_problems(entry))
        problems += [f"allow[{place}].{problem}" for problem in wrong]
        if not wrong:
            name = entry.get("package", "")
            found.append(
                Allowed(
                    id=entry["id"],
                    reason=entry["reason"],
                    expires=entry["expires"],
                    file=file,
                    package=canonicalize_name(name) if "+" not in name else name,
                )
            )
    if problems:
        raise SpecInvalid(
            f"{file}: " + "; ".join(problems),
            hint='[[allow]] needs id = "CVE-…", reason = "…" and expires = 2027-01-31',
        )
    return tuple(found)


def read_all(files: Iterable[Path]) -> tuple[Allowed, ...]:
    """Return what all of *files* allow, in their order; raises as ``read`` does."""
    return tuple(one for file in files for one in read(file))


def _problems(entry: dict[str, Any]) -> Iterable[str]:
    yield from (f"{key}: unknown key" for key in entry if key not in _KEYS)
    for key in ("id", "reason"):
        value = entry.get(key)
        if value is None or (isinstance(value, str) and not value.strip()):
            yield f"{key}: missing"
        elif not isinstance(value, str):
            yield f"{key}: expected a text"
    if not isinstance(entry.get("package", ""), str):
        yield "package: expected a text"
    expires = entry.get("expires")
    if expires is None:
        yield "expires: missing"
    elif isinstance(expires, datetime) or not isinstance(expires, date):
        yield "expires: expected a date, like 2027-01-31"
