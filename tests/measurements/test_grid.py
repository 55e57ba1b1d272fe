"""The regular grid: every station on the same steps, and what is no duration refused."""

import pandas as pd
import pytest

from tidegate.errors import DataError, SettingsError
from tidegate.measurements.grid import on_regular_grid, step_of

HOUR = pd.Timedelta("1h")


def frame(times: list[str], values: list[float], station: str = "A") -> pd.DataFrame:
    return pd.DataFrame({"station": station, "time": pd.to_datetime(times, utc=True), "x": values})


def test_a_gap_becomes_missing_rows_and_each_station_gets_the_same_span() -> None:
    long = frame(["2024-01-01 00:00", "2024-01-01 03:00"], [1, 4])
    short = frame(["2024-01-01 01:00"], [9], "B")
    grid = on_regular_grid(pd.concat([long, short]), HOUR)
    assert grid.groupby("station").size().tolist() == [4, 4]
    assert grid["x"].isna().tolist() == [False, True, True, False, True, False, True, True]


def test_no_rows_at_all_are_refused() -> None:
    with pytest.raises(DataError, match="no rows left"):
        on_regular_grid(frame([], []), HOUR)


@pytest.mark.parametrize("frequency", ["monthly", "0h", "-1h", "", "1M"])
def test_a_frequency_that_is_no_duration_is_refused(frequency: str) -> None:
    with pytest.raises(SettingsError, match="such as 1h or 15min"):
        step_of(frequency)
