"""A door to package indices: which address has the file that a lock names.

Speaks the simple repository API as JSON (PEP 691) or HTML (PEP 503), and reads folders and pages
of links (pip's ``--find-links``). A digest decides what is accepted, so any source will do.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from packaging.version import InvalidVersion, Version

from harness.core.errors import HashMismatch, LockedFileGone, NetworkUnavailable
from harness.lock.lock import Wheel
from harness.world import http, sources
from harness.world.http import NotFound
from harness.world.store import Store

ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"

PAGES = ("index.v1_json", "index.html")
"""What a package's page is called in a folder: bandersnatch's name for PEP 691, and PEP 503's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """A file as an index offers it. *yanked* is why it was withdrawn (PEP 592)."""

    filename: str
    address: str
    sha256: str | None = None
    size: int | None = None
    requires_python: str | None = None
    yanked: str | None = None


@dataclass(frozen=True, slots=True)
class WheelIndex:
    """The indices and links that this machine's pip would look at, asked lazily."""

    source: sources.Python
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _known: dict[str, str] = field(default_factory=dict, repr=False)

    def download(self, wheel: Wheel, *, store: Store) -> None:
        """Put *wheel* into *store* from the first source that has its bytes.

        Raises LockedFileGone when every source answers and none has the file, HashMismatch when
        those that have it have other bytes, NetworkUnavailable when one can't be reached.
        """
        if store.has(wheel.digest):
            return
        other: HashMismatch | None = None
        silent: NetworkUnavailable | None = None
        for place in self._places():
            try:
                address = self._address(place, wheel)
                if address is None:
                    continue
                chunks = http.stream(address, using=self.source.connection)
                store.add_stream(chunks, expected=wheel.digest, name=wheel.filename)
                return
            except NotFound:
                continue
            except HashMismatch as mismatch:
                other = mismatch
            except NetworkUnavailable as unavailable:
                silent = unavailable
        if other is not None:
            raise other
        if silent is not None:
            raise silent
        raise LockedFileGone(
            f"no index offers {wheel.filename} any more",
            hint="lock again (harness lock NAME --upgrade) as a new version, "
            "or name an index that has it: harness doctor",
        )

    def offers(self, name: str, version: Version | None = None) -> tuple[Offered, ...]:
        """Return every file of the package *name* that the index lists, or the wheels of one
        *version* alone; nothing where it has no such package. Only the index is asked: what else
        pip would look at decides no lock."""
        page = f"{self._index().rstrip('/')}/{name}/"
        try:
            return offered(*self._page(page), version)
        except NotFound:
            return ()

    def names(self) -> tuple[str, ...]:
        """Return the names of all packages where the index is a folder, sorted; else nothing."""
        folder = _folder(self._index())
        return tuple(sorted(path.name for path in folder.iterdir())) if folder else ()

    def _places(self) -> Iterator[tuple[str, str]]:
        """Yield where to look, the nearest first: ``links`` or ``index``, and an address."""
        for link in self.source.links:
            yield "links", link
        for local in (extra for extra in self.source.extra if extra.startswith("file:")):
            yield "index", local
        yield "index", self._index()
        for extra in self.source.extra:
            if not extra.startswith("file:"):
                yield "index", extra

    def _index(self) -> str:
        with self._lock:
            if "" not in self._known:
                self._known[""] = self.source.index or sources.pip_default_index()
            return self._known[""]

    def _address(self, place: tuple[str, str], wheel: Wheel) -> str | None:
        kind, address = place
        if kind == "index":
            return self._on_page(f"{address.rstrip('/')}/{wheel.name}/", wheel.filename)
        if (folder := _folder(address)) is not None:
            file = folder / wheel.filename
            return file.absolute().as_uri() if file.is_file() else None
        return self._on_page(address, wheel.filename)

    def _on_page(self, page: str, filename: str) -> str | None:
        return links(*self._page(page)).get(filename)

    def _page(self, page: str) -> tuple[bytes, str]:
        """Return *page* and where it was found: in a folder as JSON, else as HTML."""
        names = PAGES if page.startswith("file:") and page.endswith("/") else ("",)
        for name in names:
            try:
                data = http.get(
                    page + name, using=self.source.connection, headers={"Accept": ACCEPT}
                )
            except NotFound:
                if name == names[-1]:
                    raise
            else:
                return data, page + name
        raise AssertionError("unreachable: the last name raises")


def links(page: bytes, address: str) -> dict[str, str]:
    """Return the files that a *page* at *address* links to, by file name, as full addresses."""
    return {offer.filename: offer.address for offer in offered(page, address)}


def offered(page: bytes, address: str, version: Version | None = None) -> tuple[Offered, ...]:
    """Return what a *page* at *address* says of each file it links to (PEP 691, 503, 592), or of
    the wheels of one *version*: a page may hold ten thousand files."""
    text = page.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        return tuple(
            Offered(
                filename=file["filename"],
                address=_whole(address, file["url"]).partition("#")[0],
                sha256=file.get("hashes", {}).get("sha256"),
                size=file.get("size"),
                requires_python=file.get("requires-python"),
                yanked=_yanked(file.get("yanked")),
            )
            for file in json.loads(text)["files"]
            if version is None or wheel_version(file["filename"]) == version
        )
    parser = _Links()
    parser.feed(text)
    found = []
    for attributes in parser.found:
        link, _, fragment = attributes["href"].partition("#")
        filename = unquote(urlsplit(link).path.rpartition("/")[2])
        if version is not None and wheel_version(filename) != version:
            continue
        sha256 = fragment.partition("sha256=")[2].partition("&")[0]
        found.append(
            Offered(
                filename=filename,
                address=_whole(address, link),
                sha256=sha256 or None,
                requires_python=attributes.get("data-requires-python"),
                yanked=_yanked(attributes.get("data-yanked")),
            )
        )
    return tuple(found)


def wheel_version(filename: str) -> Version | None:
    """Return the version that the name of a wheel says, without a look at the rest of it; None for
    other files."""
    parts = filename.split("-", 2)
    return _version(parts[1]) if len(parts) == 3 and filename.endswith(".whl") else None


@lru_cache(maxsize=1 << 14)
def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _whole(page: str, link: str) -> str:
    """Return *link* on *page* as a full address; most are already, and pages hold thousands."""
    return link if link.startswith(("https://", "http://")) else urljoin(page, link)


def _yanked(value: object) -> str | None:
    """Return why a file was yanked (PEP 592), or None."""
    if value is None or value is False:
        return None
    return value if isinstance(value, str) and value else "no reason given"


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and dict(attrs).get("href"):
            self.found.append({name: value or "" for name, value in attrs})


def _folder(address: str) -> Path | None:
    """Return the folder that *address* names, by path or ``file:``; None for a page of links."""
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        return None
    text = urllib.request.url2pathname(parts.path) if parts.scheme == "file" else address
    path = Path(text).expanduser()
    return path if path.is_dir() else None
