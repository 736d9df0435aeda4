"""The nearest right word."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.spec.nearest import did_you_mean, distance, nearest

KEYS = ("success", "metric", "minimum_gain", "holdout", "environment", "invariant", "monotone")
letters = st.text(string.ascii_lowercase, max_size=8)


@st.composite
def slips(draw: st.DrawFn) -> tuple[str, str]:
    """A word, and the same word after one slip."""
    word = draw(st.sampled_from(KEYS))
    place = draw(st.integers(0, len(word) - 2))
    letter = draw(st.sampled_from(string.ascii_lowercase))
    head, one, two, tail = word[:place], word[place], word[place + 1], word[place + 2 :]
    slipped = draw(
        st.sampled_from(
            [
                head + two + tail,
                head + letter + one + two + tail,
                head + letter + two + tail,
                head + two + one + tail,
            ]
        )
    )
    assume(slipped != word)
    return word, slipped


@given(slips())
def test_a_word_with_one_slip_is_recognised(case: tuple[str, str]):
    word, slipped = case

    assert word == nearest(slipped, KEYS)


@given(slips())
def test_one_slip_is_a_distance_of_one(case: tuple[str, str]):
    word, slipped = case

    assert 1 == distance(slipped, word)


@given(letters, letters)
def test_distance_is_symmetric_and_zero_for_equals_only(one: str, other: str):
    assert distance(one, other) == distance(other, one)
    assert (distance(one, other) == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance(one, other) <= max(len(one), len(other))


@given(st.text(), st.lists(st.text(max_size=6), max_size=5))
def test_the_answer_is_one_of_the_candidates_whatever_their_order(word: str, known: list[str]):
    found = nearest(word, known)

    assert found is None or found in known
    assert found == nearest(word, known[::-1])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("sucess", "success"),
        ("min_gain", "minimum_gain"),
        ("Minimum-Gain", "minimum_gain"),
        ("metirc", "metric"),
        ("zzz", None),
        ("q", None),
    ],
)
def test_people_s_slips_find_the_key_and_nonsense_finds_none(word: str, expected: str | None):
    assert expected == nearest(word, KEYS)


def test_the_ending_of_a_sentence_is_empty_when_nothing_is_near():
    assert ', did you mean "success"?' == did_you_mean("sucess", KEYS)
    assert "" == did_you_mean("zzz", KEYS)
    assert "" == did_you_mean("anything", [])
