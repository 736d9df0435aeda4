"""What a shared object needs: DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_SONAME of an ELF file, and the
versions of symbols that it needs and defines.

System V ABI, chapter 5 (dynamic linking); symbol versions by the Linux Standard Base, "Symbol
Versioning". 64-bit little-endian objects, which is all that our images hold.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from mmap import mmap

_NULL, _NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH = 0, 1, 5, 14, 15, 29
_VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_LOAD, _DYNAMIC = 1, 2
_WEAK = 2
MOST = 1 << 16
"""Entries that a table may have; libraries have some hundred at most."""
NAMES = 1 << 24
"""Bytes that all names together may have."""


@dataclass(frozen=True, slots=True)
class Object:
    """A dynamic object's own words; *paths* may hold ``$ORIGIN``.

    *machine* is ``e_machine``. *wants* are versions of symbols, each with the library that must
    define it (``libc.so.6``, ``GLIBC_2.34``), weak ones left out; *defines* are its own.
    """

    needed: tuple[str, ...]
    soname: str
    paths: tuple[str, ...]
    machine: int = 0
    wants: tuple[tuple[str, str], ...] = ()
    defines: frozenset[str] = frozenset()


def parse(data: bytes | mmap) -> Object | None:
    """Return what the object needs; None for what is not a dynamic 64-bit ELF object."""
    if len(data) < 64 or data[:6] != b"\x7fELF\x02\x01":
        return None
    try:
        return _parse(data)
    except (struct.error, IndexError, ValueError, OverflowError):
        return None  # cut short: not an object that a linker could load either


def _parse(data: bytes | mmap) -> Object | None:
    (machine,) = struct.unpack_from("<H", data, 18)
    loads, dynamic = _segments(data)
    if dynamic is None:
        return None
    entries = _entries(data, *dynamic)
    tags = dict(entries)

    def place(address: int) -> int:
        for start, offset, length in loads:
            if start <= address < start + length:
                return offset + address - start
        raise ValueError(address)

    if _STRTAB not in tags:
        return None
    strings = place(tags[_STRTAB])

    left = NAMES

    def text(at: int) -> str:
        nonlocal left
        start = strings + at
        end = data.find(b"\0", start, start + left)
        left -= end - start
        if end < 0 or left < 0:
            raise ValueError(at)
        return bytes(data[start:end]).decode("utf-8", "replace")

    def named(*wanted: int) -> list[str]:
        return [text(value) for tag, value in entries if tag in wanted]

    wants: tuple[tuple[str, str], ...] = ()
    defines: frozenset[str] = frozenset()
    if _VERNEED in tags:
        wants = tuple(_wants(data, place(tags[_VERNEED]), tags.get(_VERNEEDNUM, 0), text))
    if _VERDEF in tags:
        defines = frozenset(_defines(data, place(tags[_VERDEF]), tags.get(_VERDEFNUM, 0), text))
    return Object(
        needed=tuple(named(_NEEDED)),
        soname="".join(named(_SONAME)[-1:]),
        paths=tuple(p for path in named(_RPATH, _RUNPATH) for p in path.split(":") if p),
        machine=machine,
        wants=wants,
        defines=defines,
    )


def _segments(
    data: bytes | mmap,
) -> tuple[list[tuple[int, int, int]], tuple[int, int] | None]:
    """Return the loaded segments as (address, offset, length), and where the dynamic one is."""
    (offset,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    loads, dynamic = [], None
    for index in range(count):
        kind, _, start, address, _, length = struct.unpack_from(
            "<IIQQQQ", data, offset + index * size
        )
        if kind == _LOAD:
            loads.append((address, start, length))
        elif kind == _DYNAMIC:
            dynamic = (start, length)
    return loads, dynamic


def _entries(data: bytes | mmap, start: int, length: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    size = min(length // 16, MOST) * 16
    for tag, value in struct.iter_unpack("<qQ", data[start : start + size]):
        if tag == _NULL:
            return found
        found.append((tag, value))
    if length - size >= 16:
        raise ValueError(length)
    return found


def _wants(
    data: bytes | mmap, at: int, count: int, text: Callable[[int], str]
) -> Iterator[tuple[str, str]]:
    """Yield (library, version) of each ``Elfxx_Verneed`` and its ``Vernaux`` entries."""
    left = MOST
    for _ in range(count):
        _, names, library, first, after = struct.unpack_from("<HHIII", data, at)
        one = at + first
        left -= 1 + names
        if left < 0:
            raise ValueError(count)
        for _ in range(names):
            _, flags, _, name, step = struct.unpack_from("<IHHII", data, one)
            if not flags & _WEAK:
                yield text(library), text(name)
            one += step
        at += after


def _defines(data: bytes | mmap, at: int, count: int, text: Callable[[int], str]) -> Iterator[str]:
    """Yield the name of each version that an ``Elfxx_Verdef`` defines."""
    if count > MOST:
        raise ValueError(count)
    for _ in range(count):
        first, after = struct.unpack_from("<II", data, at + 12)
        (name,) = struct.unpack_from("<I", data, at + first)
        yield text(name)
        at += after
