"""Another copy of a damaged file, so that its first wrong byte can be named: in another tree, or
in a wheel."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

from harness.world.store import Store

LARGEST = 1 << 30
"""Bytes of a copy that are looked at; they are held in memory."""


def find(
    store: Store, seals: Mapping[str, Any], *, digest: str, size: int, name: str
) -> bytes | None:
    """Return the bytes of *digest* (hexadecimal) from where *store* has them, or None.

    *seals* are those of its trees; *name* is the file's name, and a wheel's member has it too.
    """
    if size > LARGEST:
        return None
    for data in chain(_in_trees(store, seals, digest), _in_wheels(store, size, name)):
        if hashlib.sha256(data).hexdigest() == digest:
            return data
    return None


def first_difference(one: bytes, other: bytes) -> int:
    """Return the offset of the first byte that differs; the shorter one's end is such a byte."""
    shared = min(len(one), len(other))
    low, high = 0, shared
    while low < high:
        middle = (low + high) // 2
        if one[low : middle + 1] == other[low : middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low


def _in_trees(store: Store, seals: Mapping[str, Any], digest: str) -> Iterator[bytes]:
    for key, body in seals.items():
        for path, entry in body.get("nodes", {}).items():
            if entry[0] == "file" and entry[3] == digest:
                with suppress(OSError):
                    yield (store.root / "t" / key / path).read_bytes()


def _in_wheels(store: Store, size: int, name: str) -> Iterator[bytes]:
    for path in sorted((store.root / "blobs" / "sha256").glob("[0-9a-f]*")):
        with (
            suppress(zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError),
            zipfile.ZipFile(path) as archive,
        ):
            for member in archive.infolist():
                if member.file_size == size and member.filename.rpartition("/")[2] == name:
                    yield archive.read(member)
