"""Places that measurements come from (files, two kinds of database, a web service), which tests fill and spoil."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from http_services import Service
from ingests import ONE_VARIABLE, make
from sqlalchemy import NullPool, create_engine, text

from tidegate.workspace.settings import Settings

SPOILT = "2024-03"  # the month that cannot be read
BEFORE, AFTER = "2024-02-01T00:10Z", "2024-04-29T00:10Z"

Clock = Callable[[str], None]  # sets what time it is


def table_of(first: str, last: str) -> pd.DataFrame:
    """A row a day and station, known an hour after its time."""
    times = pd.date_range(first, last, tz="UTC")
    rows = pd.DataFrame({"time": [*times, *times], "station": np.repeat(["A", "B"], len(times))})
    rows["x"] = np.arange(len(rows)) / 4
    rows["known"] = rows["time"] + pd.Timedelta("1h")
    return rows.sort_values(["time", "station"], ignore_index=True)


ROWS = table_of("2024-01-01", "2024-04-28")


def iso(moments: pd.Series) -> pd.Series:
    return moments.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


class Origin(ABC):
    """A place that rows come from; `put` makes these its rows."""

    options: dict[str, Any]

    @abstractmethod
    def put(self, rows: pd.DataFrame) -> None:
        """Hold these rows, and no others."""

    def spoil(self, rows: pd.DataFrame) -> None:
        """Hold these rows, in one month of which something cannot be read."""
        bad = rows.astype({"x": "object"})
        bad.loc[rows["time"].dt.strftime("%Y-%m").eq(SPOILT).idxmax(), "x"] = "soon"
        self.put(bad.assign(x=bad["x"].astype("str")))


class Files(Origin):
    """A CSV file a month."""

    source = "files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "in"
        self.folder.mkdir()
        self.options = {"paths": f"{self.folder}/*.csv", "station": "station", "time": "time"}

    def put(self, rows: pd.DataFrame) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        for month, part in rows.assign(time=iso(rows["time"]), known=iso(rows["known"])).groupby(
            rows["time"].dt.strftime("%Y-%m")
        ):
            part.to_csv(self.folder / f"{month}.csv", index=False)


class Table(Origin):
    """A table of a database; SQLite's times are text, and PostgreSQL's are times."""

    source = "sql"

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url, poolclass=NullPool)
        self.options = {"url": url, "table": "met", "station": "station", "time": "time"}

    def put(self, rows: pd.DataFrame) -> None:
        if self.engine.dialect.name == "sqlite":
            rows = rows.assign(time=iso(rows["time"]), known=iso(rows["known"]))
        rows.to_sql("met", self.engine, if_exists="replace", index=False)

    def drop(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("DROP TABLE met"))


class Web(Origin):
    """A service that is asked for a span of time, and fails for one of them."""

    source = "http_json"

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.fails = False
        self.service = Service(self._reply)
        self.options = {
            "url": self.service.url + "?from={since}&to={until}", "station_at": "station", "time": "time",
            "start": "2024-01-01T00:00:00Z", "end": "now", "span_days": 31, "retries": 0,
        }  # fmt: skip

    def _reply(self, _: Service, query: dict[str, str]) -> Any:
        if self.fails and query["from"].startswith(SPOILT):
            return 500, {}, b"the disk of this service is broken"
        return [record for record in self.records if query["from"] <= record["time"] < query["to"]]

    def put(self, rows: pd.DataFrame) -> None:
        self.fails = False
        self.records = rows.assign(time=iso(rows["time"]), known=iso(rows["known"])).to_dict("records")

    def spoil(self, rows: pd.DataFrame) -> None:
        self.put(rows)
        self.fails = True


def reading(origin: Origin, folder: Path, monkeypatch: pytest.MonkeyPatch, dated: bool) -> Settings:
    """Make a workspace that reads an origin, with the time at which a row was known or without it."""
    folder.mkdir()
    options = {**origin.options, "arrived": "known"} if dated else origin.options
    return make(
        folder, monkeypatch, dataset__source=origin.source, dataset__options=options,
        **{place.replace(".", "__"): value for place, value in ONE_VARIABLE.items()},
    )  # fmt: skip


def corrected(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows and those of another day; one of the day before is corrected."""
    more = pd.concat([rows, table_of("2024-04-29", "2024-04-29")], ignore_index=True)
    more.loc[len(rows) - 2, ["x", "known"]] = [-5.0, pd.Timestamp("2024-04-30T04:00Z")]
    return more
