"""The forecaster, and the registered model that it is: long frames in and out, far from the workspace too."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tidegate.errors import DataError
from tidegate.forecasting.forecaster import Forecaster
from tidegate.measurements import frame as long_frame
from tidegate.workspace.paths import read_json

pytestmark = pytest.mark.slow


def test_a_sentinel_is_no_measurement_for_the_served_model_either(trained: Path) -> None:
    forecaster, rows = Forecaster.load(*champion_parts(trained)), recent(trained)
    newest = rows["time"] == rows["time"].max()
    hidden = rows.assign(temperature=rows["temperature"].mask(newest))
    for fault in (-999.0, 400.0):
        spoilt = rows.assign(temperature=rows["temperature"].mask(newest, fault))
        assert forecaster.forecast(spoilt).equals(forecaster.forecast(hidden))


def recent(trained: Path, steps: int = 30) -> pd.DataFrame:
    clean = long_frame.read_frame(trained / "artifacts" / "clean.parquet")
    return clean[clean["time"] > clean["time"].max() - pd.Timedelta(hours=steps)]


def champion_parts(trained: Path) -> tuple[Path, Path]:
    name = read_json(trained / "artifacts" / "registration.json")["candidate"]
    return trained / "artifacts" / "models" / name, trained / "artifacts" / "windows" / "spec.json"


def test_the_registered_model_forecasts_a_long_frame_far_from_the_workspace(trained: Path, tmp_path: Path) -> None:
    recent(trained).to_parquet(tmp_path / "recent.parquet")
    script = (
        "import sys, mlflow, pandas as pd\n"
        "model = mlflow.pyfunc.load_model('models:/tidegate@champion')\n"
        "rows = pd.read_parquet('recent.parquet')\n"
        "zoned = model.predict(rows)\n"
        "bare = model.predict(rows.assign(time=rows['time'].dt.tz_localize(None)))\n"
        "assert zoned.equals(bare)\n"
        "assert not {'tidegate', 'models'} & set(sys.modules)\n"  # its own code, not this tree's
        "zoned.to_parquet('forecasts.parquet')\n"
    )
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{trained}/mlflow/mlflow.db"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    served = pd.read_parquet(tmp_path / "forecasts.parquet")
    assert list(served.columns) == [
        "station",
        "origin",
        "time",
        "variable",
        "forecast",
        "q0.05",
        "q0.25",
        "q0.5",
        "q0.75",
        "q0.95",
        "method",
        "reason",
    ]
    assert served.groupby("station").size().tolist() == [6, 6, 6]
    assert (served["origin"] == recent(trained)["time"].max()).all()
    own = Forecaster.load(*champion_parts(trained)).forecast(recent(trained))
    assert served["forecast"].to_numpy() == pytest.approx(own["forecast"].to_numpy(), abs=1e-5)
    assert "pickle" not in " ".join(path.name for path in (trained / "mlflow" / "artifacts").rglob("*"))


def test_the_forecaster_forecasts_what_the_windows_do(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidegate.windows.store import read_windows
    from tidegate.windows.window_grid import to_grid

    monkeypatch.chdir(trained)
    forecaster = Forecaster.load(*champion_parts(trained))
    clean = long_frame.read_frame(Path("artifacts/clean.parquet"))
    panel, starts = read_windows()
    station, first = (int(number) for number in starts["test"][5])
    grid = to_grid(clean, panel.spec.features)
    rows = clean[clean["station"] == grid.stations[station]]
    rows = rows[rows["time"].isin(grid.times[first : first + panel.spec.lookback_steps])]
    long = forecaster.forecast(rows)
    arrays = forecaster.on_grid(grid)(starts["test"][5:6])
    assert long["forecast"].to_numpy() == pytest.approx(arrays.point[0, :, 0], abs=1e-4)


def test_the_forecaster_names_what_it_cannot_forecast(trained: Path) -> None:
    forecaster, rows = Forecaster.load(*champion_parts(trained)), recent(trained)
    with pytest.raises(DataError, match="Station X is none of those"):
        forecaster.forecast(rows[rows["station"] == "S01"].assign(station="X"))
    with pytest.raises(DataError, match="have no column 'temperature'"):
        forecaster.forecast(rows.drop(columns="temperature"))
    with pytest.raises(DataError, match="Station S01 has no temperature in the last 24 steps"):
        forecaster.forecast(rows[rows["station"] == "S01"].assign(temperature=float("nan")))
    with pytest.raises(DataError, match="two rows at"):
        forecaster.forecast(pd.concat([rows, rows.iloc[[0]]]))
    with pytest.raises(DataError, match="no measurements"):
        forecaster.forecast(rows.iloc[:0])
