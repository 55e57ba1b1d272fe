"""The command: one clear sentence for a mistake, exit code 2, and nothing half-written."""

import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import HEADER, hours, invoke, own_files, refused, refused_stage
from servers import ask_prefect, free_ports, until
from workspaces import ENVIRONMENT, begun, copy_workspace, run_in, set_params

from tidegate.errors import UserError
from tidegate.pipeline import drive


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No file is at in/*.csv"),
        ("", "in/a.csv is empty"),
        (b"\x89PNG\x00\x00", "in/a.csv is not a text file"),
        ("place,time,x\nA,2024-01-01,1\n", "in/a.csv has no column 'station'"),
        (HEADER + "A,2024-01-01 00:00,1\nA,tomorrow,1\n", "in/a.csv, line 3: 'tomorrow' is not a time"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_nothing_is_written(
    workspace: Path, content: str | bytes | None, words: str
) -> None:
    own_files(workspace, content)
    before = (workspace / "data.dvc").read_text()
    assert words in refused(workspace, "ingest")
    assert not (workspace / "data").exists()
    assert (workspace / "data.dvc").read_text() == before


def test_a_mistake_in_params_is_refused_by_every_command_before_anything_starts(workspace: Path) -> None:
    set_params(workspace, {"models.gru.unitz": 5})
    for words in (["ingest"], ["validate"], ["train", "linear"], ["run"]):
        assert "models.gru.unitz is not a known key; did you mean units?" in refused(workspace, *words)
    assert not (workspace / "data").exists() and not (workspace / "artifacts").exists()


def test_a_zone_that_does_not_exist_is_refused(workspace: Path) -> None:
    own_files(workspace, HEADER + hours(48))
    set_params(workspace, {"dataset.options.time_zone": "Europe/Atlantis"})
    assert "dataset.options.time_zone is 'Europe/Atlantis'" in refused(workspace, "ingest")


def test_a_horizon_longer_than_the_data_is_refused(workspace: Path) -> None:
    own_files(workspace, HEADER + hours(200))
    set_params(workspace, {"window.horizon_steps": 500})
    message = refused_stage(workspace, "window", "ingest", "validate")
    assert "of the data's 200 steps" in message and "shorten window.horizon_steps" in message
    assert not (workspace / "artifacts" / "windows").exists()


def test_a_constant_series_is_refused(workspace: Path) -> None:
    flat = "".join(f"{line.rsplit(',', 1)[0]},3\n" for line in hours(400).splitlines())
    own_files(workspace, HEADER + flat)
    message = refused_stage(workspace, "window", "ingest", "validate")
    assert "1 of 1 stations (A (x is constant in the training span))" in message


def test_a_station_whose_target_is_all_missing_is_left_out_by_name(workspace: Path) -> None:
    blank = "".join(f"{line.rsplit(',', 1)[0]},NA\n" for line in hours(400, "B").splitlines())
    own_files(workspace, HEADER + hours(400) + blank)
    for stage in ("ingest", "validate"):
        invoke(workspace, stage)
    assert "left out: B (x has no value in the training span)" in invoke(workspace, "window").stdout
    set_params(workspace, {"window.left_out_tolerance": 0.2})
    assert "1 of 2 stations (B (x has no value" in refused_stage(workspace, "window")


def test_two_rows_that_disagree_are_refused_where_params_say_so(workspace: Path) -> None:
    own_files(workspace, HEADER + "A,2024-01-01 00:00,1\nA,2024-01-01 00:00,2\n")
    set_params(workspace, {"ingest.conflict": "refuse"})
    assert "disagree about x" in refused(workspace, "ingest")


@pytest.mark.slow
def test_a_graph_that_dvc_cannot_read_is_refused(cheap: Path, tmp_path: Path) -> None:
    copy = copy_workspace(cheap, tmp_path / "copy")
    (copy / "dvc.yaml").write_text("stages:\n  window:\n    kommand: python\n")
    assert "DVC refuses: " in refused(copy, "run")


@pytest.mark.slow
def test_a_section_that_a_stage_depends_on_is_missed_before_any_stage_runs(
    cheap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_workspace(cheap, tmp_path / "copy")
    lines = (copy / "params.yaml").read_text().split("\n")
    begin = next(number for number, line in enumerate(lines) if line.startswith("diagnose:"))
    end = next(number for number in range(begin + 1, len(lines)) if lines[number][:1].isalpha())
    (copy / "params.yaml").write_text("\n".join(lines[:begin] + lines[end:]))
    monkeypatch.chdir(copy)
    with pytest.raises(UserError, match=r"'diagnose' are missing from 'params\.yaml'"):
        drive.reproduce(lambda _, work: work())  # as the flow does
    assert not (copy / "artifacts").exists()


def test_an_unknown_candidate_is_answered_with_the_known_ones(workspace: Path) -> None:
    message = refused(workspace, "train", "gruu")
    assert "did you mean gru?; known: gru, linear, lstm, rnn, seasonal_naive" in message


def test_a_stage_without_its_inputs_says_which_stage_makes_them(workspace: Path) -> None:
    assert "run tidegate ingest first" in refused(workspace, "validate")
    assert "artifacts/clean.parquet is not here" in refused(workspace, "window")
    assert "artifacts/windows" in refused(workspace, "train", "linear")


def test_outside_a_workspace_the_command_says_so(tmp_path: Path) -> None:
    assert "run tidegate in the root of a workspace" in refused(tmp_path, "run")
    assert list(tmp_path.iterdir()) == []


def test_a_run_refuses_a_source_that_is_not_there(workspace: Path) -> None:
    own_files(workspace, None)
    assert "No file is at in/*.csv" in refused(workspace, "run")


@pytest.mark.parametrize(
    "command",
    ["run", "up", "ingest", "validate", "window", "train", "tune", "backtest", "diagnose", "evaluate", "register"],
)
def test_help_shows_an_example_in_no_time(workspace: Path, command: str) -> None:
    assert f"  tidegate {command}" in invoke(workspace, command, "--help").stdout


def test_a_port_that_is_taken_is_named_with_the_option_that_chooses_another(workspace: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = refused(workspace, "up", "--prefect-port", str(port))
    assert f"Port {port} of 127.0.0.1 is taken" in message and "--prefect-port" in message


@pytest.mark.slow
def test_up_serves_both_pages_and_the_deployments_and_ends_on_interrupt(trained: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    copy_workspace(trained, workspace)
    prefect, mlflow = free_ports(2)
    process = subprocess.Popen(
        [sys.executable, "-m", "tidegate", "up", "--prefect-port", str(prefect), "--mlflow-port", str(mlflow)],
        cwd=workspace, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        printed = [process.stdout.readline() for _ in range(4)]
        assert printed[-1] == "Ready. Ctrl-C stops everything.\n"
        assert f"http://127.0.0.1:{prefect}" in printed[1] and f"http://127.0.0.1:{mlflow}" in printed[2]
        for port in (prefect, mlflow):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
                assert b"<html" in page.read().lower()
        told = run_in(workspace, "tidegate", "status").stdout
        assert (
            f"answers at http://127.0.0.1:{prefect}/api" in told and f"answers at http://127.0.0.1:{mlflow}\n" in told
        )
        api = f"http://127.0.0.1:{prefect}/api"
        deployments = {entry["name"]: entry["id"] for entry in ask_prefect(api, "deployments/filter", {})}
        assert set(deployments) == {"ingestion", "forecasting", "verification", "retraining", "backtest"}
        assert caught_up(workspace, api) == {"COMPLETED": 1, "CANCELLED": 2}
        assert len(list((workspace / "forecasts").rglob("*.parquet"))) == 1
        begun_by_hand = ask_prefect(api, f"deployments/{deployments['retraining']}/create_flow_run", {})
        assert ended(api, [begun_by_hand["id"]]) == {"COMPLETED": 1}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode == 0
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and children_in(workspace):
        time.sleep(0.2)
    assert children_in(workspace) == []


def test_an_interrupt_while_the_servers_start_stops_them_and_ends_with_0(workspace: Path) -> None:
    prefect, mlflow = free_ports(2)
    ports = ["--prefect-port", str(prefect), "--mlflow-port", str(mlflow)]
    process = begun(workspace, "-m", "tidegate", "up", *ports, until="Starting the servers")
    assert process.stdout is not None
    until(lambda: len(children_in(workspace)) == 3)
    process.send_signal(signal.SIGINT)
    assert (process.stdout.read(), process.wait(60)) == ("Stopped.\n", 0)
    assert children_in(workspace) == []


def ended(api: str, runs: list[str]) -> dict[str, int]:
    """Wait until flow runs have ended; count the states that they come to."""
    end = time.monotonic() + 180
    while time.monotonic() < end:
        found = ask_prefect(api, "flow_runs/filter", {"flow_runs": {"id": {"any_": runs}}})
        states = Counter(run["state_type"] for run in found)
        if set(states) <= {"COMPLETED", "CANCELLED", "FAILED", "CRASHED"}:
            break
        time.sleep(0.3)
    return dict(states)


def caught_up(workspace: Path, api: str) -> dict[str, int]:
    """Let the scheduled runs of the deployment forecasting be overdue; count the states that they come to."""
    scheduled = {"deployments": {"name": {"any_": ["forecasting"]}}, "sort": "EXPECTED_START_TIME_ASC", "limit": 3}
    until(lambda: len(ask_prefect(api, "flow_runs/filter", scheduled)) == 3)
    own = [run["id"] for run in ask_prefect(api, "flow_runs/filter", scheduled)]
    # As they would be found after some hours without a server; there is no other way to let time pass.
    with sqlite3.connect(workspace / ".prefect" / "prefect.db", timeout=30) as store:
        for hours, run in enumerate(own, start=1):
            past = f"{datetime.now(UTC) - timedelta(hours=hours):%Y-%m-%d %H:%M:%S.%f}"
            store.execute(
                "UPDATE flow_run SET next_scheduled_start_time = ?, expected_start_time = ? WHERE id = ?",
                (past, past, run),
            )
            store.execute(
                "UPDATE flow_run_state SET state_details = json_set(state_details, '$.scheduled_time', ?) "
                "WHERE flow_run_id = ?",
                (past.replace(" ", "T") + "Z", run),
            )
    return ended(api, own)


def children_in(folder: Path) -> list[str]:
    """List the processes that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink() == folder:
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
    return found
