"""What an index may have done since the last lock: other bytes behind a name, a release withdrawn,
or no such name at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from harness.core.errors import HashMismatch, ResolutionFailed
from harness.lock.known import IMPORTED, NAMES
from harness.lock.lock import Deb, Lock, Wheel
from harness.lock.resolver import Question
from harness.lock.wheel_index import Offered, WheelIndex
from harness.spec.nearest import nearest
from harness.world import http


def refuse_changed(
    old: Lock | None,
    packages: Iterable[Wheel],
    debs: Iterable[Deb],
    *,
    accepted: frozenset[str] = frozenset(),
) -> None:
    """Raise HashMismatch when a file of *old* has another digest under the same name now.

    *accepted* packages may: their names were written on purpose.
    """
    if old is None:
        return
    locked: list[Wheel | Deb] = [*old.packages, *old.debs]
    offered: list[Wheel | Deb] = [*packages, *debs]
    known = {item.filename: item for item in locked}
    for item in offered:
        before = known.get(item.filename)
        if before is None or before.digest == item.digest or item.name in accepted:
            continue
        hint = "find out why: an index replaces no file for a good reason"
        if isinstance(item, Wheel):
            hint += f"; to take it: harness lock {old.name} --upgrade-package {item.name}"
        raise HashMismatch(
            f"{item.filename.rpartition('/')[2]} has other bytes than {old.reference} is locked "
            f"with: locked {before.digest}, now offered {item.digest}",
            hint=hint,
        )


def refuse_withdrawn(
    kept: Mapping[str, str], got: Mapping[str, str], index: WheelIndex, *, name: str
) -> None:
    """Raise ResolutionFailed when a pin that was to stay moved because its release was withdrawn
    (yanked, PEP 592); *name* is the environment's."""
    moved = sorted(one for one, version in kept.items() if got.get(one, version) != version)
    for one, offers in _pages(moved, index).items():
        files = [offer for offer in offers if _version(offer) == Version(kept[one])]
        if files and all(offer.yanked is not None for offer in files):
            raise ResolutionFailed(
                f"{one} {kept[one]} was withdrawn from the index (yanked): {files[0].yanked}",
                hint=f"harness lock {name} --upgrade-package {one}, or require another version",
            )


def refuse_unknown(question: Question, index: WheelIndex, askers: Mapping[str, str]) -> None:
    """Raise ResolutionFailed when the index has no package of a name that *question* asks for.

    *askers* says who asks, by requirement. The index is asked for these names alone.
    """
    asked = {canonicalize_name(Requirement(text).name): text for text in question.requirements}
    pages = _pages(sorted(asked), index)
    for name, text in sorted(asked.items()):
        if pages[name]:
            continue
        meant = IMPORTED.get(name) or nearest(name, {*NAMES, *question.keep, *index.names()})
        raise ResolutionFailed(
            f"the index has no package {name} ({askers.get(text, 'asked for')})",
            hint=f'did you mean "{meant}"?' if meant else "look its name up, and what index is set",
        )


def _pages(names: Sequence[str], index: WheelIndex) -> dict[str, tuple[Offered, ...]]:
    pages: dict[str, tuple[Offered, ...]] = {}

    def ask(name: str) -> None:
        pages[name] = index.offers(name)

    http.in_parallel(ask, names)
    return pages


def _version(offer: Offered) -> Version | None:
    try:
        return parse_wheel_filename(offer.filename)[1]
    except InvalidWheelFilename:
        return None
