"""Databases and services as sources, each empty at first."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_services import Service
from json_sources import Serve
from servers import create_database, postgres
from sql_stores import Store
from sqlalchemy import NullPool, create_engine

from tidegate.sources.http_json import service as service_file

KEEPER = ("CREATE ROLE keeper LOGIN PASSWORD 'hunter2@/:%&'", "GRANT pg_read_all_data TO keeper")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server in which the role keeper needs a password."""
    with postgres() as address:
        engine = create_engine(f"postgresql+psycopg2://{address}/postgres", poolclass=NullPool)
        with engine.begin() as connection:
            for statement in KEEPER:
                connection.exec_driver_sql(statement.replace("%", "%%"))
            rules = Path(connection.exec_driver_sql("SHOW hba_file").scalar_one())
            rules.write_text("host all keeper 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        create_database(address, "met")
        yield address


@pytest.fixture
def sqlite(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/met.db", "sqlite")


@pytest.fixture
def postgresql(server: str) -> Store:
    store = Store(f"postgresql+psycopg2://{server.replace(':secret', '')}/met", "postgresql")
    store.run(
        "DROP SCHEMA IF EXISTS public, raw CASCADE", "CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO keeper"
    )
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a service that answers as it is told."""
    services: list[Service] = []

    def start(reply: Callable[[Service, dict[str, str]], Any]) -> Service:
        services.append(Service(reply))
        return services[-1]

    yield start
    for service in services:
        service.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that goes on only when it is slept."""
    slept: list[float] = []
    monkeypatch.setattr(service_file, "sleep", slept.append)
    monkeypatch.setattr(service_file, "monotonic", lambda: sum(slept))
    return slept
