"""Every kind of source, filled by the test, and a clock that the test sets."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from origins import Clock, Files, Origin, Table, Web
from servers import create_database, postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A database of a PostgreSQL server; its address."""
    with postgres() as address:
        create_database(address, "met")
        yield f"postgresql+psycopg2://{address.replace(':secret', '')}/met"


@pytest.fixture(params=["files", "sqlite", "postgresql", "http_json"])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Origin]:
    """A place that rows come from, one of each kind."""
    if request.param == "files":
        yield Files(tmp_path)
    elif request.param == "http_json":
        web = Web()
        yield web
        web.service.close()
    else:
        sqlite = request.param == "sqlite"
        yield Table(f"sqlite:///{tmp_path}/met.db" if sqlite else request.getfixturevalue("server"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set what time it is."""
    return lambda time: monkeypatch.setattr(pd.Timestamp, "now", lambda tz: pd.Timestamp(time).tz_convert(tz))
