"""How far a contract looks: profiles by name, and what a file, the environment and options say.

Imports neither numpy nor pandas: pytest loads this while it collects.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.contract.promise import DEFAULT, Settings
from harness.core.errors import SpecInvalid
from harness.spec.nearest import did_you_mean

VARIABLE = "HARNESS_PROFILE"
PROFILES: Mapping[str, Settings] = {
    "quick": replace(DEFAULT, rows=10_000, seconds=10.0),
    "default": DEFAULT,
    "ci": replace(DEFAULT, rows=10_000_000, seconds=60.0),
}
"""Rows in the sweep and seconds for everything, by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What a test file asks for: a *profile* by name, and what is *said* of single settings."""

    profile: str
    said: Mapping[str, Any]


def settings(*, profile: str = "", **said: Any) -> Budget:
    """Return how far a contract looks: ``settings(rows=…, seconds=…, seed=…, profile="ci")``.

    What is said overrides the profile: ``quick`` (10,000 rows, 10 s), ``default`` or ``ci``
    (10,000,000 rows, 60 s).
    """
    return Budget(profile=profile, said=dict(said))


def chosen(
    asked: Budget | Settings | None = None,
    *,
    profile: str | None = None,
    rows: int | None = None,
    seconds: float | None = None,
) -> Settings:
    """Return the settings that follow from what the file *asked* and the options say.

    *profile* comes before the environment's ``HARNESS_PROFILE``, and that before the file's;
    *rows* and *seconds* come before the file's own, and those before any profile. Raises
    SpecInvalid for a profile or a setting that there isn't, or that can't be.
    """
    from_outside = profile or os.environ.get(VARIABLE, "")
    if isinstance(asked, Settings):  # every one of its settings is said
        _known(from_outside)
        found = asked
    else:
        wanted = asked or Budget(profile="", said={})
        there = Settings.__dataclass_fields__
        for name in sorted(set(wanted.said) - set(there)):
            raise SpecInvalid(
                f"no setting is called {name}{did_you_mean(name, there)}",
                hint=f"the settings are: profile, {', '.join(there)}",
            )
        _known(wanted.profile)
        found = replace(_known(from_outside or wanted.profile), **wanted.said)
    found = replace(
        found,
        rows=found.rows if rows is None else rows,
        seconds=found.seconds if seconds is None else seconds,
    )
    for name, value in (("rows", found.rows), ("seconds", found.seconds)):
        if not isinstance(value, int | float) or not value > 0:
            raise SpecInvalid(f"settings: {name} must be a number above 0, not {value!r}")
    return found


def _known(name: str) -> Settings:
    if name and name not in PROFILES:
        raise SpecInvalid(
            f"no profile is called {name}" + did_you_mean(name, PROFILES),
            hint=f"the profiles are: {', '.join(PROFILES)}",
        )
    return PROFILES[name or "default"]
