"""Adapted intervals: after a shift they hold again what they promise, and only what was measured moves them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from tidegate.measurements import frame as long_frame
from tidegate.verification.adaptive import track, with_adapted
from tidegate.verification.places import ROWS
from tidegate.workspace.paths import VERIFICATION

HOUR = pd.Timedelta("1h")
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NAMES = [f"q{level:g}" for level in LEVELS]
STEPS = (1, 6, 24)
DAYS, SHIFT, RATE = 110, 50, 0.05


def verified(seed: int, days: int = DAYS, shift: int = SHIFT) -> pd.DataFrame:
    """Hourly forecasts some steps ahead, of intervals that are right until the errors grow by 60 % and move.

    Errors `k` steps ahead are sums of `k` shocks, as those of overlapping forecasts are.
    """
    rng = np.random.default_rng(seed)
    times = pd.date_range("2025-01-01", periods=days * 24, freq="h", tz="UTC", unit="us")
    late = np.arange(len(times)) >= shift * 24
    parts = []
    for step in STEPS:
        error = np.convolve(rng.normal(size=len(times) + step - 1), np.ones(step) / np.sqrt(step), "valid")
        truth = np.where(late, 0.8 + 1.6 * error, error)
        columns = dict(zip(NAMES, norm.ppf(LEVELS), strict=True))
        origin = times - step * HOUR
        rows = pd.DataFrame({"station": "A", "variable": "level", "step": step, "time": times, "origin": origin})
        parts.append(rows.assign(truth=truth, method="model", standing=True, **columns))
    return pd.concat(parts, ignore_index=True)


def held(rows: pd.DataFrame, low: "pd.Series[float]", high: "pd.Series[float]", days: slice) -> float:
    span = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta([days.start, days.stop], unit="D")
    inside = rows["time"].between(*span)
    return float(((rows["truth"] >= low) & (rows["truth"] <= high))[inside].mean())


def adapted(rows: pd.DataFrame) -> pd.DataFrame:
    states = track(rows, NAMES, RATE, pd.DatetimeIndex(rows["origin"].unique()).sort_values())
    keys = pd.MultiIndex.from_frame(rows[["origin", "station", "variable", "step"]])
    return rows.assign(**(rows[NAMES] + states.reindex(keys).fillna(0.0).to_numpy()))


def test_five_weeks_after_a_shift_they_hold_again_what_they_promise_and_static_ones_do_not() -> None:
    static, moved, calm = [], [], []
    for seed in range(6):
        rows = verified(seed)
        after = adapted(rows)
        static.append(held(rows, rows["q0.05"], rows["q0.95"], slice(SHIFT + 35, DAYS)))
        moved.append(held(rows, after["q0.05"], after["q0.95"], slice(SHIFT + 35, DAYS)))
        calm.append(held(rows, after["q0.05"], after["q0.95"], slice(15, SHIFT)))
    assert np.mean(static) < 0.75
    assert 0.88 <= np.mean(moved) <= 0.92, moved
    assert 0.86 <= np.mean(calm) <= 0.92, calm


def test_only_what_was_measured_by_the_origin_moves_a_forecast() -> None:
    rows = verified(1, days=20, shift=10)
    origin = pd.DatetimeIndex(["2025-01-12T05:00Z"])
    whole = track(rows, NAMES, RATE, origin)
    past = track(rows[rows["time"] <= origin[0]], NAMES, RATE, origin)
    assert whole.equals(past)
    assert not whole.equals(track(rows[rows["time"] < origin[0]], NAMES, RATE, origin))


def test_an_origin_gets_the_same_alone_and_among_others() -> None:
    rows = verified(2, days=20, shift=10)
    origins = pd.date_range("2025-01-05", periods=200, freq="h", tz="UTC", unit="us")
    among = track(rows, NAMES, RATE, origins)
    for origin in origins[::67]:
        alone = track(rows, NAMES, RATE, pd.DatetimeIndex([origin]))
        assert alone.loc[origin].equals(among.loc[origin])


def forecasts(method: str = "model") -> pd.DataFrame:
    origin = pd.Timestamp("2025-01-12T05:00Z")
    rows = pd.DataFrame({"station": "A", "variable": "level", "origin": origin, "method": method}, index=range(24))
    rows["time"] = [origin + HOUR * step for step in range(1, 25)]
    return rows.assign(**dict(zip(NAMES, norm.ppf(LEVELS), strict=True)))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What has been verified of a version."""
    monkeypatch.chdir(tmp_path)
    long_frame.write_frame(VERIFICATION / "v" / ROWS / "2025-01.parquet", verified(3, days=20, shift=5))


@pytest.mark.usefixtures("known")
def test_the_forecast_s_own_quantiles_are_kept_beside_the_adapted_ones() -> None:
    rows = with_adapted(forecasts(), "v", RATE, HOUR)
    adapted_names = [f"adapted_{name}" for name in NAMES]
    assert rows[NAMES].equals(forecasts()[NAMES])
    assert (rows[adapted_names].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None), "they stay in order"
    moved = (rows["adapted_q0.95"] - rows["q0.95"]).to_numpy()
    assert (moved[[0, 5, 23]] > 0.1).all(), "the errors have grown"
    assert (moved[1:5] == 0).all(), "nothing was verified so many steps ahead"


@pytest.mark.usefixtures("known")
def test_a_baseline_and_a_rate_of_0_are_left_alone() -> None:
    for rows in (with_adapted(forecasts("baseline"), "v", RATE, HOUR), with_adapted(forecasts(), "v", 0.0, HOUR)):
        assert (rows["adapted_q0.95"] == rows["q0.95"]).all() and (rows["adapted_q0.05"] == rows["q0.05"]).all()


def test_alerts_have_no_quantiles_to_adapt() -> None:
    rows = forecasts().drop(columns=NAMES)
    assert with_adapted(rows, "v", RATE, HOUR) is rows
