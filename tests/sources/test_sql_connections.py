"""A database that is away, lost or wrongly addressed is named; a password is repeated nowhere."""

import logging
import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest
from servers import free_ports
from sql_stores import Store, hourly, pieces, refusal

from tidegate.errors import SourceError
from tidegate.sources import Source, read_all, sql

PASSWORD = "hunter2@/:%&"


def test_a_table_that_is_dropped_while_it_is_read_is_named(store: Store) -> None:
    store.fill(hourly(40))
    found = store.source().pieces(None)
    assert list(next(found).read())
    store.run("DROP TABLE met")
    message = refusal(lambda: [list(piece.read()) for piece in found])
    assert "does not give the rows of table met (" in message and "met" in message.partition("(")[2]


def test_a_connection_that_is_lost_half_way_is_reported(
    postgresql: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    postgresql.fill(hourly(4))
    monkeypatch.setattr(sql, "CHUNK_ROWS", 10)
    source = postgresql.source()
    chunks = pieces(source)[0].read()
    next(chunks)
    postgresql.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    message = refusal(lambda: list(chunks))
    assert "was lost while table met was read" in message and "it goes on from there" in message
    assert len(read_all(source)) == 192


def test_a_server_that_is_away_is_named(postgresql: Store) -> None:
    (port,) = free_ports(1)
    away = Store(f"postgresql+psycopg2://tide@127.0.0.1:{port}/met", "postgresql")
    message = refusal(away.source().fingerprint)
    assert f"postgresql+psycopg2://***@127.0.0.1:{port}/met does not let us in" in message and "refused" in message
    nowhere = Store(postgresql.url.rpartition("/")[0] + "/nowhere", "postgresql")
    assert 'database "nowhere" does not exist' in refusal(nowhere.source().fingerprint)


def test_a_file_that_is_not_there_is_not_made(sqlite: Store, tmp_path: Path) -> None:
    assert f"There is no database at sqlite:///{tmp_path}/met.db" in refusal(sqlite.source().fingerprint)
    assert not list(tmp_path.iterdir())
    (tmp_path / "met.db").write_bytes(b"not a database at all, but long enough to be taken for one")
    assert "file is not a database" in refusal(sqlite.source().fingerprint)


def test_a_driver_that_is_not_installed_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    source = Store("postgresql://tide@127.0.0.1/met", "postgresql")
    assert "psycopg2 for postgresql is not installed: pip install psycopg2-binary." in refusal(
        source.source().fingerprint
    )


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgres://tide@h/met", "begins with postgres, which is unknown here: write postgresql"),
        ("met.db", "is no address of a database: write postgresql"),
        ("postgresql://tide@h:port/met", "is no address of a database"),
        ("sqlite+aiosqlite:///met.db", "names an asynchronous driver"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, sentence: str) -> None:
    store = Store(url, "")
    assert sentence in refusal(store.source().fingerprint)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://tide:sesame@h/met",
        "postgresql://tide:sesame${MORE}@h/met",
        "postgresql://tide:p@sesame@h/met",
        "postgresql://tide@h/met?password=sesame",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dsesame",
    ],
)
def test_a_password_that_is_spelt_out_is_refused_and_not_repeated(url: str) -> None:
    store = Store(url, "")
    message = refusal(store.source)
    assert "write ${NAME} there" in message and "sesame" not in message


def test_another_account_does_not_make_another_series() -> None:
    one, other = (Store(f"postgresql://{who}@h/met", "").source() for who in ("tide:${A}", "keeper:${B}"))
    assert one.series() == other.series() != Store("postgresql://tide:${A}@h/rain", "").source().series()
    assert one.series() != Store("postgresql://tide:${A}@h/met", "").source(zone="Europe/Berlin").series()


def test_a_variable_that_is_not_set_is_named_once_the_database_is_asked(sqlite: Store) -> None:
    sqlite.url = "postgresql://tide:${TIDE_NO_SUCH}@h/met"
    source = sqlite.source()  # training needs no database
    assert "the environment variable TIDE_NO_SUCH, which is not set" in refusal(source.fingerprint)
    assert "TIDE_NO_SUCH" in refusal(lambda: pieces(source))


@pytest.mark.parametrize("whole", [False, True])
def test_no_password_is_printed_logged_or_stored(
    postgresql: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, whole: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    postgresql.fill(hourly(1))
    host = postgresql.url.rpartition("@")[2]

    def keeper(password: str) -> Source:
        monkeypatch.setenv("TIDE_PASSWORD", password)
        monkeypatch.setenv("TIDE_URL", f"postgresql+psycopg2://keeper:{quote(password, safe='')}@{host}")
        postgresql.url = "${TIDE_URL}" if whole else f"postgresql+psycopg2://keeper:${{TIDE_PASSWORD}}@{host}"
        return postgresql.source()

    source = keeper(PASSWORD)
    assert len(read_all(source)) == 48
    message = [str(source.series()), repr(source), source.fingerprint(), *(repr(piece) for piece in pieces(source))]
    postgresql.run("DROP TABLE met")
    for refused in (source, keeper("open " + PASSWORD)):
        with pytest.raises(SourceError) as caught:
            refused.fingerprint()
        message += [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value))]
        logging.getLogger("tidegate").error("it stopped", exc_info=caught.value)
    assert any("password authentication failed" in line for line in message)
    for line in [*message, caplog.text]:
        assert "hunter2" not in line


def test_a_driver_that_repeats_the_password_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object, **words: str) -> None:
        given = words["password"]
        raise psycopg2.OperationalError(f"no luck with {given}, {quote(given, safe='')} or x://tide:{given}@h")

    monkeypatch.setattr(psycopg2, "connect", connect)
    monkeypatch.setenv("TIDE_PASSWORD", PASSWORD)
    message = refusal(Store("postgresql://tide:${TIDE_PASSWORD}@h/met", "").source().fingerprint)
    assert "no luck with ***, *** or" in message and "hunter2" not in message
