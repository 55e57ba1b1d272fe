"""Splits: one after the other in time, and windows only where enough was measured."""

import numpy as np
from grids import grid_of, ramp, windows_of
from panels import spec_of

from tidegate.windows.splits import split_spans, starts_in


def test_splits_follow_each_other_in_time_with_the_gap_between_their_targets() -> None:
    assert split_spans(100, 0.2, 0.2, 7) == {"train": (0, 53), "validation": (60, 73), "test": (80, 100)}


def test_the_test_span_is_the_last_share_whatever_the_gap_is() -> None:
    assert split_spans(100, 0.1, 0.2, 0)["test"] == split_spans(100, 0.1, 0.2, 9)["test"] == (80, 100)


def test_no_step_of_a_split_is_a_step_of_another() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    starts, _, _ = windows_of(ramp(), spec)
    steps = {
        name: {step for _, first in part for step in range(first, first + spec.lookback_steps + spec.horizon_steps)}
        for name, part in starts.items()
    }
    assert steps["train"].isdisjoint(steps["validation"])
    assert max(steps["train"]) < min(steps["validation"])
    assert max(t + 6 + 2 for _, t in starts["validation"]) < min(t for _, t in starts["test"])


def test_every_window_lies_within_its_station() -> None:
    spec = spec_of(3, 1, lookback=5, horizon=2)
    starts, _, _ = windows_of(ramp(3, 100, 1), spec)
    for part in starts.values():
        assert part.dtype == np.int32
        assert part[:, 1].min() >= 0 and part[:, 1].max() + 7 <= 100
        assert set(part[:, 0]) == {0, 1, 2}


def test_a_window_needs_enough_of_its_lookback_and_some_of_its_future() -> None:
    spec = spec_of(1, 1, lookback=4, horizon=2)
    values = ramp(1, 20, 1)
    values[0, 0:3] = np.nan  # the window from 0 has one of four observed, that from 1 two
    values[0, 18:20] = np.nan  # the window with targets 18 and 19 has none of them
    starts = starts_in(grid_of(values), spec, (0, 20), 0.5)
    assert starts[:, 1].tolist() == list(range(1, 14))


def test_an_all_missing_lookback_is_never_a_window() -> None:
    values = ramp(1, 20, 1)
    values[0, 4:12] = np.nan
    starts = starts_in(grid_of(values), spec_of(1, 1, lookback=4, horizon=2), (0, 20), 0.0)
    assert not {4, 5, 6, 7, 8} & set(starts[:, 1].tolist())
