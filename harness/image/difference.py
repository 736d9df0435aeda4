"""Where two tars of one layer differ first, and what is likely to have caused it.

Pure: two files that can be read anywhere come in, a value goes out. The causes are those that
make builds unreproducible, as a look at the bytes can tell them apart; a guess is called likely.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from harness.image import leak

CAUSES = {
    "added": "the image holds a file that the rebuild does not make",
    "removed": "the rebuild makes a file that the image lacks",
    "order": "the same entries in another order: a folder was read unsorted",
    "time": "the entry carries another time",
    "mode": "the entry carries another file mode: a umask, or a chmod afterwards",
    "owner": "the entry belongs to another owner",
    "kind": "the entry is of another kind",
    "link": "the link leads elsewhere",
    "form": "the same entries written by another tar program",
    **leak.CAUSES,
}
"""What a difference is likely to come from, by the word for it."""

_CHUNK = 1 << 20
_WHOLE = 16 << 20
"""Bytes of a file that are looked at whole; of a larger one, the surroundings of the difference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The first entry that differs, in the order of the tar.

    *at* is the byte in the image's tar, *offset* that in the file (None where the content is the
    same and the entry is not). *before* and *after* are excerpts of the image and of the rebuild.
    *others* counts further entries that differ. Entries that only follow from another one, such
    as the bytecode of an edited source, are not the first where that other one is there.
    """

    path: str
    at: int
    offset: int | None
    cause: str
    before: str
    after: str
    others: int = 0

    @property
    def explanation(self) -> str:
        """The likely cause, in words."""
        return CAUSES[self.cause]


def difference(image: IO[bytes], rebuild: IO[bytes]) -> Difference | None:
    """Return where the tar *image* differs from the tar *rebuild*, or None for the same bytes.

    Both must be seekable. Raises tarfile.TarError for what is no tar.
    """
    at = _first(image, 0, _size(image), rebuild, 0, _size(rebuild))
    if at is None:
        return None
    ours, theirs = _entries(image), _entries(rebuild)
    found = list(_differing(ours, theirs, image, rebuild))
    if not found:
        return _of_the_whole(ours, theirs, at)
    found.sort(key=lambda one: (_follows(one), one.at))
    first = found[0]
    return Difference(
        path=first.path,
        at=first.at,
        offset=first.offset,
        cause=first.cause,
        before=first.before,
        after=first.after,
        others=len(found) - 1,
    )


def _differing(
    ours: dict[str, tarfile.TarInfo],
    theirs: dict[str, tarfile.TarInfo],
    image: IO[bytes],
    rebuild: IO[bytes],
) -> Iterator[Difference]:
    for path in [*ours, *(path for path in theirs if path not in ours)]:
        one, other = ours.get(path), theirs.get(path)
        if one is None or other is None:
            entry = one or other
            assert entry is not None
            yield Difference(
                path=path,
                at=entry.offset,
                offset=None,
                cause="added" if other is None else "removed",
                before="there" if one else "absent",
                after="there" if other else "absent",
            )
        elif (found := _of_content(path, one, other, image, rebuild)) is not None:
            yield found
        elif (changed := _of_header(one, other)) is not None:
            cause, before, after = changed
            yield Difference(
                path=path, at=one.offset, offset=None, cause=cause, before=before, after=after
            )


def _of_header(one: tarfile.TarInfo, other: tarfile.TarInfo) -> tuple[str, str, str] | None:
    owner, another = ((e.uid, e.gid, e.uname, e.gname) for e in (one, other))
    compared: tuple[tuple[str, Any, Any], ...] = (
        ("kind", one.type, other.type),
        ("link", one.linkname, other.linkname),
        ("mode", oct(one.mode), oct(other.mode)),
        ("owner", owner, another),
        ("time", one.mtime, other.mtime),
    )
    return next(((w, str(a), str(b)) for w, a, b in compared if a != b), None)


def _of_content(
    path: str,
    one: tarfile.TarInfo,
    other: tarfile.TarInfo,
    image: IO[bytes],
    rebuild: IO[bytes],
) -> Difference | None:
    if not (one.isreg() and other.isreg()):
        return None
    offset = _first(image, one.offset_data, one.size, rebuild, other.offset_data, other.size)
    if offset is None:
        return None
    start = 0 if max(one.size, other.size) <= _WHOLE else max(0, offset - 2048)
    window = _WHOLE if start == 0 else 4096
    ours, theirs = (
        _read(file, entry.offset_data + start, min(window, max(0, entry.size - start)))
        for file, entry in ((image, one), (rebuild, other))
    )
    near = offset - start
    return Difference(
        path=path,
        at=one.offset_data + offset,
        offset=offset,
        cause=leak.cause(path, ours, theirs, near, whole=start == 0),
        before=leak.excerpt(ours, near),
        after=leak.excerpt(theirs, near),
    )


def _of_the_whole(
    ours: dict[str, tarfile.TarInfo], theirs: dict[str, tarfile.TarInfo], at: int
) -> Difference:
    for one, other in zip(ours, theirs, strict=True):
        if one != other:
            at = ours[one].offset
            return Difference(path=one, at=at, offset=None, cause="order", before=one, after=other)
    path = next((p for p, entry in ours.items() if entry.offset_data > at), "")
    return Difference(path=path, at=at, offset=None, cause="form", before="", after="")


def _follows(one: Difference) -> bool:
    """Tell whether an entry differs because another does: it is a list, or made from it."""
    return one.cause == "bytecode-of-source" or one.path.endswith(".dist-info/RECORD")


def _entries(file: IO[bytes]) -> dict[str, tarfile.TarInfo]:
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as tar:
        found: dict[str, tarfile.TarInfo] = {}
        for member in tar:
            name = member.name
            while name in found:  # a later entry of the same name would win where it is unpacked
                name += " (again)"
            found[name] = member
        return found


def _size(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)


def _read(file: IO[bytes], start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def _first(
    one: IO[bytes], start: int, size: int, other: IO[bytes], other_start: int, other_size: int
) -> int | None:
    """Return the first byte at which two stretches differ, or None."""
    shared = min(size, other_size)
    for done in range(0, shared, _CHUNK):
        length = min(_CHUNK, shared - done)
        ours, theirs = _read(one, start + done, length), _read(other, other_start + done, length)
        if ours != theirs:
            return done + leak.first(ours, theirs)
    return None if size == other_size else shared
