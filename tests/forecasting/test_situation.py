"""What forecasts each station: the model as far as its interval holds, else the baseline, with a reason."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke
from workspaces import built_once, copy_workspace, set_params

from tidegate.errors import DataError
from tidegate.forecasting.fallback import Fallback
from tidegate.forecasting.forecaster import Forecaster
from tidegate.measurements import frame as long_frame
from tidegate.windows.store import read_windows

pytestmark = pytest.mark.slow
HOUR = pd.Timedelta("1h")
LOOKBACK, HORIZON = 24, 6  # of the tiny settings
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="session")
def linear(shared: Path, template: Path) -> Path:
    """A workspace with a linear model of two years, and the errors of its baseline."""

    def train(folder: Path) -> None:
        copy_workspace(template, folder)
        set_params(folder, {"dataset.options.end": "2026-01-01T00:00:00Z"})
        for words in (["ingest"], ["validate"], ["window"], ["train", "linear"]):
            invoke(folder, *words)

    return built_once(shared / "linear", train)


@pytest.fixture(scope="session")
def forecaster(linear: Path) -> Forecaster:
    """Its forecaster, as register puts it together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(linear)
        made = Forecaster.load(Path("artifacts/models/linear"))
        panel, starts = read_windows()
        made.fallback = Fallback.measured(panel, np.concatenate([starts["train"], starts["validation"]]))
    return made


@pytest.fixture(scope="session")
def clean(linear: Path) -> pd.DataFrame:
    """What the gate left of its measurements."""
    return long_frame.read_frame(linear / "artifacts" / "clean.parquet")


def forecasts(forecaster: Forecaster, clean: pd.DataFrame, change: Change, origins: int = 60) -> pd.DataFrame:
    """Forecast from origins in the test part, with what is known up to each of them changed; `truth` beside it."""
    times = np.sort(clean["time"].unique())
    chosen = pd.DatetimeIndex(times[np.linspace(len(times) * 0.85, len(times) - HORIZON - 2, origins).astype(int)])
    made = []
    for origin in chosen:
        recent = clean[(clean["time"] <= origin) & (clean["time"] > origin - 2 * LOOKBACK * HOUR)].copy()
        frame = forecaster.check_rows(change(recent.assign(age=(origin - recent["time"]) // HOUR)).drop(columns="age"))
        made.append(forecaster.forecast_all(frame, pd.DatetimeIndex([origin])))
    rows = pd.concat(made, ignore_index=True)
    truth = clean.set_index(["station", "time"])["temperature"]
    rows["truth"] = truth.reindex(pd.MultiIndex.from_frame(rows[["station", "time"]])).to_numpy()
    return rows[rows["truth"].notna()]


def covered(rows: pd.DataFrame) -> float:
    return float(rows["truth"].between(rows["q0.05"], rows["q0.95"]).mean())


@pytest.fixture(scope="session")
def whole(forecaster: Forecaster, clean: pd.DataFrame) -> float:
    """The share of values that the 90 % intervals hold where nothing is lacking."""
    return covered(forecasts(forecaster, clean, without(DAMAGE["whole"])))


def without(condition: Callable[[pd.Series], "pd.Series[bool]"]) -> Change:
    """Make what has some ages missing."""
    return lambda rows: rows.assign(
        **{name: rows[name].mask(condition(rows["age"])) for name in rows.columns.drop(["station", "time", "age"])}
    )


DAMAGE = {
    "whole": lambda age: age < 0,
    "1 late": lambda age: age < 1,
    "3 late": lambda age: age < 3,
    "6 late": lambda age: age < 6,
    "12 late": lambda age: age < 12,
    "1 given": lambda age: age >= 1,
    "4 given": lambda age: age >= 4,
    "12 given": lambda age: age >= 12,
    "hole of 2": lambda age: (age >= 5) & (age < 7),
    "hole of 12": lambda age: (age >= 5) & (age < 17),
}


@pytest.mark.parametrize("kind", [kind for kind in DAMAGE if kind != "whole"])
def test_what_is_late_short_or_holed_keeps_its_interval(
    forecaster: Forecaster, clean: pd.DataFrame, whole: float, kind: str
) -> None:
    rows = forecasts(forecaster, clean, without(DAMAGE[kind]))
    assert covered(rows) > min(whole, 0.9) - 0.05, rows["method"].value_counts()
    assert ((rows["method"] == "baseline") == (rows["reason"] != "")).all()


@pytest.mark.parametrize("late", [1, 3])
def test_a_late_station_is_forecast_from_its_own_newest_value(
    forecaster: Forecaster, clean: pd.DataFrame, late: int
) -> None:
    rows = forecasts(forecaster, clean, without(lambda age: age < late))
    ahead = (rows["time"] - rows["origin"]) // HOUR
    assert set(ahead[rows["method"] == "model"]) == set(range(1, HORIZON - late + 1))
    beyond = rows[(ahead > HORIZON - late) & (rows["method"] == "baseline")]
    assert beyond["reason"].str.contains(f"the newest temperature is {late} step{'s' if late > 1 else ''} old").any()
    day_before = clean.set_index(["station", "time"])["temperature"].reindex(
        pd.MultiIndex.from_arrays([rows["station"], rows["time"] - 24 * HOUR])
    )
    naive = np.abs(day_before.to_numpy() - rows["truth"].to_numpy())
    assert np.nanmean(np.abs(rows["forecast"] - rows["truth"])) <= np.nanmean(naive)


def test_each_reason_says_what_is_lacking(forecaster: Forecaster, clean: pd.DataFrame) -> None:
    few = forecasts(forecaster, clean, without(lambda age: age >= 4), origins=2)
    assert set(few["reason"]) == {"4 of 24 steps of temperature measured, 22 are needed"}
    none = forecasts(forecaster, clean, lambda rows: rows[rows["station"] != "S02"], origins=2)
    assert set(none.loc[none["station"] == "S02", "reason"]) == {"no temperature in the last 24 steps"}


def test_a_covariate_that_a_station_usually_has_is_missed(forecaster: Forecaster, clean: pd.DataFrame) -> None:
    gone = forecasts(forecaster, clean, lambda rows: rows.assign(pressure=np.nan), origins=2)
    assert set(gone["reason"]) == {"no pressure in the last 24 steps"}
    late = forecasts(forecaster, clean, lambda rows: rows.assign(pressure=rows["pressure"].mask(rows["age"] < 2)), 2)
    assert set(late.loc[late["time"] - late["origin"] > 4 * HOUR, "method"]) == {"baseline"}
    assert late["reason"].str.contains("the newest pressure is 2 steps old").any()


@pytest.mark.parametrize("value", [1e6, -1e6, 1e300])
def test_a_value_beyond_all_that_was_learnt_is_left_to_the_baseline(
    forecaster: Forecaster, clean: pd.DataFrame, value: float
) -> None:
    features = len(forecaster.spec.features)
    spec = replace(forecaster.spec, lowest=(None,) * features, highest=(None,) * features)
    unlimited = Forecaster(forecaster.model, spec, forecaster.scaler, forecaster.fallback)

    def spoil(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(temperature=rows["temperature"].mask(rows["age"] == 7, value))

    rows = forecasts(unlimited, clean, spoil, origins=2)
    assert rows["forecast"].between(-60, 60).all()
    if abs(value) < 1e38:  # beyond that a net cannot hold it: it is not measured
        assert rows["reason"].str.contains("deviations from its mean, in training at most").all()


def test_no_interval_is_claimed_from_a_few_windows(linear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(linear)
    panel, starts = read_windows()
    fallback = Fallback.measured(panel, starts["train"][:10])
    quantiles = fallback.predict(panel, starts["test"][:5]).quantiles
    assert quantiles is not None and np.isnan(quantiles).all()


def test_what_was_measured_is_read_back(linear: Path, forecaster: Forecaster, tmp_path: Path) -> None:
    forecaster.fallback.save(tmp_path)
    again = Fallback.load(forecaster.spec, tmp_path)
    assert again.errors is not None and again.usual is not None and forecaster.fallback.usual is not None
    assert np.array_equal(again.errors, forecaster.fallback.errors)
    assert np.array_equal(again.usual.observed, forecaster.fallback.usual.observed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": "55,5"}, "Row 1: temperature is '55,5', which is not a number"),
        ({"time": pd.Timestamp("9999-12-31T23:00Z")}, "the year of 9999-12-31"),
    ],
)
def test_cells_that_cannot_be_read_are_refused(
    forecaster: Forecaster, clean: pd.DataFrame, change: dict[str, object], words: str
) -> None:
    rows = clean.tail(50).reset_index(drop=True).astype({"temperature": object})
    for name, value in change.items():
        rows.loc[0, name] = value
    with pytest.raises(DataError, match=words):
        forecaster.forecast(rows)


def test_a_version_without_measured_errors_gives_a_baseline_without_interval(
    forecaster: Forecaster, clean: pd.DataFrame
) -> None:
    older = Forecaster(forecaster.model, forecaster.spec, forecaster.scaler)
    rows = forecasts(older, clean, without(lambda age: age >= 4), origins=2)
    assert rows["forecast"].notna().all() and rows["q0.05"].isna().all()
