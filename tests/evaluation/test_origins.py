"""Windows are grouped by station in one pass, whatever their order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evaluation.origins import numbers_by_group


@given(st.lists(st.integers(0, 6), max_size=40))
def test_each_group_has_the_positions_that_a_comparison_finds(group: list[int]) -> None:
    numbers = np.asarray(group, np.int64)
    found = numbers_by_group(numbers, 7)
    assert len(found) == 7
    for row, positions in enumerate(found):
        assert positions.tolist() == np.flatnonzero(numbers == row).tolist()
