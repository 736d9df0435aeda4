"""The nearest right word to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that *word* was probably meant to be, or None when none is near.

    One slip in three letters is forgiven (see `distance`); so are case, ``-`` for ``_``, and a
    shortened word (``min_gain``). Ties go to the first in the alphabet.
    """
    known = sorted(set(candidates))
    if not known:
        return None
    slips, best = min(
        (distance(_plain(word), _plain(known_word)), known_word) for known_word in known
    )
    if slips <= max(1, len(word) // 3) and slips < len(best):
        return best
    return next(iter(difflib.get_close_matches(word, known, n=1)), None)


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return ``, did you mean "…"?`` to end a sentence with, or nothing."""
    found = nearest(word, candidates)
    return f', did you mean "{found}"?' if found else ""


def distance(one: str, other: str) -> int:
    """Return how many slips lie between two words.

    A slip is a letter too many, too few or wrong, or two neighbours exchanged: the optimal string
    alignment distance (L. Boytsov, ACM Journal of Experimental Algorithmics 16, 2011).
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                least = min(least, earlier[j - 2] + 1)
            row.append(least)
    return row[-1]


def _plain(word: str) -> str:
    return word.casefold().replace("-", "_")
