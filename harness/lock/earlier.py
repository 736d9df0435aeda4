"""Which earlier version of a package still had a name: its wheels, read and never run."""

from __future__ import annotations

import re
import zipfile

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from harness.core.digest import of_hex
from harness.core.errors import ResolutionFailed
from harness.lock import choose
from harness.lock.lock import Wheel
from harness.lock.resolver import Pin
from harness.lock.wheel_index import Offered, WheelIndex
from harness.world.store import Store

SERIES = 8
"""How many earlier series (1.6, 1.5, …) are looked at."""


def last_with(
    wheel: Wheel,
    module: str,
    name: str,
    *,
    python: str,
    architecture: str,
    index: WheelIndex,
    store: Store,
) -> str:
    """Return the newest version before that of *wheel* whose *module* mentions *name*; "" when
    none of the newest of each earlier series does, or when the wheel's own does.

    Raises what ``WheelIndex.download`` does.
    """
    if _mentions(wheel, module, name, store):
        return ""  # it is there, and not found for another reason
    offers = index.offers(wheel.name)
    for version in newest_of_series(offers, before=Version(wheel.version))[:SERIES]:
        try:
            pin = Pin(name=wheel.name, version=str(version))
            offer = choose.best(offers, pin, python, architecture)
        except ResolutionFailed:
            continue  # no wheel for this Python: no way back to it either
        assert offer.sha256 is not None
        older = Wheel(
            name=wheel.name,
            version=str(version),
            filename=offer.filename,
            digest=of_hex(offer.sha256),
        )
        index.download(older, store=store)
        if _mentions(older, module, name, store):
            return str(version)
    return ""


def newest_of_series(offers: tuple[Offered, ...], *, before: Version) -> list[Version]:
    """Return the newest final version of each series (its first two numbers) that is older than
    that of *before*, the newest first."""
    newest: dict[tuple[int, ...], Version] = {}
    for offer in offers:
        try:
            version = parse_wheel_filename(offer.filename)[1]
        except InvalidWheelFilename:
            continue
        if offer.yanked is not None or version.is_prerelease:
            continue
        if version.release[:2] < before.release[:2]:
            known = newest.get(version.release[:2])
            newest[version.release[:2]] = version if known is None else max(known, version)
    return sorted(newest.values(), reverse=True)


def _mentions(wheel: Wheel, module: str, name: str, store: Store) -> bool:
    """Tell whether the source of *module* has the word *name*, or a submodule of that name."""
    place = module.replace(".", "/")
    with zipfile.ZipFile(store.path(wheel.digest)) as archive:
        members = archive.namelist()
        if any(one.startswith((f"{place}/{name}/", f"{place}/{name}.")) for one in members):
            return True
        for source in (f"{place}/__init__.py", f"{place}.py", f"{place}/__init__.pyi"):
            if source in members:
                text = archive.read(source).decode("utf-8", "replace")
                if re.search(rf"\b{re.escape(name)}\b", text):
                    return True
    return False
