"""Whole sequences, one label each: the recurrent classifier beside the class prior and the nearest neighbour.

Scores are those on the test file. Writes artifacts/classifier: the nets, and probabilities.csv, one row per test
sequence. Records a run with MLflow.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier

from models.sequences import Classifier, Options, Sequences, read_ts
from tidegate.errors import DataError
from tidegate.evaluation.comparison import Classes
from tidegate.evaluation.metrics import metrics_of
from tidegate.tracking import runs
from tidegate.windows.panel import Floats
from tidegate.workspace.identity import file_digest
from tidegate.workspace.params import parse
from tidegate.workspace.paths import CLASSIFIER, atomic_output
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings

NET = "recurrent"


def run(settings: Settings, train: Path, test: Path, progress: Progress) -> pd.DataFrame:
    """Train on one file and score on the other; give one row of scores per classifier.

    Raises:
        SettingsError: the section classify of params.yaml has an error.
        DataError: a file cannot be read, or the two do not match.
    """
    options = parse(Options, settings.classify, "classify")
    training, testing = read_ts(train), read_ts(test)
    check(training, testing, train, test)
    classifier = Classifier(options)
    classifier.fit(training, progress)
    probabilities = {NET: classifier.probabilities(testing), **baselines(training, testing)}
    truth = np.array([classifier.classes.index(label) for label in testing.labels])
    table = {name: scores(truth, columns) for name, columns in probabilities.items()}
    with atomic_output(CLASSIFIER) as folder:
        folder.mkdir()
        classifier.save(folder)
        rows = pd.DataFrame(probabilities[NET], columns=[f"p({label})" for label in classifier.classes])
        rows.insert(0, "label", testing.labels)
        rows.to_csv(folder / "probabilities.csv", index_label="sequence", float_format="%.6g")
    files = {
        "train": train.name,
        "train_sha256": file_digest(train),
        "test": test.name,
        "test_sha256": file_digest(test),
    }
    runs.record_classification({**options.model_dump(), **files}, table[NET])
    return pd.DataFrame(table).T


def check(training: Sequences, testing: Sequences, train: Path, test: Path) -> None:
    """Check that the two files belong to one data set.

    Raises:
        DataError: the test file has other channels, or a class that the training file lacks.
    """
    channels = training.values.shape[2], testing.values.shape[2]
    if channels[0] != channels[1]:
        raise DataError(f"{train} has {channels[0]} channels and {test} {channels[1]}: give two files of one data set.")
    unknown = sorted(set(testing.labels) - set(training.labels))
    if unknown:
        raise DataError(
            f"{test} has sequences of class {unknown[0]}, and {train} none to learn it from: add some, or leave it out."
        )


def baselines(training: Sequences, testing: Sequences) -> dict[str, Floats]:
    """Give the probabilities of the class prior and of the nearest neighbour: (sequences, classes), classes sorted.

    The nearest training sequence is that of the smallest Euclidean distance; shorter sequences are padded with 0.
    """
    steps = max(training.values.shape[1], testing.values.shape[1])

    def flat(sequences: Sequences) -> Floats:
        padding = steps - sequences.values.shape[1]
        padded: Floats = np.pad(sequences.values, ((0, 0), (0, padding), (0, 0))).reshape(len(sequences.labels), -1)
        return padded

    classifiers = {"nearest neighbour": KNeighborsClassifier(1), "prior": DummyClassifier(strategy="prior")}
    return {
        name: classifier.fit(flat(training), training.labels).predict_proba(flat(testing)).astype(np.float32)
        for name, classifier in classifiers.items()
    }


def scores(truth: npt.NDArray[np.int64], probabilities: Floats) -> dict[str, float]:
    """Score probabilities (sequences, classes) of classes 0, 1, … against the truth (sequences,), by all metrics."""
    classes = Classes.of_sequences(truth, probabilities)
    return {name: metric.of_classes(classes) for name, metric in metrics_of("classes").items() if metric.of_classes}
