"""Rules for series: each against a plain twin, in any order of rows, and as an expectation of its own."""

from collections.abc import Callable

import great_expectations as gx
import numpy as np
import pandas as pd
import pytest

from tidegate.quality import drift, rules
from tidegate.quality import expectations as expect

HOUR = pd.Timedelta("1h")


def series(values: list[float], station: str = "A", start: str = "2024-01-01", step: str = "1h") -> pd.DataFrame:
    times = pd.date_range(start, periods=len(values), freq=step, tz="UTC", unit="us")
    return pd.DataFrame({"station": station, "time": times, "x": np.array(values, float)})


def columns(frame: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    return frame["station"], frame["time"], frame["x"]


def noisy(hours: int = 600, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = [series(list(rng.integers(0, 4, hours).astype(float)), name) for name in "ABC"]
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[rng.random(len(frame)) < 0.2, "x"] = np.nan
    return frame[rng.random(len(frame)) > 0.1].reset_index(drop=True)


def stuck_plainly(frame: pd.DataFrame, steps: int, floor: float | None) -> list[bool]:
    marks = [False] * len(frame)
    run = [0]
    for row in range(1, len(frame) + 1):
        goes_on = row < len(frame) and (
            frame["station"][row] == frame["station"][row - 1]
            and frame["time"][row] - frame["time"][row - 1] == HOUR
            and frame["x"][row] == frame["x"][row - 1]
        )
        if goes_on:
            run.append(row)
            continue
        if len(run) > steps and (floor is None or frame["x"][run[0]] > floor):
            for each in run[1:]:
                marks[each] = True
        run = [row]
    return marks


def gaps_plainly(frame: pd.DataFrame, steps: int) -> list[bool]:
    marks, last = [False] * len(frame), {}
    for row, (station, time, value) in enumerate(zip(*columns(frame), strict=True)):
        if np.isnan(value):
            continue
        if station in last and (time - last[station]) / HOUR - 1 > steps:
            marks[row] = True
        last[station] = time
    return marks


@pytest.mark.parametrize("floor", [None, 1.0])
def test_stuck_values_are_what_a_plain_loop_says(floor: float | None) -> None:
    frame = noisy()
    marks = rules.stuck(*columns(frame), "1h", 2, floor)
    assert marks.any() and marks.tolist() == stuck_plainly(frame, 2, floor)


def test_gaps_are_what_a_plain_loop_says() -> None:
    frame = noisy()
    marks = rules.gap(*columns(frame), "1h", 3)
    assert marks.any() and marks.tolist() == gaps_plainly(frame, 3)


@pytest.mark.parametrize(
    "rule",
    [
        lambda frame: rules.stuck(*columns(frame), "1h", 2),
        lambda frame: rules.gap(*columns(frame), "1h", 3),
        lambda frame: rules.missing(*columns(frame), 0.15),
        lambda frame: rules.freshness(*columns(frame), "1h", 0),
        lambda frame: rules.spike(*columns(frame), "1h", 1.0),
        lambda frame: rules.off_grid(frame["station"], frame["time"], "2h"),
        lambda frame: rules.clock_change(frame["station"], frame["time"], "Europe/Berlin", "1h"),
    ],
)
def test_the_order_of_rows_does_not_matter(rule: Callable[[pd.DataFrame], np.ndarray]) -> None:
    frame = noisy(20_000)
    marks = rule(frame)
    shuffled = frame.sample(frac=1, random_state=1)
    assert marks.any() and not marks.all()
    again = pd.Series(rule(shuffled.reset_index(drop=True)), index=shuffled.index).sort_index()
    assert again.tolist() == marks.tolist()


def test_a_spike_stands_out_from_both_neighbours_by_a_robust_z_score() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal(500).cumsum()
    values[100] += 40  # a spike
    values[300:] += 40  # a step is none
    frame = series(list(values))
    assert np.flatnonzero(rules.spike(*columns(frame), "1h", 15)).tolist() == [100]
    bend = np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2)
    z = min(values[100] - values[99], values[100] - values[101]) / (1.4826 * np.median(bend))
    assert (
        rules.spike(*columns(frame), "1h", z * 0.999).any() and not rules.spike(*columns(frame), "1h", z * 1.001)[100]
    )


def test_the_scale_of_spikes_is_that_of_the_station_and_the_season() -> None:
    rng = np.random.default_rng(2)
    calm, wild = rng.normal(0, 0.1, 24 * 60), rng.normal(0, 10, 24 * 60)
    calm[500], wild[500] = 5, 5
    frame = pd.concat([series(list(calm), "calm"), series(list(wild), "wild")], ignore_index=True)
    assert np.flatnonzero(rules.spike(*columns(frame), "1h", 10)).tolist() == [500]
    seasons = pd.concat(
        [series(list(calm), start="2024-01-02"), series(list(wild), start="2024-07-01")], ignore_index=True
    )
    assert np.flatnonzero(rules.spike(*columns(seasons), "1h", 10)).tolist() == [500]


def test_what_rests_at_its_floor_is_not_stuck() -> None:
    rain = series([0.0] * 30 + [1.2] * 9 + [0.0] * 30)
    assert np.flatnonzero(rules.stuck(*columns(rain), "1h", 6, floor=0.0)).tolist() == list(range(31, 39))


def test_hours_of_a_zone_that_is_half_an_hour_off_are_regular() -> None:
    times = pd.Series(pd.to_datetime(["2024-01-01 00:30", "2024-01-01 01:30", "2024-01-01 02:00"], utc=True))
    station = pd.Series(["A"] * 3)
    assert rules.off_grid(station, times, "1h").tolist() == [False, False, True]
    assert rules.off_grid(station, times, "1h", offset=0).tolist() == [True, True, False]


def test_rows_that_are_not_later_than_the_one_before_are_out_of_order() -> None:
    times = pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-01", "2024-01-03"], utc=True))
    assert rules.unordered(pd.Series(list("AAAA")), times).tolist() == [False, False, True, False]
    assert rules.unordered(pd.Series(list("ABBA")), times).tolist() == [False, False, True, False]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_an_hour_lost_where_the_clock_is_changed_is_reported_and_another_is_not(zone: str) -> None:
    frame = series([1.0] * 24 * 365, start="2024-01-01", step="30min")
    changes = [
        pd.Timestamp(when, unit="us", tz="UTC")
        for when, _ in rules.clock_changes(zone, 2024)
        if when < 1_719_000_000_000_000
    ]
    (change,) = changes
    here = frame[frame["time"] != change].reset_index(drop=True)
    marks = rules.clock_change(here["station"], here["time"], zone, "30min")
    assert here["time"][marks].tolist() == [change + pd.Timedelta("30min")]
    elsewhere = frame[frame["time"] != change + pd.Timedelta("5h")].reset_index(drop=True)
    assert not rules.clock_change(elsewhere["station"], elsewhere["time"], zone, "30min").any()


def test_local_times_without_a_zone_show_a_missing_and_a_doubled_hour() -> None:
    times = pd.to_datetime(
        [
            "2024-03-31 01:00",
            "2024-03-31 02:00",
            "2024-10-27 02:00",
            "2024-10-27 03:00",
            "2023-10-29 02:00",
            "2023-10-29 02:00",
        ]
    )
    frame = pd.DataFrame({"station": "A", "time": times})
    marks = rules.clock_change(frame["station"], frame["time"], "Europe/Berlin", "1h")
    assert marks.tolist() == [False, True, True, False, False, False]


def test_missing_values_before_the_first_one_do_not_count() -> None:
    frame = series([np.nan] * 50 + [1.0] * 45 + [np.nan] * 5)
    assert not rules.missing(*columns(frame), 0.1).any()
    assert np.flatnonzero(rules.missing(*columns(frame), 0.09)).tolist() == list(range(95, 100))


def test_a_profile_holds_the_deciles_of_each_month_of_the_year() -> None:
    frame = series(list(np.random.default_rng(3).normal(size=24 * 40)))
    made = drift.profile(*columns(frame))
    january = frame.loc[frame["time"].dt.month == 1, "x"]
    assert made["month"].tolist() == [1, 2] and made["values"].tolist() == [744, 216]
    deciles = np.quantile(january, np.linspace(0, 1, 11), method="nearest")
    assert made.loc[0, drift.QUANTILES].astype(float).tolist() == pytest.approx(deciles.tolist(), abs=0.02)
    assert made.loc[0, "f10"] == 1.0


def test_the_distances_are_those_of_their_formulas() -> None:
    rng = np.random.default_rng(4)
    old, new = rng.normal(size=2000), rng.normal(0.5, 1.5, size=1000)
    row = drift.profile(*columns(series(list(old), step="1min"))).iloc[0]
    psi, ks = drift.distances(row, new)
    edges = row[drift.QUANTILES].to_numpy(float)
    f, g = ([(part <= edge).mean() for edge in edges] for part in (old, new))
    assert ks == pytest.approx(max(abs(a - b) for a, b in zip(f, g, strict=True)))
    p, q = (np.maximum(np.diff([0, *each, 1]), 1e-3) for each in (f, g))
    assert psi == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    assert drift.distances(row, old)[0] < 0.05 and drift.distances(row, old)[1] == pytest.approx(0, abs=1e-9)


def test_each_expectation_works_alone_in_a_suite_of_great_expectations() -> None:
    rng = np.random.default_rng(5)
    frame = series(list(rng.normal(size=24 * 40).cumsum()))
    frame.loc[200, "x"] += 50
    frame.loc[400:410, "x"] = 3.0
    frame = frame.drop(index=range(600, 650)).reset_index(drop=True)
    asset = gx.get_context(mode="ephemeral").data_sources.add_pandas("p").add_dataframe_asset("a")
    batch = asset.add_batch_definition_whole_dataframe("b").get_batch({"dataframe": frame})
    keys = ["station", "time"]
    found = {}
    for name, expectation in {
        "regular": expect.ExpectRegularTimes(column_list=keys, frequency="1h"),
        "order": expect.ExpectTimesInOrder(column_list=keys),
        "clock": expect.ExpectNoHourLostToClockChange(column_list=keys, time_zone="Europe/Berlin", frequency="1h"),
        "spike": expect.ExpectNoSpike(column_list=[*keys, "x"], frequency="1h", z=20),
        "stuck": expect.ExpectNoStuckSensor(column_list=[*keys, "x"], frequency="1h", steps=6),
        "gap": expect.ExpectNoLongGap(column_list=[*keys, "x"], frequency="1h", steps=24),
        "missing": expect.ExpectFewMissing(column_list=[*keys, "x"], share=0.1),
        "fresh": expect.ExpectFreshData(column_list=[*keys, "x"], frequency="1h", steps=3, until="2024-03-01"),
    }.items():
        found[name] = batch.validate(expectation).result["unexpected_count"]
    assert found == {"regular": 0, "order": 0, "clock": 0, "spike": 1, "stuck": 10, "gap": 1, "missing": 0, "fresh": 1}
