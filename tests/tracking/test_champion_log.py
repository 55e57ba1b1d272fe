"""The champion log: every move of an alias, with its reason, however it came about."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from tidegate.tracking import champion_log
from tidegate.tracking.champion_log import Entry, champion_at, champions_before, look, move
from tidegate.tracking.store import open_client
from tidegate.workspace import clock
from tidegate.workspace.paths import CHAMPION_LOG

pytestmark = pytest.mark.slow
NAME, CHAMPION = "tidegate", "champion"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """A registry with three versions and no alias."""
    monkeypatch.chdir(tmp_path)
    opened = open_client()
    opened.create_registered_model(NAME)
    for number in range(3):
        tags = {"tidegate.decision.reason": f"reason {number + 1}"}
        opened.create_model_version(NAME, (tmp_path / "model").as_uri(), tags=tags)
    yield opened


def borne(client: MlflowClient) -> str:
    return str(client.get_model_version_by_alias(NAME, CHAMPION).version)


def moves() -> list[tuple[str, str, str]]:
    return [(entry.before, entry.version, entry.because) for entry in look(NAME) if entry.alias == CHAMPION]


def test_each_move_is_entered_with_its_reason_and_who_asked(client: MlflowClient) -> None:
    move(NAME, CHAMPION, "1", "the first", "a stage")
    move(NAME, CHAMPION, "3", "better", "a person")
    assert borne(client) == "3"
    assert moves() == [("", "1", "the first"), ("1", "3", "better")]
    assert [entry.by for entry in look(NAME)] == ["a stage", "a person"]
    assert all(entry.done for entry in look(NAME))


def test_the_same_move_is_entered_once(client: MlflowClient) -> None:
    assert move(NAME, CHAMPION, "1", "the first", "a") == move(NAME, CHAMPION, "1", "again", "b")
    assert len(look(NAME)) == 1


def test_an_alias_that_others_have_moved_is_found_and_entered(client: MlflowClient) -> None:
    move(NAME, CHAMPION, "1", "the first", "a stage")
    client.set_registered_model_alias(NAME, CHAMPION, "2")
    assert moves()[-1] == ("1", "2", champion_log.SEEN)
    client.delete_registered_model_alias(NAME, CHAMPION)
    assert moves()[-1] == ("2", "", champion_log.SEEN)
    assert len(look(NAME)) == 3, "looking again finds nothing new"
    assert champion_at(look(NAME), pd.Timestamp.now("UTC")) is None


def test_a_registry_without_a_log_is_taken_as_it_is_found(client: MlflowClient) -> None:
    client.set_registered_model_alias(NAME, CHAMPION, "2")
    (entry,) = look(NAME)
    assert entry.because.startswith(champion_log.BEGUN) and entry.because.endswith("because: reason 2")
    registered = client.get_model_version(NAME, "2").creation_timestamp
    assert entry.time == pd.Timestamp(registered, unit="ms", tz="UTC")


@pytest.mark.parametrize("killed_after", ["entry", "alias"])
def test_what_was_killed_between_its_writes_is_finished(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, killed_after: str
) -> None:
    move(NAME, CHAMPION, "1", "the first", "a stage")
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        if killed_after == "entry":
            patch.setattr(MlflowClient, "set_registered_model_alias", die)
        else:
            patch.setattr(champion_log._Log, "confirm", die)
        with pytest.raises(KeyboardInterrupt):
            move(NAME, CHAMPION, "2", "better", "a stage")
    assert borne(client) == ("1" if killed_after == "entry" else "2")
    assert moves() == [("", "1", "the first"), ("1", "2", "better")]
    assert borne(client) == "2" and all(entry.done for entry in look(NAME))


def test_the_copy_in_the_workspace_is_made_again(client: MlflowClient) -> None:
    move(NAME, CHAMPION, "1", "the first", "a stage")
    move(NAME, CHAMPION, "2", "nützlich", "a stage")
    whole = CHAMPION_LOG.read_bytes()
    assert [json.loads(line)["version"] for line in whole.decode().splitlines()] == ["1", "2"]
    for damaged in (whole[:-30], b"\xff\xfe", b""):
        CHAMPION_LOG.write_bytes(damaged)
        look(NAME)
        assert CHAMPION_LOG.read_bytes() == whole
    CHAMPION_LOG.unlink()
    look(NAME)
    assert CHAMPION_LOG.read_bytes() == whole


def test_a_clock_that_was_set_back_does_not_change_the_order(client: MlflowClient) -> None:
    first = move(NAME, CHAMPION, "1", "the first", "a stage")
    with clock.set_to(pd.Timestamp("2020-01-01", tz="UTC")):
        second = move(NAME, CHAMPION, "2", "better", "a stage")
    assert second.time == first.time and [entry.version for entry in look(NAME)] == ["1", "2"]
    assert champion_at(look(NAME), first.time) == second


def test_two_writers_at_once_lose_nothing(client: MlflowClient) -> None:
    tags = dict(client.get_registered_model(NAME).tags)
    for version in ("1", "2"):  # both have read the same log
        champion_log._Log(client, NAME, tags).add(CHAMPION, version, "", f"by {version}", "a stage")
    entries = [entry for entry in look(NAME) if entry.number == 1]
    assert sorted(entry.because for entry in entries) == ["by 1", "by 2"]


def entry(number: int, version: str, moment: str) -> Entry:
    return Entry(number, CHAMPION, version, "", moment, "", "")


def test_the_champion_of_a_moment_and_the_one_before() -> None:
    log = [entry(1, "1", "2025-01-01T00:00Z"), entry(2, "4", "2025-02-01T00:00Z"), entry(3, "1", "2025-03-01T00:00Z")]
    moments = ["2024-12-31", "2025-01-01", "2025-02-15", "2026-01-01"]
    found = [champion_at(log, pd.Timestamp(moment, tz="UTC")) for moment in moments]
    assert [entry.version if entry else None for entry in found] == [None, "1", "4", "1"]
    assert champions_before(log[:2]) == ["1"] and champions_before(log[:1]) == []
    assert champions_before(log) == [], "version 4 was rolled back"


def test_going_back_twice_goes_back_further() -> None:
    versions = ["1", "2", "3", "4", "3"]
    log = [entry(number, version, "2025-01-01T00:00Z") for number, version in enumerate(versions, start=1)]
    assert champions_before(log) == ["2", "1"]
    assert champions_before([*log, entry(6, "5", "2025-01-02T00:00Z")]) == ["3", "2", "1"]


@pytest.mark.parametrize(
    "text", ["not json", "[]", "{}", "3", '{"number": 9, "moment": "yesterday"}', '{"moment": "2025-01-01"}']
)
def test_a_tag_that_is_no_entry_stops_nothing(client: MlflowClient, text: str) -> None:
    move(NAME, CHAMPION, "1", "the first", "a stage")
    client.set_registered_model_tag(NAME, "tidegate.log.000009.aaaaaa", text)
    assert moves() == [("", "1", "the first")]
    move(NAME, CHAMPION, "2", "better", "a stage")
    assert borne(client) == "2"


def test_an_entry_of_a_newer_release_is_read(client: MlflowClient) -> None:
    move(NAME, CHAMPION, "1", "the first", "a stage")
    (key,) = [key for key in client.get_registered_model(NAME).tags if key.startswith(champion_log.PREFIX)]
    raw = json.loads(client.get_registered_model(NAME).tags[key])
    client.set_registered_model_tag(NAME, key, json.dumps({**raw, "approved_by": "the board"}))
    assert moves() == [("", "1", "the first")]


def test_a_move_that_never_happened_is_no_reign(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    move(NAME, CHAMPION, "1", "the first", "a stage")
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(MlflowClient, "set_registered_model_alias", die)
        with pytest.raises(KeyboardInterrupt):
            move(NAME, CHAMPION, "2", "better", "a stage")
    client.delete_model_version(NAME, "2")
    assert moves() == [("", "1", "the first")] and borne(client) == "1"


def test_a_copy_that_cannot_be_written_stops_nothing(client: MlflowClient) -> None:
    CHAMPION_LOG.mkdir()
    move(NAME, CHAMPION, "1", "the first", "a stage")
    assert borne(client) == "1" and len(look(NAME)) == 1


def test_a_model_that_is_not_registered_has_no_log(client: MlflowClient) -> None:
    assert look("other") == []
