"""The calendar: of the zone, and of the country's holidays."""

import numpy as np
import pandas as pd
import pytest

from tidegate.errors import SettingsError
from tidegate.windows.calendar import calendar_columns, calendar_values


def test_the_calendar_is_that_of_the_zone_and_meets_itself_at_midnight() -> None:
    times = pd.date_range("2024-03-30 22:00", periods=48, freq="h", tz="UTC")
    found = calendar_values(times, ("hour", "weekday"), "Europe/Berlin")
    assert calendar_columns(("hour", "weekday")) == ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
    assert found.shape == (48, 4) and found.dtype == np.float32
    midnight = list(times.tz_convert("Europe/Berlin").hour).index(0)
    assert found[midnight, :2] == pytest.approx([0, 1], abs=1e-6)
    assert np.allclose(np.hypot(found[:, 0], found[:, 1]), 1, atol=1e-6)
    # the hour that summer time leaves out is a leap of two
    angle = np.unwrap(np.arctan2(found[:, 0], found[:, 1]))
    assert sorted(np.round(np.diff(angle) * 24 / (2 * np.pi)).astype(int)) == [1] * 46 + [2]


def test_holidays_are_those_of_the_country_and_its_part() -> None:
    times = pd.DatetimeIndex(["2024-10-03", "2024-08-15", "2024-08-16"], tz="UTC")
    assert calendar_values(times, ("holidays:DE",), "UTC")[:, 0].tolist() == [1, 0, 0]
    assert calendar_values(times, ("holidays:DE-SL",), "UTC")[:, 0].tolist() == [1, 1, 0]


@pytest.mark.parametrize("part", ["hours", "holidays", "holidays:XX"])
def test_an_unknown_part_of_the_calendar_is_refused(part: str) -> None:
    with pytest.raises(SettingsError, match=r"window\.calendar holds"):
        calendar_values(pd.DatetimeIndex(["2024-01-01"], tz="UTC"), (part,), "UTC")
