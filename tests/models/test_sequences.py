"""Whole-sequence classification: lengths, masks, and classes that are there to be told apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sequences import waves
from workspaces import REAL_DATA

from models.sequences import Classifier, Options, Sequences, read_ts
from tidegate.errors import DataError

OPTIONS = Options(units=12, epochs=25, members=1, learning_rate=0.02, dropout=0.0)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    trained = Classifier(OPTIONS)
    trained.fit(waves(60, 0))
    return trained


def test_classes_of_sequences_of_any_length_are_told_apart(classifier: Classifier) -> None:
    test = waves(60, 1)
    right = [predicted == label for predicted, label in zip(classifier.predict(test), test.labels, strict=True)]
    assert np.mean(right) > 0.9
    assert np.allclose(classifier.probabilities(test).sum(axis=1), 1, atol=1e-5)


def test_what_is_padded_says_nothing(classifier: Classifier) -> None:
    test = waves(20, 2)
    longer = replace(test, values=np.pad(test.values, ((0, 0), (0, 17), (0, 0))))
    junk = replace(test, values=np.where(test.mask[..., None], test.values, 99).astype(np.float32))
    plain = classifier.probabilities(test)
    assert np.allclose(classifier.probabilities(longer), plain, atol=1e-5)
    assert np.allclose(classifier.probabilities(junk), plain, atol=1e-5)


@pytest.mark.long
def test_shuffled_time_destroys_skill() -> None:
    rng = np.random.default_rng(0)

    def shuffled(whole: Sequences) -> Sequences:
        values = whole.values.copy()
        for row, length in enumerate(whole.lengths):
            values[row, :length] = values[row, rng.permutation(length)]
        return replace(whole, values=values)

    trained, test = Classifier(OPTIONS), shuffled(waves(60, 1))
    trained.fit(shuffled(waves(60, 0)))
    assert (
        np.mean([predicted == label for predicted, label in zip(trained.predict(test), test.labels, strict=True)]) < 0.8
    )


def test_segments_need_not_divide_a_sequence() -> None:
    trained = Classifier(OPTIONS.model_copy(update={"segment": 4, "epochs": 2}))
    trained.fit(waves(20, 0))
    assert trained.probabilities(waves(10, 1)).shape == (10, 2)


def test_a_single_class_is_refused() -> None:
    one = waves(10, 0)
    with pytest.raises(DataError, match="All 5 training sequences are of class slow"):
        Classifier(OPTIONS).fit(one.select(np.arange(0, 10, 2)))


def test_a_file_of_the_archive_is_read_with_its_lengths() -> None:
    folder = REAL_DATA / "classification" / "JapaneseVowels"
    if not folder.exists():
        pytest.skip(f"{folder} is not here")
    train = read_ts(folder / "JapaneseVowels_TRAIN.ts")
    assert train.values.shape == (270, 26, 12) or train.values.shape[0::2] == (270, 12)
    assert train.lengths.min() == 7 and len(set(train.labels)) == 9
    assert not train.values[~train.mask].any()


def test_a_line_that_is_no_sequence_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.ts"
    path.write_text("@problemName x\n@data\n1,2,3:a\n1,two,3:b\n")
    with pytest.raises(DataError, match=r"x\.ts, line 4: this is not"):
        read_ts(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_ts(tmp_path / "none.ts")
    path.write_text("@data\n")
    with pytest.raises(DataError, match="holds no sequences"):
        read_ts(path)


def test_a_classifier_is_written_and_read_again(classifier: Classifier, tmp_path: Path) -> None:
    classifier.save(tmp_path)
    again, test = Classifier.load(tmp_path), waves(20, 3)
    assert again.classes == classifier.classes and again.options == OPTIONS
    assert np.array_equal(again.probabilities(test), classifier.probabilities(test))
