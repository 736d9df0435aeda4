"""Package URLs: what scanners call a package. Format: ECMA-427, its types ``pypi`` and ``deb``."""

from __future__ import annotations

from urllib.parse import quote

from harness.lock.lock import Deb, Wheel
from harness.lock.osv import DEBIAN


def release(suite: str) -> str:
    """Return what os-release's VERSION_ID says of a Debian *suite*: ``12`` for bookworm."""
    return DEBIAN.get(suite, suite).removeprefix("Debian:")


def wheel(one: Wheel) -> str:
    """Return the package URL of a Python package."""
    return f"pkg:pypi/{one.name}@{_quoted(one.version)}"


def deb(one: Deb, suite: str) -> str:
    """Return the package URL of a Debian package of *suite*; ``upstream`` names its source
    package, of which Debian's advisories speak."""
    version = _quoted(one.version)
    told = {"arch": one.architecture, "distro": f"debian-{release(suite)}"}
    if one.source and (one.source, one.source_version) != (one.name, one.version):
        same = one.source_version in ("", one.version)
        told["upstream"] = one.source if same else f"{one.source}@{one.source_version}"
    options = "&".join(f"{name}={_quoted(value)}" for name, value in sorted(told.items()))
    return f"pkg:deb/debian/{_quoted(one.name)}@{version}?{options}"


def _quoted(text: str) -> str:
    return quote(text, safe="-._~:")
