"""A panel: stations, steps and features, of which windows are views."""

import numpy as np
import pandas as pd
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


def test_windows_are_never_copied() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    panel = noise(spec)
    starts = all_starts(panel)
    assert starts.nbytes == 8 * len(starts)
