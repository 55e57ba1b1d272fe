"""The command for whole sequences: its scores, its rivals, and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke, refused
from sequences import waves
from workspaces import set_params

from models.sequences import Classifier, Sequences, pad
from tidegate.errors import DataError
from tidegate.experiments import classification
from tidegate.tracking.store import open_client


def write_ts(path: Path, sequences: Sequences) -> None:
    """Write a file of the archive's format."""
    lines = ["@problemName waves", "@data"]
    for values, length, label in zip(sequences.values, sequences.lengths, sequences.labels, strict=True):
        channels = [",".join(f"{value:.6f}" for value in channel) for channel in values[:length].T]
        lines.append(":".join([*channels, label]))
    path.write_text("\n".join(lines) + "\n")


def test_scores_against_figures_by_hand() -> None:
    chances = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], np.float32)
    found = classification.scores(np.array([0, 1, 1, 2]), chances)
    assert found["accuracy"] == 0.75
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    squares = [0.09 + 0.04 + 0.01, 0.09 + 0.16 + 0.01, 0.25 + 0.49 + 0.04, 0.01 + 0.04 + 0.09]
    assert found["brier"] == pytest.approx(np.mean(squares), abs=1e-6)
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.7, 0.6, 0.3, 0.7])), abs=1e-6)
    assert found["auroc"] == 1.0 and found["average_precision"] == 1.0


def test_of_two_classes_the_brier_score_is_that_of_alerts() -> None:
    found = classification.scores(np.array([0, 1, 1]), np.array([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9]], np.float32))
    assert found["brier"] == pytest.approx((0.04 + 0.16 + 0.01) / 3, abs=1e-6)


def test_the_rivals_are_what_they_are_called() -> None:
    known = pad([np.full((4, 1), level, np.float32) for level in (0, 0, 9)], ["low", "low", "high"])
    asked = pad([np.full((6, 1), 8, np.float32)], ["high"])
    rivals = classification.baselines(known, asked)
    assert rivals["prior"] == pytest.approx(np.array([[1 / 3, 2 / 3]]))  # classes sorted: high, low
    assert rivals["nearest neighbour"].tolist() == [[1.0, 0.0]]


def test_files_of_two_data_sets_are_refused() -> None:
    known, test = waves(10, 0), waves(4, 1)
    here = Path("a.ts"), Path("b.ts")
    one = Sequences(test.values[..., :1], test.lengths, test.labels)
    with pytest.raises(DataError, match=r"a\.ts has 2 channels and b\.ts 1"):
        classification.check(known, one, *here)
    with pytest.raises(DataError, match=r"b\.ts has sequences of class odd, and a\.ts none"):
        classification.check(known, Sequences(test.values, test.lengths, ("odd",) * 4), *here)


def test_the_command_beats_the_prior_and_keeps_its_nets(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ts(workspace / "train.ts", waves(60, 0))
    write_ts(workspace / "test.ts", waves(40, 1))
    set_params(workspace, {"classify": {"units": 12, "members": 1, "epochs": 25, "learning_rate": 0.02}})
    printed = invoke(workspace, "classify", "train.ts", "test.ts").stdout
    rows = {line.split("│")[1].strip(): float(line.split("│")[2]) for line in printed.splitlines() if "│" in line}
    assert rows["prior"] == 0.5 and rows["recurrent"] > 0.9 and "nearest neighbour" in rows
    kept = pd.read_csv(workspace / "artifacts" / "classifier" / "probabilities.csv", index_col="sequence")
    again = Classifier.load(workspace / "artifacts" / "classifier")
    assert np.allclose(kept[["p(fast)", "p(slow)"]], again.probabilities(waves(40, 1)), atol=1e-4)
    monkeypatch.chdir(workspace)
    (run,) = open_client().search_runs(["1"])
    assert run.data.metrics["test_accuracy"] == pytest.approx(rows["recurrent"], abs=5e-4)


def test_a_mistake_is_one_sentence(workspace: Path) -> None:
    assert "none.ts cannot be read" in refused(workspace, "classify", "none.ts", "none.ts")
    set_params(workspace, {"classify": {"unit": 12}})
    message = refused(workspace, "classify", "none.ts", "none.ts")
    assert "classify.unit is not a known key; did you mean units?" in message
