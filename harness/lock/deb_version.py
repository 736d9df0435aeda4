"""The order of Debian versions (Debian Policy §5.6.12), as a sort key."""

from __future__ import annotations

import re
from typing import NamedTuple

Part = tuple[tuple[int, ...], int]
_PIECES = re.compile(r"([^0-9]*)([0-9]*)")
_END: Part = ((0,), 0)


class Key(NamedTuple):
    """What versions are sorted by."""

    epoch: int
    upstream: tuple[Part, ...]
    revision: tuple[Part, ...]


def key(version: str) -> Key:
    """Return the sort key of *version*; equal keys mean versions that dpkg calls equal.

    "The epoch … may be omitted, in which case zero is assumed"; "the absence of a debian_revision
    is equivalent to a debian_revision of 0".
    """
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-")
    if not upstream:
        upstream, revision = rest, ""
    return Key(int(epoch), _parts(upstream), _parts(revision))


def satisfies(version: str, relation: str, bound: str) -> bool:
    """Tell whether *version* stands in *relation* (``<<  <=  =  >=  >>``) to *bound*."""
    left, right = key(version), key(bound)
    match relation:
        case "<<":
            return left < right
        case "<=" | "<":
            return left <= right
        case "=":
            return left == right
        case ">=" | ">":
            return left >= right
        case ">>":
            return left > right
    raise ValueError(f"{relation} is no relation of Debian's")


def _parts(text: str) -> tuple[Part, ...]:
    """Split *text* into pairs of non-digits and number, closed by a mark that ``~`` sorts before.

    "The lexical comparison is a comparison of ASCII values modified so that all the letters sort
    earlier than all the non-letters and so that a tilde sorts before anything, even the end."
    """
    parts = [
        ((*(_order(letter) for letter in letters), 0), int(number or 0))
        for letters, number in _PIECES.findall(text)
        if letters or number
    ]
    return (*(parts or [_END]), _END)


def _order(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
