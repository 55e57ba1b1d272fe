"""Rows of a SQL database: SQLite, and a PostgreSQL server."""

import logging
import sys
import traceback
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import psycopg2
import pytest
from servers import create_database, free_ports, postgres
from sqlalchemy import Engine, NullPool, create_engine, text

from tidegate.errors import SettingsError, SourceError, UserError
from tidegate.sources import Piece, Source, open_source, read_all, sql
from tidegate.workspace.columns import ARRIVED, STATION, TIME
from tidegate.workspace.settings import Dataset

PASSWORD = "hunter2@/:%&"
KEEPER = ("CREATE ROLE keeper LOGIN PASSWORD 'hunter2@/:%&'", "GRANT pg_read_all_data TO keeper")


@pytest.fixture(scope="module")
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


class Store:
    """A database that tests may write to."""

    def __init__(self, url: str, kind: str) -> None:
        self.url, self.kind = url, kind

    @cached_property
    def engine(self) -> Engine:
        return create_engine(self.url, poolclass=NullPool)

    def run(self, *statements: str) -> Any:
        with self.engine.begin() as connection:
            return [connection.exec_driver_sql(statement) for statement in statements][-1]

    def fill(self, rows: list[tuple[Any, ...]], time: str = "TIMESTAMPTZ", table: str = "met", x: str = "REAL") -> None:
        self.run(f"CREATE TABLE IF NOT EXISTS {table} (station TEXT, time {time}, x {x}, known {time})")
        with self.engine.begin() as connection:
            add = text(f"INSERT INTO {table} VALUES (:station, :time, :x, :known)")
            names = ("station", "time", "x", "known")
            connection.execute(add, [dict(zip(names, (*row, None, None)[:4], strict=True)) for row in rows])

    def source(self, variables: tuple[str, ...] = ("x",), zone: str = "UTC", **options: object) -> Source:
        kept = {} if "query" in options else {"table": "met"}
        section = {"url": self.url, "station": "station", "time": "time", **kept, **options}
        return open_source(
            Dataset(
                source="sql",
                options={name: value for name, value in section.items() if value is not None},
                frequency="1h",
                time_zone=zone,
                variables={name: {"unit": "m"} for name in variables},
                targets=["x"],
                season_steps=24,
            )
        )


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


def hourly(days: int, stations: str = "AB", start: str = "2024-01-30T00:00Z") -> list[tuple[Any, ...]]:
    times = pd.date_range(start, periods=24 * days, freq="h")
    return [
        (station, str(time), float(place + 1000 * number))
        for number, station in enumerate(stations)
        for place, time in enumerate(times)
    ]


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def pieces(source: Source, since: pd.Timestamp | None = None) -> list[Piece]:
    return list(source.pieces(since))


def test_all_rows_come_once_in_the_order_of_time_and_station(store: Store) -> None:
    rows = hourly(3)
    store.fill(rows[::-1])
    frame = read_all(store.source())
    assert list(zip(frame[STATION], frame[TIME], frame["x"], strict=True)) == sorted(
        ((station, pd.Timestamp(time), x) for station, time, x in rows), key=lambda row: (row[1], row[0])
    )


def test_rows_come_in_chunks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.fill(hourly(4))
    monkeypatch.setattr(sql, "CHUNK_ROWS", 10)
    chunks = [chunk for piece in store.source().pieces(None) for chunk in piece.read()]
    assert len(chunks) == 20 and max(len(chunk) for chunk in chunks) == 10
    assert not pd.concat(chunks).duplicated([STATION, TIME]).any() and sum(map(len, chunks)) == 192


def test_a_month_is_a_piece(store: Store) -> None:
    store.fill(hourly(40))
    months = [
        {str(time)[:7] for chunk in piece.read() for time in chunk[TIME]} for piece in store.source().pieces(None)
    ]
    assert months == [{"2024-01"}, {"2024-02"}, {"2024-03"}]


def test_a_piece_has_another_name_once_its_month_has_new_rows_and_else_the_same(store: Store) -> None:
    store.fill(hourly(5))
    source = store.source()
    before, again = [piece.name for piece in pieces(source)], [piece.name for piece in pieces(store.source())]
    assert before == again and len(set(before)) == 2
    store.fill([("A", "2024-02-20 00:00:00+00:00", 1.0)])
    after = [piece.name for piece in pieces(source)]
    assert after[0] == before[0] and after[1] != before[1]


def test_the_fingerprint_changes_with_a_new_row_and_with_a_later_arrival(store: Store) -> None:
    store.fill(hourly(2))
    source, dated = store.source(), store.source(arrived="known")
    plain = source.fingerprint()
    assert plain == source.fingerprint() and plain != dated.fingerprint()
    known = dated.fingerprint()
    store.run("UPDATE met SET known = '2024-03-01 00:00:00+00:00' WHERE station = 'A'")
    assert source.fingerprint() == plain and dated.fingerprint() != known
    store.fill([("C", "2024-01-30 00:00:00+00:00", 1.0)])
    assert source.fingerprint() != plain


def test_reading_can_go_on_with_a_later_piece(store: Store) -> None:
    store.fill(hourly(40))
    source = store.source()
    whole = read_all(source)
    first = pieces(source)[0]
    begun = pd.concat(list(first.read()), ignore_index=True)
    rest = [chunk for piece in pieces(store.source()) if piece.name != first.name for chunk in piece.read()]
    assert pd.concat([begun, *rest], ignore_index=True).equals(whole)


def test_rows_before_the_watermark_are_left_out(store: Store) -> None:
    store.fill(hourly(40))
    source, since = store.source(), utc("2024-02-10T12:00")
    assert len(pieces(source, since)) == 2
    frame, whole = read_all(source, since), read_all(source)
    assert frame.equals(whole[whole[TIME] >= since].reset_index(drop=True))


@pytest.mark.parametrize("writing", ["2024-01-31 %H:%M:%S", "2024-01-31T%H:%M:%SZ", "2024-01-31T%H:%MZ"])
def test_times_may_be_text(store: Store, writing: str) -> None:
    hours = pd.date_range("2024-01-31", periods=24, freq="h")
    rows = [("A", time.strftime(writing), float(time.hour)) for time in hours]
    store.fill([*rows, ("A", writing[:8].replace("01", "02", 1) + "01" + "T00:00:00+02:00", 99.0)], time="TEXT")
    source = store.source()
    frame = read_all(source)
    assert len(pieces(source)) == 2
    assert frame["x"].tolist() == [*range(24), 99.0]
    assert frame[TIME].iloc[[0, 23, 24]].tolist() == [
        utc("2024-01-31"), utc("2024-01-31T23:00"), utc("2024-01-31T22:00")
    ]  # fmt: skip
    assert read_all(source, utc("2024-01-31T20:00"))["x"].tolist() == [20, 21, 22, 23, 99]
    query = store.source(query="SELECT * FROM met WHERE time >= :since AND length(time) < 21")
    assert read_all(query, utc("2024-01-31T20:00"))["x"].tolist() == [20, 21, 22, 23]


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TEXT", "DATE"])
def test_times_without_a_zone_are_of_the_zone_that_is_named(store: Store, kind: str) -> None:
    store.fill([("A", "2024-01-31 00:00:00", 1.0), ("A", "2024-07-01 00:00:00", 2.0)], time=kind)
    expected = [utc("2024-01-30T23:00"), utc("2024-06-30T22:00")]
    assert read_all(store.source(zone="Europe/Berlin"))[TIME].tolist() == expected
    assert read_all(store.source(zone="Asia/Tokyo", time_zone="Europe/Berlin"))[TIME].tolist() == expected
    source = store.source(zone="Europe/Berlin")
    assert read_all(source, expected[1])["x"].tolist() == [2.0]
    assert read_all(store.source())[TIME].tolist() == [utc("2024-01-31"), utc("2024-07-01")]


@pytest.mark.parametrize("time", ["2024-03-31 02:30:00", "2024-10-27 02:30:00"])
def test_a_time_that_the_clock_change_left_out_or_doubled_is_refused(store: Store, time: str) -> None:
    store.fill([("A", "2024-03-01 00:00:00", 1.0), ("B", time, 1.0)], time="TIMESTAMP")
    with pytest.raises(SourceError, match=f"table met, station B: '?{time}'? in column 'time' does not exist or"):
        read_all(store.source(zone="Europe/Berlin"))


def test_it_is_told_when_a_row_became_known(store: Store) -> None:
    store.fill([
        ("A", "2024-01-31 00:00:00+00:00", 1.0, None),
        ("A", "2024-01-31 01:00:00+00:00", 2.0, "2024-02-03 00:00:00+00:00"),
        ("A", "2024-01-31 01:00:00+00:00", 3.0, "2024-02-02 00:00:00+00:00"),
    ])  # fmt: skip
    frame = read_all(store.source(arrived="known"))
    assert frame["x"].tolist() == [1.0, 3.0, 2.0]
    assert frame[ARRIVED].isna().tolist() == [True, False, False] and frame[ARRIVED][2] == utc("2024-02-03")
    assert ARRIVED not in read_all(store.source())
    store.run("UPDATE met SET known = NULL")
    assert read_all(store.source(arrived="known"))[ARRIVED].isna().all()


def test_a_query_is_asked_for_what_is_newer_than_the_watermark(store: Store) -> None:
    store.fill(hourly(4))
    query = "SELECT station, time, x * 2 AS twice FROM met WHERE time >= :since; -- all"
    source = store.source(query=query.replace("; -- all", " -- all"), columns={"x": "twice"})
    whole = read_all(source)
    assert whole["x"].sum() == 2 * sum(row[2] for row in hourly(4))
    since = utc("2024-02-01T12:00")
    assert read_all(source, since).equals(whole[whole[TIME] >= since].reset_index(drop=True))
    assert read_all(store.source(query=query.removesuffix(" -- all"), columns={"x": "twice"})).equals(whole)


def test_a_query_may_ask_for_what_became_known_since_whenever_it_was_measured(store: Store) -> None:
    old, new = "2024-01-31 00:00:00+00:00", "2024-03-05 00:00:00+00:00"
    store.fill([("A", old, 1.0, old), ("A", old, 2.0, new), ("A", new, 3.0, new)])
    source = store.source(query="SELECT * FROM met WHERE known >= :since", arrived="known")
    assert read_all(source)["x"].tolist() == [1.0, 2.0, 3.0]
    assert read_all(source, utc("2024-03-01"))["x"].tolist() == [2.0, 3.0]


def test_a_query_may_leave_out_what_lies_ahead_and_hold_colons(store: Store) -> None:
    store.fill([("A", "2024-01-31 00:00:00+00:00", 1.0), ("A", "2199-01-31 00:00:00+00:00", 2.0)])
    query = "SELECT * FROM met WHERE time < :until AND station <> ' :b 12:30 %'"
    assert read_all(store.source(query=query))["x"].tolist() == [1.0]


def test_a_parameter_may_be_cast(postgresql: Store) -> None:
    postgresql.fill(hourly(1))
    query = "SELECT * FROM met WHERE time >= :since::timestamptz - interval '1 hour'"
    assert len(read_all(postgresql.source(query=query), utc("2024-01-30T12:00"))) == 26


def test_one_station_is_named_by_the_table_or_by_hand(store: Store) -> None:
    store.fill(hourly(1, "A"), table="harbour")
    assert set(read_all(store.source(table="harbour", station=None))[STATION]) == {"harbour"}
    assert set(read_all(store.source(table="harbour", station=None, name="H1"))[STATION]) == {"H1"}
    query = "SELECT time, x FROM harbour"
    assert set(read_all(store.source(query=query, station=None, name="H1"))[STATION]) == {"H1"}
    with pytest.raises(SettingsError, match="give station"):
        store.source(query=query, station=None)


def test_a_table_may_be_in_a_schema_and_names_be_reserved_words(postgresql: Store) -> None:
    postgresql.run(
        "CREATE SCHEMA raw",
        'CREATE TABLE raw."Order" ("group" INTEGER, "Time" TIMESTAMPTZ, "select" NUMERIC(6, 2), y DOUBLE PRECISION)',
        """INSERT INTO raw."Order" VALUES (7, '2024-01-31 00:00+01', 1.25, 'Infinity'::float - 'Infinity'::float)""",
    )
    names = {"x": "select"}
    source = postgresql.source(("x", "y"), table="raw.Order", station="group", time="Time", columns=names)
    frame = read_all(source)
    assert frame[STATION].tolist() == ["7"] and frame["x"].tolist() == [1.25] and frame["y"].isna().all()
    assert frame[TIME].tolist() == [utc("2024-01-30T23:00")]


def test_an_empty_table_has_no_pieces(store: Store) -> None:
    store.run("CREATE TABLE met (station TEXT, time TIMESTAMP, x REAL)")
    source = store.source()
    empty = source.fingerprint()
    assert pieces(source) == [] and source.end() is None
    store.run("INSERT INTO met VALUES ('A', '2024-01-01 00:00:00', NULL)")
    assert source.fingerprint() != empty and read_all(source)["x"].isna().all()


def test_rows_may_come_while_others_are_read(store: Store) -> None:
    store.fill(hourly(40))
    source = store.source()
    found = pieces(source)
    store.fill([("C", "2024-02-20 00:00:00+00:00", 1.0)])
    assert sum(len(chunk) for piece in found for chunk in piece.read()) == len(hourly(40)) + 1


def test_nothing_can_be_written(store: Store) -> None:
    store.fill(hourly(1))
    source = store.source()
    assert isinstance(source, sql.Source)
    with pytest.raises(SourceError, match=r"read-?\s?only"), source._database.connected() as connection:
        connection.execute(text("DELETE FROM met"))
    with pytest.raises(SourceError, match="does not give the rows"):
        read_all(store.source(query="DELETE FROM met RETURNING *"))
    assert len(read_all(source)) == 48


def refusal(read: Any) -> str:
    with pytest.raises(UserError) as caught:
        read()
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    return message


def test_a_table_or_column_that_is_not_there_is_answered_with_those_that_are(store: Store) -> None:
    store.fill(hourly(1))
    assert "There is no table mett in the database" in refusal(lambda: pieces(store.source(table="mett")))
    assert "which has met: correct" in refusal(lambda: store.source(table="mett").fingerprint())
    for options in ({"station": "site"}, {"time": "site"}, {"columns": {"x": "site"}}, {"arrived": "site"}):
        message = refusal(lambda options=options: pieces(store.source(**options)))
        assert "no column 'site' in table met, which has station, time, x, known" in message
    assert "which has time: name" in refusal(lambda: pieces(store.source(query="SELECT time FROM met")))
    assert "table nowhere.met" in refusal(lambda: pieces(store.source(table="nowhere.met")))


def test_a_query_that_is_not_sql_is_refused(store: Store) -> None:
    store.fill(hourly(1))
    message = refusal(lambda: pieces(store.source(query="SELEKT * FROM met")))
    assert "dataset.options.query (" in message and "syntax error" in message
    assert "dataset.options.query (" in refusal(lambda: pieces(store.source(query="SELECT * FROM met WHERE x = :y")))


def test_options_that_do_not_go_together_are_refused(sqlite: Store) -> None:
    assert "give one of table and query" in refusal(lambda: sqlite.source(table="met", query="SELECT 1"))
    assert "give one of table and query" in refusal(lambda: sqlite.source(table=None))
    assert "name the only station" in refusal(lambda: sqlite.source(name="A"))
    assert "did you mean x?" in refusal(lambda: sqlite.source(columns={"xx": "y"}))


def test_a_value_that_is_no_number_is_named_with_its_place(store: Store) -> None:
    store.fill([("A", "2024-01-31 00:00:00+00:00", "1.5"), ("B", "2024-01-31 01:00:00+00:00", "wet")], x="TEXT")
    message = refusal(lambda: read_all(store.source()))
    assert "table met, station B at 2024-01-31 01:00:00+00:00: 'wet' in column 'x' is not a number" in message
    store.run("DELETE FROM met WHERE station = 'B'")
    assert read_all(store.source())["x"].tolist() == [1.5]


@pytest.mark.parametrize("station", [None, " "])
def test_a_row_without_a_station_is_refused(store: Store, station: str | None) -> None:
    store.fill([("A", "2024-01-31 00:00:00+00:00", 1.0), (station, "2024-01-31 01:00:00+00:00", 1.0)])
    message = refusal(lambda: read_all(store.source()))
    assert "the row at 2024-01-31 01:00:00+00:00 names no station in column 'station'" in message


@pytest.mark.parametrize("since", [None, utc("2024-01-01")])
def test_a_row_without_a_time_is_refused(store: Store, since: pd.Timestamp | None) -> None:
    store.fill([("A", "2024-01-31 00:00:00+00:00", 1.0), ("A", None, 1.0)])
    assert "Column 'time' of table met is empty in some rows" in refusal(lambda: read_all(store.source(), since))
    store.run("DELETE FROM met WHERE time IS NOT NULL")
    assert "is empty in some rows" in refusal(lambda: pieces(store.source(), since))


@pytest.mark.parametrize(
    "time", ["yesterday", "2024-13-01T00:00", "31.01.2024", "9999-01-01T00:00", "2024-01-32", "2024-01"]
)
def test_text_that_is_no_time_is_refused(store: Store, time: str) -> None:
    store.fill([("A", "2024-01-31 00:00:00", 1.0), ("B", time, 1.0)], time="TEXT")
    message = refusal(lambda: read_all(store.source()))
    assert f"{time!r}" in message and "is not a time that can be read" in message


@pytest.mark.parametrize("time", ["0044-01-01 BC", "infinity", "9999-01-01", "12024-01-01"])
def test_a_time_of_no_age_of_measurement_is_refused(postgresql: Store, time: str) -> None:
    postgresql.fill([("A", "2024-01-31 00:00:00", 1.0), ("B", time, 1.0)])
    assert "table met" in refusal(lambda: read_all(postgresql.source()))


def test_an_arrival_of_no_age_of_measurement_is_refused(postgresql: Store) -> None:
    postgresql.fill([("A", "2024-01-31 00:00:00", 1.0, "infinity")])
    message = refusal(lambda: read_all(postgresql.source(arrived="known")))
    assert "station A at 2024-01-31 00:00:00+00:00: 9999-12-31" in message and "in column 'known' is not" in message


@pytest.mark.parametrize("kind", ["BIGINT", "REAL"])
def test_seconds_are_no_times(store: Store, kind: str) -> None:
    store.fill([("A", 1704067200, 1.0)], time=kind)
    assert "'time' of table met holds numbers, not times" in refusal(lambda: pieces(store.source()))
    call = "to_timestamp(time)" if store.kind == "postgresql" else "datetime(time, 'unixepoch')"
    source = store.source(query=f"SELECT station, {call} AS time, x FROM met")
    assert read_all(source)[TIME].tolist() == [utc("2024-01-01")]


def test_a_table_that_is_dropped_while_it_is_read_is_told(store: Store) -> None:
    store.fill(hourly(40))
    found = store.source().pieces(None)
    assert list(next(found).read())
    store.run("DROP TABLE met")
    message = refusal(lambda: [list(piece.read()) for piece in found])
    assert "does not give the rows of table met (" in message and "met" in message.partition("(")[2]


def test_a_connection_that_is_lost_half_way_is_told(
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


def test_a_server_that_is_away_is_told(postgresql: Store) -> None:
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
def test_no_password_is_said_logged_or_stored(
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
    said = [str(source.series()), repr(source), source.fingerprint(), *(repr(piece) for piece in pieces(source))]
    postgresql.run("DROP TABLE met")
    for refused in (source, keeper("open " + PASSWORD)):
        with pytest.raises(SourceError) as caught:
            refused.fingerprint()
        said += [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value))]
        logging.getLogger("tidegate").error("it stopped", exc_info=caught.value)
    assert any("password authentication failed" in line for line in said)
    for line in [*said, caplog.text]:
        assert "hunter2" not in line


def test_a_driver_that_repeats_the_password_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object, **words: str) -> None:
        given = words["password"]
        raise psycopg2.OperationalError(f"no luck with {given}, {quote(given, safe='')} or x://tide:{given}@h")

    monkeypatch.setattr(psycopg2, "connect", connect)
    monkeypatch.setenv("TIDE_PASSWORD", PASSWORD)
    message = refusal(Store("postgresql://tide:${TIDE_PASSWORD}@h/met", "").source().fingerprint)
    assert "no luck with ***, *** or" in message and "hunter2" not in message
