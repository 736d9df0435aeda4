"""A door to a Debian archive: its signed index, and the packages that it names.

``InRelease`` is clear-signed (RFC 9580 §7); its signature is checked against a keyring with
pysequoia, then it vouches for ``Packages.xz`` by SHA-256. Format: the Debian repository format.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.core import canonical
from harness.core.digest import Digest, hexadecimal, of_bytes, of_hex
from harness.core.errors import LockedFileGone, ResolutionFailed, SignatureInvalid, ToolMissing
from harness.lock import deb_index, deb_resolve
from harness.lock.deb_index import Package
from harness.lock.lock import Deb
from harness.world import http
from harness.world.http import NotFound
from harness.world.sources import Debian
from harness.world.store import Store

COMPONENT = "main"


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A suite's verified release: its date, and what it vouches for by path; *digest* is that of
    the signed file."""

    suite: str
    date: datetime
    files: dict[str, Digest]
    by_hash: bool
    digest: Digest | None = None


def resolve(
    wanted: Iterable[str],
    *,
    suite: str,
    architecture: str,
    source: Debian,
    store: Store,
    now: datetime,
) -> tuple[tuple[Deb, ...], datetime]:
    """Return the closure of *wanted* in *suite*, sorted by name, and the index's date.

    Raises SignatureInvalid, NetworkUnavailable, ResolutionFailed, ToolMissing.
    """
    release = read_release(suite, source=source, now=now, store=store)
    digest = index_file(release, index_name(release, architecture), source=source, store=store)
    names = sorted(set(wanted))

    def found() -> list[dict[str, Any]]:
        index = read_index(release, architecture, store=store)
        return [asdict(deb) for deb in closure(index, names)]

    key = hexadecimal(
        of_bytes(canonical.dumps([deb_resolve.RULES, sorted(deb_resolve.PRUNED), digest, names]))
    )
    known = store.record("debian-closure", key, found)
    return tuple(_known(deb) for deb in known), release.date


def closure(index: deb_index.Index, wanted: Iterable[str]) -> tuple[Deb, ...]:
    """Return all that *wanted* needs from *index*, sorted by name; raises ResolutionFailed."""
    chosen = deb_resolve.resolve(index, wanted)
    edges = deb_resolve.edges(chosen)
    return tuple(_deb(package, edges[package.name]) for package in chosen)


def read_release(suite: str, *, source: Debian, now: datetime, store: Store) -> Release:
    """Return the verified release of *suite* at *source*; *store* keeps it for `kept`."""
    where = f"{source.mirror}/dists/{suite}/InRelease"
    try:
        signed = http.get(where, using=source.connection)
    except NotFound as missing:
        raise ResolutionFailed(
            f"the Debian source has no suite {suite}",
            hint="mend base in environment.toml, or the source: harness doctor",
        ) from missing
    release = parse_release(verified(signed, source.keyring), suite=suite, now=now)
    digest = store.add(signed)
    store.remember("debian-release", _moment_key(suite, release.date), digest)
    return replace(release, digest=digest)


def kept(suite: str, date: datetime, *, store: Store) -> Release | None:
    """Return the release of *suite* that was verified on this machine before, or None."""
    digest = store.recall("debian-release", _moment_key(suite, date))
    if digest is None or not store.has(digest):
        return None
    text = store.read(digest).decode("utf-8", "replace")
    return replace(parse_release(text, suite=suite, now=date), digest=digest)


def _moment_key(suite: str, date: datetime) -> str:
    return f"{suite}-{date.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def verified(signed: bytes, keyring: Path) -> str:
    """Return what was signed, taken from inside the signature.

    Raises SignatureInvalid unless a certificate of *keyring* signed exactly that, ToolMissing
    where pysequoia is not installed.
    """
    try:
        import pysequoia
    except ImportError as missing:
        raise ToolMissing(
            "checking the signature of a Debian index needs pysequoia",
            hint="pip install 'model-harness[debian]'",
        ) from missing
    try:
        certificates = pysequoia.Cert.split_file(str(keyring))
    except Exception as broken:  # pysequoia raises bare Exception
        raise SignatureInvalid(
            f"the keyring {keyring} can't be read: {broken}",
            hint="set debian_keyring under [sources] in the user's configuration",
        ) from broken
    try:
        answer = pysequoia.verify(bytes=signed, store=lambda _: certificates)
    except Exception as refused:
        raise SignatureInvalid(
            f"the index's signature doesn't hold against {keyring.name}: {refused}",
            hint="the source may be tampered with, or its keys are newer than the keyring",
        ) from refused
    if not answer.valid_sigs or answer.bytes is None:
        raise SignatureInvalid(
            "the index is not signed", hint="use another Debian source: harness doctor"
        )
    return answer.bytes.decode()


def parse_release(text: str, *, suite: str, now: datetime) -> Release:
    """Return the release that verified *text* describes.

    Raises SignatureInvalid when it speaks of another suite or is no longer valid: both are ways
    to pass off an old or a wrong index under a good signature.
    """
    fields = deb_index.control(text)
    if suite not in (fields.get("codename"), fields.get("suite")):
        raise SignatureInvalid(
            f"the index signed as {fields.get('codename')} was served for {suite}",
            hint="use another Debian source: harness doctor",
        )
    if (until := fields.get("valid-until")) and _moment(until) < now:
        raise SignatureInvalid(
            f"the index of {suite} was valid until {until}",
            hint="use a source that is kept up to date, and check this machine's clock",
        )
    files: dict[str, Digest] = {}
    for line in fields.get("sha256", "").splitlines():
        if len(parts := line.split()) == 3:
            files[parts[2]] = of_hex(parts[0])
    return Release(
        suite=suite,
        date=_moment(fields["date"]),
        files=files,
        by_hash=fields.get("acquire-by-hash") == "yes",
    )


def download(deb: Deb, *, source: Debian, store: Store) -> None:
    """Put *deb* into *store*; raises LockedFileGone, HashMismatch, NetworkUnavailable."""
    if store.has(deb.digest):
        return
    try:
        address = f"{source.mirror}/{quote(deb.filename, safe='/+~')}"
        chunks = http.stream(address, using=source.connection)
        store.add_stream(chunks, expected=deb.digest, name=Path(deb.filename).name)
    except NotFound as missing:
        raise LockedFileGone(
            f"{deb.name} {deb.version} has left the archive: {deb.filename}",
            hint="lock again (harness lock NAME --upgrade) as a new version, "
            "or copy the file's blob from a machine that has it",
        ) from missing


def index_name(release: Release, architecture: str) -> str:
    """Return the name of *release*'s index of packages; raises ResolutionFailed when it has none
    for *architecture*."""
    name = f"{COMPONENT}/binary-{architecture}/Packages.xz"
    if name not in release.files:
        raise ResolutionFailed(
            f"{release.suite} has no packages for {architecture}",
            hint="lock on another machine, or choose another suite",
        )
    return name


def index_path(release: Release, name: str) -> str:
    """Return where in an archive the index *name* of *release* lies."""
    if release.by_hash:
        name = f"{Path(name).parent}/by-hash/SHA256/{hexadecimal(release.files[name])}"
    return f"dists/{release.suite}/{name}"


def index_file(release: Release, name: str, *, source: Debian, store: Store) -> Digest:
    """Put the index *name*, which *release* vouches for, into *store*; return its digest.

    Raises SignatureInvalid when the source has other bytes, NetworkUnavailable.
    """
    digest = release.files[name]
    path = index_path(release, name)
    if not store.has(digest):
        data = http.get(f"{source.mirror}/{path}", using=source.connection)
        if of_bytes(data) != digest:
            raise SignatureInvalid(
                f"{path} is not the file that the signed index names",
                hint="the source is being updated or was tampered with; try again later",
            )
        store.add(data)
    return digest


def read_index(release: Release, architecture: str, *, store: Store) -> deb_index.Index:
    """Return *release*'s index of packages, which is in *store*."""
    digest = release.files[index_name(release, architecture)]
    return deb_index.parse(lzma.decompress(store.read(digest)).decode())


def _known(fields: dict[str, Any]) -> Deb:
    return Deb(**{**fields, "dependencies": tuple(fields["dependencies"])})


def _deb(package: Package, dependencies: tuple[str, ...]) -> Deb:
    if package.digest is None:
        raise ResolutionFailed(
            f"the index names no SHA-256 for {package.name}", hint="use another Debian source"
        )
    return Deb(
        name=package.name,
        version=package.version,
        architecture=package.architecture,
        filename=package.filename,
        digest=package.digest,
        size=package.size,
        dependencies=dependencies,
        source=package.source,
        source_version=package.source_version,
    )


def _moment(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
