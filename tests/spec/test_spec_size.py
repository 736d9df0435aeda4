"""Sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.spec import size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200 MB", 200_000_000),
        ("200MB", 200_000_000),
        (" 1.5 GB ", 1_500_000_000),
        ("1 MiB", 1_048_576),
        ("0.1 kB", 100),
        ("0.3 KiB", 307),
        ("12 KB", 12_000),
        ("7 B", 7),
        ("2 TiB", 2 * 2**40),
    ],
)
def test_a_size_is_its_number_times_its_unit(text: str, expected: int):
    assert expected == size.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("200", "a unit is missing"),
        ("200 mb", 'unknown unit "mb"'),
        ("200 Mb", 'unknown unit "Mb"'),
        ("many MB", "is not a size"),
        ("-1 MB", "is not a size"),
        ("1e3 MB", "is not a size"),
        ("١ MB", "is not a size"),
        ("0 MB", "less than a byte"),
        ("0.0001 kB", "less than a byte"),
        ("", "is not a size"),
    ],
)
def test_what_is_no_size_is_refused_with_its_reason(text: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        size.parse(text)


@given(st.integers(1, 10**9), st.sampled_from(sorted(size.UNITS)), st.sampled_from(["", " ", "  "]))
def test_whole_numbers_are_exact(number: int, unit: str, gap: str):
    assert number * size.UNITS[unit] == size.parse(f"{number}{gap}{unit}")


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from(sorted(size.UNITS)))
def test_more_is_never_less(one: int, other: int, unit: str):
    low, high = sorted((one, other))

    assert size.parse(f"{low}.5 {unit}") <= size.parse(f"{high}.5 {unit}")
