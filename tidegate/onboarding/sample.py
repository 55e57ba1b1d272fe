"""A sample of a source, read as it stands and as the pipeline will."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from tidegate.errors import SourceError, UserError
from tidegate.measurements import months, versions
from tidegate.measurements.frame import station_names
from tidegate.measurements.versions import MergePolicy
from tidegate.onboarding import columns as columns_of
from tidegate.onboarding import zone as zone_of
from tidegate.onboarding.columns import ColumnRoles, Told
from tidegate.onboarding.text_layout import LOOKED_AT as LINES
from tidegate.onboarding.text_layout import TextLayout, layout_of
from tidegate.onboarding.zone import ZoneGuess
from tidegate.sources import open_source
from tidegate.sources.files.compression import SUFFIXES, suffixes
from tidegate.sources.files.encoding import encoding_of
from tidegate.sources.files.locations import FileLocation, find_files, holds_a_secret
from tidegate.sources.files.options import Options
from tidegate.sources.files.rows import FileRows
from tidegate.sources.files.tables import PARQUET, require
from tidegate.sources.sql.database import first_rows
from tidegate.workspace.columns import ARRIVED, KEYS, STATION, TIME
from tidegate.workspace.dataset import Dataset

LOOKED_AT = 20_000  # rows of a file, for what its columns are

SAMPLE_ROWS = 600_000
OTHERS = (".md", ".yaml", ".json", ".pdf", ".html")  # files that lie beside measurements
SHOWN = 3  # files of a group


@dataclass
class Sample:
    """The beginning of each file, or of a table, as it stands."""

    options: dict[str, Any]  # of the source
    names: list[str]  # of the files
    tables: list[pd.DataFrame]
    decimal: str = "."
    layout: TextLayout = field(default_factory=TextLayout)


def read_files(source: str, told: Told) -> Sample:
    """Read the beginning of each file as it stands.

    Raises:
        UserError: the address has a secret in it.
        SourceError: there is no file, or one cannot be read.
    """
    if holds_a_secret(source):
        raise UserError("The address has a password or a key in it: put it into the environment (docs/data.md).")
    pattern = f"{source.rstrip('/')}/*" if Path(source).is_dir() else source
    files = [file for file in find_files(pattern, {}) if not file.path.lower().endswith(OTHERS)]
    if not files:
        raise SourceError(f"No file of measurements is at {source}: give a path, a glob, a folder or a URL.")
    if Path(source).is_dir():
        endings = {Path(file.path).suffix for file in files}
        ending = next((each for each in (".csv", ".tsv", ".txt", ".parquet", ".gz", ".zip") if each in endings), None)
        if ending is None:
            raise SourceError(f"{source} holds no CSV or Parquet file: give a path, a glob, a folder or a URL.")
        pattern, files = f"{pattern}{ending}", [file for file in files if file.path.endswith(ending)]
    sample = Sample({"paths": pattern}, [], [])
    for file in files:
        _add_members(sample, file, told)
    sample.options |= sample.layout.options
    return sample


def _add_members(sample: Sample, file: FileLocation, told: Told) -> None:
    """Read the beginning of a file, or of each member of an archive."""
    with file.unpacked() as members:
        kept = list(members)
        if len(kept) > 1 and (ending := _ending_of_data([str(member) for member in kept])):
            sample.options["members"] = f"*{ending}"
            kept = [member for member in kept if str(member).lower().endswith(ending)]
        for member in kept:
            name = file.path if member is None or len(kept) == 1 else f"{file.path}/{member}"
            with ExitStack() as open_files:
                if not sample.tables and suffixes(member or file.path)[0] not in PARQUET:
                    sample.layout = _text_layout(file, member, name, told)
                options = Options(paths=file.path, time="time", **sample.layout.options)
                table = FileRows(options, _any_dataset(), file, member, name).table(open_files)
                sample.decimal = table.decimal
                require(table, table.columns)
                sample.names.append(name)
                sample.tables.append(next(table.chunks(table.columns, LOOKED_AT)))


def _ending_of_data(members: Sequence[str]) -> str | None:
    """Give the ending of the members that hold data, where other files lie beside them."""
    endings = Counter(PurePosixPath(member.lower()).suffix for member in members)
    known = [ending for ending in endings if ending in SUFFIXES]
    return max(known, key=lambda ending: endings[ending]) if known and len(endings) > 1 else None


def _text_layout(file: FileLocation, member: str | None, name: str, told: Told) -> TextLayout:
    with file.opened(member) as open_file:
        encoding = encoding_of(name, open_file, None)
        with open_file() as stream, TextIOWrapper(stream, encoding=encoding) as text:
            return layout_of("".join(islice(text, LINES)).removeprefix("\ufeff"), told.delimiter)


def _any_dataset() -> Dataset:
    return Dataset(source="files", frequency="1h", variables={"x": {"unit": "1"}}, targets=["x"], season_steps=1)


def read_database(source: str, table: str | None) -> Sample:
    """Read some rows of a table."""
    if table is None:
        raise UserError("Which table of the database? Give it with --table.")
    return Sample({"url": source, "table": table}, [table], [first_rows(source, table, LOOKED_AT)])


def refuse_other_columns(sample: Sample, columns: ColumnRoles, source: str) -> None:
    """Refuse files that lack what the first one has, or that have another step.

    Raises:
        UserError: one does; it names the groups of files that are alike.
    """
    needed = [
        *columns.times,
        *([columns.station] if columns.station else []),
        *(() if columns.wide else columns.values),
    ]
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, table in zip(sample.names, sample.tables, strict=True):
        lacking = tuple(column for column in needed if column not in table.columns)
        step = None if lacking else _step_of(table, columns)
        groups.setdefault((lacking, step), []).append(name)
    steps = {step for _, step in groups if step is not None}
    if len({lacking for lacking, _ in groups}) == 1 and len(steps) < 2:
        return
    described = "; ".join(_group(lacking, step, names) for (lacking, step), names in groups.items())
    raise UserError(f"{source}: its files are not alike: {described}: give init the files of one kind at a time.")


def _group(lacking: tuple[str, ...], step: "pd.Timedelta | None", names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return (
        f"{shown} without {', '.join(lacking[:SHOWN])}"
        if lacking
        else (f"{shown} each {zone_of.frequency_text(step)}" if step is not None else shown)
    )


def _step_of(table: pd.DataFrame, columns: ColumnRoles) -> "pd.Timedelta | None":
    try:
        return zone_of.frequency_of(_keys(table, columns, "0"))
    except ValueError:
        return None


def _keys(table: pd.DataFrame, columns: ColumnRoles, name: str) -> pd.DataFrame:
    """Give station and local time of each row."""
    station = station_names(table[columns.station]) if columns.station else pd.Series(name, table.index)
    times = columns.time.read(table) if columns.time else pd.Series(pd.NaT, table.index)
    return pd.DataFrame({STATION: station, TIME: times}).dropna()


def variable_names(columns: ColumnRoles, units: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Name the variables: name, then column and unit. Two columns never come to one name, whatever their case."""
    if columns.wide:
        return {columns.wide: (columns.wide, "")}
    names: dict[str, tuple[str, str]] = {}
    for column in columns.values:
        name, unit = columns_of.variable_name(column)
        while name.lower() in {other.lower() for other in names}:
            name += "_2"
        names[name] = (column, units.get(column) or unit)
    return names


def step_and_zone(sample: Sample, columns: ColumnRoles, told: Told) -> tuple[pd.Timedelta, ZoneGuess]:
    """Find the frequency, and what the times tell of their zone; of the whole files' beginnings.

    Raises:
        UserError: the frequency cannot be told, or what the user said is none.
    """
    parts = [_keys(table, columns, str(number)) for number, table in enumerate(sample.tables)]
    rows = pd.concat(parts, ignore_index=True)
    step = _step(rows, told)
    if columns.time is None:
        return step, ZoneGuess(told.time_zone or "UTC", why="rows are counted from the start that you gave")
    if columns.time.aware:
        return step, ZoneGuess(told.time_zone or "UTC", why="the times carry their zone")
    clock = zone_of.clock_of(rows[TIME], step)
    if told.time_zone:
        clock = ZoneGuess(told.time_zone, clock.labels if clock.infer else "begin", True, "as you said")
    return step, clock


def _step(rows: pd.DataFrame, told: Told) -> pd.Timedelta:
    if told.frequency:
        try:
            return pd.Timedelta(told.frequency)
        except ValueError:
            raise UserError(f"--frequency {told.frequency} is no length of time: give one such as 15min.") from None
    if told.start:
        raise UserError("With --start the step between rows cannot be told: give --frequency, too, such as 1h.")
    try:
        return zone_of.frequency_of(rows)
    except ValueError as error:
        raise UserError(f"The frequency cannot be told: {error}: give --frequency, or --station.") from None


def source_options(
    columns: ColumnRoles, names: dict[str, tuple[str, str]], clock: ZoneGuess, told: Told, kind: str
) -> dict[str, Any]:
    """Say to the source what is what."""
    options: dict[str, Any] = _time_options(columns, told)
    if columns.station:
        options["station"] = columns.station
    if columns.wide:
        options["wide"] = columns.wide
        options |= {"stations": list(columns.values)} if columns.values else {}
    if others := {name: column for name, (column, _) in names.items() if name != column and not columns.wide}:
        options["columns"] = others
    if kind == "files":
        if clock.labels != "begin":
            options["labels"] = clock.labels
        if clock.infer:
            options["clock_change"] = "infer"
        options["missing"] = [token for token in columns_of.MISSING if token]
    return options


def _time_options(columns: ColumnRoles, told: Told) -> dict[str, Any]:
    if columns.time is None:
        return {"start": told.start}
    time, options = columns.time.time, dict[str, Any]()
    if columns.time.format:
        options["time_format"] = columns.time.format
    parts = columns_of.LISTED_PARTS[: len(time)]
    options["time"] = list(time.values()) if isinstance(time, dict) and tuple(time) == parts else time
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
