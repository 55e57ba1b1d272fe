"""What is shown beside scores: checked against sums made by hand from windows that are simple enough."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tidegate.evaluation import details
from tidegate.evaluation.metrics import Comparison

BEGINS = pd.Timestamp("2024-01-01T00:00Z")
STATIONS, HORIZON, WINDOWS = ("A", "B", "C", "D"), 6, 96


@dataclass
class Spec:
    """As much of a window's spec as is asked for."""

    stations: tuple[str, ...] = STATIONS
    frequency: str = "1h"
    horizon_steps: int = HORIZON
    target_steps: int = HORIZON
    time_zone: str = "Asia/Tokyo"  # nine hours ahead
    alert: Any = None


@dataclass
class Origins:
    """As much of test origins: every station from each of 96 origins."""

    panel: Any
    starts: np.ndarray


@dataclass
class Panel:
    spec: Spec


@pytest.fixture
def test(monkeypatch: pytest.MonkeyPatch) -> Any:
    starts = np.stack([np.repeat(np.arange(4), WINDOWS), np.tile(np.arange(WINDOWS), 4)], axis=1)
    monkeypatch.setattr(details, "origin_times", lambda test: BEGINS + pd.to_timedelta(test.starts[:, 1], unit="h"))
    return Origins(Panel(Spec()), starts)


def compared(test: Any, error: np.ndarray) -> Comparison:
    """Forecasts that err so, (windows, horizon), with quantiles one below and one above."""
    measured = np.random.default_rng(1).normal(size=(len(test.starts), HORIZON, 1))
    point = measured + error[..., None]
    return Comparison(
        point, measured, np.ones((len(measured), 1, 1)), np.stack([point - 1, point, point + 1], -1), (0.05, 0.5, 0.95)
    )


def test_an_hour_is_that_of_the_time_forecast_where_the_stations_are(test: Any) -> None:
    ahead = test.starts[:, 1, None] + np.arange(1, HORIZON + 1)
    error = np.where((ahead + 9) % 24 == 7, 3.0, 1.0)  # at seven in Tokyo
    rows = details.by_hour({"m": compared(test, error)}, test).set_index("hour")["loss"]
    assert rows[7] == pytest.approx(3) and rows.drop(7).to_numpy() == pytest.approx(np.ones(23))


def test_steps_of_a_day_have_no_hours(test: Any) -> None:
    test.panel.spec.frequency = "1D"
    assert details.by_hour({"m": compared(test, np.ones((4 * WINDOWS, HORIZON)))}, test).empty


def test_a_quantile_holds_what_lies_below_it(test: Any) -> None:
    error = np.zeros((4 * WINDOWS, HORIZON))
    error[:WINDOWS] = -2.0  # a quarter is measured above the highest quantile
    rows = details.calibration({"m": compared(test, error)}, test).set_index("promised")["held"]
    assert rows[0.05] == 0 and rows[0.5] == 0.75 and rows[0.95] == 0.75


def test_all_candidates_are_shown_at_the_same_stations_one_horizon_after_another(test: Any) -> None:
    by_station = np.array([2.0, 1.0, 4.0, 3.0])[test.starts[:, 0]]
    base = compared(test, np.repeat(by_station[:, None], HORIZON, axis=1))
    other = compared(test, np.repeat(2 * by_station[:, None], HORIZON, axis=1))
    rows = details.shown_forecasts({"base": base, "other": other}, test)
    assert dict(rows.groupby("rank")["station"].agg(lambda names: "".join(set(names)))) == {
        "easiest": "B", "median": "D", "hardest": "C",
    }  # fmt: skip
    for _, part in rows.groupby(["model", "station"]):
        assert list(part["time"]) == list(
            pd.date_range(part["time"].iloc[0], periods=details.HORIZONS_SHOWN * HORIZON, freq="1h")
        )
        assert part["time"].max() == BEGINS + pd.Timedelta(hours=WINDOWS - 1 + HORIZON)
        assert set(part["time"] - part["origin"]) == {pd.Timedelta(hours=step) for step in range(1, HORIZON + 1)}
    error = (rows["forecast"] - rows["measured"]).groupby([rows["model"], rows["station"]]).mean()
    assert error["base"].to_dict() == pytest.approx({"B": 1, "C": 4, "D": 3})
