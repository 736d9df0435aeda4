"""A base image pulled: from a registry or an OCI layout, whole, into the store by digest.

Files are streamed, several at once, and a pull that was cut goes on (``remote``, ``layout_read``).
What the image is, ``lock.base_image`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.core.digest import Digest
from harness.core.errors import (
    ImageInvalid,
    ImageMissing,
    LockedFileGone,
    PackageRefused,
    PlatformMissing,
    SpecInvalid,
)
from harness.image import layout_read, remote
from harness.image.gather import gather, here
from harness.image.manifest import platform_missing
from harness.image.reference import Reference
from harness.lock import base_image
from harness.lock.base_image import Pulled
from harness.spec.image_name import Name, named
from harness.world.registry import Registry
from harness.world.store import Store

Progress = Callable[[str], None]


def pull(
    text: str,
    architecture: str,
    store: Store,
    *,
    folder: Path,
    progress: Progress = lambda _: None,
) -> Pulled:
    """Return the image *text* for *architecture*, all of it in *store*; what is there is not asked
    for again. A layout's path is relative to *folder*.

    Raises SpecInvalid for a name without a digest, with the one to paste; PlatformMissing,
    LockedFileGone where the source has no such image, HashMismatch, PackageRefused for what is no
    image of layers, and what `Registry` raises.
    """
    name = named(text)
    if name.digest is not None and base_image.here(name.digest, store):
        found = base_image.read(name.digest, store, text=text)
        if found.architecture != architecture:
            raise platform_missing(text, f"linux/{found.architecture}", architecture)
        return found
    bring = _from_layout if name.layout else _from_registry
    digest = bring(name, architecture, store, folder, progress)
    return base_image.read(digest, store, text=text)


def _from_layout(
    name: Name, architecture: str, store: Store, folder: Path, progress: Progress
) -> Digest:
    where = folder / name.layout
    with _as_a_base(name, lambda: _tagged_in(where)), layout_read.source(where) as layout:
        if name.digest is None:
            raise _without_digest(name, _tagged_in(where))
        if (found := here(name.digest, store, architecture=architecture)) is not None:
            return found.digest
        if not layout.has(name.digest):
            raise ImageMissing(f"the layout {where} has no blob {name.digest}")
        return gather(
            layout,
            layout.manifest(name.digest),
            store,
            architecture=architecture,
            where=name.text,
            progress=_told(progress),
        ).digest


def _from_registry(
    name: Name, architecture: str, store: Store, folder: Path, progress: Progress
) -> Digest:
    wanted = Reference(
        host=name.host, repository=name.repository, tag=name.tag or "latest", digest=name.digest
    )
    with Registry(name.host) as door:

        def current() -> Digest | None:
            return door.has_manifest(wanted.repository, wanted.tag)

        with _as_a_base(name, current):
            if name.digest is None:
                raise _without_digest(name, current())
            return remote.pull(
                wanted, store, door=door, architecture=architecture, progress=_told(progress)
            ).digest


def _tagged_in(where: Path) -> Digest | None:
    with suppress(ImageMissing, ImageInvalid), layout_read.source(where) as layout:
        return layout.chosen("").digest
    return None


@contextmanager
def _as_a_base(name: Name, current: Callable[[], Digest | None]) -> Iterator[None]:
    """Tell what a source says of an image as what it means for a base; *current* is what its name
    stands for today."""
    try:
        yield
    except ImageMissing as missing:
        if name.digest is None:
            raise _without_digest(name, None) from missing
        now, tag = current(), "the image" if name.layout else name.tag or "latest"
        raise LockedFileGone(
            f"{name.text} is not there: {missing.message}",
            hint=f"{tag} is {now} there" if now else "look for its name and digest there",
        ) from missing
    except ImageInvalid as invalid:
        raise PackageRefused(
            f"{name.text} can't be a base: {invalid.message}",
            hint="name an image of OCI or Docker",
        ) from invalid
    except PlatformMissing as missing:
        raise PlatformMissing(
            missing.message, hint="name an image of this kind of machine, or lock elsewhere"
        ) from missing


def _without_digest(name: Name, found: Digest | None) -> SpecInvalid:
    if found is None:
        return SpecInvalid(
            f"base.image: {name.text} is not there", hint="look for its name and digest"
        )
    return SpecInvalid(
        f"base.image: {name.text} names no digest, so that it may be another image tomorrow",
        hint=f'base = {{ image = "{name.text}@{found}" }}',
    )


def _told(progress: Progress) -> Callable[[int, int], None]:
    return lambda done, total: progress(
        f"pulling the base image, {done / 1e6:.0f} of {total / 1e6:.0f} MB"
    )
