"""`tidegate status` says how each part stands, in a true sentence, whatever state the workspace is in."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import invoke
from servers import free_ports, mlflow_server
from workspaces import copy_workspace

NAMES = ["data", "stages", "champion", "forecasts", "prefect", "mlflow"]


def told(workspace: Path, **env: str) -> dict[str, str]:
    """Give the sentence of each part."""
    done = invoke(workspace, "status", **env)
    assert done.stderr == "" and "Traceback" not in done.stdout
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert list(lines) == NAMES
    return lines


def test_in_a_fresh_clone_nothing_is_there_and_each_part_says_what_makes_it(workspace: Path) -> None:
    lines = told(workspace)
    assert lines["data"].endswith("is not here: dvc pull, or tidegate ingest, brings it")
    assert lines["stages"] == "none has run yet: make run, or tidegate run, does all"
    assert lines["champion"] == "tidegate has none yet"
    assert lines["forecasts"] == "there are none yet: tidegate forecast issues them"
    assert lines["prefect"] == lines["mlflow"] == "not running here: tidegate up starts it"
    (workspace / "data.dvc").unlink()
    assert told(workspace)["data"] == "there is none yet: tidegate ingest brings it from the source"


def test_machines_get_the_figures(workspace: Path) -> None:
    parts = json.loads(invoke(workspace, "status", "--json").stdout)
    assert list(parts) == NAMES and parts["champion"]["figures"] == {"model": "tidegate", "version": None}
    assert parts["prefect"]["figures"] == {"address": None, "answers": False}


def test_what_is_broken_says_so_and_hides_nothing_else(workspace: Path) -> None:
    (workspace / "mlflow" / "mlflow.db").write_text("no database")
    (workspace / "data" / "measurements").mkdir(parents=True)
    (workspace / "data" / "measurements" / "2024-01.parquet").write_text("no table")
    (workspace / "dvc.lock").write_text("schema: '2.0'\nstages: [")
    (workspace / ".prefect").mkdir(exist_ok=True)
    (workspace / ".prefect" / "server.json").write_text("{")
    lines = told(workspace)
    assert lines["data"].startswith("data/measurements/2024-01.parquet cannot be read")
    assert lines["stages"].startswith("DVC refuses: ")
    assert lines["champion"].startswith("mlflow/mlflow.db is for MLflow to read (file is not a database)")
    assert lines["prefect"].startswith(".prefect/server.json is damaged")
    assert lines["forecasts"].startswith("there are none yet")
    assert "error" in json.loads(invoke(workspace, "status", "--json").stdout)["data"]["figures"]


def test_a_team_s_servers_that_do_not_answer_are_named_without_their_passwords(workspace: Path) -> None:
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    lines = told(workspace, MLFLOW_TRACKING_URI=address, PREFECT_API_URL=f"http://a:secret@127.0.0.1:{port}/api")
    assert lines["mlflow"] == f"does not answer at {address}"
    assert lines["champion"].startswith(f"MLflow's server at {address} does not answer as it should")
    assert lines["prefect"].startswith("does not answer at http://") and "secret" not in lines["prefect"]


def test_little_is_imported(workspace: Path) -> None:
    heavy = {"tensorflow", "mlflow", "prefect", "pandas", "pydantic", "great_expectations"}
    ended = f"print({heavy} & set(sys.modules))"
    script = f"import sys\nfrom tidegate.cli import app\ntry: app(['status', '--json'])\nfinally: {ended}"
    done = subprocess.run([sys.executable, "-c", script], cwd=workspace, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\nset()\n")


@pytest.mark.slow
def test_after_a_run_it_says_span_champion_and_forecasts_and_what_has_become_stale(copied: Path) -> None:
    invoke(copied, "register")
    invoke(copied, "forecast")
    lines = told(copied)
    assert lines["data"].startswith("2024-01-01 00:00 to 2024-03-31 23:00 UTC, ")
    assert lines["stages"] == "all are up to date"
    assert lines["champion"].startswith("tidegate version 1 (") and ") since 20" in lines["champion"]
    assert (
        lines["forecasts"] == "from 2024-03-31 23:00 UTC, by tidegate-v1; none of its forecasts has been verified yet"
    )
    params = copied / "params.yaml"
    params.write_text(params.read_text().replace("  horizon_steps: 6", "  horizon_steps: 7"))
    assert "stale: window (changed: window in params.yaml)" in told(copied)["stages"]


@pytest.mark.slow
def test_a_moved_workspace_leaves_the_champion_to_mlflow_until_it_has_looked(trained: Path, tmp_path: Path) -> None:
    moved = copy_workspace(trained, tmp_path / "moved")
    assert "(the workspace was moved since): tidegate champion asks it" in told(moved)["champion"]
    invoke(moved, "champion")
    assert told(moved)["champion"].startswith("tidegate version 1 (")


@pytest.mark.long
@pytest.mark.slow
def test_a_team_s_server_is_asked_who_is_champion(workspace: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    (port,) = free_ports(1)
    with mlflow_server(tmp_path / "server", port) as address:
        assert told(workspace, MLFLOW_TRACKING_URI=address)["champion"] == "tidegate has none yet"
        client = MlflowClient(address)
        client.create_registered_model("tidegate")
        client.create_model_version("tidegate", "s3://nowhere/model", tags={"tidegate.candidate": "linear"})
        client.set_registered_model_alias("tidegate", "champion", "1")
        lines = told(workspace, MLFLOW_TRACKING_URI=address)
    assert (lines["champion"], lines["mlflow"]) == ("tidegate version 1 (linear)", f"answers at {address}")
