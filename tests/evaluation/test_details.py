"""What is shown beside scores: checked against sums made by hand from windows that are simple enough."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candidates import BEGINS, erring, origins_of, spec

from tidegate.evaluation import details, origins
from tidegate.evaluation.tally import Tally, tally
from tidegate.workspace.progress import no_progress

HORIZON = 6


@pytest.fixture
def test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> origins.TestOrigins:
    monkeypatch.chdir(tmp_path)
    return origins_of(spec())


def of_one(test: origins.TestOrigins, error: np.ndarray) -> dict[str, Tally]:
    """Sum up a candidate that errs so, (windows, horizon), in both targets."""
    return tally({"m": erring(test, error[..., None])}, test, no_progress)


def test_an_hour_is_that_of_the_time_forecast_where_the_stations_are(test: origins.TestOrigins) -> None:
    ahead = test.starts[:, 1, None] + test.panel.spec.lookback_steps - 1 + np.arange(1, HORIZON + 1)
    error = np.where((ahead + 9) % 24 == 7, 3.0, 1.0)  # at seven in Tokyo, nine hours ahead
    rows = details.by_hour(of_one(test, error), test).set_index("hour")["loss"]
    assert rows[7] == pytest.approx(3) and rows.drop(7).to_numpy() == pytest.approx(np.ones(23))


def test_steps_of_a_day_have_no_hours(test: origins.TestOrigins) -> None:
    daily = origins_of(spec(frequency="1D"))
    assert details.by_hour(of_one(daily, np.ones((len(daily.starts), HORIZON))), daily).empty


def test_a_quantile_holds_what_lies_below_it(test: origins.TestOrigins) -> None:
    first = test.starts[:, 0] == 0
    share = 1 - np.isfinite(test.measured[first]).sum() / np.isfinite(test.measured).sum()
    error = np.where(first[:, None], -2.0, np.zeros(HORIZON))  # one station's are above the highest quantile
    rows = details.calibration(of_one(test, error), test).set_index("promised")["held"]
    assert rows[0.05] == 0 and rows.loc[[0.5, 0.95]].to_numpy() == pytest.approx(share)


def test_all_candidates_are_shown_at_the_same_stations_one_horizon_after_another(test: origins.TestOrigins) -> None:
    by_station = np.array([2.0, 1.0, 4.0, 3.0])[test.starts[:, 0]][:, None, None] * np.ones((HORIZON, 1))
    candidates = {"base": erring(test, by_station), "other": erring(test, 2 * by_station)}
    rows = details.shown_forecasts(candidates, tally(candidates, test, no_progress), test)
    assert dict(rows.groupby("rank")["station"].agg(lambda names: "".join(set(names)))) == {
        "easiest": "S1", "median": "S3", "hardest": "S2",
    }  # fmt: skip
    last = BEGINS + pd.Timedelta(hours=int(test.starts[:, 1].max()) + test.panel.spec.lookback_steps - 1 + HORIZON)
    for _, part in rows.groupby(["model", "station"]):
        assert list(part["time"]) == list(
            pd.date_range(part["time"].iloc[0], periods=details.HORIZONS_SHOWN * HORIZON, freq="1h")
        )
        assert part["time"].max() == last
        assert set(part["time"] - part["origin"]) == {pd.Timedelta(hours=step) for step in range(1, HORIZON + 1)}
    error = (rows["forecast"] - rows["measured"]).groupby([rows["model"], rows["station"]]).mean()
    assert error["base"].to_dict() == pytest.approx({"S1": 1, "S2": 4, "S3": 3})
