"""The rows of one file as long frames, chunk by chunk."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pandas as pd

from tidegate.errors import SourceError
from tidegate.measurements.frame import conform, station_names
from tidegate.measurements.grid import step_of
from tidegate.sources.files.compression import stem, suffixes
from tidegate.sources.files.delimited import DelimitedText, Layout
from tidegate.sources.files.encoding import FALLBACK
from tidegate.sources.files.local_time import NO_STEP, LocalClock
from tidegate.sources.files.locations import FileLocation
from tidegate.sources.files.options import Options
from tidegate.sources.files.tables import PARQUET, ParquetTable, Table, numbers, refuse, require
from tidegate.sources.files.time_columns import ColumnTimes
from tidegate.sources.files.timestamps import TimeReader, as_text
from tidegate.workspace.columns import ARRIVED, STATION, TIME
from tidegate.workspace.dataset import Dataset


class FileRows:
    """A file, or a member of an archive, that is opened when its rows are read."""

    def __init__(
        self, options: Options, dataset: Dataset, location: FileLocation, member: str | None, file: str
    ) -> None:
        """Set what to read; `file` is its name in messages."""
        self.options, self.dataset, self.file = options, dataset, file
        self.location, self.member = location, member
        self.notes = Counter[str]()
        self.stations: list[str] | None = None  # of a wide file, once it has been read

    def chunks(self, size: int) -> Iterator[pd.DataFrame]:
        """Give long frames of about `size` rows."""
        self.notes.clear()
        with ExitStack() as open_files:
            table = self.table(open_files)
            frames = LongFrames(self.options, self.dataset, table, self.notes)
            self.stations = frames.stations
            yield from frames.chunks(size)

    def table(self, open_files: ExitStack) -> Table:
        """Open the file as a table of cells, for as long as the stack is open."""
        open_file = open_files.enter_context(self.location.opened(self.member))
        suffix = suffixes(self.member or self.location.path)[0]
        if suffix in PARQUET:
            return ParquetTable(self.file, open_files.enter_context(open_file()))
        options = self.options
        expected = [*options.times, options.station, options.arrived]
        if options.wide is None:
            expected += [options.columns.get(name, name) for name in self.dataset.variables]
        layout = Layout(
            delimiter=options.delimiter or ("\t" if suffix == ".tsv" else None),
            decimal=options.decimal,
            encoding=options.encoding,
            header=options.header,
            comment=options.comment,
            skip_lines=options.skip_lines,
            skip_after_header=options.skip_after_header,
            expected=tuple(name for name in expected if name),
        )
        text = DelimitedText(self.file, open_file, layout)
        if text.encoding == FALLBACK and options.encoding is None:
            self.notes[f"files that are not UTF-8, read as {FALLBACK}"] = 1
        return text


class LongFrames:
    """Makes long frames of a table; rows in a doubled hour may wait for their partner in the next chunk."""

    def __init__(self, options: Options, dataset: Dataset, table: Table, notes: Counter[str]) -> None:
        """Check that the table has the columns that the options name."""
        self.options, self.table, self.variables = options, table, list(dataset.variables)
        self.stations = _stations_of(table, options) if options.wide is not None else []
        self.step = step_of(dataset.frequency) if options.labels == "end" else NO_STEP
        self.clock = LocalClock(options.time_zone or dataset.naive_zone, options.clock_change, notes)
        self.times = ColumnTimes(options, dataset.frequency)
        self.arrivals = TimeReader(options.arrived_format or options.time_format)
        measured = self.stations or [self._column(name) for name in self.variables]
        wanted = [*options.times, options.station, options.arrived, *measured]
        self.wanted = [name for name in dict.fromkeys(wanted) if name is not None]
        require(table, self.wanted)

    def chunks(self, size: int) -> Iterator[pd.DataFrame]:
        """Give long frames of about `size` rows."""
        waiting = pd.DataFrame()
        for raw in self.table.chunks(self.wanted, max(1, size // max(1, len(self.stations)))):
            rows = pd.concat([waiting, raw]) if len(waiting) else raw
            frame, deferred = self._long(rows, last=False)
            waiting = rows[deferred]
            if len(frame):
                yield conform(frame, self.variables)
        if len(waiting):
            yield conform(self._long(waiting, last=True)[0], self.variables)
        self.clock.close(self.table)
        for reader in (self.times, self.arrivals):
            reader.close(self.table)

    def _long(self, rows: pd.DataFrame, last: bool) -> tuple[pd.DataFrame, pd.Series]:
        """Give the rows as a long frame, and mark those that wait for the next chunk."""
        stations = self._station(rows)
        times, deferred = self._utc(rows, stations, last)
        kept, variable = rows[~deferred], self.options.wide
        keys = pd.DataFrame({STATION: stations[~deferred], TIME: times[~deferred], **self._arrived(kept)})
        if variable is None:
            for name in self.variables:
                keys[name] = self._values(kept, self._column(name))
            return keys, deferred
        frames = [keys.assign(station=name).assign(**{variable: self._values(kept, name)}) for name in self.stations]
        return pd.concat(frames).dropna(subset=[variable]), deferred

    def _station(self, rows: pd.DataFrame) -> pd.Series:
        if self.options.station is None:  # in a wide file, the names of the columns replace it
            return pd.Series(stem(self.table.file), index=rows.index, dtype="str")
        cells = rows[self.options.station]
        text = station_names(cells).str.strip()
        blank = cells.isna() | (text == "")
        if blank.any():
            refuse(self.table, blank, text.fillna(""), "names no station: name it, or remove the row")
        return text

    def _utc(self, rows: pd.DataFrame, stations: pd.Series, last: bool) -> tuple[pd.Series, pd.Series]:
        text, times = self.times.read(self.table, rows, stations)
        if times.dt.tz is not None:
            return times, pd.Series(False, index=rows.index)
        return self.clock.utc(self.table, times, text, stations, self.step, last)

    def _arrived(self, rows: pd.DataFrame) -> dict[str, pd.Series]:
        if self.options.arrived is None:
            return {}
        cells = rows[self.options.arrived]
        text = as_text(cells)
        absent = cells.isna() | text.isin(["", "NaT", *self.options.missing])
        times = self.arrivals.read(self.table, cells, absent)
        return {ARRIVED: times if times.dt.tz is not None else self.clock.arrivals(self.table, times, text)}

    def _values(self, rows: pd.DataFrame, column: str) -> pd.Series:
        return numbers(self.table, rows[column], self.options.missing)

    def _column(self, variable: str) -> str:
        return self.options.columns.get(variable, variable)


def _stations_of(table: Table, options: Options) -> list[str]:
    """Name the columns of a wide table that are stations."""
    others, listed = {*options.times, options.arrived}, options.stations
    stations = [name for name in table.columns if name not in others and (listed is None or name in listed)]
    if not stations:
        raise SourceError(
            f"{table.file} has no column of a station; it has {', '.join(table.columns)}: "
            "correct dataset.options.stations, or take the file out of dataset.options.paths."
        )
    if any(not name.strip() for name in stations):
        raise SourceError(f"{table.file} has a column without a name: list the others in dataset.options.stations.")
    return stations
