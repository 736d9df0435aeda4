"""Every pair of levels, in few rows."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.contract.pairwise import pairwise


@given(st.lists(st.integers(1, 6), min_size=2, max_size=8), st.integers(0, 5))
def test_every_pair_of_levels_stands_in_some_row(levels: list[int], seed: int):
    rows = pairwise(tuple(levels), seed=seed)

    for one, other in combinations(range(len(levels)), 2):
        held = {(int(a), int(b)) for a, b in rows[:, [one, other]]}
        assert {(a, b) for a in range(levels[one]) for b in range(levels[other])} == held


def test_fourteen_columns_of_twelve_levels_take_few_rows():
    rows = pairwise((12,) * 14)

    assert 144 <= len(rows) < 320
    assert np.array_equal(rows, pairwise((12,) * 14))
