"""Package URLs: what scanners call a package. Format: ECMA-427, its types ``pypi``, ``deb`` and
``oci``."""

from __future__ import annotations

from urllib.parse import quote

from harness.core.digest import Digest
from harness.lock.lock import Deb, Installed, OsPackage, Wheel
from harness.lock.osv import DEBIAN
from harness.spec.image_name import Name


def release(suite: str) -> str:
    """Return what os-release's VERSION_ID says of a Debian *suite*: ``12`` for bookworm."""
    return DEBIAN.get(suite, suite).removeprefix("Debian:")


def wheel(one: Wheel | Installed) -> str:
    """Return the package URL of a Python package."""
    return f"pkg:pypi/{one.name}@{_quoted(one.version)}"


def deb(one: Deb | OsPackage, suite: str) -> str:
    """Return the package URL of a Debian package of *suite*; ``upstream`` names its source
    package, of which Debian's advisories speak."""
    version = _quoted(one.version)
    told = {"distro": f"debian-{release(suite)}"}
    if isinstance(one, Deb):
        told["arch"] = one.architecture
    if one.source and (one.source, one.source_version) != (one.name, one.version):
        same = one.source_version in ("", one.version)
        told["upstream"] = one.source if same else f"{one.source}@{one.source_version}"
    options = "&".join(f"{name}={_quoted(value)}" for name, value in sorted(told.items()))
    return f"pkg:deb/debian/{_quoted(one.name)}@{version}?{options}"


def image(name: Name, manifest: Digest, architecture: str) -> str:
    """Return the package URL of an image of others, whose *manifest* is of an *architecture*; one
    of a layout on disk has no repository that others could ask."""
    place = name.repository or name.layout
    last = place.rstrip("/").rpartition("/")[2].lower()
    told = {"arch": architecture, "tag": name.tag}
    if name.host:
        told["repository_url"] = f"{name.host}/{name.repository}"
    options = "&".join(f"{key}={_quoted(value)}" for key, value in sorted(told.items()) if value)
    return f"pkg:oci/{_quoted(last)}@{_quoted(manifest)}?{options}"


def _quoted(text: str) -> str:
    return quote(text, safe="-._~:")
