"""Workspaces of earlier releases: what they registered forecasts as it did, under the present code and far from it.

tests/recorded/record.py makes a record; each holds what a user would have on disk after `tidegate run` and `forecast`.
"""

import shutil
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from commands import invoke
from workspaces import ROOT, copy_workspace, run_in

from tidegate.forecasting.forecaster import Forecaster
from tidegate.pipeline import dag
from tidegate.pipeline.stale import find_stale
from tidegate.tracking import registry
from tidegate.tracking.store import open_client

pytestmark = pytest.mark.slow
RECORDS = sorted((ROOT / "tests" / "recorded").glob("*.tar.xz"))
TOLERANCE = 1e-5  # of a station's deviation in training
PREDICT = """
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model("models:/tidegate@champion")
model.predict(pd.read_parquet("recent.parquet")).to_parquet("forecasts.parquet")
import tidegate
print(tidegate.__file__)
"""


@pytest.fixture(scope="module", params=RECORDS, ids=lambda path: path.name.removesuffix(".tar.xz"))
def recorded(request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of the present code with what a release has left in it; its registry knows where it is now."""
    folder = copy_workspace(template, tmp_path_factory.mktemp("recorded"))
    with tarfile.open(request.param) as archive:
        archive.extractall(folder, filter="data")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        open_client()
    return folder


@pytest.fixture
def here(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recorded workspace, to stand in."""
    monkeypatch.chdir(recorded)
    return recorded


def champion() -> Forecaster:
    found = registry.champion("tidegate")
    assert found is not None
    return Forecaster.load(*registry.version_files(found))


def assert_same_forecasts(made: pd.DataFrame, expected: pd.DataFrame, forecaster: Forecaster) -> None:
    """Compare forecasts row by row: figures to the tolerance, all else exactly."""
    figures = [name for name in expected.columns if expected[name].dtype.kind == "f"]
    keys = [name for name in expected.columns if name not in figures]
    made, expected = (rows.sort_values(keys, ignore_index=True) for rows in (made, expected))
    pd.testing.assert_frame_equal(made[keys], expected[keys])
    deviation = dict(zip(forecaster.spec.stations, forecaster.scaler.deviation[:, 0], strict=True))
    scale = expected["station"].map(deviation)
    for name in figures:
        assert ((made[name] - expected[name]).abs() <= TOLERANCE * scale).all(), name


def test_the_present_code_forecasts_with_a_recorded_version_as_its_own_did(here: Path) -> None:
    forecaster = champion()
    made = forecaster.forecast(pd.read_parquet("recent.parquet"))
    assert_same_forecasts(made, pd.read_parquet("expected.parquet"), forecaster)


def test_forecasts_that_are_issued_again_are_those_that_were_recorded(here: Path, tmp_path: Path) -> None:
    (kept,) = (here / "forecasts").rglob("*.parquet")
    workspace = copy_workspace(here, tmp_path / "workspace")
    shutil.rmtree(workspace / "forecasts")
    invoke(workspace, "forecast")
    made = pd.read_parquet(workspace / kept.relative_to(here))
    assert_same_forecasts(made, pd.read_parquet(kept), champion())


@pytest.mark.parametrize("present", [False, True], ids=["alone", "after the present code"])
def test_a_recorded_version_is_served_far_from_the_repository(here: Path, tmp_path: Path, present: bool) -> None:
    shutil.copy(here / "recent.parquet", tmp_path)
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import tidegate, models\n" if present else ""
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{here}/mlflow/mlflow.db", "PYTHONPATH": ""}
    printed = run_in(tmp_path, "python", "-c", script + PREDICT, **env).stdout
    code = Path(printed.splitlines()[-1]).parent.parent
    assert code == ROOT if present else code.name == "code"
    made = pd.read_parquet(tmp_path / "forecasts.parquet")
    assert_same_forecasts(made, pd.read_parquet(here / "expected.parquet"), champion())


def test_under_the_present_code_its_stages_are_stale_and_its_data_are_not(here: Path) -> None:
    before = Path("data.dvc").read_text()
    dag.track_data(lambda: None)  # a record holds no cache of DVC's
    assert Path("data.dvc").read_text() == before
    trainings = {f"train@{name}" for name in ("seasonal_naive", "linear", "rnn", "lstm", "gru")}
    assert set(find_stale().names) == trainings | {"validate", "window", "diagnose", "evaluate", "register"}


@pytest.mark.long
def test_a_run_names_the_stale_stages_of_a_recorded_workspace_and_brings_them_up_to_date(
    here: Path, tmp_path: Path
) -> None:
    workspace = copy_workspace(here, tmp_path / "workspace")
    printed = run_in(workspace, "tidegate", "run").stdout
    assert any(line.startswith("Stale: ") for line in printed.splitlines()) and "Champion: tidegate version" in printed
    assert "up to date" in run_in(workspace, "tidegate", "run").stdout
