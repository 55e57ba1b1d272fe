"""What a model reads when it is served is what it was trained and evaluated on, whatever faults the data hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from workspaces import ROOT, TINY, set_params

from tidegate.forecasting.forecaster import Forecaster
from tidegate.measurements import frame as long_frame
from tidegate.stages import validate, window
from tidegate.windows.panel import Forecasts, Panel, Starts
from tidegate.windows.store import read_rules, read_spec, read_windows
from tidegate.workspace import settings
from tidegate.workspace.columns import KEYS
from tidegate.workspace.progress import no_progress

STEPS = 90 * 24
TIMES = pd.date_range("2024-03-01", periods=STEPS, freq="h", tz="UTC", unit="us")
TOLERANT = {"severity": "quarantine", "tolerance": 0.5}


class Recorder:
    """A model that keeps what it is given to read."""

    def __init__(self) -> None:
        self.read: tuple[Any, Any] = ((), ())

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        self.read = panel.past(starts)
        shape = (len(starts), panel.spec.horizon_steps, len(panel.spec.targets))
        quantiles = np.zeros((*shape, len(panel.spec.quantiles)), np.float32)
        return Forecasts(np.zeros(shape, np.float32), quantiles)


def faulty() -> pd.DataFrame:
    """Two stations with faults of every kind at random places, the last steps before some origins among them."""
    parts = []
    for place, name in enumerate("AB"):
        rng = np.random.default_rng(place)
        low = 6 * np.sin(2 * np.pi * np.arange(STEPS) / 24) + rng.normal(0, 1, STEPS)
        high = low + 6 + np.abs(rng.normal(0, 1, STEPS))
        for at in rng.integers(100, STEPS - 20, 30):
            kind = rng.integers(5)
            if kind == 0:
                low[at] = -999
            elif kind == 1:
                high[at] = 61
            elif kind == 2:
                low[at], high[at] = high[at], low[at]
            elif kind == 3:
                (low, high)[at % 2][at : at + 9] = (low, high)[at % 2][at]
            else:
                low[at] += rng.choice([-1, 1]) * 35
        parts.append(pd.DataFrame({"station": name, "time": TIMES, "low": low.round(2), "high": high.round(2)}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Rows with faults, validated and windowed in a workspace."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    names = ("sentinel", "range", "relation", "stuck", "spike", "off_grid")
    variables = {
        "low": {"unit": "°C", "min": -60, "max": 60, "spike": 15, "stuck_steps": 5},
        "high": {"unit": "°C", "min": -60, "max": 60, "spike": 15, "stuck_steps": 5},
    }
    changes = {
        "dataset.variables": variables,
        "dataset.relations": ["low <= high"],
        "dataset.targets": ["low"],
        "dataset.covariates": ["high"],
        "validate.rules": dict.fromkeys(names, TOLERANT),
        "window.lookback_steps": 48,
    }
    windows = {name: value for name, value in TINY.items() if name.startswith("window.")}
    set_params(tmp_path, {**windows, **changes})
    frame = faulty()
    for month, part in frame.groupby(frame["time"].dt.strftime("%Y-%m")):
        long_frame.write_frame(Path(f"data/measurements/{month}.parquet"), part.sort_values(KEYS, ignore_index=True))
    for stage in (validate, window):
        stage.run(settings.load_settings(), no_progress)
    return frame


def test_lookbacks_are_read_as_they_were_trained_on(rows: pd.DataFrame) -> None:
    panel, starts = read_windows()
    spec, scaler = read_spec()
    recorder = Recorder()
    forecaster = Forecaster(recorder, spec, scaler, rules=read_rules())  # type: ignore[arg-type]
    chosen = np.random.default_rng(2).choice(np.concatenate(list(starts.values())), 150, replace=False)
    compared = 0
    for row, first in chosen:
        origin = TIMES[first + spec.lookback_steps - 1]
        given = rows[(rows["station"] == spec.stations[row]) & (rows["time"] <= origin)]
        given = given[given["time"] > origin - 3 * spec.lookback_steps * pd.Timedelta("1h")]
        served = forecaster.forecast_all(forecaster.check_rows(given), pd.DatetimeIndex([origin]), [spec.stations[row]])
        if not (served["method"] == "model").any():
            continue  # the baseline reads nothing of it
        trained = panel.past(np.array([[row, first]], np.int32))
        if not trained[1][0, -1, 0]:
            continue  # the newest value does not pass, so that the model reads up to the one before
        assert np.array_equal(recorder.read[1], trained[1])
        assert np.allclose(recorder.read[0], trained[0], atol=1e-5)
        compared += 1
    assert compared > 100


def test_lookbacks_hold_faults_that_only_hindsight_shows_and_targets_do_not(rows: pd.DataFrame) -> None:
    panel, _ = read_windows()
    assert panel.truth is not None
    read, passed = panel.observed[..., 0], np.isfinite(panel.truth[..., 0])
    assert (read != passed).any() and (read == passed).mean() > 0.98
    values, known = panel.measured_targets()
    assert np.array_equal(known[..., 0], passed)
    assert np.abs(values[known]).max() < 6  # in deviations: no spike among the targets
