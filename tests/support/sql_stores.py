"""Databases that tests fill, as sources of rows."""

from functools import cached_property
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, NullPool, create_engine, text

from tidegate.errors import UserError
from tidegate.sources import Piece, Source, open_source
from tidegate.workspace.dataset import Dataset


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


def refusal(read: Any) -> str:
    with pytest.raises(UserError) as caught:
        read()
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    return message
