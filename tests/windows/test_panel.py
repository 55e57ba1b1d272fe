"""A panel: stations, steps and features, of which windows are views."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from panels import all_starts, noise, spec_of

from tidegate.windows.window_grid import to_grid


def test_a_frame_folds_into_stations_steps_and_features() -> None:
    times = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC")
    frame = pd.DataFrame({"station": list("AAABBB"), "time": [*times, *times], "x": range(6), "y": range(10, 16)})
    grid = to_grid(frame, ("y", "x"))
    assert grid.stations == ("A", "B")
    assert grid.values[1].tolist() == [[13, 3], [14, 4], [15, 5]]


def test_windows_read_what_lies_before_and_after_their_origin() -> None:
    spec = spec_of(2, 2, lookback=3, horizon=2)
    panel = noise(spec, missing=0)
    past, _ = panel.past(np.array([[1, 10]], np.int32))
    future, _ = panel.future(np.array([[1, 10]], np.int32))
    assert np.array_equal(past[0], panel.values[1, 10:13])
    assert np.array_equal(future[0], panel.values[1, 13:15, :1])


@pytest.mark.parametrize("fortran", [False, True])
def test_each_window_is_what_its_steps_hold_one_by_one(fortran: bool) -> None:
    spec = replace(spec_of(3, 4, lookback=5, horizon=3), known=("f2", "f3"))
    panel = noise(spec, missing=0.3)
    if fortran:
        panel = replace(panel, values=np.asfortranarray(panel.values), observed=np.asfortranarray(panel.observed))
    panel = replace(panel, calendar=np.random.default_rng(1).random((panel.values.shape[1], 2), np.float32))
    starts = all_starts(panel)[::-3]
    (past, seen), (future, passed), ahead = panel.past(starts), panel.future(starts), panel.known_ahead(starts)
    assert all(part.flags.c_contiguous for part in (past, seen, future, passed, ahead))
    for number, (row, first) in enumerate(starts):
        before, after = slice(first, first + 5), slice(first + 5, first + 8)
        assert np.array_equal(past[number], panel.values[row, before])
        assert np.array_equal(seen[number], panel.observed[row, before])
        assert np.array_equal(panel.past_calendar(starts)[number], panel.calendar[before])
        assert np.array_equal(future[number], panel.values[row, after, :1])
        assert np.array_equal(passed[number], panel.observed[row, after, :1])
        known = panel.calendar[after], panel.values[row, after, 2:], panel.observed[row, after, 2:]
        assert np.array_equal(ahead[number], np.concatenate(known, axis=-1))


def test_windows_are_never_copied() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    panel = noise(spec)
    starts = all_starts(panel)
    assert starts.nbytes == 8 * len(starts)
