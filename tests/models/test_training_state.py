"""A training that was killed goes on, and ends with the bits of one that was not."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from interrupted import train
from workspaces import ENVIRONMENT, ROOT

from tidegate.workspace.progress import Progress, no_progress


def bits(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "checkpoint.npz"}


@pytest.mark.parametrize(
    ("name", "moment", "later"),
    [
        ("gru", 1.5, ()),
        pytest.param("gru", 1.5, (4.25,), marks=pytest.mark.long),
        ("compiled", 1.5, ()),
        pytest.param("compiled", 1.5, (4.25, 5.99), marks=pytest.mark.long),
        pytest.param("compiled deep", 1.5, (), marks=pytest.mark.long),
        pytest.param("taught", 3.5, (), marks=pytest.mark.long),
        pytest.param("lecture", 2.5, (), marks=pytest.mark.long),
    ],
)
def test_killed_at_any_epoch_it_ends_bit_identical_on_whatever_cores(
    name: str, moment: float, later: tuple[float, ...], tmp_path: Path
) -> None:
    train(name, tmp_path / "undisturbed", no_progress)
    killed, epochs = tmp_path / "killed", list[float]()
    script = f"import interrupted; interrupted.train_and_die({name!r}, {str(killed)!r}, {moment!r})"
    env = {**ENVIRONMENT, "PYTHONPATH": f"{ROOT / 'tests' / 'support'}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert finished_epochs(killed) == int(moment)
    for moment in later:  # the same training is stopped once more, within this process
        with pytest.raises(KeyboardInterrupt):
            train(name, killed, stop_at(moment))
        assert finished_epochs(killed) == int(moment)
    train(name, killed, lambda done, total, note="", loss=None: epochs.append(done))
    assert min(epochs) > int(moment)  # it did go on
    assert bits(killed) == bits(tmp_path / "undisturbed")


def finished_epochs(folder: Path) -> int:
    """Count the epochs that a checkpoint holds."""
    with np.load(folder / "checkpoint.npz") as kept:
        return len(json.loads(str(kept["about"]))["curve"])


def stop_at(moment: float) -> Progress:
    """Give what stops a training once so many epochs are done."""

    def progress(done: float, total: float, note: str = "", loss: float | None = None) -> None:
        if done >= moment:
            raise KeyboardInterrupt

    return progress


def test_a_training_that_had_stopped_early_is_not_gone_on_with(tmp_path: Path) -> None:
    hasty = {"patience_epochs": 1, "learning_rate": 0.3}
    train("gru", tmp_path / "once", no_progress, **hasty)
    rows = json.loads((tmp_path / "once" / "history.json").read_text())
    assert len(rows) < 6
    (tmp_path / "twice").mkdir()
    (tmp_path / "once" / "checkpoint.npz").rename(tmp_path / "twice" / "checkpoint.npz")
    train("gru", tmp_path / "twice", no_progress, **hasty)
    assert bits(tmp_path / "twice") == bits(tmp_path / "once")
