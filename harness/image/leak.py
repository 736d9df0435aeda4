"""What leaked into a file that two builds made differently: a look at the bytes around the first
one that differs.

Formats: bytecode files (PEP 552), gzip (RFC 1952), zip (APPNOTE 4.3).
"""

from __future__ import annotations

import re

CAUSES = {
    "bytecode": "bytecode by another Python, or by a compiler that lets its order show",
    "bytecode-of-source": "bytecode of a source that differs too",
    "timestamp": "a time of the build in the file",
    "build-path": "the path of a build folder in the file",
    "order-in-file": "the same content in another order: a set's or folder's order (hash seed)",
    "edited": "other content: the file was edited, or comes from another version",
}

_FOLDERS = re.compile(
    rb"/(?:tmp|var/tmp|home|root|builds?|src|usr/src|work|workspaces?|mnt|runner|Users|private)"
    rb"/[^\s\"'\0:;,<>]+"
)
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIMES = re.compile(
    rb"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?"  # RFC 3339
    rb"|\d{4}/\d\d/\d\d|\d\d:\d\d:\d\d"
    rb"|\d{1,2} " + _MONTH + rb" \d{4}"  # RFC 5322
    rb"|" + _MONTH + rb" [ \d]?\d(?: \d\d:\d\d:\d\d)?(?: \d{4})?"  # __DATE__, asctime
    rb"|\b1\d{9}(?:\.\d+)?\b|\b1\d{12}\b"  # seconds or milliseconds since 1970, up to 2033
)
_WORDS = re.compile(rb"[\s,;:=(){}\[\]\"']+")
_AROUND = 160


def first(one: bytes, other: bytes) -> int:
    """Return the first place at which two different sequences of bytes differ."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # the longest prefix that both share
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def cause(path: str, one: bytes, other: bytes, at: int, *, whole: bool) -> str:
    """Return the likely cause, a key of `CAUSES`, of a difference at byte *at* of two contents.

    *whole* tells whether they are the files from their first byte to their last.
    """
    if whole and path.endswith(".pyc"):
        return _bytecode(one, other)
    if whole and len(one) == len(other) and _same_words(one, other):
        return "order-in-file"
    if _in_spans(_FOLDERS, one, at) or _in_spans(_FOLDERS, other, at):
        return "build-path"
    if whole and _archive_time(one, other, at):
        return "timestamp"
    if _in_spans(_TIMES, one, at) and _in_spans(_TIMES, other, at):
        return "timestamp"
    return "edited"


def excerpt(data: bytes, at: int) -> str:
    """Return the bytes around *at* as a person reads them."""
    near = data[max(0, at - 12) : at + 28]
    shown = near.decode("utf-8", "replace")
    return repr(shown)[1:-1] if shown.isprintable() or b"\0" not in near else near.hex(" ")


def _bytecode(one: bytes, other: bytes) -> str:
    flags = [int.from_bytes(data[4:8], "little") for data in (one, other)]
    if one[:4] != other[:4]:
        return "bytecode"
    if not all(flag & 1 for flag in flags):
        return (
            "timestamp"  # PEP 552: without the flag, bytes 8 to 16 are the source's time and size
        )
    if one[8:16] != other[8:16]:
        return "bytecode-of-source"
    if set(_FOLDERS.findall(one)) != set(_FOLDERS.findall(other)):
        return "build-path"
    return "bytecode"


def _same_words(one: bytes, other: bytes) -> bool:
    if sorted(one.splitlines()) == sorted(other.splitlines()):
        return True
    words = [sorted(filter(None, _WORDS.split(data))) for data in (one, other)]
    return len(words[0]) > 1 and words[0] == words[1]


def _in_spans(pattern: re.Pattern[bytes], data: bytes, at: int) -> bool:
    start = max(0, at - _AROUND)
    near = data[start : at + _AROUND]
    return any(m.start() <= at - start <= m.end() for m in pattern.finditer(near))


def _archive_time(one: bytes, other: bytes, at: int) -> bool:
    """Tell whether *at* lies in the time field of a gzip header or of a zip's member."""
    if one[:2] == other[:2] == b"\x1f\x8b":
        return 4 <= at < 8
    if one[:2] != b"PK":
        return False
    for signature, begin in ((b"PK\x03\x04", 10), (b"PK\x01\x02", 12)):
        header = one.rfind(signature, 0, at)
        if header >= 0 and begin <= at - header < begin + 4:
            return True
    return False
