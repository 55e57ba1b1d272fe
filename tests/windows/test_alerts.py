"""Alerts: whether a target gets above a limit within the horizon, from params.yaml to the registered model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke
from grids import grid_of
from panels import spec_of
from workspaces import set_params

from tidegate.cli.tables import score_table
from tidegate.forecasting.forecaster import Forecaster
from tidegate.measurements import frame
from tidegate.windows.alerts import alert_events
from tidegate.windows.splits import starts_in
from tidegate.workspace.settings import load_settings

MODELS = {
    "prior": {"family": "naive", "method": "prior"},
    "persistence": {"family": "naive", "method": "persistence"},
    "linear": {"family": "autoregressive", "ridge": 0.001},
    "gru": {"family": "recurrent", "cell": "gru", "units": 8},
}
ALERT = {
    "window.alert": {"above": 0.0},
    "window.calendar": ["hour", "day_of_year"],
    "evaluate.metric": "brier",
    "models": MODELS,
    "train.epochs": 1,
}


def test_an_alert_is_held_where_the_horizon_reaches_the_limit_and_unknown_beside_a_gap() -> None:
    spec = replace(spec_of(1, 1, lookback=2, horizon=3), alert=("above", 4.0))
    series = np.array([1, 2, 5, 1, 1, 1, np.nan, 9, 1, 1.0]).reshape(1, -1, 1)
    held = alert_events(grid_of(series), spec)
    assert held is not None
    expected = [1, 1, 1, 0, np.nan, np.nan, np.nan, 1, np.nan, np.nan]
    assert np.array_equal(held[0], np.array(expected, np.float32), equal_nan=True)
    below = alert_events(grid_of(series), replace(spec, alert=("below", 1.5)))
    assert below is not None and below[0, :4].tolist() == [1, 1, 1, 1]


def test_windows_of_an_alert_are_those_where_it_is_known() -> None:
    spec = replace(spec_of(1, 1, lookback=2, horizon=3), alert=("above", 4.0))
    series = np.array([1, 2, 5, 1, 1, 1, np.nan, 9, 1, 1.0]).reshape(1, -1, 1)
    starts = starts_in(grid_of(series), spec, (0, 10), 0.5)
    assert (starts[:, 1] + 2).tolist() == [2, 3, 7]


@pytest.mark.slow
def test_an_alert_goes_through_every_stage(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_params(workspace, ALERT)
    trainings = [["train", name] for name in MODELS]
    for words in (["ingest"], ["validate"], ["window"], *trainings, ["evaluate"], ["register"]):
        invoke(workspace, *words)
    monkeypatch.chdir(workspace)
    assert str(score_table(load_settings()).title).endswith("temperature above 0 within 6 steps")
    scores = json.loads((workspace / "artifacts/evaluation/metrics.json").read_text())
    assert set(scores) == set(MODELS)
    assert {"brier", "log_loss", "auroc", "average_precision", "accuracy", "macro_f1", "skill"} <= set(scores["linear"])
    assert scores["persistence"]["brier"] < scores["prior"]["brier"]
    assert scores["linear"]["auroc"] > 0.8
    clean = frame.read_frame(Path("artifacts/clean.parquet"))
    recent = clean[clean["time"] > clean["time"].max() - pd.Timedelta("24h")]
    for name in MODELS:
        rows = Forecaster.load(Path("artifacts/models") / name).forecast(recent)
        assert list(rows.columns) == ["station", "origin", "time", "variable", "forecast", "method", "reason"]
        assert len(rows) == 3 and rows["forecast"].between(0, 1).all()
        assert set(rows["variable"]) == {"temperature above 0"}
        assert (rows["time"] - rows["origin"] == pd.Timedelta("6h")).all()


@pytest.mark.slow
def test_an_alert_that_training_never_saw_is_refused(workspace: Path) -> None:
    set_params(workspace, {**ALERT, "window.alert": {"above": 500.0}})
    for stage in ("ingest", "validate"):
        invoke(workspace, stage)
    done = invoke(workspace, "window", check=False)
    assert done.returncode == 2
    assert "temperature gets above 500 in none of the" in done.stdout + done.stderr
    assert not (workspace / "artifacts/windows").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"window.alert": {"above": 1.0, "below": 0.0}}, "give one of above and below"),
        ({"evaluate.metric": "mae"}, "an alert is ranked by brier or log_loss"),
        ({"models.gru.output": "quantiles"}, "models.gru.output and head are for values"),
        ({"models.prior.method": "seasonal"}, "models.prior.method is seasonal, which is for values"),
        ({"window.quantiles": [0.5, 1.5]}, "window.quantiles"),
        ({"window.quantiles": [0.1, 0.9]}, "with 0.5 among them"),
        ({"dataset.covariates": ["humidity", "ozone"]}, "it names 'ozone', which is not in dataset.variables"),
        ({"window.calendar": ["hours"]}, "window.calendar holds 'hours', which is unknown"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    workspace: Path, values: dict[str, object], words: str
) -> None:
    set_params(workspace, ALERT)
    set_params(workspace, values)
    done = invoke(workspace, "run", check=False)
    assert done.returncode == 2 and words in " ".join((done.stdout + done.stderr).split())
    assert not (workspace / "data").exists()


@pytest.mark.slow
def test_what_is_known_ahead_is_asked_for_and_used(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_params(workspace, {
        "dataset.covariates": ["pressure", "wind_speed"], "dataset.known": ["humidity"],
        "dataset.static": {"altitude": {"S01": 3.0, "S02": 240.0, "S03": 90.0}},
        "models": {"linear": MODELS["linear"], "naive": {"family": "naive", "method": "seasonal"}},
    })  # fmt: skip
    for words in (["ingest"], ["validate"], ["window"], ["train", "linear"]):
        invoke(workspace, *words)
    monkeypatch.chdir(workspace)
    clean = frame.read_frame(Path("artifacts/clean.parquet"))
    forecaster, end = Forecaster.load(Path("artifacts/models/linear")), clean["time"].max()
    rows = clean[clean["time"] > end - pd.Timedelta("30h")].copy()
    ahead = rows["time"] > end - pd.Timedelta("6h")
    rows.loc[ahead, ["temperature", "pressure", "wind_speed"]] = float("nan")
    first = forecaster.forecast(rows)
    assert set(first["origin"]) == {end - pd.Timedelta("6h")}
    rows.loc[ahead, "humidity"] -= 20
    assert not np.allclose(forecaster.forecast(rows)["forecast"], first["forecast"])
    without = forecaster.forecast(rows[~ahead])
    assert set(without["method"]) == {"baseline"} and set(first["method"]) == {"model"}
    assert set(without["reason"]) == {"humidity is not given for 6 of 6 steps ahead"}
