"""Watching verified forecasts: a change is found within days, a healthy year is quiet."""

import numpy as np
import pandas as pd
import pytest

from tidegate.verification.watch import COVERAGE, NETWORK, SKILL, VIOLATION, Change, watch_days
from tidegate.workspace.settings import Watch

STATIONS = [f"S{number}" for number in range(1, 7)]
CALM, YEAR = 120, 365  # days of the test span, and watched
WATCH = Watch()


def scores(days: int, seed: int, first: str, worse: "dict[str, tuple[int, float]] | None" = None) -> pd.DataFrame:
    """Days of six stations: weather that makes days hard for model and naive forecast alike, and some noise.

    `worse` multiplies a station's loss from a day on, and takes half as much of its coverage.
    """
    rng = np.random.default_rng(seed)
    weather = np.zeros(days)
    for day in range(1, days):
        weather[day] = 0.7 * weather[day - 1] + rng.normal(0, 0.25)
    parts = []
    for station in STATIONS:
        loss = np.exp(weather + rng.normal(0, 0.15, days))
        held = rng.binomial(60, 0.9, days) / 60  # 144 forecasts that overlap are worth some 60
        if worse and station in worse:
            since, factor = worse[station]
            loss[since:] *= factor
            held[since:] -= (factor - 1) / 2 * 0.4
        naive = 1.6 * np.exp(weather + rng.normal(0, 0.15, days))
        frame = pd.DataFrame({"day": pd.date_range(first, periods=days, tz="UTC"), "loss": loss, "naive_loss": naive})
        parts.append(frame.assign(station=station, verified=144, coverage=held))
    return pd.concat(parts, ignore_index=True)


def kept(days: pd.DataFrame) -> pd.DataFrame:
    """Give days as verification keeps them."""
    return days.assign(issue="standing", step=1, variable="level", compared_loss=days["loss"])


def watched(seed: int, worse: "dict[str, tuple[int, float]] | None" = None) -> list[Change]:
    days = scores(YEAR, seed + 1000, "2025-01-01", worse).pipe(kept)
    reference = scores(CALM, seed, "2024-08-01")
    return watch_days(days, reference, 0.9, WATCH)


def test_a_healthy_year_has_less_than_one_false_alarm() -> None:
    alarms = [len(watched(seed)) for seed in range(40)]
    assert np.mean(alarms) <= 1, alarms


def test_a_station_that_drifts_is_named_with_the_day_it_began() -> None:
    delays, begun = [], []
    for seed in range(12):
        changes = [c for c in watched(seed, {"S3": (100, 1.5)}) if c.station == "S3" and c.kind == SKILL]
        assert changes, seed
        first = pd.Timestamp("2025-01-01")
        delays.append((pd.Timestamp(changes[0].raised) - first).days - 100)
        begun.append((pd.Timestamp(changes[0].since) - first).days - 100)
    assert max(delays) <= 30 and min(delays) >= 0, delays
    assert np.median(np.abs(begun)) <= 3, begun


def test_intervals_that_hold_less_are_found_though_skill_is_the_same() -> None:
    days = scores(YEAR, 7, "2025-01-01").pipe(kept)
    late = days["day"] >= pd.Timestamp("2025-05-01", tz="UTC")
    days["coverage"] -= 0.08 * late
    changes = watch_days(days, scores(CALM, 8, "2024-08-01"), 0.9, WATCH)
    (change,) = [change for change in changes if change.station == NETWORK and change.kind == COVERAGE]
    assert "2025-04-20" <= change.since < "2025-05-10" and "90% intervals held" in change.figures
    assert len(changes) > 4, "at most stations too"


def test_worse_than_naive_on_most_of_the_last_days_is_a_violation() -> None:
    changes = watched(3, {"S2": (YEAR - 12, 2.5)})
    (violation,) = [change for change in changes if change.kind == VIOLATION]
    assert violation.station == "S2" and "of the last 14 days" in violation.figures
    assert violation.raised == "2025-12-31"


def test_a_version_without_test_scores_is_compared_with_its_own_first_days() -> None:
    days = scores(200, 5, "2025-01-01", {"S4": (110, 1.8)}).pipe(kept)
    changes = watch_days(days, None, 0.9, WATCH)
    assert {"S4"} <= {change.station for change in changes} <= {"S4", NETWORK}
    assert all(change.since >= "2025-04-1" for change in changes if change.station == "S4" and change.kind == SKILL)
    assert watch_days(days[days["day"] < "2025-02-20"], None, 0.9, WATCH) == [], "too few days to compare with"


def test_a_day_that_is_hardly_verified_yet_is_not_judged() -> None:
    days = scores(60, 9, "2025-01-01").pipe(kept)
    last = days["day"] == days["day"].max()
    spoilt = days.assign(compared_loss=days["loss"].mask(last, 1e6), verified=days["verified"].mask(last, 6))
    reference = scores(CALM, 10, "2024-08-01")
    assert watch_days(spoilt, reference, 0.9, WATCH) == watch_days(days[~last], reference, 0.9, WATCH)


@pytest.mark.parametrize("empty", ["loss", "naive_loss", "coverage"])
def test_what_is_not_known_raises_nothing(empty: str) -> None:
    days = scores(60, 11, "2025-01-01").assign(**{empty: np.nan}).pipe(kept)
    reference = scores(CALM, 12, "2024-08-01").assign(**{empty: np.nan})
    assert watch_days(days, reference, 0.9, WATCH) == []
    assert watch_days(days.iloc[:0], reference, 0.9, WATCH) == []
