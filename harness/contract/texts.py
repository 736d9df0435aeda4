"""What may be special about a text: properties by which a model's own code trips."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from harness.contract.special_days import SPECIAL

_MARKS = "-_:/,.;@|'\"%\\{}#& "


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """A property of texts by *name*; *argument* is a character or a length where it needs one."""

    name: str
    argument: str | int = ""

    def holds(self, text: str) -> bool:
        """Return whether *text* has it."""
        match self.name:
            case "longer":
                return len(text) > int(self.argument)
            case "shorter":
                return len(text) < int(self.argument)
            case "words" | "lines":
                return len(PARTS[self.name][0](text)) > int(self.argument)
            case "with":
                return str(self.argument) in text
            case "without":
                return str(self.argument) not in text
            case "offset":
                return offset(text) == self.argument
            case "other offset":
                return offset(text) not in ("", self.argument)
            case "day":
                return _is_day(str(self.argument), text)
        return _PLAIN[self.name][0](text)

    @property
    def text(self) -> str:
        """The property for a reader, as what follows the column's name."""
        match self.name:
            case "longer" | "shorter":
                return f"is {self.name} than {self.argument} characters"
            case "words" | "lines":
                return f"has more than {self.argument} {self.name} in it"
            case "with":
                return f"has {self.argument!r} in it"
            case "without":
                return f"has no {self.argument!r} in it"
            case "offset":
                return f"is at offset {self.argument}" if self.argument else "has no offset"
            case "other offset":
                return f"is at another offset than {self.argument}"
            case "day":
                return SPECIAL[str(self.argument)][0]
        return _PLAIN[self.name][1]


PARTS: Mapping[str, tuple[Callable[[str], list[str]], str]] = {
    "words": (str.split, " "),
    "lines": (str.splitlines, "\n"),
}
"""What texts are made of, and what joins it."""


def offset(text: str) -> str:
    """Return the offset that the text of a date-time ends in (``Z``, ``+02:00``), if any."""
    found = re.search(r"[T ]\d\d:\d\d:\d\d(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)$", text)
    return found[1] if found else ""


def _is_day(name: str, text: str) -> bool:
    """Return whether the day of a moment's *text* is what the calendar calls *name*."""
    try:
        return SPECIAL[name][1](date.fromisoformat(text[:10]))
    except ValueError:
        return False


def _fraction(text: str) -> bool:
    return re.search(r":\d\d\.\d", text) is not None


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _whole(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


_PLAIN: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "blank": (lambda text: not text.strip(), "is empty or blank text"),
    "foreign": (lambda text: not text.isascii(), "has a character outside ASCII in it"),
    "control": (
        lambda text: any(ord(char) < 32 for char in text),
        "has a control character in it",
    ),
    "digit": (lambda text: any(char in "0123456789" for char in text), "has a digit in it"),
    "no digit": (lambda text: not any(c in "0123456789" for c in text), "has no digit in it"),
    "number": (_number, "reads as a number"),
    "no number": (lambda text: not _number(text), "does not read as a number"),
    "no whole": (lambda text: not _whole(text), "does not read as a whole number"),
    "padded": (lambda text: text != text.strip(), "begins or ends with a space"),
    "capital": (lambda text: text != text.lower(), "has a capital letter in it"),
    "fraction": (_fraction, "has a fraction of a second"),
    "no fraction": (lambda text: not _fraction(text), "has no fraction of a second"),
    "no capital": (lambda text: text == text.lower(), "has no capital letter in it"),
}

WITNESSES = (
    *("", " ", "x", "X", "7", "x7", "-", "x-x", "x_x", "x:x", "x/x", "x,x", "x.x", "x;x", "x@x"),
    *("x|x", "x'x", 'x"x', "x%x", "x\\x", "x{x", "x}x", "x#x", "x&x", "x x", "12", "1.5", "-3"),
    *("nan", "1e5", "é", "日本", "🛩️", "ß", "x\ty", "x\ny", "x\x00y", " x", "x ", "\u200b"),
    *("Xy", "abc", "abcd", "abcdefgh", "x" * 20, "x" * 50, "x" * 100, "x" * 300, "x" * 1000),
    *(" ".join("x" * 600), "\n".join("x" * 600)),
)
"""Texts that differ in these properties."""


def properties(failing: Sequence[str], passing: Sequence[str]) -> Iterator[Property]:
    """Yield the properties that all *failing* texts have and no *passing* one has, plain ones
    first; of a length the least that tells them apart."""
    if not failing or not passing:
        return
    for name, (holds, _) in _PLAIN.items():
        if name.endswith("fraction"):
            continue  # a date-time's: asked about in ``instants``
        if all(map(holds, failing)) and not any(map(holds, passing)):
            yield Property(name=name)
    short, long = max(map(len, passing)), min(map(len, failing))
    if long > short:
        yield Property(name="longer", argument=long - 1)
    for name, (parts, _) in PARTS.items():
        few, many = (
            end(len(parts(t)) for t in texts) for end, texts in ((max, passing), (min, failing))
        )
        if many > max(few, 1):
            yield Property(name=name, argument=many - 1)
    short, long = max(map(len, failing)), min(map(len, passing))
    if long > short > 0:
        yield Property(name="shorter", argument=short + 1)
    for mark in _MARKS:
        if all(mark in text for text in failing) and not any(mark in text for text in passing):
            yield Property(name="with", argument=mark)
        if all(mark not in text for text in failing) and all(mark in text for text in passing):
            yield Property(name="without", argument=mark)
