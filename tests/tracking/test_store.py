"""The tracking store of a workspace comes into being whole, or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import ENVIRONMENT, ROOT

pytestmark = pytest.mark.slow

OPEN = "from tidegate.tracking.store import open_client; print(open_client().get_experiment_by_name('tidegate').name)"


def opened(folder: Path) -> "subprocess.Popen[str]":
    env = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", OPEN], cwd=folder, env=env, stdout=subprocess.PIPE, text=True)


@pytest.mark.long
def test_a_store_whose_making_was_killed_is_made_by_the_next(tmp_path: Path) -> None:
    first = opened(tmp_path)
    while first.poll() is None and not list(tmp_path.glob("mlflow/.mlflow.db.*")):
        pass
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not (tmp_path / "mlflow" / "mlflow.db").exists()
    assert opened(tmp_path).communicate()[0].strip() == "tidegate"


@pytest.mark.long
def test_two_that_make_it_at_once_have_one(tmp_path: Path) -> None:
    both = [opened(tmp_path), opened(tmp_path)]
    assert [process.communicate()[0].strip() for process in both] == ["tidegate"] * 2
    assert [path.name for path in (tmp_path / "mlflow").iterdir() if path.is_file()] == ["mlflow.db"]
