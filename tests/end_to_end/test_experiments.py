"""Experiments of DVC try settings; only a run of the workspace registers what they gave."""

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from commands import invoke
from workspaces import ROOT, ran, run_in, set_params

from tidegate.workspace.paths import read_json

pytestmark = pytest.mark.long
PERSON = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "t"), ("EMAIL", "t@e.org"))
}


def committed(workspace: Path) -> Path:
    """Commit the workspace as it is, as a baseline of experiments."""
    for words in (["add", "-A"], ["commit", "-qm", "trained"]):
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], cwd=workspace, check=True
        )
    return workspace


def experiment(workspace: Path, name: str, *words: str) -> None:
    run_in(workspace, "dvc", "exp", "run", "--name", name, *words, **PERSON)


def registered(workspace: Path) -> tuple[list[tuple[int]], list[tuple[str, int]]]:
    """List the versions and the aliases in the registry."""
    with closing(sqlite3.connect(workspace / "mlflow" / "mlflow.db")) as store:
        versions = store.execute("SELECT version FROM model_versions ORDER BY version").fetchall()
        aliases = store.execute("SELECT alias, version FROM registered_model_aliases ORDER BY alias").fetchall()
    return versions, aliases


def runs(workspace: Path) -> int:
    with closing(sqlite3.connect(workspace / "mlflow" / "mlflow.db")) as store:
        return int(store.execute("SELECT count(*) FROM runs").fetchone()[0])


def decision(workspace: Path) -> dict[str, object]:
    return dict(read_json(workspace / "artifacts" / "registration.json"))


def test_an_experiment_registers_nothing_and_shows_and_the_next_repro_registers(copied: Path) -> None:
    experiment(committed(copied), "six", "-S", "models.gru.units=6")
    table = run_in(copied, "dvc", "exp", "show", "--csv").stdout.splitlines()
    columns = table[0].split(",")
    assert "models.gru.units" in columns and any(name.endswith("gru.json:mase") for name in columns)
    assert any("six" in row for row in table)
    documented = re.search(r"dvc (exp show .*--drop) '(.+)'", (ROOT / "docs" / "operations.md").read_text())
    assert documented
    shown = run_in(copied, "dvc", *documented[1].split(), documented[2], COLUMNS="300").stdout
    assert "gru.json:mase" in shown and "models.gru.units" in shown and "six" in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 160
    assert registered(copied) == ([], [])  # the registry of this copy is empty: it would have become champion
    said = decision(copied)
    assert not said["registered"] and not said["promoted"]
    assert str(said["reason"]).startswith("an experiment (six) registers nothing; ") and "promoted" in str(
        said["reason"]
    )

    repeated = run_in(copied, "dvc", "repro").stdout
    assert "Running stage 'register'" in repeated and "Running stage 'evaluate'" not in repeated
    assert registered(copied) == ([(1,)], [("challenger", 1), ("champion", 1)])
    assert decision(copied)["promoted"] and decision(copied)["version"] == 1
    assert not (copied / "artifacts" / "evaluation" / "experiment.json").exists()
    assert "up to date" in run_in(copied, "dvc", "repro").stdout


def test_what_an_experiment_elsewhere_gave_is_registered_by_the_run_after_it_is_applied(copied: Path) -> None:
    shutil.rmtree(copied / "mlflow")
    (copied / "mlflow").mkdir()
    invoke(copied, "register")
    before, recorded = registered(copied), runs(copied)
    assert before[0] == [(1,)]
    changed = {"linear.ridge": 0.5, "rnn.units": 5, "lstm.units": 5, "gru.units": 5}
    settings = [word for key, value in changed.items() for word in ("-S", f"models.{key}={value}")]
    experiment(committed(copied), "five", "--temp", *settings)
    assert registered(copied) == before and runs(copied) > recorded  # its trainings are in this workspace's store
    assert decision(copied)["version"] == 1  # the workspace is as it was
    assert "up to date" in run_in(copied, "dvc", "repro").stdout
    run_in(copied, "dvc", "exp", "apply", "five", **PERSON)
    assert "register" in ran(run_in(copied, "tidegate", "run").stdout)
    assert registered(copied)[0] == [(1,), (2,)] and decision(copied)["version"] == 2


def test_the_same_experiment_run_twice_registers_nothing_either_time(copied: Path) -> None:
    committed(copied)
    set_params(copied, {"models.gru.units": 6})
    for name in ("first", "second"):
        experiment(copied, name)
        assert registered(copied) == ([], [])
    assert "register" in ran(run_in(copied, "tidegate", "run").stdout)
    assert [number for (number,) in registered(copied)[0]] == [1]
