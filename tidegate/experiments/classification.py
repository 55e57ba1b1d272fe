"""Whole sequences, one label each: the recurrent classifier beside the class prior and the nearest neighbour.

Scores are of the test file alone; all of them count every class that occurs there alike. Writes artifacts/classifier:
the nets, and probabilities.csv, a row for each test sequence. Records a run with MLflow.
"""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics as sk
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier

from models.sequences import Classifier, Options, Sequences, read_ts
from tidegate.errors import DataError
from tidegate.tracking import runs
from tidegate.windows.panel import Floats
from tidegate.workspace.params import parse
from tidegate.workspace.paths import CLASSIFIER, atomic_output
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings

NET = "recurrent"


def run(settings: Settings, train: Path, test: Path, progress: Progress) -> pd.DataFrame:
    """Train on one file, score on the other; give a row of scores for each classifier.

    Raises:
        SettingsError: the section classify of params.yaml is refused.
        DataError: a file cannot be read, or the two do not go together.
    """
    options = parse(Options, settings.classify, "classify")
    known, asked = read_ts(train), read_ts(test)
    check(known, asked, train, test)
    classifier = Classifier(options)
    classifier.fit(known, progress)
    chances = {NET: classifier.probabilities(asked), **baselines(known, asked)}
    truth = np.array([classifier.classes.index(label) for label in asked.labels])
    rated = {name: scores(truth, said) for name, said in chances.items()}
    with atomic_output(CLASSIFIER) as folder:
        folder.mkdir()
        classifier.save(folder)
        said = pd.DataFrame(chances[NET], columns=[f"p({label})" for label in classifier.classes])
        said.insert(0, "label", asked.labels)
        said.to_csv(folder / "probabilities.csv", index_label="sequence", float_format="%.6g")
    about = {"train": train.name, "train_sha256": _digest(train), "test": test.name, "test_sha256": _digest(test)}
    runs.record_classification({**options.model_dump(), **about}, rated[NET])
    return pd.DataFrame(rated).T


def check(known: Sequences, asked: Sequences, train: Path, test: Path) -> None:
    """Refuse a test file that is of something else.

    Raises:
        DataError: it has other channels, or a class that the training file has not.
    """
    channels = known.values.shape[2], asked.values.shape[2]
    if channels[0] != channels[1]:
        raise DataError(f"{train} has {channels[0]} channels and {test} {channels[1]}: give two files of one data set.")
    strange = sorted(set(asked.labels) - set(known.labels))
    if strange:
        raise DataError(
            f"{test} has sequences of class {strange[0]}, and {train} none to learn it from: add some, or leave it out."
        )


def baselines(known: Sequences, asked: Sequences) -> dict[str, Floats]:
    """Give what the class prior and the nearest training sequence say: (sequences, classes), classes sorted.

    Nearest by Euclidean distance; a shorter sequence is 0 after its end.
    """
    steps = max(known.values.shape[1], asked.values.shape[1])

    def flat(sequences: Sequences) -> Floats:
        short = steps - sequences.values.shape[1]
        laid: Floats = np.pad(sequences.values, ((0, 0), (0, short), (0, 0))).reshape(len(sequences.labels), -1)
        return laid

    rivals = {"nearest neighbour": KNeighborsClassifier(1), "prior": DummyClassifier(strategy="prior")}
    return {
        name: rival.fit(flat(known), known.labels).predict_proba(flat(asked)).astype(np.float32)
        for name, rival in rivals.items()
    }


def scores(truth: npt.NDArray[np.int64], chances: Floats) -> dict[str, float]:
    """Score probabilities (sequences, classes) of classes 0, 1, … against the truth (sequences,).

    Accuracy; macro-F1; AUROC and average precision, each class against the rest, as means over the classes that occur;
    Brier score, of two classes as for alerts, of more the mean sum of squares; log loss. Probabilities are held 1e-7
    from 0.
    """
    classes = np.arange(chances.shape[1])
    said, there = chances.argmax(axis=1), np.unique(truth)
    is_class = np.stack([truth == one for one in there], axis=1)
    held = np.clip(chances.astype(np.float64), 1e-7, None)
    held /= held.sum(axis=1, keepdims=True)
    ranked = [(is_class[:, place], chances[:, one]) for place, one in enumerate(there) if len(there) > 1]
    nothing = [float("nan")]
    return {
        "accuracy": float(np.mean(said == truth)),
        "macro_f1": float(sk.f1_score(truth, said, labels=there, average="macro", zero_division=0)),
        "auroc": float(np.mean([sk.roc_auc_score(*pair) for pair in ranked] or nothing)),
        "average_precision": float(np.mean([sk.average_precision_score(*pair) for pair in ranked] or nothing)),
        "brier": float(sk.brier_score_loss(truth, held, labels=classes)),
        "log_loss": float(sk.log_loss(truth, held, labels=classes)),
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
