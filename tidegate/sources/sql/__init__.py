"""A table, or a query, of a SQL database. Nothing is written to it.

The rows of each calendar month of the time column are a piece, and come through a cursor of the server's, so that
memory grows with neither. A password comes from the environment alone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pandas as pd
from pydantic import Field, model_validator
from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    column,
    extract,
    func,
    inspect,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.types import NullType

from tidegate.errors import SourceError, without_secrets
from tidegate.sources import CHUNK_ROWS, Piece
from tidegate.sources.sql.database import Database, refuse_password
from tidegate.sources.sql.rows import EARLIEST, RowReader, TimeNotation, plausible_month
from tidegate.workspace.columns import ARRIVED, STATION, TIME
from tidegate.workspace.params import Section, digest, require_known
from tidegate.workspace.settings import Dataset, Zone

ASKED = re.compile(r"(?<![:\w\\]):(since|until)\b")
OTHER_COLON = re.compile(r"(?<![:\w\\]):(?=\w)(?!(?:since|until)\b)")
MOST_NAMED = 20  # of the tables of a database


class Options(Section):
    """The section `dataset.options` for `source: sql`."""

    url: str  # as SQLAlchemy writes them; ${NAME} in it is an environment variable
    table: str | None = None  # or schema.table
    query: str | None = None  # SQL; :since in it is the time from which on rows are asked for, :until is now
    station: str | None = None  # the column that names the station; without one, all rows are of one station:
    name: str | None = None  # by default the table's
    time: str
    time_zone: Zone | None = None  # of times that carry none; by default dataset.time_zone
    arrived: str | None = None  # the column that says when a row became known
    columns: Mapping[str, str] = Field(default_factory=dict)  # variable: column, where their names differ

    @model_validator(mode="after")
    def _consistent(self) -> "Options":
        if (self.table is None) == (self.query is None):
            raise ValueError("give one of table and query")
        if self.station is not None and self.name is not None:
            raise ValueError("station is the column that names the stations, and name the only station: give one")
        if self.query is not None and self.station is None and self.name is None:
            raise ValueError("give station, the column that names the stations, or name, the only station")
        return self


@dataclass(frozen=True)
class Question:
    """What is asked of the database, in its own writing of times."""

    writing: TimeNotation
    since: str | None  # where its answer is cut; a query that asks for :since cuts by itself
    bound: dict[str, str]  # :since and :until


class Source:
    """Rows of one table or query."""

    def __init__(self, options: Options, dataset: Dataset) -> None:
        """Check what can be checked without the database; nothing is opened, and no secret is asked for yet."""
        refuse_password(options.url)
        for variable in options.columns:
            require_known(variable, dataset.variables, "a variable in dataset.options.columns")
        self.options, self.variables = options, list(dataset.variables)
        self.zone = options.time_zone or dataset.clock
        keys = {TIME: options.time, STATION: options.station, ARRIVED: options.arrived}
        self._columns = {label: name for label, name in keys.items() if name is not None}
        self._columns |= {name: options.columns.get(name, name) for name in self.variables}
        self._what = "dataset.options.query" if options.table is None else f"table {options.table}"
        self._where = f"Column {options.time!r} of {self._what}"
        self._schema, _, self._table = (options.table or "").rpartition(".")
        self._rows = RowReader(self._what, self._columns, self.variables, options.name or self._table, self.zone)
        self._database = Database(options.url, self._what)

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series, whoever asks for them."""
        asked = {**self.options.model_dump(mode="json"), "url": without_secrets(self.options.url)}
        return {**asked, "time_zone": self.zone, "variables": self.variables}

    def fingerprint(self) -> str:
        """Change with the number of rows, the newest time and the newest arrival."""
        with self._database.connected() as connection:
            question = self._question(connection, None)
            counts = select(func.count(), *self._newest()).select_from(self._from)
            found = connection.execute(counts, question.bound).one() if question else ()
        return digest([self._database.shown, *map(str, found)])

    def end(self) -> None:
        """Give nothing: a table may hold any time."""

    def pieces(self, since: pd.Timestamp | None) -> Iterator[Piece]:
        """Give the rows month by month."""
        with self._database.connected() as connection:
            question = self._question(connection, since)
            months = self._months(connection, question) if question else []
        if question is None:
            return
        of = digest([self.series(), self._database.shown])
        for month, *counts in months:
            name = " ".join(map(str, [of, month, *counts, *([] if since is None else [since])]))
            yield Piece(name, partial(self._read, question, month, since))

    @cached_property
    def _from(self) -> FromClause:
        names: list[ColumnClause[Any]] = [column(name) for name in dict.fromkeys(self._columns.values())]
        if self.options.query is None:
            return table(self._table, *names, schema=self._schema or None)
        # A colon is not always a parameter's: ' :x', :since::date.
        query = ASKED.sub(r":\1 ", OTHER_COLON.sub(r"\\:", self.options.query.strip().rstrip(";")))
        return text(f"{query}\n").columns(*names).subquery("asked")

    def _question(self, connection: Connection, since: pd.Timestamp | None) -> Question | None:
        """See how the database writes times; None if it has no rows."""
        asked = set(ASKED.findall(self.options.query or ""))
        now = pd.Timestamp.now(tz="UTC")
        if self.options.table is not None:
            self._require_table(connection)
        some: Select[Any] = select(literal_column("*")).select_from(self._from).limit(1)
        early = {"since": EARLIEST, "until": f"{now:%Y-%m-%d %H:%M:%S}"}
        result = connection.execute(some, {name: early[name] for name in asked})
        known = list(result.keys())
        for name in self._columns.values():
            if name not in known:
                raise SourceError(
                    f"There is no column {name!r} in {self._what}, which has {', '.join(known)}: "
                    "name the columns in dataset.options as they stand there."
                )
        row = result.first()
        if row is None:
            return None
        writing = TimeNotation(row[known.index(self.options.time)], self.zone, self._where)
        bound = {"since": EARLIEST if since is None else writing.write(since), "until": writing.write(now)}
        cut = None if since is None or "since" in asked else writing.from_day(since)
        return Question(writing, cut, {name: bound[name] for name in asked})

    def _require_table(self, connection: Connection) -> None:
        seen, schema = inspect(connection), self._schema or None
        if not seen.has_table(self._table, schema=schema):
            there = [*seen.get_table_names(schema=schema), *seen.get_view_names(schema=schema)]
            named = ", ".join(there[:MOST_NAMED]) + (", …" if len(there) > MOST_NAMED else "")
            raise SourceError(
                f"There is no {self._what} in the database at {self._database.shown}, which has {named or 'none'}: "
                "correct dataset.options.table."
            )

    def _newest(self) -> list[ColumnElement[Any]]:
        return [func.max(self._from.c[self._columns[label]]) for label in (TIME, ARRIVED) if label in self._columns]

    def _months(self, connection: Connection, question: Question) -> list[tuple[Any, ...]]:
        """Give each month with its number of rows, the newest time and the newest arrival."""
        time = self._from.c[self.options.time]
        parts: list[ColumnElement[Any]] = [extract("year", time), extract("month", time)]
        if question.writing.is_text:
            parts = [func.substr(time, literal_column("1"), literal_column("7"))]
        counts = select(*parts, func.count(), *self._newest()).select_from(self._from).group_by(*parts)
        if question.since is not None:  # rows without a time are told even so
            counts = counts.where(or_(time >= _written(question.since), time.is_(None)))
        months = []
        for row in connection.execute(counts, question.bound):
            month, found = tuple(row[: len(parts)]), tuple(row[len(parts) :])
            months.append((plausible_month(month, found[1], self._where), *found))
        return sorted(months, key=lambda counted: str(counted[0]))

    def _read(self, question: Question, month: str, since: pd.Timestamp | None) -> Iterator[pd.DataFrame]:
        begin, end = question.writing.span(month)
        begin = max(begin, question.since or "")
        columns = [self._from.c[name] for name in self._columns.values()]
        time = columns[0]
        # By the values last: which of two rows for one time stands must not change from one ingest to the next.
        rows = select(*columns).where(time >= _written(begin), time < _written(end)).order_by(*dict.fromkeys(columns))
        with self._database.connected() as connection:
            streaming = connection.execution_options(stream_results=True, yield_per=CHUNK_ROWS)
            for part in streaming.execute(rows, question.bound).partitions():
                chunk = self._rows.frame(part)
                if question.since is not None:
                    chunk = chunk[chunk[TIME] >= since].reset_index(drop=True)
                if len(chunk):
                    yield chunk


def _written(time: str) -> ColumnElement[Any]:
    """Give a time as text whose type the database is to tell from the column it is compared with."""
    return literal(time, NullType())
