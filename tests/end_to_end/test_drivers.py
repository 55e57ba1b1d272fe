"""One graph, two drivers: Prefect's flow and `dvc repro` do the same, byte for byte."""

import hashlib
import re
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from commands import invoke
from ruamel.yaml import YAML
from workspaces import begun, copy_workspace, ran, run_in, set_params

from tidegate.pipeline.stale import find_stale
from tidegate.pipeline.timing import LAST
from tidegate.workspace.paths import read_json

pytestmark = pytest.mark.slow
FOUND_TRAINED = ("python -m tidegate train rnn", "python -m tidegate train lstm")  # they go the way of gru


@pytest.fixture(scope="module")
def reproduced(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which `dvc repro` has run once, and found two of the three nets in the run cache of `trained`."""
    workspace = copy_workspace(
        trained, tmp_path_factory.mktemp("reproduced"), "mlflow", "logs", "artifacts", "dvc.lock"
    )
    (workspace / "mlflow").mkdir()
    for run in [path for path in (workspace / ".dvc" / "cache" / "runs").rglob("*") if path.is_file()]:
        if YAML(typ="safe").load(run)["cmd"] not in FOUND_TRAINED:
            shutil.rmtree(run.parent)  # with its folder: DVC stumbles over an empty one
    printed = run_in(workspace, "dvc", "repro").stdout
    assert sorted(re.findall(r"Running stage '(\S+)'", printed)) == sorted(
        ["validate", "window", "train@seasonal_naive", "train@linear", "train@gru", "diagnose", "evaluate", "register"]
    )
    return workspace


@pytest.fixture(scope="module")
def wholly_reproduced(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which `dvc repro` has run once, from nothing."""
    workspace = copy_workspace(template, tmp_path_factory.mktemp("wholly"))
    invoke(workspace, "ingest")
    run_in(workspace, "dvc", "repro")
    return workspace


def lock(workspace: Path) -> str:
    return (workspace / "dvc.lock").read_text()


def artifacts(workspace: Path) -> dict[str, str]:
    files = sorted(path for path in (workspace / "artifacts").rglob("*") if path.is_file())
    return {str(path.relative_to(workspace)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def add_shell_stage(workspace: Path) -> None:
    path = workspace / "dvc.yaml"
    yaml = YAML()
    content = yaml.load(path)
    content["stages"]["count"] = {
        "cmd": "wc -l < artifacts/evaluation/by_step.csv > artifacts/count.txt && echo counted",
        "deps": ["artifacts/evaluation"],
        "outs": ["artifacts/count.txt"],
    }
    yaml.dump(content, path)


@pytest.mark.parametrize("fixture", ["reproduced", pytest.param("wholly_reproduced", marks=pytest.mark.long)])
def test_both_drivers_write_the_same_lock_artifacts_and_metrics(
    trained: Path, fixture: str, request: pytest.FixtureRequest
) -> None:
    reproduced: Path = request.getfixturevalue(fixture)
    assert lock(trained) == lock(reproduced)
    assert artifacts(trained) == artifacts(reproduced)
    assert len(artifacts(trained)) > 25
    metrics = "artifacts/evaluation/metrics.json"
    assert read_json(trained / metrics) == read_json(reproduced / metrics)
    assert (trained / "data.dvc").read_text() == (reproduced / "data.dvc").read_text()


def test_after_either_driver_the_other_finds_nothing_to_do(copied: Path, reproduced: Path) -> None:
    before = lock(copied)
    assert "up to date" in run_in(copied, "dvc", "repro").stdout
    assert lock(copied) == before
    printed = invoke(reproduced, "run").stdout.splitlines()
    assert printed == ["Everything is up to date: the source has nothing new, and no stage is stale."]
    assert lock(reproduced) == before


def test_the_run_prints_a_line_a_stage_and_a_table_and_nothing_else(trained: Path) -> None:
    lines = (trained / "transcript.txt").read_text().splitlines()
    names = ["seasonal_naive", "linear", "rnn", "lstm", "gru"]
    stages = ["ingest", "validate", "window", *(f"train@{name}" for name in names), "diagnose", "evaluate", "register"]
    assert [line.split()[0] for line in lines[: len(stages)]] == stages
    table = [line for line in lines[len(stages) :] if line.startswith("│")]
    assert sorted(row.split()[1] for row in table) == sorted(names)
    held, champion, look, runs, report = lines[-5:]
    assert held.startswith("90% intervals held on the test span: ") and "rnn" in held  # after two epochs
    assert champion.startswith("Champion: tidegate version 1") and "make up" in look
    assert "/runs?viewStateShareKey=" in runs and report == "Report: reports/report.html"
    assert len(lines) == len(stages) + 1 + 3 + len(table) + 1 + 5


@pytest.mark.long
def test_a_changed_parameter_and_a_shell_stage_run_alone_under_either_driver(copied: Path, reproduced: Path) -> None:
    for workspace in (copied, reproduced):
        set_params(workspace, {"models.gru.units": 5, "models.rnn.units": 5})
        add_shell_stage(workspace)
    (copied / LAST).unlink()  # on a fast machine both nets took too little last time to be worth a process of their own
    printed = run_in(copied, "tidegate", "run", TIDEGATE_AT_ONCE="2").stdout  # the two nets side by side
    flow = ran(printed)
    repro = run_in(reproduced, "dvc", "repro").stdout
    assert sorted(flow) == ["count", "diagnose", "evaluate", "ingest", "register", "train@gru", "train@rnn"]
    assert sorted(re.findall(r"Running stage '(\S+)'", repro)) == [
        "count",
        "diagnose",
        "evaluate",
        "register",
        "train@gru",
        "train@rnn",
    ]
    (stale,) = (line for line in printed.splitlines() if line.startswith("Stale: "))
    assert "train@gru (changed: models.gru in params.yaml)" in stale and "count (not in dvc.lock yet)" in stale
    assert "train@lstm" not in stale and "window" not in stale
    assert "last time" not in stale  # nobody knows how long count takes
    assert len(list((copied / "logs").glob("*-train@*.log"))) == 1
    for workspace in (copied, reproduced):
        assert (workspace / "artifacts" / "count.txt").read_text().strip() == "31"
    same = {path for path in artifacts(copied) if "registration" not in path}
    assert {p: artifacts(copied)[p] for p in same} == {p: artifacts(reproduced)[p] for p in same}
    assert "up to date" in run_in(copied, "dvc", "repro").stdout


def test_stale_stages_are_listed_with_at_most_three_causes_each(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied)
    assert find_stale().reasons == []
    for folder in ("quality", "measurements", "workspace"):
        (copied / "tidegate" / folder / "added.py").write_text("# changed\n")
    set_params(copied, {"dataset.options.seed": 5})
    (copied / "artifacts" / "findings.csv").unlink()
    shutil.rmtree(copied / "artifacts" / "evaluation")
    stale = dict(text.removesuffix(")").split(" (changed: ") for text in find_stale().reasons)
    assert stale["validate"] == "tidegate/measurements, tidegate/quality, tidegate/workspace and 2 more"
    assert stale["evaluate"] == "tidegate/workspace, output artifacts/evaluation"
    assert stale["register"] == "tidegate/measurements, tidegate/workspace"


@pytest.mark.long
def test_a_shell_stage_that_fails_is_reported_in_one_sentence_and_its_output_is_in_the_log(copied: Path) -> None:
    yaml = YAML()
    content = yaml.load(copied / "dvc.yaml")
    content["stages"]["broken"] = {"cmd": "echo the disk is on fire && exit 3", "deps": ["artifacts/evaluation"]}
    yaml.dump(content, copied / "dvc.yaml")
    done = run_in(copied, "tidegate", "run", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "exit 3" in done.stderr
    log = copied / re.search(r"logs/\S+\.log", done.stderr)[0]  # type: ignore[index]
    assert "the disk is on fire" in log.read_text()


@pytest.mark.long
def test_a_stage_is_tried_again_as_often_as_its_meta_says(copied: Path) -> None:
    yaml = YAML()
    content = yaml.load(copied / "dvc.yaml")
    command = "test -e met || { touch met && exit 1; } && cp printed.txt artifacts/heard.txt"
    content["stages"]["world"] = {
        "cmd": command,
        "deps": ["printed.txt"],
        "outs": ["artifacts/heard.txt"],
        "meta": {"retries": 1},
    }
    yaml.dump(content, copied / "dvc.yaml")
    for printed in ("once", "again"):  # the second time there is an output of before, which must not stay
        (copied / "met").unlink(missing_ok=True)
        (copied / "printed.txt").write_text(printed)
        assert ran(run_in(copied, "tidegate", "run").stdout) == ["ingest", "world"]
        assert (copied / "artifacts" / "heard.txt").read_text() == printed
    assert "up to date" in run_in(copied, "dvc", "repro").stdout


@pytest.mark.long
def test_a_run_killed_in_training_leaves_a_workspace_in_which_the_next_succeeds(copied: Path) -> None:
    set_params(copied, {"train.epochs": 3})
    process = begun(copied, "-m", "tidegate", "run", until="train@linear")
    time.sleep(2)  # amid train@rnn
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = run_in(copied, "tidegate", "run").stdout
    assert "train@rnn" in ran(again) and "train@linear" not in ran(again)
    assert "up to date" in run_in(copied, "dvc", "repro").stdout
    assert not list((copied / "artifacts").rglob(".*.incoming"))
    with sqlite3.connect(copied / ".prefect" / "prefect.db") as store:
        states = store.execute("SELECT state_type FROM flow_run ORDER BY created DESC LIMIT 2").fetchall()
        assert states == [("COMPLETED",), ("CRASHED",)]
        open_tasks = store.execute("SELECT count(*) FROM task_run WHERE state_type = 'RUNNING'").fetchone()
    assert open_tasks == (0,)


def test_data_and_artifacts_come_back_from_the_remote(copied: Path) -> None:
    before = artifacts(copied)
    run_in(copied, "dvc", "push")
    shutil.rmtree(copied / "data")
    shutil.rmtree(copied / "artifacts")
    shutil.rmtree(copied / ".dvc" / "cache")
    run_in(copied, "dvc", "pull", "--run-cache", check=False)
    after = artifacts(copied)
    assert {path for path in before if path not in after} == {"artifacts/registration.json"}  # it alone is not cached
    assert all(before[path] == digest for path, digest in after.items())
