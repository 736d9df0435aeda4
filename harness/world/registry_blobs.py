"""Files to and from a registry: streamed, resumed, checked (distribution specification 1.1).

Memory stays at a chunk a transfer. A pull goes on where a broken connection or a killed process
left it (RFC 9110 §14, ranges). A push goes on at the last chunk that the registry confirmed, where
it still knows the upload ("Pushing a blob in chunks"); else it begins again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.core.digest import Digest
from harness.core.errors import AccessRefused, HashMismatch, RegistryRefused
from harness.world import partial
from harness.world.http import NotFound
from harness.world.registry import Registry
from harness.world.registry_answer import Answer, Broken
from harness.world.registry_auth import scope
from harness.world.registry_memory import Memory
from harness.world.store import Store
from harness.world.transfer import Meter

CHUNK = 16 << 20
"""Bytes of one request of a push. A smaller file goes in one request."""

_PIECE = 1 << 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """A file by its digest, and its size in bytes."""

    digest: Digest
    size: int


def pull(door: Registry, repository: str, blob: Blob, store: Store, meter: Meter) -> None:
    """Bring *blob* into the store, unless it is there whole; raises HashMismatch."""
    memory = Memory(store, door.host)
    if not partial.sound(store, blob.digest):
        with partial.begun(store, blob.digest) as part:
            if part is not None:
                _pulled(door, repository, blob, part, meter)
    meter.at(blob.digest, blob.size)
    memory.seen(blob.digest, repository)


def _pulled(
    door: Registry, repository: str, blob: Blob, part: partial.Partial, meter: Meter
) -> None:
    kept = part.size
    _received(door, repository, blob, part, meter)
    found = part.finish()
    if found != blob.digest and kept:  # what an earlier run left may be the wrong part
        _received(door, repository, blob, part, meter)
        found = part.finish()
    if found != blob.digest:
        raise door.other_bytes(f"{repository}/blobs/{blob.digest}", blob.digest, found)


def _received(
    door: Registry, repository: str, blob: Blob, part: partial.Partial, meter: Meter
) -> None:
    """Receive until *part* has all the bytes; gives up when attempts bring nothing new."""
    failures, furthest = 0, part.size
    while part.size < blob.size:
        try:
            _attempt(door, repository, blob, part, meter)
        except Broken as broken:
            failures = 1 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            door.rest(failures, broken)


def _attempt(
    door: Registry, repository: str, blob: Blob, part: partial.Partial, meter: Meter
) -> None:
    headers = {"Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
    path, who = f"{repository}/blobs/{blob.digest}", scope(repository, "pull")
    with door.opened("GET", path, who, headers=headers, accept=(416,)) as response:
        if response.status_code == 416:
            part.restart()
            raise Broken("it answers 416 to a range that the blob has")
        told = response.headers.get("Content-Range", "")
        if response.status_code != 206 or not told.startswith(f"bytes {part.size}-"):
            part.restart()
        for chunk in door.chunks(response, blob.size - part.size):
            part.append(chunk)
            meter.at(blob.digest, min(part.size, blob.size))
            if part.size > blob.size:
                part.restart()
                raise HashMismatch(
                    f"{door.host}/{path} has more than the {blob.size} bytes that its manifest "
                    f"names, so its digest is not {blob.digest}",
                    hint="find out who changed the registry's content before you use it",
                )
    if part.size < blob.size:
        raise Broken(f"a transfer stopped after {part.size} of {blob.size} bytes")


def push(
    door: Registry, repository: str, blob: Blob, store: Store, meter: Meter, *, chunk: int = CHUNK
) -> str:
    """Put *blob* from the store into the repository; return how: there, mounted or sent.

    Raises StoreDamaged when the store's bytes are not its own, HashMismatch when the registry
    received others.
    """
    memory = Memory(store, door.host)
    with memory.claimed(repository, blob.digest):
        how, begun = _without_sending(door, repository, blob, memory)
        if how == "sent":
            source = store.whole(blob.digest)
            _Upload(door, repository, blob, source, memory, meter, chunk).run(begun)
        memory.uploaded(repository, blob.digest)
    meter.at(blob.digest, blob.size)
    memory.seen(blob.digest, repository)
    return how


def _without_sending(
    door: Registry, repository: str, blob: Blob, memory: Memory
) -> tuple[str, str]:
    """Return ``there`` or ``mounted``; else ``sent``, and the upload that the registry began."""
    if door.has_blob(repository, blob.digest):
        return "there", ""
    if memory.upload(repository, blob.digest):
        return "sent", ""
    for other in memory.repositories(blob.digest):
        if other == repository:
            continue
        path = f"{repository}/blobs/uploads/?mount={blob.digest}&from={other}"
        try:
            got = door.ask("POST", path, scope(repository, "pull,push", reading=other))
        except (AccessRefused, NotFound, RegistryRefused):
            continue  # a registry may not let us see the other; then it is sent
        return ("mounted", "") if got.status == 201 else ("sent", str(got.location))
    return "sent", ""


class _Spoilt(Exception):
    """The registry received other bytes than those of the digest."""


class _Upload:
    """One upload of a file: where it goes on, and how much the registry has."""

    def __init__(
        self,
        door: Registry,
        repository: str,
        blob: Blob,
        source: Path,
        memory: Memory,
        meter: Meter,
        chunk: int,
    ) -> None:
        self.door, self.repository, self.blob, self.source = door, repository, blob, source
        self.memory, self.meter, self.chunk = memory, meter, chunk
        self.scope = scope(repository, "pull,push")
        self.place, self.offset = memory.upload(repository, blob.digest), 0

    def run(self, begun: str) -> None:
        """Send all of it: to the upload *begun* for it, or from where an earlier one is."""
        failures = furthest = spoilt = 0
        while True:
            try:
                if begun:
                    self.place, begun = begun, ""
                else:
                    self._find_place()
                self._send()
                return
            except _Spoilt:
                spoilt, self.place = spoilt + 1, ""
                if spoilt > 1:
                    raise self._other_bytes() from None
            except Broken as broken:
                failures = 1 if self.offset > furthest else failures + 1
                furthest = max(furthest, self.offset)
                self.door.rest(failures, broken)
                if self.door.has_blob(self.repository, self.blob.digest):
                    return  # only the answer was lost

    def _find_place(self) -> None:
        """Ask how much of a begun upload has arrived; begin anew where nobody knows it."""
        self.offset = 0
        if self.place:
            try:
                got = self.door.ask("GET", self.place, self.scope)
                self.offset = min(_received_until(got), self.blob.size)
            except (NotFound, AccessRefused, RegistryRefused):
                self.place = ""  # forgotten, or cancelled because of what broke it
            else:
                self.place = str(got.location) if "location" in got.headers else self.place
        if not self.place or not self.offset:
            path = f"{self.repository}/blobs/uploads/"
            got = self.door.ask("POST", path, self.scope)
            self.place = str(got.location)
            least = got.headers.get("OCI-Chunk-Min-Length", "")
            self.chunk = max(self.chunk, int(least) if least.isdecimal() else 0)

    def _send(self) -> None:
        if self.blob.size > self.chunk:
            while self.offset < self.blob.size:
                self._patch(min(self.offset + self.chunk, self.blob.size))
        self._put()

    def _patch(self, end: int) -> None:
        headers = self._headers(end - self.offset)
        headers["Content-Range"] = f"{self.offset}-{end - 1}"
        body = _Slice(self, self.offset, end)
        gone = (404, 416)
        with self.door.opened(
            "PATCH", self.place, self.scope, headers=headers, content=body, accept=gone
        ) as got:
            if got.status_code == 404:
                self.place = ""
            if got.status_code in gone:
                raise Broken(f"it answers {got.status_code} to a chunk of an upload")
            told = got.headers.get("Range", "")
            if told and told.rpartition("-")[2] != str(end - 1):
                self.place = ""
                raise Broken(f"it has {told} of an upload, and {end} bytes were sent")
            self.place = str(got.url.join(got.headers.get("Location", self.place)))
        self.offset = end
        self.memory.uploading(self.repository, self.blob.digest, self.place)

    def _put(self) -> None:
        """Close the upload, with the whole file in one request if nothing was sent yet."""
        body = _Slice(self, self.offset, self.blob.size)
        place = f"{self.place}{'&' if '?' in self.place else '?'}digest={self.blob.digest}"
        with self.door.opened(
            "PUT",
            place,
            self.scope,
            headers=self._headers(self.blob.size - self.offset),
            content=body,
            accept=(400, 404, 416),
        ) as got:
            if got.is_success:
                return
            said = got.read()
            if b"DIGEST_INVALID" in said or b"SIZE_INVALID" in said:
                raise _Spoilt
            self.place = ""
            raise Broken(f"it answers {got.status_code} to the end of an upload")

    def _headers(self, size: int) -> dict[str, str]:
        return {"Content-Type": "application/octet-stream", "Content-Length": str(size)}

    def _other_bytes(self) -> HashMismatch:
        return HashMismatch(
            f"{self.door.host}/{self.repository} received other bytes than {self.blob.digest} "
            "twice, though this machine's are right",
            hint="something on the way changes them: look at proxies and the network",
        )


class _Slice:
    """A part of a file as the body of a request; may be read again, after a redirect or login."""

    def __init__(self, upload: _Upload, start: int, end: int) -> None:
        self.upload, self.start, self.end = upload, start, end

    def __iter__(self) -> Iterator[bytes]:
        upload, at = self.upload, self.start
        deadline = upload.door.deadline(self.end - at)
        with upload.source.open("rb") as file:
            file.seek(at)
            while at < self.end:
                piece = file.read(min(_PIECE, self.end - at))
                if not piece:
                    raise OSError(f"{upload.source} became shorter while it was sent")
                yield piece
                at += len(piece)
                upload.meter.at(upload.blob.digest, at)
                upload.door.in_time(deadline)


def _received_until(got: Answer) -> int:
    """Return how many bytes an upload has: Range is ``0-<last byte>``, and ``0-0`` for none too."""
    last = got.headers.get("Range", "").rpartition("-")[2]
    return int(last) + 1 if last.isdecimal() and int(last) else 0
