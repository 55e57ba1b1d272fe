"""Forecasts beside what was measured: what is known of each row, and how it is summed up."""

import numpy as np
import pandas as pd
import pytest

from tidegate.verification.truth import Truth
from tidegate.verification.verified import daily_scores, targets_of, verified_rows

HOUR = pd.Timedelta("1h")
START = pd.Timestamp("2025-01-01", tz="UTC")
TIMES = pd.date_range(START, periods=72, freq="h", unit="us")
NAMES = ["station", "time", "variable"]
LEVELS = ("q0.05", "q0.25", "q0.5", "q0.75", "q0.95")


def truth(values: "dict[int, float]" = {}, held: "dict[int, str]" = {}, newest: int = 71) -> Truth:  # noqa: B006
    """Levels of station A that are the hour, but for some; what is held back is missing."""
    level = pd.Series(np.arange(72.0), pd.MultiIndex.from_product([["A"], TIMES, ["level"]], names=NAMES))
    for hour, value in values.items():
        level.iloc[hour] = value
    for hour in held:
        level.iloc[hour] = np.nan
    keys = pd.MultiIndex.from_tuples([("A", TIMES[hour], "level") for hour in held], names=NAMES)
    return Truth(level, pd.Series(list(held.values()), keys, dtype="object"), TIMES[newest])


def issued(origin: int, forecasts: list[float], revision: int = 0, variable: str = "level") -> pd.DataFrame:
    """Forecasts of station A from an hour on, with quantiles 10 and 5 beside them."""
    rows = pd.DataFrame({"station": "A", "origin": TIMES[origin], "forecast": forecasts, "variable": variable})
    rows["time"] = [TIMES[origin] + HOUR * (ahead + 1) for ahead in range(len(forecasts))]
    for name, beside in zip(LEVELS, (-10, -5, 0, 5, 10), strict=True):
        rows[name] = rows["forecast"] + beside
    return rows.assign(revision=revision, method="model", reason="", late_steps=0)


def verify(forecasts: pd.DataFrame, known: Truth, before: pd.DataFrame | None = None) -> pd.DataFrame:
    return verified_rows(forecasts, known, before, 24, HOUR)


def test_each_row_has_its_truth_and_the_naive_forecast_of_its_origin() -> None:
    rows = verify(issued(40, [41.0, 45.0, 60.0]), truth())
    assert rows["truth"].tolist() == [41, 42, 43] and rows["step"].tolist() == [1, 2, 3]
    assert rows["naive"].tolist() == [17, 18, 19] and rows["naive_loss"].tolist() == [24, 24, 24]
    assert rows["loss"].tolist() == [0, 3, 17] and rows["held"].tolist() == [1, 1, 0]
    assert rows["status"].tolist() == ["verified"] * 3


def test_the_naive_forecast_never_looks_past_the_origin() -> None:
    rows = verify(issued(30, [0.0] * 26), truth())
    assert rows["naive"].iloc[23] == 30 and rows["naive"].iloc[24] == 7  # a season more, 25 steps ahead
    assert (rows["time"] - HOUR * 24 * (1 + (rows["step"] > 24)) <= rows["origin"]).all()


def test_pinball_loss_and_pit_are_those_of_the_levels() -> None:
    row = verify(issued(40, [43.5]), truth()).iloc[0]  # 2.5 too high: half way from the median down to 0.25
    missed = 41 - (43.5 + np.array([-10, -5, 0, 5, 10]))
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    assert row["pinball"] == pytest.approx(np.maximum(levels * missed, (levels - 1) * missed).mean())
    assert row["pit"] == pytest.approx(0.375)
    ends = verify(pd.concat([issued(40, [80.0]), issued(41, [0.0])]), truth())
    assert ends["pit"].tolist() == pytest.approx([0.025, 0.975])


def test_what_is_missing_held_back_or_still_to_come_is_told_apart() -> None:
    known = truth({42: np.nan}, {43: "spike"}, newest=44)
    rows = verify(issued(40, [41.0] * 6), known)
    assert rows["status"].tolist() == ["verified", "missing", "quarantined", "verified"]
    assert rows["rule"].tolist() == ["", "", "spike", ""]
    days = daily_scores(rows)
    assert days[["rows", "verified", "missing", "quarantined"]].sum().tolist() == [8, 4, 2, 2]  # both issues


def test_the_first_issue_and_the_one_that_stands_are_scored_apart() -> None:
    rows = verify(pd.concat([issued(40, [51.0, 42.0]), issued(40, [41.0], revision=1)]), truth())
    days = daily_scores(rows).set_index(["issue", "step"])["loss"]
    assert days.to_dict() == {("first", 1): 10, ("first", 2): 0, ("standing", 1): 0, ("standing", 2): 0}


def test_a_truth_that_is_corrected_later_changes_its_row_and_is_counted() -> None:
    forecasts = issued(40, [41.0, 42.0, 43.0])
    first = verify(forecasts, truth({43: np.nan}))
    second = verify(forecasts, truth({42: 50.0}), first)
    assert second["truth"].tolist() == [41, 50, 43] and second["corrected"].tolist() == [0, 1, 0]
    third = verify(forecasts, truth({42: 50.0}), second)
    assert third.equals(second), "the same inputs give the same rows"
    withdrawn = verify(forecasts, truth({42: np.nan}), third)
    assert withdrawn["corrected"].tolist() == [0, 2, 0] and withdrawn["status"].iloc[1] == "missing"


def test_an_alert_is_compared_with_whether_it_came_to_it_within_the_horizon() -> None:
    name = "level above 50"
    chances = [issued(origin, [0.8], variable=name).assign(time=TIMES[origin + 6]) for origin in (40, 44, 45, 60)]
    rows = verify(pd.concat(chances), truth({63: np.nan}))
    assert rows["truth"].tolist()[:3] == [0, 0, 1]
    assert rows["status"].tolist() == ["verified"] * 3 + ["missing"]
    assert rows["loss"].tolist()[:3] == pytest.approx([0.64, 0.64, 0.04])
    assert targets_of(rows) == ["level"] and targets_of(issued(1, [1.0])) == ["level"]
    assert daily_scores(rows)["skill"].isna().all()


def test_skill_is_against_the_naive_forecast_where_that_exists() -> None:
    rows = verify(issued(10, [0.0] * 20), truth())  # the season before is known only for the last rows
    known = rows["naive"].notna()
    assert known.sum() == 7
    days = daily_scores(rows).query("issue == 'first'")
    assert days["skill"].notna().sum() == 7


def test_an_alert_beside_a_value_that_is_held_back_is_held_back_too() -> None:
    chance = issued(40, [0.8], variable="level above 50").assign(time=TIMES[46])
    rows = verify(chance, truth(held={44: "spike"}))
    assert rows["status"].tolist() == ["quarantined"] and rows["truth"].isna().all()


def test_one_quantile_is_no_interval() -> None:
    forecasts = issued(40, [41.0]).drop(columns=[name for name in LEVELS if name != "q0.5"])
    assert verify(forecasts, truth())["held"].isna().all()


def test_what_was_verified_stands_where_data_no_longer_reach() -> None:
    forecasts = issued(40, [41.0, 45.0, 43.0])
    first = verify(forecasts, truth())
    again = verify(forecasts, truth(newest=41), first)
    assert again.equals(first)
    assert verify(forecasts, truth(newest=41))["truth"].tolist() == [41]


def test_nothing_to_verify_gives_no_rows() -> None:
    rows = verify(issued(70, [1.0]), truth(newest=70))
    assert rows.empty and daily_scores(rows).empty
