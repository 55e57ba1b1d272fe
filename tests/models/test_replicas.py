"""Many devices, many machines, other engines: the same nets, and the loss of one process at the same global batch."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panels import all_starts
from replicas import data, train
from servers import free_ports
from workspaces import ENVIRONMENT, ROOT

import models
from tidegate.errors import UserError
from tidegate.workspace.processes import Machines, machines


def start(call: str, **env: str) -> "subprocess.Popen[str]":
    """Start a process that trains."""
    env = {**ENVIRONMENT, "PYTHONPATH": f"{ROOT / 'tests' / 'support'}:{ROOT}", **env}
    words = [sys.executable, "-c", f"import replicas; replicas.{call}"]
    return subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True)


def done(folder: Path, *calls: "subprocess.Popen[str]") -> dict[str, Any]:
    for process in calls:
        _, error = process.communicate(timeout=200)
        assert process.returncode == 0, error[-2000:]
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def the_same(one: dict[str, Any], other: dict[str, Any], within: float = 1e-4) -> None:
    for name in ("train_loss", "validation_loss"):
        curves = [[row[name] for row in each["history"]] for each in (one, other)]
        assert len(curves[0]) == 4 and np.allclose(*curves, rtol=within, atol=0)
    assert np.allclose(one["point"], other["point"], atol=100 * within)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("alone")
    train(str(folder))
    return folder, done(folder)


@pytest.mark.long
def test_two_devices_that_share_each_batch_learn_what_one_does(
    alone: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    shared = done(tmp_path, start(f"train({str(tmp_path)!r}, replicas=2)"))
    the_same(alone[1], shared)
    assert shared["device"]["device"].startswith("2 × ")


@pytest.mark.long
def test_two_machines_that_share_each_batch_learn_what_one_does(
    alone: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    running = []
    for place in range(2):
        (tmp_path / str(place)).mkdir()
        config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": place}}
        running.append(start(f"train({str(tmp_path / str(place))!r})", TF_CONFIG=json.dumps(config)))
    for place in range(2):
        the_same(alone[1], done(tmp_path / str(place), running[place]))


@pytest.mark.parametrize("engine", ["jax", "torch"])
def test_what_another_engine_has_trained_forecasts_the_same_on_tensorflow(engine: str, tmp_path: Path) -> None:
    """Engines draw other first weights from the same seed: so the nets are compared, not the curves."""
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed: uv pip install {engine}")
    results = done(tmp_path, start(f"train({str(tmp_path)!r})", KERAS_BACKEND=engine))
    assert results["device"]["engine"] == engine
    assert len({row["train_loss"] for row in results["history"]}) == 4
    model, _ = models.load(tmp_path)
    assert np.allclose(model.predict(data(), all_starts(data(), end=130)[:9]).point, results["point"], atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        "x",
        "{}",
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "chief", "index": 0}}',
    ],
)
def test_a_cluster_that_is_none_is_refused(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match="TF_CONFIG is "):
        machines()


def test_without_a_cluster_a_machine_leads_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert machines() == Machines() and machines().leads and not machines().several
