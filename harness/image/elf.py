"""What a shared object needs: DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_SONAME of an ELF file.

System V ABI, chapter 5 (dynamic linking); 64-bit little-endian objects, which is all that our
images hold.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_NULL, _NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH = 0, 1, 5, 14, 15, 29
_LOAD, _DYNAMIC = 1, 2


@dataclass(frozen=True, slots=True)
class Object:
    """A dynamic object's own words; *paths* may hold ``$ORIGIN``."""

    needed: tuple[str, ...]
    soname: str
    paths: tuple[str, ...]


def parse(data: bytes) -> Object | None:
    """Return what the object needs; None for what is not a dynamic 64-bit ELF object."""
    if len(data) < 64 or data[:6] != b"\x7fELF\x02\x01":
        return None
    try:
        return _parse(data)
    except (struct.error, IndexError):
        return None  # cut short: not an object that a linker could load either


def _parse(data: bytes) -> Object | None:
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
    if dynamic is None:
        return None
    entries = list(struct.iter_unpack("<qQ", data[dynamic[0] : dynamic[0] + dynamic[1] // 16 * 16]))
    table = next((value for tag, value in entries if tag == _STRTAB), 0)
    strings = next((s + table - a for a, s, n in loads if a <= table < a + n), None)
    if strings is None:
        return None

    def text(at: int) -> str:
        start = strings + at
        return data[start : data.index(b"\0", start)].decode("utf-8", "replace")

    needed, soname, paths = [], "", []
    for tag, value in entries:
        if tag == _NULL:
            break
        if tag == _NEEDED:
            needed.append(text(value))
        elif tag == _SONAME:
            soname = text(value)
        elif tag in (_RPATH, _RUNPATH):
            paths += [path for path in text(value).split(":") if path]
    return Object(tuple(needed), soname, tuple(paths))
