"""What a bundle holds of locks: all that locking, building and promoting ask a network for.

Unpacked, a bundle is an ordinary set of sources that pip, uv and apt can read as well:

``simple/``, ``wheels/``, ``sdists/``  an index (PEP 503, PEP 691) and the files it offers
``debian/``                            an archive: the signed index of a suite, and a pool
``images/``                            an OCI layout of base images
``envs/``                              specifications and locks, a parent's lock among them
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.core import canonical
from harness.core.digest import Digest, hexadecimal
from harness.core.errors import BundleInvalid, LockedFileGone, ResolutionFailed
from harness.lock import base_image, debian, releases, resolved
from harness.lock.deb_index import Index
from harness.lock.debian import Release
from harness.lock.fetch import offered_files
from harness.lock.lock import Lock, Wheel
from harness.lock.pylock_reading import SDISTS, WHEELS
from harness.lock.resolve import base_packages
from harness.lock.wheel_index import PAGES
from harness.spec import image_name
from harness.spec.environment import Environment
from harness.spec.parse import ENVIRONMENT_FILE
from harness.world import bundle, sources
from harness.world.bundle import Member
from harness.world.registry import INDEX, MANIFEST
from harness.world.store import Store

ENVS = "envs"
IMAGES = "images"


def specifications(
    environment: Environment, parents: Sequence[Lock], above: Path | None
) -> list[Member]:
    """Return what a person wrote and what was locked: *environment*'s folder, and from the folder
    *above* the lock of its parent."""
    wanted = [environment.folder / ENVIRONMENT_FILE, environment.lock_path]
    records = (environment.folder / resolved.FILE, environment.folder / releases.FILE)
    wanted += [path for path in records if path.is_file()]
    if (about := environment.about) and about.smoke and about.smoke.parent == environment.folder:
        wanted.append(about.smoke)
    found = [(environment.name, path) for path in wanted]
    if above is not None:
        one = parents[0]
        found.append((one.name, above / one.name / f"pylock.{one.version}.toml"))
    return [bundle.text(f"{ENVS}/{name}/{path.name}", path.read_bytes()) for name, path in found]


def offered(locks: Iterable[Lock], parents: Sequence[Lock]) -> tuple[Wheel, ...]:
    """Return what the index of a bundle offers: the wheels of *locks*, and where one is built, its
    source and what the build needs. Of *parents* those wheels that had to move: they tell why."""
    found: list[Wheel] = []
    for lock in locks:
        found += offered_files(lock)
        moved = {move.name for move in lock.parent.moved} if lock.parent else set()
        for parent in parents:
            if lock.parent and (parent.digest, lock.architecture) == (
                lock.parent.lock,
                parent.architecture,
            ):
                found += [wheel for wheel in parent.packages if wheel.name in moved]
    return tuple(dict.fromkeys(found))


def python(files: Iterable[Wheel], store: Store) -> list[Member]:
    """Return *files*, and an index that offers them and nothing else."""
    pages: dict[str, dict[str, Wheel]] = {}
    members = []
    for file in files:
        pages.setdefault(file.name, {})[file.filename] = file
        members.append(bundle.blob(_place(file), file.digest, store))
    for name, page in pages.items():
        members += _pages(name, [page[filename] for filename in sorted(page)])
    return members


def _place(file: Wheel) -> str:
    return f"{WHEELS if file.filename.endswith('.whl') else SDISTS}/{file.filename}"


def _pages(name: str, files: Iterable[Wheel]) -> list[Member]:
    """Return the page of a package as harness reads it and as pip and uv read it in a folder."""
    told: list[dict[str, Any]] = []
    lines = []
    for file in files:
        url, sha256 = f"../../{quote(_place(file))}", hexadecimal(file.digest)
        size = {} if file.size is None else {"size": file.size}
        told.append({"filename": file.filename, "url": url, "hashes": {"sha256": sha256}, **size})
        lines.append(f'<a href="{url}#sha256={sha256}">{escape(file.filename)}</a>\n')
    page = {"meta": {"api-version": "1.0"}, "name": name, "files": told}
    html = "<!DOCTYPE html>\n<html><body>\n" + "".join(lines) + "</body></html>\n"
    return [
        bundle.text(f"simple/{name}/{PAGES[0]}", canonical.dumps(page)),
        bundle.text(f"simple/{name}/{PAGES[1]}", html.encode()),
    ]


def os_packages(locks: Iterable[Lock], store: Store) -> list[Member]:
    """Return the Debian packages of *locks* as the pool of an archive."""
    return [
        bundle.blob(f"debian/{deb.filename}", deb.digest, store)
        for lock in locks
        for deb in (*lock.debs, *lock.build_debs)
    ]


def images(locks: Iterable[Lock], store: Store) -> list[Member]:
    """Return the base images of *locks* as an OCI layout; nothing where none has one."""
    bases = {lock.base.manifest: lock.base for lock in locks if lock.base is not None}
    blobs: dict[Digest, None] = {}
    manifests = []
    for digest, base in sorted(bases.items()):
        declared = image_name.named(base.image).digest
        pulled = base_image.read(digest, store, text=base.image)
        index = [declared] if declared and store.has(declared) else []
        blobs |= dict.fromkeys((*index, *pulled.digests))
        size, kind = store.path(digest).stat().st_size, json.loads(store.read(digest))
        manifests.append(
            {"mediaType": kind.get("mediaType", MANIFEST), "digest": digest, "size": size}
        )
    if not bases:
        return []
    layout = canonical.dumps({"imageLayoutVersion": "1.0.0"})
    listed = canonical.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    return [
        bundle.text(f"{IMAGES}/oci-layout", layout),
        bundle.text(f"{IMAGES}/index.json", listed),
        *(bundle.blob(f"{IMAGES}/blobs/sha256/{hexadecimal(d)}", d, store) for d in blobs),
    ]


def os_index(
    locks: Sequence[Lock],
    store: Store,
    *,
    now: datetime,
    debian_source: sources.Debian | None = None,
) -> list[Member]:
    """Return the signed index of each suite of *locks*: one from which each is locked the same.

    It is the one that was read when they were locked, from *store*, else the source's own. Raises
    LockedFileGone when neither gives these locks, and what reading an index raises.
    """
    members = []
    for suite in sorted({lock.suite for lock in locks if lock.suite}):
        mine = [lock for lock in locks if lock.suite == suite]
        release = _release(suite, mine, store, now=now, debian_source=debian_source)
        assert release.digest is not None
        place = f"debian/dists/{suite}/InRelease"
        members.append(bundle.blob(place, release.digest, store))
        for architecture in sorted({lock.architecture for lock in mine}):
            name = debian.index_name(release, architecture)
            path = f"debian/{debian.index_path(release, name)}"
            members.append(bundle.blob(path, release.files[name], store))
    return members


def _release(
    suite: str,
    locks: Sequence[Lock],
    store: Store,
    *,
    now: datetime,
    debian_source: sources.Debian | None,
) -> Release:
    newest = max(lock.released for lock in locks)
    release = debian.kept(suite, newest, store=store)
    if release is None or any(not store.has(digest) for digest in _indices(release, locks)):
        source = debian_source or sources.debian(suite)
        release = debian.read_release(suite, source=source, now=now, store=store)
        for lock in locks:
            name = debian.index_name(release, lock.architecture)
            debian.index_file(release, name, source=source, store=store)
    for lock in locks:
        if not _gives(debian.read_index(release, lock.architecture, store=store), lock):
            raise LockedFileGone(
                f"the Debian index of {lock.released:%Y-%m-%d} that {lock.reference} was locked "
                f"with is gone; that of {release.date:%Y-%m-%d} has other packages",
                hint="a bundle of its own for each lock; or harness lock NAME as a new version; or "
                "--no-index, from which NAME is built and promoted and can't be locked again",
            )
    return release


def _gives(index: Index, lock: Lock) -> bool:
    """Tell whether the Debian packages of *lock* are what would be taken from *index*."""
    wanted = base_packages(lock)
    try:
        debs = debian.closure(index, wanted)
        more = debian.closure(index, (*wanted, *lock.build_os)) if lock.build_os else ()
    except ResolutionFailed:
        return False
    names = {deb.name for deb in debs}
    return (debs, tuple(deb for deb in more if deb.name not in names)) == (
        lock.debs,
        lock.build_debs,
    )


def _indices(release: Release, locks: Iterable[Lock]) -> list[Digest]:
    return [release.files[debian.index_name(release, lock.architecture)] for lock in locks]


def once(members: Iterable[Member]) -> list[Member]:
    """Return *members* without repetitions; raises BundleInvalid for two files of one name."""
    found: dict[str, Member] = {}
    for member in members:
        other = found.setdefault(member.path, member)
        if other.digest != member.digest:
            raise BundleInvalid(
                f"two locks name different bytes for {member.path}",
                hint="make a bundle of its own for each lock",
            )
    return list(found.values())
