"""Fan-out: backtest folds, tuning trials and groups of stations come to the same, however many do them, and where."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest
from servers import free_ports, process
from workspaces import run_in

from tidegate.errors import DataError
from tidegate.workspace import identity, parallel
from tidegate.workspace.paths import BACKTEST

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workspace(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained workspace."""
    folder = tmp_path_factory.mktemp("fanout") / "workspace"
    shutil.copytree(trained, folder, symlinks=True, ignore=shutil.ignore_patterns("logs"))
    return folder


@pytest.fixture(scope="module")
def cluster(workspace: Path) -> Iterator[dict[str, str]]:
    """A Dask cluster of two processes in the workspace, as an environment."""
    port, page = free_ports(2)
    address = f"tcp://127.0.0.1:{port}"
    with ExitStack() as stack:
        words = ("scheduler", "--host", "127.0.0.1", "--port", str(port), "--dashboard-address", f"127.0.0.1:{page}")
        stack.enter_context(process(workspace, "dask", *words, health=f"http://127.0.0.1:{page}/health"))
        words = ("worker", address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
        stack.enter_context(process(workspace, "dask", *words))
        yield {"TIDEGATE_DASK": address}


def backtested(workspace: Path, *words: str, **env: str) -> pd.DataFrame:
    (workspace / BACKTEST).unlink(missing_ok=True)
    run_in(workspace, "tidegate", "backtest", "linear", "rnn", "--refit-every", "300", *words, **env)
    return pd.read_csv(workspace / BACKTEST)


def forecast(workspace: Path, *words: str, **env: str) -> pd.DataFrame:
    shutil.rmtree(workspace / "forecasts", ignore_errors=True)
    run_in(workspace, "tidegate", "forecast", "--backfill", "2024-03-25", "2024-03-27", *words, **env)
    return pd.concat(pd.read_parquet(path) for path in (workspace / "forecasts").rglob("*.parquet"))


def tuned(workspace: Path, *words: str, **env: str) -> list[str]:
    (workspace / ".tidegate" / "tuning.db").unlink(missing_ok=True)
    words = ("tune", "rnn", "--vary", "units=2,3,4,5", "--trials", "4", *words)
    return [line for line in run_in(workspace, "tidegate", *words, **env).stdout.splitlines() if "trial " in line]


@pytest.mark.long
def test_a_dask_cluster_comes_to_the_same_as_this_process(workspace: Path, cluster: dict[str, str]) -> None:
    pd.testing.assert_frame_equal(backtested(workspace, **cluster), backtested(workspace))
    rows, alone = (forecast(workspace, "--workers", "2", **cluster), forecast(workspace))
    pd.testing.assert_frame_equal(rows.reset_index(drop=True), alone.reset_index(drop=True), rtol=1e-5, atol=1e-5)
    assert len(rows) == 49 * 3 * 6
    work = (workspace / "dask-worker.log").read_text()
    assert work.count("Start worker at") == 2 and "Traceback" not in work


@pytest.mark.long
def test_trials_abreast_are_kept_like_any(workspace: Path, cluster: dict[str, str]) -> None:
    for env, words in ((cluster, ("--workers", "2")), ({}, ())):
        lines = tuned(workspace, *words, **env)
        assert [line.split()[:2] for line in lines] == [["trial", str(number)] for number in range(1, 5)]


@pytest.mark.long
def test_a_cluster_that_is_not_there_is_named(workspace: Path) -> None:
    refused = run_in(workspace, "tidegate", "backtest", check=False, TIDEGATE_DASK="tcp://127.0.0.1:9")
    assert refused.returncode == 1 and "No Dask scheduler answers at tcp://127.0.0.1:9" in refused.stderr


def test_a_worker_with_other_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clean.parquet").write_text("rows")
    digest = identity.folder_digest(tmp_path)
    parallel.require_same_files(tmp_path, digest)
    (tmp_path / "clean.parquet").write_text("other rows")
    with pytest.raises(DataError, match="on this worker is not what the run reads"):
        parallel.require_same_files(tmp_path, digest)
