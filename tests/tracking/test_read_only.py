"""The registry read by SQL: it gives what MLflow gives, or leaves it to MLflow."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.db.utils import _get_latest_schema_revision

from tidegate.errors import ServiceError
from tidegate.tracking import champion_log, registry, store
from tidegate.tracking.aliases import bearer, files_of
from tidegate.tracking.read_only import SCHEMA, read_model

pytestmark = pytest.mark.slow
NAME, CHAMPION, SHADOW = "tidegate", "champion", "shadow"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without models: to make its tables takes seconds."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        store.open_client()
    return folder / store.MLFLOW


@pytest.fixture
def client(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A registry with three versions, the first of which is champion."""
    (tmp_path / "würfel 1").mkdir()
    monkeypatch.chdir(tmp_path / "würfel 1")
    shutil.copytree(empty, store.MLFLOW)
    opened = store.open_client()
    opened.create_registered_model(NAME)
    for number in range(3):
        folder = store.ARTIFACTS / f"model {number + 1}"
        (folder / "artifacts" / "linear").mkdir(parents=True)
        (folder / "artifacts" / "linear" / "model.json").touch()
        tags = {"tidegate.candidate": "linear", "tidegate.decision.reason": f"wegen „{number}“ & 'mehr'"}
        opened.create_model_version(NAME, folder.absolute().as_uri(), tags=tags)
    champion_log.move(NAME, CHAMPION, "1", "the first", "a test")
    return opened


@pytest.fixture
def without_mlflow(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, any use of MLflow is an error."""

    def refuse(*_: object) -> None:
        raise AssertionError("MLflow was asked")

    def begin() -> None:
        for module in (registry, champion_log):
            monkeypatch.setattr(module, "tracking_client", refuse)

    return begin


def sql(command: str) -> None:
    with closing(sqlite3.connect(store.DATABASE)) as database, database:
        database.execute(command)


def test_the_schema_is_that_of_the_pinned_mlflow() -> None:
    assert _get_latest_schema_revision() == SCHEMA, "compare the tables that are read, then change SCHEMA"


def test_a_registered_model_is_read_as_mlflow_gives_it(client: MlflowClient) -> None:
    client.create_registered_model("another")
    client.create_model_version("another", "file:///nowhere", tags={"a": "b"})
    client.delete_model_version(NAME, "2")
    model, by_mlflow = read_model(NAME), client.get_registered_model(NAME)
    assert model is not None
    assert model.aliases == {key: str(value) for key, value in dict(by_mlflow.aliases).items()}
    assert model.tags == dict(by_mlflow.tags)
    assert sorted(model.versions) == registry.version_numbers(NAME) == ["1", "3"]
    for number, version in model.versions.items():
        assert version.tags == dict(client.get_model_version(NAME, number).tags)
        assert files_of(NAME, number) == registry.version_files(client.get_model_version(NAME, number))


def test_the_champion_is_read_without_mlflow(client: MlflowClient, without_mlflow: Callable[[], None]) -> None:
    store.MLFLOW.joinpath("..", "champion_log.jsonl").unlink()
    without_mlflow()
    champion = bearer(NAME, CHAMPION)
    assert champion is not None and champion.version == "1" and champion.tags["tidegate.candidate"] == "linear"
    assert '"the first"' in Path("champion_log.jsonl").read_text(), "the log's copy is made again, as by a look"
    assert files_of(NAME, "1")[0].name == "linear"
    assert bearer(NAME, SHADOW) is None


@pytest.mark.parametrize("change", ["moved", "removed", "begun", "unreadable"])
def test_a_log_that_asks_for_more_than_reading_is_left_to_mlflow(
    client: MlflowClient, without_mlflow: Callable[[], None], change: str
) -> None:
    if change == "moved":
        client.set_registered_model_alias(NAME, CHAMPION, "3")
    elif change == "removed":
        client.delete_registered_model_alias(NAME, CHAMPION)
    elif change == "begun":
        log = champion_log._Log(client, NAME, dict(client.get_registered_model(NAME).tags))
        log.add(CHAMPION, "2", "1", "killed before the alias", "a test", done=False)
    else:
        client.set_registered_model_tag(NAME, f"{champion_log.PREFIX}000009.aaaaaa", "not json")
    expected = {"moved": "3", "removed": None, "begun": "2", "unreadable": "1"}[change]
    for _ in range(2):
        champion = bearer(NAME, CHAMPION)
        by_mlflow = registry.champion(NAME)
        assert (champion and champion.version) == (by_mlflow and str(by_mlflow.version)) == expected
    if change in ("moved", "begun"):
        assert champion_log.look(NAME)[-1].version == expected, "what others did is entered, what was begun is done"
        without_mlflow()
        assert bearer(NAME, CHAMPION) == champion, "from then on reading is enough"


@pytest.mark.parametrize("why", ["schema", "moved", "server", "registry", "unknown", "damaged", "absent"])
def test_what_only_mlflow_can_say_is_left_to_it(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    assert read_model(NAME) is not None
    if why == "schema":
        sql("UPDATE alembic_version SET version_num = 'another'")
    elif why == "moved":
        sql("UPDATE experiments SET artifact_location = 'file:///elsewhere/mlflow/artifacts' WHERE name = 'tidegate'")
    elif why == "server":
        monkeypatch.setattr(store, "REMOTE", "http://127.0.0.1:1")
    elif why == "registry":
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", "sqlite:///other.db")
    elif why == "damaged":
        store.DATABASE.write_bytes(b"not a database" * 1000)
    elif why == "absent":
        store.DATABASE.unlink()
    assert read_model("another" if why == "unknown" else NAME) is None


def test_a_damaged_database_gives_mlflows_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store.MLFLOW.mkdir()
    store.DATABASE.write_bytes(b"not a database" * 1000)
    with pytest.raises(ServiceError, match="does not answer as it should"):
        bearer(NAME, CHAMPION)


def test_a_moved_workspace_is_corrected_once_and_then_read(
    client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_mlflow: Callable[[], None]
) -> None:
    before = bearer(NAME, CHAMPION)
    moved = (tmp_path / "würfel 1").rename(tmp_path / "moved")
    monkeypatch.chdir(moved)
    assert read_model(NAME) is None
    champion = bearer(NAME, CHAMPION)
    assert champion is not None and before is not None and champion.tags == before.tags
    without_mlflow()
    assert files_of(NAME, "1")[0] == moved / store.ARTIFACTS / "model 1" / "artifacts" / "linear"
