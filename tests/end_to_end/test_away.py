"""A store that is away, slow or elsewhere: trainings are kept and sent once, and the rest says what is missing."""

import http.server
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commands import invoke
from servers import free_ports, mlflow_server
from workspaces import copy_workspace, run_in

from tidegate.errors import without_secrets

pytestmark = pytest.mark.slow
QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}


@contextmanager
def refusing(port: int) -> Iterator[None]:
    """A server that answers 503 to everything."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.long
def test_trainings_are_kept_while_mlflow_is_away_and_sent_once(trained: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(trained, tmp_path / "workspace", "logs", "mlflow")
    (port,) = free_ports(1)
    env = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", **QUICK}
    for candidate in ("linear", "gru"):
        printed = invoke(workspace, "train", candidate, **env).stdout
        assert "MLflow is away: the record waits on disk, and is sent later" in printed
    with refusing(port):
        printed = invoke(workspace, "train", "rnn", **env).stdout
        assert "MLflow is away" in printed
        refused = invoke(workspace, "evaluate", check=False, **env)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert f"MLflow's store at http://127.0.0.1:{port} does not answer as it should" in refused.stderr
    waiting = list((workspace / ".tidegate" / "unsent").glob("*.json"))
    assert len(waiting) == 3
    with mlflow_server(tmp_path / "server", port):
        invoke(workspace, "evaluate", **env)
        invoke(workspace, "train", "linear", **env)
        invoke(workspace, "register", **env)
        count = (
            "from tidegate.tracking import store\nfor run in store.open_client().search_runs(['1']):\n"
            "    name = run.info.run_name.split()[0]\n"
            "    print(name, run.info.status, len(run.data.metrics), len(run.data.params) > 20)\n"
        )
        runs = sorted(run_in(workspace, "python", "-c", count, **env).stdout.splitlines())
    assert not list((workspace / ".tidegate" / "unsent").glob("*.json"))
    # The second training of linear is a run of its own; lstm and the baseline, trained before, are recorded anew.
    assert [run.split()[0] for run in runs] == ["gru", "linear", "linear", "lstm", "rnn", "seasonal_naive"]
    assert all(run.split()[1] == "FINISHED" and run.endswith("True") for run in runs)


def test_a_password_in_an_address_is_refused_and_not_shown(trained: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(trained, tmp_path / "workspace", "logs", "mlflow")
    env = {"MLFLOW_TRACKING_URI": "http://ann:secret@127.0.0.1:9", **QUICK}
    refused = run_in(workspace, "tidegate", "evaluate", check=False, **env)
    assert refused.returncode == 2 and "give the address alone" in refused.stderr
    assert not any("secret" in path.read_text() for path in (workspace / "logs").glob("*.log"))
    assert without_secrets("at postgresql://ann:secret@host/db") == "at postgresql://***@host/db"


@pytest.mark.long
def test_a_record_that_was_cut_off_is_taken_up_again(trained: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(trained, tmp_path / "workspace", "logs", "mlflow")
    cut = (
        "from unittest.mock import patch\nimport sys\nfrom mlflow import MlflowClient\n"
        "from tidegate.cli import main\nsys.argv = ['tidegate', 'train', 'linear']\n"
        "def die(*_, **__):\n    import os; os._exit(9)\n"
        "with patch.object(MlflowClient, 'log_batch', die):\n    main()\n"
    )
    assert run_in(workspace, "python", "-c", cut, check=False).returncode == 9
    assert len(list((workspace / ".tidegate" / "unsent").glob("*.json"))) == 1
    invoke(workspace, "evaluate")
    with sqlite3.connect(workspace / "mlflow" / "mlflow.db") as store:
        runs = store.execute("SELECT status FROM runs WHERE name LIKE 'linear %'").fetchall()
    assert runs == [("FINISHED",)]


def test_utilisation_stands_among_the_system_metrics(trained: Path) -> None:
    with sqlite3.connect(trained / "mlflow" / "mlflow.db") as store:
        query = "SELECT DISTINCT name FROM runs JOIN latest_metrics USING (run_uuid) WHERE key = 'system/{}'"
        for metric in ("cpu_utilization_percentage", "system_memory_usage_megabytes"):
            assert len(store.execute(query.format(metric)).fetchall()) == 5


def test_a_workspace_that_was_moved_forecasts_with_its_champion(trained: Path, tmp_path: Path) -> None:
    """Also what a restored backup needs: MLflow's database holds the old place."""
    moved = copy_workspace(trained, tmp_path / "moved", "logs")
    invoke(moved, "forecast")
    places = {
        "experiments WHERE experiment_id = 1": "artifact_location",
        "runs": "artifact_uri",
        "logged_models": "artifact_location",
        "model_versions": "storage_location",
    }
    with sqlite3.connect(moved / "mlflow" / "mlflow.db") as store:
        for table, column in places.items():
            found = [row[0] for row in store.execute(f"SELECT {column} FROM {table}") if row[0]]
            assert found and not any(str(trained) in place for place in found), table
    assert "up to date" in invoke(moved, "run").stdout


@pytest.mark.long
def test_a_backup_restored_into_an_empty_folder_forecasts_as_before(trained: Path, tmp_path: Path) -> None:
    """The commands are those of docs/operations.md."""
    source, saved = copy_workspace(trained, tmp_path / "source", "logs"), tmp_path / "saved"
    invoke(source, "forecast", "--as-of", "2024-03-30")
    run_in(source, "dvc", "push")
    saved.mkdir()
    kept = "params.yaml data.dvc dvc.lock .dvc/storage mlflow forecasts"
    subprocess.run(f"tar -cf {saved}/backup.tar {kept}", shell=True, cwd=source, check=True)
    subprocess.run(["git", "clone", "-q", str(source), str(tmp_path / "restored")], check=True)
    shutil.rmtree(source)
    restored = tmp_path / "restored"
    subprocess.run(["tar", "-xf", str(saved / "backup.tar")], cwd=restored, check=True)
    run_in(restored, "dvc", "pull", "--allow-missing")
    before = (restored / "forecasts" / "tidegate-v1" / "2024-03.parquet").read_bytes()
    assert "0 new rows" in invoke(restored, "forecast", "--as-of", "2024-03-30").stdout
    assert (restored / "forecasts" / "tidegate-v1" / "2024-03.parquet").read_bytes() == before
    assert "18 new rows" in invoke(restored, "forecast").stdout
    printed = run_in(restored, "tidegate", "run").stdout
    assert "train@" not in printed and "evaluate" not in printed
