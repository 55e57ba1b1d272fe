"""A sample of a source, read as it stands and as the pipeline will."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from tidegate.errors import SourceError, UserError
from tidegate.measurements import months, versions
from tidegate.measurements.versions import MergePolicy
from tidegate.onboarding import columns as columns_of
from tidegate.onboarding.columns import ColumnRoles, ZoneGuess
from tidegate.sources import open_source
from tidegate.sources.files.locations import find_files, holds_a_secret
from tidegate.sources.files.options import Options
from tidegate.sources.files.rows import FileRows
from tidegate.sources.files.tables import require
from tidegate.sources.sql.database import first_rows
from tidegate.workspace.columns import ARRIVED, KEYS, STATION, TIME
from tidegate.workspace.dataset import Dataset

LOOKED_AT = 20_000  # rows of a file, for what its columns are

SAMPLE_ROWS = 600_000


def read_files(source: str) -> tuple[dict[str, Any], list[pd.DataFrame], str]:
    """Read the beginning of each file as it stands."""
    if holds_a_secret(source):
        raise UserError("The address has a password or a key in it: put it into the environment (docs/data.md).")
    pattern = f"{source.rstrip('/')}/*" if Path(source).is_dir() else source
    files = [file for file in find_files(pattern, {}) if not file.path.lower().endswith((".md", ".yaml", ".json"))]
    if not files:
        raise SourceError(f"No file of measurements is at {source}: give a path, a glob, a folder or a URL.")
    if Path(source).is_dir():
        endings = {Path(file.path).suffix for file in files}
        ending = next((each for each in (".csv", ".tsv", ".parquet", ".gz", ".zip") if each in endings), None)
        if ending is None:
            raise SourceError(f"{source} holds no CSV or Parquet file: give a path, a glob, a folder or a URL.")
        pattern, files = f"{pattern}{ending}", [file for file in files if file.path.endswith(ending)]
    tables, decimal = [], "."
    for file in files:
        with ExitStack() as open_files:
            raw = FileRows(Options(paths=file.path, time="time"), _any_dataset(), file, None, file.path)
            table = raw.table(open_files)
            decimal = table.decimal
            require(table, table.columns)
            tables.append(next(table.chunks(table.columns, LOOKED_AT)))
    return {"paths": pattern}, tables, decimal


def _any_dataset() -> Dataset:
    return Dataset(source="files", frequency="1h", variables={"x": {"unit": "1"}}, targets=["x"], season_steps=1)


def read_database(source: str, table: str | None) -> tuple[dict[str, Any], list[pd.DataFrame], str]:
    """Read some rows of a table."""
    if table is None:
        raise UserError("Which table of the database? Give it with --table.")
    return {"url": source, "table": table}, [first_rows(source, table, LOOKED_AT)], "."


def refuse_other_columns(tables: Sequence[pd.DataFrame], columns: ColumnRoles, source: str) -> None:
    """Refuse files that lack what the first one has.

    Raises:
        UserError: one does, or has two columns of one name.
    """
    times = (columns.time,) if isinstance(columns.time, str) else columns.time
    needed = [*times, *([columns.station] if columns.station else []), *(() if columns.wide else columns.values)]
    for number, table in enumerate(tables, start=1):
        if lacking := [name for name in needed if name not in table.columns]:
            raise UserError(
                f"{source}: file {number} has no column {lacking[0]!r}, as the first has: give files alike."
            )


def variable_names(columns: ColumnRoles) -> dict[str, tuple[str, str]]:
    """Name the variables: name, then column and unit. Two columns never come to one name."""
    if columns.wide:
        return {columns.wide: (columns.wide, "")}
    names: dict[str, tuple[str, str]] = {}
    for column in columns.values:
        name, unit = columns_of.variable_name(column)
        while name in names:
            name += "_2"
        names[name] = (column, unit)
    return names


def step_and_zone(
    tables: Sequence[pd.DataFrame], columns: ColumnRoles, zone: str | None
) -> tuple[pd.Timedelta, ZoneGuess]:
    """Find the frequency, and what the times tell of their zone; of the whole files' beginnings."""
    parts = []
    for number, table in enumerate(tables):
        local = _local(table, columns)
        name = table[columns.station].astype("str") if columns.station else pd.Series(str(number), table.index)
        parts.append(pd.DataFrame({STATION: name, TIME: local}).dropna())
    rows = pd.concat(parts, ignore_index=True)
    try:
        step = columns_of.frequency_of(rows)
    except ValueError as error:
        raise UserError(f"The frequency cannot be told: {error}.") from None
    if columns.aware:
        return step, ZoneGuess(why="the times carry their zone")
    clock = columns_of.clock_of(rows[TIME], step)
    if zone:
        clock = ZoneGuess(zone, clock.labels if clock.infer else "begin", True, "as you said")
    return step, clock


def _local(table: pd.DataFrame, columns: ColumnRoles) -> "pd.Series[Any]":
    time = columns.time
    if isinstance(time, str):
        cells = table[time]
        if pd.api.types.is_datetime64_any_dtype(cells):
            return cells
        read = pd.to_datetime(
            cells.astype("str").str.strip(), errors="coerce", utc=True, format=columns.time_format or "mixed"
        )
        return read.dt.tz_localize(None)
    parts = {
        part: pd.to_numeric(table[name], errors="coerce") for part, name in zip(columns_of.PARTS, time, strict=False)
    }
    return pd.to_datetime(pd.DataFrame(parts), errors="coerce")


def source_options(
    columns: ColumnRoles, names: dict[str, tuple[str, str]], clock: ZoneGuess, kind: str
) -> dict[str, Any]:
    """Say to the source what is what."""
    options: dict[str, Any] = {"time": columns.time if isinstance(columns.time, str) else list(columns.time)}
    if columns.station:
        options["station"] = columns.station
    if columns.wide:
        options["wide"] = columns.wide
        options |= {"stations": list(columns.values)} if columns.values else {}
    if others := {name: column for name, (column, _) in names.items() if name != column and not columns.wide}:
        options["columns"] = others
    if kind == "files":
        options |= {"time_format": columns.time_format} if columns.time_format else {}
        if clock.labels != "begin":
            options["labels"] = clock.labels
        if clock.infer:
            options["clock_change"] = "infer"
        options["missing"] = [token for token in columns_of.MISSING if token]
    return options


def read_sample(
    draft: dict[str, Any], names: dict[str, tuple[str, str]]
) -> tuple[pd.DataFrame, versions.RowCounts, list[str]]:
    """Read a sample as the pipeline will; give its standing rows, sorted, the counts of rows, and notes."""
    source = open_source(Dataset.model_validate(draft))
    chunks, notes, read = [], Counter[str](), 0
    for piece in source.pieces(None):
        for chunk in piece.read():
            chunks.append(chunk)
            read += len(chunk)
            if read > SAMPLE_ROWS:
                break
        notes += piece.notes
        if read > SAMPLE_ROWS:
            break
    rows = pd.concat(chunks, ignore_index=True)
    before = rows.groupby(STATION)[TIME].shift()
    notes["steps back in time"] = int((rows[TIME] < before).sum())
    lines = [f"{count:,} {note}" for note, count in notes.items() if count]
    if read > SAMPLE_ROWS:
        lines.append(f"only the first {read:,} rows were looked at")
    counts, parts = versions.RowCounts(), []
    for _, part in rows.groupby(rows[TIME].dt.strftime("%Y-%m")):
        settled, of_month = versions.merge(months.no_rows(list(names)), part, MergePolicy(tuple(names), "last"))
        counts += of_month
        parts.append(settled.standing)
    standing = pd.concat(parts, ignore_index=True).drop(columns=ARRIVED)
    return standing.sort_values(KEYS, ignore_index=True), counts, lines
