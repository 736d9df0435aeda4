"""What a column should not be without a person's word: an identifier, personal data, the answer."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.contract.cells import Cells
from harness.contract.draft_numbers import tokens

_LOOKED_AT = 2000
_FEWEST = 20
_HALF, _MOST = 0.5, 0.9
_IDENTIFIERS = frozenset(("id", "ids", "uuid", "guid", "key", "pk", "rowid", "identifier"))
_CODE = re.compile(r"[A-Za-z0-9_.:-]{4,64}", re.ASCII)
_DATED = re.compile(r"\d{1,4}[-/.:]\d{1,2}", re.ASCII)
_UNNAMED = re.compile(r"Unnamed: \d+|__index_level_\d+__")

PERSONAL_NAMES = re.compile(
    r"(^|_)(e_?mail|phone|telephone|mobile|fax|ssn|social_security|iban|credit_card|card_number|"
    r"passport|(first|last|middle|maiden|full|given|family|user|customer|patient|person)_?name|"
    r"sur_?name|(date_of_)?birth|birth_?(day|date|place)|dob|address|street|ip|ip_?address)($|_)"
)
"""Names of columns that hold personal data, in small letters with ``_`` between the words."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"(\+|00|0|\()[\d ()./-]{6,19}\d", re.ASCII)
_SOCIAL = re.compile(r"(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}", re.ASCII)
_IBAN = re.compile(r"[A-Z]{2}\d\d[A-Z0-9]{11,30}", re.ASCII)
_CARD = re.compile(r"[2-6]\d{12,18}", re.ASCII)


def identifier(column: Cells) -> str:
    """Return why *column* is taken for an identifier of its row; empty where it isn't."""
    if _UNNAMED.fullmatch(column.name):
        return "the row numbers that pandas wrote into the file"
    if _different(column) == len(column) and _called_so(column):
        return "no value stands twice, and it is called like one"
    return ""


def nearly_identifier(column: Cells) -> str:
    """Return why *column* may be an identifier of something; empty where nothing speaks for it."""
    different = _different(column)
    if different > _HALF * len(column) and _called_so(column):
        return f"called like one, {different} different values in {len(column)} rows"
    if different < len(column) or not different:
        return ""
    if column.kind == "integer":
        return "the rows' own number, 1 more each" if (np.diff(column.values) == 1).all() else ""
    texts = column.values[:_LOOKED_AT].tolist()
    coded = all(_CODE.fullmatch(text) and not _DATED.match(text) for text in texts)
    digits = all(any(character.isdigit() for character in text) for text in texts)
    return "no value stands twice: codes, not words" if coded and digits else ""


def _different(column: Cells) -> int:
    """Return how many different values are there; 0 where too few rows or numbers tell nothing."""
    if len(column) < _FEWEST or column.kind not in ("integer", "string"):
        return 0
    return len(set(column.values[~column.absent].tolist()))


def _called_so(column: Cells) -> bool:
    return not _IDENTIFIERS.isdisjoint(tokens(column.name)[-1:])


def personal(column: Cells) -> str:
    """Return why *column* looks like personal data; empty where it doesn't. Quotes no cell."""
    name = "_".join(tokens(column.name))
    if found := PERSONAL_NAMES.search(name):
        return f"called {found.group(2).replace('_', ' ')}"
    there = column.values[~column.absent][:_LOOKED_AT].tolist()
    if column.kind == "integer":
        texts = [str(value) for value in there]
        return _share(texts, ((_card, "numbers of payment cards", _MOST),)) if there else ""
    if column.kind not in ("string", "mixed") or not there:
        return ""
    texts = [value.strip() for value in there if isinstance(value, str)]
    return _share(
        texts,
        (
            (lambda text: bool(_EMAIL.fullmatch(text)), "e-mail addresses", 0.0),
            (_internet, "IP addresses", _HALF),
            (_iban, "IBANs (their check digits are right)", _HALF),
            (_card, "numbers of payment cards (their check digits are right)", _HALF),
            (lambda text: bool(_SOCIAL.fullmatch(text)), "social security numbers", _MOST),
            (_telephone, "telephone numbers", _MOST),
        ),
    )


def answer(column: Cells, target: Cells) -> str:
    """Return why *column* may give the target away; empty where it doesn't.

    Equal cell by cell, a linear function of it, one value for each value of it, or two labels
    parted without a mistake by one threshold.
    """
    both = ~column.absent & ~target.absent
    if both.sum() < _FEWEST or "mixed" in (column.kind, target.kind):
        return ""
    some, every = np.flatnonzero(both)[:_LOOKED_AT], np.flatnonzero(both)
    found = _given_away(column, target, some)
    return _given_away(column, target, every) if found and len(every) > len(some) else found


def _given_away(column: Cells, target: Cells, rows: Any) -> str:
    mine, theirs = column.values[rows], target.values[rows]
    wanted, place = np.unique(theirs, return_inverse=True)
    if len(wanted) < 2:
        return ""
    if [str(v) for v in mine.tolist()] == [str(v) for v in theirs.tolist()]:
        return f"equal to {target.name} in every row"
    numbers = {"number", "integer", "boolean", "datetime"}
    both_numbers = column.kind in numbers and target.kind in ("number", "integer")
    if both_numbers and _linear(mine.astype(float), theirs.astype(float)):
        return f"{target.name} is a linear function of it"
    values, code = np.unique(mine, return_inverse=True)
    if len(values) <= len(mine) / 5 and len(wanted) <= len(mine) / 5:
        pairs = np.unique(code.astype(np.int64) * len(wanted) + place)
        if len(pairs) == len(values) and len(values) > 1:
            return f"each of its values goes with one value of {target.name}"
    if len(wanted) == 2 and column.kind in numbers and _parted(mine, place.reshape(-1)):
        return f"one threshold parts the values of {target.name} without a mistake"
    return ""


def _linear(mine: Any, theirs: Any) -> bool:
    if not (np.isfinite(mine).all() and np.isfinite(theirs).all()):
        return False
    if len(np.unique(mine)) < 3 or len(np.unique(theirs)) < 2:
        return False
    with np.errstate(all="ignore"):  # numbers so large or small that their squares are not
        return bool(abs(np.corrcoef(mine, theirs)[0, 1]) > 1 - 1e-9)


def _parted(mine: Any, place: Any) -> bool:
    first, second = mine[place == 0], mine[place == 1]
    if min(len(first), len(second)) < _FEWEST / 2:
        return False
    return bool(first.max() < second.min() or second.max() < first.min())


def _share(texts: Sequence[str], kinds: Sequence[tuple[Any, str, float]]) -> str:
    for fits, words, least in kinds:
        found = sum(1 for text in texts if fits(text))
        if found and found >= least * len(texts) and (least == 0.0 or len(texts) >= 5):
            return f"holds {words}"
    return ""


def _telephone(text: str) -> bool:
    digits = sum(character.isdigit() for character in text)
    marks = any(character in "+ ()/-." for character in text)
    return bool(_PHONE.fullmatch(text)) and 8 <= digits <= 15 and marks


def _internet(text: str) -> bool:
    if text.count(".") != 3 and text.count(":") < 2:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _iban(text: str) -> bool:
    """ISO 13616: moved four characters on, letters as two digits, it leaves 1 modulo 97."""
    plain = text.replace(" ", "")
    if not _IBAN.fullmatch(plain):
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _card(text: str) -> bool:
    """ISO/IEC 7812-1, annex B: the sum of Luhn's formula is a multiple of ten."""
    plain = re.sub(r"[ -]", "", text)
    if not _CARD.fullmatch(plain):
        return False
    total = 0
    for place, digit in enumerate(reversed(plain)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 * (number > 9)
    return total % 10 == 0
