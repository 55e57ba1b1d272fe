"""Source `sql`: a table or a query of a SQL database, which is only read.

The rows of each calendar month of the time column are a piece. They are streamed through a cursor of the server, so
memory does not grow with their number. A password comes from the environment alone.
"""

import re
from collections.abc import Iterator, Mapping
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
from tidegate.sources.sql.rows import EARLIEST, RowReader, TimeLimits, TimeNotation, plausible_month
from tidegate.workspace.columns import ARRIVED, STATION, TIME
from tidegate.workspace.dataset import Dataset
from tidegate.workspace.field_types import Zone
from tidegate.workspace.params import Section, digest, require_known

PARAMETER = re.compile(r"(?<![:\w\\]):(since|until)\b")
OTHER_COLON = re.compile(r"(?<![:\w\\]):(?=\w)(?!(?:since|until)\b)")
MAX_NAMED_TABLES = 20  # in a message


class Options(Section):
    """The section `dataset.options` for `source: sql`."""

    url: str  # of SQLAlchemy; ${NAME} in it is an environment variable
    table: str | None = None  # or schema.table
    query: str | None = None  # SQL; :since in it is the time from which on rows are requested, :until is now
    station: str | None = None  # the column that names the station; without one, all rows are of one station
    name: str | None = None  # of that one station; by default the name of the table
    time: str  # the column of the times
    time_zone: Zone | None = None  # of times without a zone; by default dataset.time_zone
    arrived: str | None = None  # the column of the times when the rows arrived
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


class Source:
    """Rows of one table or query."""

    def __init__(self, options: Options, dataset: Dataset) -> None:
        """Check what can be checked without the database; nothing is opened, and no secret is read yet."""
        refuse_password(options.url)
        for variable in options.columns:
            require_known(variable, dataset.variables, "a variable in dataset.options.columns")
        self.options, self.variables = options, list(dataset.variables)
        self.zone = options.time_zone or dataset.naive_zone
        keys = {TIME: options.time, STATION: options.station, ARRIVED: options.arrived}
        self._columns = {label: name for label, name in keys.items() if name is not None}
        self._columns |= {name: options.columns.get(name, name) for name in self.variables}
        self._name = "dataset.options.query" if options.table is None else f"table {options.table}"
        self._time_column = f"Column {options.time!r} of {self._name}"
        self._schema, _, self._table = (options.table or "").rpartition(".")
        self._rows = RowReader(self._name, self._columns, self.variables, options.name or self._table, self.zone)
        self._database = Database(options.url, self._name)

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series; the user of the database is no part of it."""
        options = {**self.options.model_dump(mode="json"), "url": without_secrets(self.options.url)}
        return {**options, "time_zone": self.zone, "variables": self.variables}

    def fingerprint(self) -> str:
        """Change with the number of rows, the newest time and the newest arrival."""
        with self._database.connected() as connection:
            limits = self._time_limits(connection, None)
            counts = select(func.count(), *self._newest()).select_from(self._from)
            row = connection.execute(counts, limits.parameters).one() if limits else ()
        return digest([self._database.public_url, *map(str, row)])

    def end(self) -> None:
        """Give None: a table may hold any time."""

    def pieces(self, since: pd.Timestamp | None) -> Iterator[Piece]:
        """Give the rows month by month."""
        with self._database.connected() as connection:
            limits = self._time_limits(connection, since)
            months = self._months(connection, limits) if limits else []
        if limits is None:
            return
        source = digest([self.series(), self._database.public_url])
        for month, *counts in months:
            name = " ".join(map(str, [source, month, *counts, *([] if since is None else [since])]))
            yield Piece(name, partial(self._read, limits, month, since))

    @cached_property
    def _from(self) -> FromClause:
        names: list[ColumnClause[Any]] = [column(name) for name in dict.fromkeys(self._columns.values())]
        if self.options.query is None:
            return table(self._table, *names, schema=self._schema or None)
        # A colon does not always begin a parameter: ' :x', :since::date.
        query = PARAMETER.sub(r":\1 ", OTHER_COLON.sub(r"\\:", self.options.query.strip().rstrip(";")))
        return text(f"{query}\n").columns(*names).subquery("asked")

    def _time_limits(self, connection: Connection, since: pd.Timestamp | None) -> TimeLimits | None:
        """Give the times that rows are requested for, in the notation of the first row; None if there are no rows."""
        parameters = set(PARAMETER.findall(self.options.query or ""))
        now = pd.Timestamp.now(tz="UTC")
        if self.options.table is not None:
            self._require_table(connection)
        first_row: Select[Any] = select(literal_column("*")).select_from(self._from).limit(1)
        values = {"since": EARLIEST, "until": f"{now:%Y-%m-%d %H:%M:%S}"}
        result = connection.execute(first_row, {name: values[name] for name in parameters})
        known = list(result.keys())
        for name in self._columns.values():
            if name not in known:
                raise SourceError(
                    f"There is no column {name!r} in {self._name}, which has {', '.join(known)}: "
                    "name the columns in dataset.options as they stand there."
                )
        row = result.first()
        if row is None:
            return None
        notation = TimeNotation(row[known.index(self.options.time)], self.zone, self._time_column)
        values = {"since": EARLIEST if since is None else notation.write(since), "until": notation.write(now)}
        first = None if since is None or "since" in parameters else notation.from_day(since)
        return TimeLimits(notation, first, {name: values[name] for name in parameters})

    def _require_table(self, connection: Connection) -> None:
        inspector, schema = inspect(connection), self._schema or None
        if not inspector.has_table(self._table, schema=schema):
            tables = [*inspector.get_table_names(schema=schema), *inspector.get_view_names(schema=schema)]
            names = ", ".join(tables[:MAX_NAMED_TABLES]) + (", …" if len(tables) > MAX_NAMED_TABLES else "")
            raise SourceError(
                f"There is no {self._name} in the database at {self._database.public_url}, "
                f"which has {names or 'none'}: correct dataset.options.table."
            )

    def _newest(self) -> list[ColumnElement[Any]]:
        return [func.max(self._from.c[self._columns[label]]) for label in (TIME, ARRIVED) if label in self._columns]

    def _months(self, connection: Connection, limits: TimeLimits) -> list[tuple[Any, ...]]:
        """Give each month with its number of rows, the newest time and the newest arrival."""
        time = self._from.c[self.options.time]
        parts: list[ColumnElement[Any]] = [extract("year", time), extract("month", time)]
        if limits.notation.is_text:
            parts = [func.substr(time, literal_column("1"), literal_column("7"))]
        counts = select(*parts, func.count(), *self._newest()).select_from(self._from).group_by(*parts)
        if limits.since is not None:  # rows without a time are refused even so
            counts = counts.where(or_(time >= _time_literal(limits.since), time.is_(None)))
        months = []
        for row in connection.execute(counts, limits.parameters):
            month, (count, newest, *newest_arrival) = tuple(row[: len(parts)]), tuple(row[len(parts) :])
            months.append((plausible_month(month, newest, self._time_column), count, newest, *newest_arrival))
        return sorted(months, key=lambda month: str(month[0]))

    def _read(self, limits: TimeLimits, month: str, since: pd.Timestamp | None) -> Iterator[pd.DataFrame]:
        begin, end = limits.notation.span(month)
        begin = max(begin, limits.since or "")
        columns = [self._from.c[name] for name in self._columns.values()]
        time = columns[0]
        # The values are the last keys, so that two rows for one time have the same order in every ingest.
        rows = select(*columns).where(time >= _time_literal(begin), time < _time_literal(end))
        rows = rows.order_by(*dict.fromkeys(columns))
        with self._database.connected() as connection:
            streaming = connection.execution_options(stream_results=True, yield_per=CHUNK_ROWS)
            for part in streaming.execute(rows, limits.parameters).partitions():
                chunk = self._rows.frame(part)
                if limits.since is not None:
                    chunk = chunk[chunk[TIME] >= since].reset_index(drop=True)
                if len(chunk):
                    yield chunk


def _time_literal(time: str) -> ColumnElement[Any]:
    """Give a time as text that takes the type of the column it is compared with."""
    return literal(time, NullType())
