"""How long a run will take, by how long its stages took last time."""

import time
from pathlib import Path

import pytest

from tidegate.pipeline import console, timing
from tidegate.pipeline.timing import Timing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    """A clock to set, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_what_a_stage_took_is_expected_of_it_next_time(clock: list[float]) -> None:
    first = Timing(["window", "train@gru"])
    assert first.seconds_left() is None
    for name, seconds in (("window", 2.0), ("train@gru", 40.0)):
        with first.stage(name):
            clock[0] += seconds
            first.keep()
    first.write()
    second = Timing(["window", "train@gru"])
    assert second.seconds_left() == 42.0
    with second.stage("window"):
        clock[0] += 1.5
        assert second.seconds_left() == 40.5
        clock[0] += 30.0  # it takes longer than it did
        assert second.seconds_left() == 40.0
    assert second.seconds_left() == 40.0


def test_a_stage_that_was_restored_keeps_its_time_and_one_that_never_ran_makes_the_whole_unknown(
    clock: list[float],
) -> None:
    first = Timing([])
    with first.stage("window"):
        clock[0] += 2.0
        first.keep()
    first.write()
    again = Timing(["window"])
    with again.stage("window"):
        clock[0] += 0.1  # from the run cache: it is not kept
    again.write()
    assert Timing(["window"]).seconds_left() == 2.0
    assert Timing(["window", "count"]).seconds_left() is None
    assert Timing([]).seconds_left() is None


def test_stages_side_by_side_take_their_share_or_as_long_as_the_longest(clock: list[float]) -> None:
    first = Timing([])
    for name, seconds in (("window", 2.0), ("train@rnn", 10.0), ("train@lstm", 20.0), ("train@gru", 24.0)):
        with first.stage(name):
            first.keep(seconds)
    first.write()
    together = ["train@rnn", "train@lstm", "train@gru"]
    assert Timing(["window", *together], together, at_once=2).seconds_left() == 2.0 + 54.0 / 2
    assert Timing(["window", *together], together, at_once=3).seconds_left() == 2.0 + 24.0
    assert Timing(["window", "train@gru"], ["train@gru"], at_once=2).seconds_left() == 2.0 + 24.0


def test_damaged_durations_are_no_more_than_unknown(clock: list[float]) -> None:
    timing.LAST.parent.mkdir()
    timing.LAST.write_text("{")
    assert Timing(["window"]).seconds_left() is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (200, "3 min"), (3600, "1 h 0 min")]
)
def test_a_duration_is_said_in_words(seconds: float, words: str) -> None:
    assert console.in_words(seconds) == words
