"""The regular grid, and the marks of a faulty sensor."""

import numpy as np
import pandas as pd
import pytest

from tidegate import calendar
from tidegate.errors import DataError, SettingsError

HOUR = pd.Timedelta("1h")


def frame(times: list[str], values: list[float], station: str = "A") -> pd.DataFrame:
    return pd.DataFrame({"station": station, "time": pd.to_datetime(times, utc=True), "x": values})


def test_a_gap_becomes_missing_rows_and_each_station_gets_the_same_span() -> None:
    long = frame(["2024-01-01 00:00", "2024-01-01 03:00"], [1, 4])
    short = frame(["2024-01-01 01:00"], [9], "B")
    grid = calendar.regular(pd.concat([long, short]), HOUR)
    assert grid.groupby("station").size().tolist() == [4, 4]
    assert grid["x"].isna().tolist() == [False, True, True, False, True, False, True, True]


def test_no_rows_at_all_are_refused() -> None:
    with pytest.raises(DataError, match="no rows left"):
        calendar.regular(frame([], []), HOUR)


def test_times_between_the_steps_are_marked() -> None:
    times = pd.Series(pd.to_datetime(["2024-01-01 00:00", "2024-01-01 00:20", "1969-12-31 23:00"], utc=True))
    assert calendar.off_grid(times, HOUR).tolist() == [False, True, False]


@pytest.mark.parametrize("frequency", ["monthly", "0h", "-1h", "", "1M"])
def test_a_frequency_that_is_no_duration_is_refused(frequency: str) -> None:
    with pytest.raises(SettingsError, match="such as 1h or 15min"):
        calendar.step_of(frequency)


def test_the_longest_run_is_counted() -> None:
    assert calendar.longest_run(np.array([1, 0, 1, 1, 1, 0, 1], bool)) == 3
    assert calendar.longest_run(np.zeros(4, bool)) == 0
    assert calendar.longest_run(np.ones(4, bool)) == 4


def test_copies_in_a_run_are_suspect_and_its_first_value_is_not() -> None:
    values = pd.Series([3.0, 5, 5, 5, 4, np.nan, np.nan, 5])
    station = pd.Series(["A"] * 4 + ["B"] * 4)
    assert calendar.repeats(values, station).tolist() == [1, 1, 3, 3, 1, 1, 1, 1]


def test_hours_of_a_zone_that_is_half_an_hour_off_are_regular() -> None:
    times = pd.Series(pd.to_datetime(["2024-01-01 00:30", "2024-01-01 01:30", "2024-01-01 02:00"], utc=True))
    assert calendar.off_grid(times, HOUR).tolist() == [False, False, True]


def test_a_stretch_ends_at_a_gap_and_at_a_station() -> None:
    rows = pd.concat([frame(["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 03:00"], [1, 1, 1]),
                      frame(["2024-01-01 04:00"], [1], "B")])  # fmt: skip
    assert calendar.stretches(rows.reset_index(drop=True), HOUR).tolist() == [1, 1, 2, 3]


def test_a_run_does_not_cross_from_one_station_into_the_next() -> None:
    same = pd.Series([5.0] * 4)
    assert calendar.repeats(same, pd.Series(["A", "A", "B", "B"])).tolist() == [1, 2, 1, 2]


def test_a_value_stands_out_only_if_it_does_from_both_neighbours() -> None:
    station = pd.Series(["A"] * 6)
    spike_then_step = pd.Series([1.0, 9.0, 2.0, 2.0, 8.0, 8.0])
    assert calendar.jump(spike_then_step, station).tolist() == [0, 7, 0, 0, 0, 0]
    assert calendar.jump(-spike_then_step, station).tolist() == [0, 7, 0, 0, 0, 0]


def test_the_calendar_is_that_of_the_zone_and_meets_itself_at_midnight() -> None:
    times = pd.date_range("2024-03-30 22:00", periods=48, freq="h", tz="UTC")
    found = calendar.calendar(times, ("hour", "weekday"), "Europe/Berlin")
    assert calendar.columns(("hour", "weekday")) == ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
    assert found.shape == (48, 4) and found.dtype == np.float32
    midnight = list(times.tz_convert("Europe/Berlin").hour).index(0)
    assert found[midnight, :2] == pytest.approx([0, 1], abs=1e-6)
    assert np.allclose(np.hypot(found[:, 0], found[:, 1]), 1, atol=1e-6)
    # the hour that summer time leaves out is a leap of two
    angle = np.unwrap(np.arctan2(found[:, 0], found[:, 1]))
    assert sorted(np.round(np.diff(angle) * 24 / (2 * np.pi)).astype(int)) == [1] * 46 + [2]


def test_holidays_are_those_of_the_country_and_its_part() -> None:
    times = pd.DatetimeIndex(["2024-10-03", "2024-08-15", "2024-08-16"], tz="UTC")
    assert calendar.calendar(times, ("holidays:DE",), "UTC")[:, 0].tolist() == [1, 0, 0]
    assert calendar.calendar(times, ("holidays:DE-SL",), "UTC")[:, 0].tolist() == [1, 1, 0]


@pytest.mark.parametrize("part", ["hours", "holidays", "holidays:XX"])
def test_an_unknown_part_of_the_calendar_is_refused(part: str) -> None:
    with pytest.raises(SettingsError, match=r"window\.calendar holds"):
        calendar.calendar(pd.DatetimeIndex(["2024-01-01"], tz="UTC"), (part,), "UTC")
