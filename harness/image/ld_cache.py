"""``/etc/ld.so.cache``: what ``ldconfig`` would have written, by which programs find a library.

The linker itself does without. ``ldconfig -p`` doesn't, and that is where Python's
``ctypes.util.find_library`` looks. Format: glibc's ``sysdeps/generic/dl-cache.h``,
``glibc-ld.so.cache1.1``, without extensions; entries in the order of ``_dl_cache_libcmp``, highest
first.
"""

from __future__ import annotations

import functools
import os
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.content.tree import native, told

_MAGIC = b"glibc-ld.so.cache1.1"
_LITTLE = 2
_FLAGS = {"x86_64-linux-gnu": 0x0303, "aarch64-linux-gnu": 0x0A03}
"""FLAG_ELF_LIBC6 with the machine's own bits, for each folder of libraries."""
_PARTS = re.compile(r"\d+|\D")


def libraries(trees: Iterable[Path]) -> dict[str, str]:
    """Return the libraries of unpacked packages by name, each with its path in the image."""
    found = {}
    for tree in trees:
        for triplet in _FLAGS:
            folder = tree / "usr/lib" / triplet
            if folder.is_dir():
                for name in map(told, os.listdir(folder)):
                    if (
                        name.startswith("lib")
                        and ".so" in name
                        and not (folder / native(name)).is_dir()
                    ):
                        found[name] = f"/usr/lib/{triplet}/{name}"
    return found


def cache(found: Mapping[str, str]) -> bytes:
    """Return the bytes of a cache that names the libraries *found*."""
    names = sorted(found, key=functools.cmp_to_key(compare), reverse=True)
    start = 48 + 24 * len(names)
    strings, entries = bytearray(), bytearray()
    for name in names:
        flags = next(flag for triplet, flag in _FLAGS.items() if f"/{triplet}/" in found[name])
        key = start + len(strings)
        strings += name.encode() + b"\0"
        value = start + len(strings)
        strings += found[name].encode() + b"\0"
        entries += struct.pack("<iIIIQ", flags, key, value, 0, 0)
    header = struct.pack("<20sIIB3xI12x", _MAGIC, len(names), len(strings), _LITTLE, 0)
    return header + bytes(entries) + bytes(strings)


def compare(one: str, other: str) -> int:
    """Return which name comes first, as ``_dl_cache_libcmp`` does: numbers by value, and a digit
    above anything else."""
    ones, others = _PARTS.findall(one), _PARTS.findall(other)
    for a, b in zip(ones, others, strict=False):
        if a.isdigit() and b.isdigit():
            if int(a) != int(b):
                return int(a) - int(b)
        elif a.isdigit() or b.isdigit():
            return 1 if a.isdigit() else -1
        elif a != b:
            return ord(a) - ord(b)
    return len(ones) - len(others)
