"""What a SQL database holds and cannot be taken for measurements is refused in one sentence."""

import pandas as pd
import pytest
from sql_stores import Store, hourly, pieces, refusal, utc

from tidegate.sources import read_all
from tidegate.workspace.columns import TIME


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
