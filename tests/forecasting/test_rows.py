"""The rows that forecasts start from, as arrays: the same as by the frames that the pipeline uses."""

import numpy as np
import pandas as pd
import pytest
from panels import spec_of

from tidegate.errors import DataError
from tidegate.forecasting.rows import Rows
from tidegate.measurements.frame import conform
from tidegate.measurements.grid import on_regular_grid
from tidegate.windows.window_grid import to_grid

HOUR = pd.Timedelta("1h")
BEGIN = pd.Timestamp("2024-03-31 00:30", tz="UTC")  # its steps are half an hour off
FEATURES = ("f0", "f1")
SPEC = spec_of(3, 2, 24, 6)


def some_rows(seed: int) -> pd.DataFrame:
    """Rows of three stations in no order, with holes and missing values."""
    random = np.random.default_rng(seed)
    times = pd.date_range(BEGIN, periods=40, freq="h", unit="us")
    frame = pd.MultiIndex.from_product([["S2", "S0", "S1"], times], names=["station", "time"]).to_frame(index=False)
    frame[list(FEATURES)] = random.normal(size=(len(frame), 2)).round(2)
    frame.loc[random.random(len(frame)) < 0.1, "f0"] = np.nan
    return frame.sample(frac=0.8, random_state=seed)


@pytest.mark.parametrize("seed", range(5))
def test_the_grid_is_that_of_the_pipeline(seed: int) -> None:
    frame = some_rows(seed)
    first, last = BEGIN + 10 * HOUR, BEGIN + 45 * HOUR
    inside = conform(frame, FEATURES)[lambda rows: rows["time"].between(first, last)]
    expected = to_grid(on_regular_grid(inside, HOUR, first, last), FEATURES)
    made = Rows.checked(frame, SPEC).on_grid(["S1", "S2", "S0"], first.value // 1000, last.value // 1000)
    assert made.stations == expected.stations and made.times.equals(expected.times)
    np.testing.assert_array_equal(made.values, expected.values)


def test_the_frame_is_what_was_given_in_the_long_frame_s_form() -> None:
    frame = some_rows(0)
    rows = Rows.checked(frame, SPEC)
    pd.testing.assert_frame_equal(rows.frame, conform(frame, FEATURES))
    pd.testing.assert_frame_equal(Rows.of(rows.frame, SPEC).frame, rows.frame)
    some = rows.of_stations(["S0", "S9"]).frame
    assert some["station"].unique().tolist() == ["S0"] and len(some) == (frame["station"] == "S0").sum()


def test_rows_between_the_steps_are_left_out_and_two_at_one_time_are_refused() -> None:
    frame = some_rows(1)
    between = frame.head(3).assign(time=frame["time"].head(3) + pd.Timedelta("7min"))
    pd.testing.assert_frame_equal(Rows.checked(pd.concat([frame, between]), SPEC).frame, conform(frame, FEATURES))
    twice = frame.iloc[[4]]
    with pytest.raises(
        DataError, match=f"Station {twice['station'].item()} has two rows at {twice['time'].item():%Y-%m-%d %H:%M}"
    ):
        Rows.checked(pd.concat([frame, twice.assign(f0=1.0)]), SPEC)
