"""Rows of a SQL database: SQLite, and a PostgreSQL server."""

import pandas as pd
import pytest
from sql_stores import Store, hourly, pieces, utc
from sqlalchemy import text

from tidegate.errors import SettingsError, SourceError
from tidegate.sources import read_all, sql
from tidegate.workspace.columns import ARRIVED, STATION, TIME


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


def test_the_time_at_which_a_row_became_known_is_read(store: Store) -> None:
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
