"""A registered model as the workspace's own store holds it, read by SQL: MLflow takes 2 to 3 seconds to be imported.

Only the schema of the pinned release is read, and nothing is ever written. Where there is anything else (a server,
another schema, a moved workspace whose paths MLflow's store has yet to correct, a damaged file), nothing is given: then
MLflow reads, corrects and complains.
"""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tidegate.tracking import store

SCHEMA = "dc11669786a5"  # of MLflow 3.17.2, as its migrations name it
CANDIDATE = "tidegate.candidate"  # a tag of a version
OF_MODEL = "name = ? AND workspace = 'default'"


@dataclass(frozen=True)
class Version:
    """A registered version."""

    name: str
    version: str
    tags: Mapping[str, str]
    folder: Path | None = None  # with its files; None: ask MLflow


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model; its versions by their numbers."""

    tags: Mapping[str, str]
    aliases: Mapping[str, str]
    versions: Mapping[str, Version]


class Unreadable(Exception):
    """Only MLflow can say what there is."""


def read_model(name: str) -> RegisteredModel | None:
    """Read a registered model; None where there is none, or only MLflow can say what there is."""
    try:
        return find_model(name)
    except Unreadable:
        return None


def find_model(name: str) -> RegisteredModel | None:
    """Read a registered model; None where there is none.

    Raises:
        Unreadable: only MLflow can say.
    """
    if store.REMOTE or os.environ.get("MLFLOW_REGISTRY_URI"):
        raise Unreadable("the store is elsewhere")
    try:
        with closing(sqlite3.connect(f"{store.DATABASE.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("BEGIN")  # one state, whoever writes meanwhile
            return _read(database, name)
    except (sqlite3.Error, OSError) as error:
        raise Unreadable(str(error)) from None


def _read(database: sqlite3.Connection, name: str) -> RegisteredModel | None:
    artifacts = store.ARTIFACTS.absolute().as_uri()
    schema = database.execute("SELECT version_num FROM alembic_version").fetchall()
    named = "SELECT DISTINCT artifact_location FROM experiments WHERE name IN (?, ?)"  # both: earlier releases had one
    places = database.execute(named, [name, store.EXPERIMENT]).fetchall()
    if schema != [(SCHEMA,)]:
        raise Unreadable("it is of another release of MLflow")
    if places != [(artifacts,)]:
        raise Unreadable("the workspace was moved since")

    def rows(columns: str, table: str, condition: str = OF_MODEL) -> list[Any]:
        found = database.execute(f"SELECT {columns} FROM {table} WHERE {condition}", [name])  # noqa: S608
        return [tuple(str(cell) for cell in row) for row in found]

    if not rows("name", "registered_models"):
        return None
    tags: dict[str, dict[str, str]] = {}
    for number, key, value in rows("version, key, value", "model_version_tags"):
        tags.setdefault(number, {})[key] = value
    kept = f"{OF_MODEL} AND current_stage != 'Deleted_Internal'"
    return RegisteredModel(
        dict(rows("key, value", "registered_model_tags")),
        dict(rows("alias, version", "registered_model_aliases")),
        {
            number: Version(name, number, tags.get(number, {}), _folder(location, artifacts))
            for number, location in rows("version, coalesce(storage_location, source)", "model_versions", kept)
        },
    )


def files_in(folder: Path) -> tuple[Path, Path] | None:
    """Find the folder of the model, and the spec of its windows, among the files of a version."""
    model = next((folder / "artifacts").rglob("model.json"), None)
    return (model.parent, folder / "artifacts" / "spec.json") if model else None


def _folder(location: str, artifacts: str) -> Path | None:
    inside = location.startswith(f"{artifacts}/")
    return store.ARTIFACTS.absolute() / unquote(location.removeprefix(f"{artifacts}/")) if inside else None
