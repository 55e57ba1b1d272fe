"""A network in which a station is young and another is dry: both are left out by name, and stop nobody."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke
from workspaces import run_in, set_params

DAYS = 60
SETTINGS = {
    "dataset.source": "files",
    "dataset.options": {"paths": "in.csv", "time": "time", "station": "station"},
    "dataset.variables": {"rain": {"unit": "mm"}, "cloud": {"unit": "okta"}},
    "dataset.targets": ["rain"],
    "dataset.covariates": ["cloud"],
    "models": {
        "seasonal_naive": {"family": "naive", "method": "seasonal"},
        "linear": {"family": "autoregressive", "ridge": 0.001},
    },
    "register.margin": 0.0,
}


def rows(days: int = DAYS) -> pd.DataFrame:
    """A and B measure, C is dry for the first fifty days, D begins on day 50; B has no cloud."""
    time = pd.date_range("2024-03-01", periods=24 * days, freq="h")
    parts = []
    for place, name in enumerate("ABCD"):
        rng = np.random.default_rng(place)
        rain = 5 + 3 * np.sin(2 * np.pi * np.arange(len(time)) / 24) + rng.normal(0, 1, len(time))
        parts.append(
            pd.DataFrame({"time": time, "station": name, "rain": rain.round(2), "cloud": rng.integers(0, 9, len(time))})
        )
    frame = pd.concat(parts, ignore_index=True)
    begin = time[0] + pd.Timedelta(days=50)
    frame.loc[(frame["station"] == "C") & (frame["time"] < begin), "rain"] = 0.0
    frame["cloud"] = frame["cloud"].astype("float64").mask(frame["station"] == "B")
    return frame[(frame["station"] != "D") | (frame["time"] >= begin)]


@pytest.mark.slow
@pytest.mark.long
def test_they_are_left_out_by_name_and_come_in_by_themselves(workspace: Path) -> None:
    set_params(workspace, SETTINGS)
    rows().to_csv(workspace / "in.csv", index=False)
    printed = run_in(workspace, "tidegate", "run").stdout
    assert "left out: C (rain is constant in the training span), D (rain has no value in the training span)" in printed
    assert "linear) champion" in printed or "(linear). Because" in printed
    findings = pd.read_csv(workspace / "artifacts/findings.csv")
    assert {("unmeasured", "B", "cloud")} == set(
        findings.loc[findings["rule"] == "unmeasured", ["rule", "station", "variable"]].itertuples(
            index=False, name=None
        )
    )
    forecast = invoke(workspace, "forecast").stdout
    assert "left out, as when the model was trained: C (rain is constant" in forecast and "unknown" not in forecast
    (file,) = (workspace / "forecasts").rglob("*.parquet")
    assert set(pd.read_parquet(file)["station"]) == {"A", "B"}

    rows(3 * DAYS).to_csv(workspace / "in.csv", index=False)  # both have a training span now
    printed = run_in(workspace, "tidegate", "run").stdout
    assert "left out" not in printed
    spec = json.loads((workspace / "artifacts/windows/spec.json").read_text())
    assert spec["spec"]["stations"] == ["A", "B", "C", "D"] and "left_out" not in spec
    reason = json.loads((workspace / "artifacts/registration.json").read_text())["reason"]
    assert "the 2 stations that both know" in reason or "beats" in reason


@pytest.mark.slow
def test_a_station_is_left_out_by_decision_and_a_wrong_name_is_refused(workspace: Path) -> None:
    set_params(workspace, {**SETTINGS, "dataset.stations": {"leave_out": ["D", "c"]}})
    rows().to_csv(workspace / "in.csv", index=False)
    invoke(workspace, "ingest")
    refused = invoke(workspace, "validate", check=False)
    assert refused.returncode == 2 and "dataset.stations.leave_out" in refused.stderr and "'c'" in refused.stderr
    set_params(workspace, {"dataset.stations": {"leave_out": ["C", "D"]}})
    assert "of 2 stations pass" in invoke(workspace, "validate").stdout
    assert set(pd.read_parquet(workspace / "artifacts/clean.parquet")["station"]) == {"A", "B"}
