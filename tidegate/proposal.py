"""`tidegate init`: look at a sample of someone's measurements, and propose the section `dataset` of params.yaml.

What is proposed is tried before it is written: the sample is read by the very source that will read all, and put to the
very rules, whose tolerances are set to what is already there.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tidegate import columns as columns_of
from tidegate import gate, history, inspection, months, rules
from tidegate.calendar import plausible, step_of
from tidegate.columns import Clock, Columns
from tidegate.errors import SourceError, UserError
from tidegate.findings import COLUMNS, RULE
from tidegate.frame import ARRIVED, KEYS, STATION, TIME
from tidegate.gate import Network
from tidegate.history import Stored, Terms
from tidegate.inspection import Measured
from tidegate.reading.database import first_rows, is_address
from tidegate.reading.file_options import Options
from tidegate.reading.file_rows import FileRows
from tidegate.reading.places import find, holds_a_secret
from tidegate.reading.tables import require
from tidegate.settings import Dataset, Lasting, Rules, Settings
from tidegate.sources import open_source

LOOKED_AT = 20_000  # rows of a file, for what its columns are
SAMPLE_ROWS = 600_000
COVARIATES = 8
MOST_DISAGREEING, MOST_COPIES, MOST_OFF_GRID = 0.05, 0.5, 0.2  # of the rows: more, and something was misread
MARGIN = 1.25  # how much more than a sample shows is tolerated


@dataclass
class Proposal:
    """What is proposed, and why."""

    dataset: dict[str, Any]
    columns: Columns
    clock: Clock
    season: str  # why
    measured: dict[str, Measured]
    left_out: dict[str, str]
    rows: int
    stations: int
    span: tuple[pd.Timestamp, pd.Timestamp]
    notes: list[str]
    tolerances: dict[str, tuple[str, float, str]] = field(default_factory=dict)  # rule: key, value, why
    findings: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))


def propose(
    source: str, table: str | None, zone: str | None, wide: bool | None, settings: Settings, station: str | None = None
) -> Proposal:
    """Look at a source, and propose.

    Args:
        source: a path, a glob, a folder or a URL of files, or a database's address.
        table: of the database.
        zone: of the stations, if the user has named it.
        wide: whether each column is a station, if the user has said so.
        settings: of the workspace, of which all but the data set is kept.
        station: the column that names the station, if the user has named it.

    Raises:
        UserError: it cannot be told what is what.
        SourceError: it cannot be read.
    """
    if is_address(source):
        kind, options, tables, decimal = "sql", *_database(source, table)
    else:
        kind, options, tables, decimal = "files", *_files(source)
    try:
        columns = columns_of.classify(tables, decimal, wide, station)
    except ValueError as error:
        raise UserError(f"{source}: {error}: describe it in params.yaml by hand, as README.md shows.") from None
    if kind == "sql" and (columns.wide or not isinstance(columns.time, str)):
        raise UserError(f"{table} has no single column of times, or a column a station: give a query, in params.yaml.")
    _refuse_other_columns(tables, columns, source)
    names, left_out = _names(columns), dict(columns.left_out)
    step, clock = _step_and_clock(tables, columns, zone)
    options |= _options(columns, names, clock, kind)
    draft: dict[str, Any] = {
        "source": kind,
        "options": options,
        "frequency": columns_of.say_step(step),
        "time_zone": zone or clock.zone,
        "variables": {name: {"unit": unit or "1"} for name, (_, unit) in names.items()},
        "targets": [next(iter(names))],
        "season_steps": 1,
    }
    rows, books, notes = _read(draft, names)
    if books.revisions > MOST_DISAGREEING * books.read or books.copies > MOST_COPIES * books.read:
        raise UserError(
            f"{source}: of {books.read:,} rows {books.revisions:,} disagree with another of their station and time, "
            f"and {books.copies:,} repeat one: name the column of stations with --station, or describe it by hand."
        )
    measured = {}
    for name, (column, unit) in names.items():
        found = inspection.measured(name, unit, column, rows[name], rows, draft["frequency"])
        if found.missing > inspection.ABSENT_SHARE or np.isnan(found.middle):
            left_out[column] = f"{found.missing:.1%} missing"
        else:
            measured[name] = found
    if not measured:
        raise UserError(f"{source}: no column is measured more than half of the time: name others in params.yaml.")
    if books.copies:
        notes.append(f"{books.copies:,} identical rows")
    if books.revisions:
        notes.append(f"{books.revisions:,} rows that disagree with another of their station and time: the last stands")
    target = inspection.target_of(list(measured))
    own = measured[target]
    season, why = inspection.season(plausible(rows[target], own.low, own.high, own.sentinels), rows, step)
    dataset = {**draft, **_described(measured, target, rows), "season_steps": season}
    proposal = Proposal(
        dataset, columns, clock, why, measured, left_out, len(rows), int(rows[STATION].nunique()),
        (rows[TIME].min(), rows[TIME].max()), notes,
    )  # fmt: skip
    _try(proposal, rows, settings)
    return proposal


def _files(source: str) -> tuple[dict[str, Any], list[pd.DataFrame], str]:
    """Read the beginning of each file as it stands."""
    if holds_a_secret(source):
        raise UserError("The address has a password or a key in it: put it into the environment (docs/data.md).")
    pattern = f"{source.rstrip('/')}/*" if Path(source).is_dir() else source
    places = [place for place in find(pattern, {}) if not place.path.lower().endswith((".md", ".yaml", ".json"))]
    if not places:
        raise SourceError(f"No file of measurements is at {source}: give a path, a glob, a folder or a URL.")
    if Path(source).is_dir():
        endings = {Path(place.path).suffix for place in places}
        ending = next((each for each in (".csv", ".tsv", ".parquet", ".gz", ".zip") if each in endings), None)
        if ending is None:
            raise SourceError(f"{source} holds no CSV or Parquet file: give a path, a glob, a folder or a URL.")
        pattern, places = f"{pattern}{ending}", [place for place in places if place.path.endswith(ending)]
    tables, decimal = [], "."
    for place in places:
        with ExitStack() as open_files:
            raw = FileRows(Options(paths=place.path, time="time"), _any_dataset(), place, None, place.path)
            table = raw.table(open_files)
            decimal = table.decimal
            require(table, table.columns)
            tables.append(next(table.chunks(table.columns, LOOKED_AT)))
    return {"paths": pattern}, tables, decimal


def _any_dataset() -> Dataset:
    return Dataset(source="files", frequency="1h", variables={"x": {"unit": "1"}}, targets=["x"], season_steps=1)


def _database(source: str, table: str | None) -> tuple[dict[str, Any], list[pd.DataFrame], str]:
    """Read some rows of a table."""
    if table is None:
        raise UserError("Which table of the database? Give it with --table.")
    return {"url": source, "table": table}, [first_rows(source, table, LOOKED_AT)], "."


def _refuse_other_columns(tables: Sequence[pd.DataFrame], columns: Columns, source: str) -> None:
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


def _names(columns: Columns) -> dict[str, tuple[str, str]]:
    """Name the variables: name, then column and unit. Two columns never come to one name."""
    if columns.wide:
        return {columns.wide: (columns.wide, "")}
    found: dict[str, tuple[str, str]] = {}
    for column in columns.values:
        name, unit = columns_of.variable_name(column)
        while name in found:
            name += "_2"
        found[name] = (column, unit)
    return found


def _step_and_clock(tables: Sequence[pd.DataFrame], columns: Columns, zone: str | None) -> tuple[pd.Timedelta, Clock]:
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
        return step, Clock(why="the times carry their zone")
    clock = columns_of.clock_of(rows[TIME], step)
    if zone:
        clock = Clock(zone, clock.labels if clock.infer else "begin", True, "as you said")
    return step, clock


def _local(table: pd.DataFrame, columns: Columns) -> "pd.Series[Any]":
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


def _options(columns: Columns, names: dict[str, tuple[str, str]], clock: Clock, kind: str) -> dict[str, Any]:
    """Say to the source what is what."""
    made: dict[str, Any] = {"time": columns.time if isinstance(columns.time, str) else list(columns.time)}
    if columns.station:
        made["station"] = columns.station
    if columns.wide:
        made["wide"] = columns.wide
        made |= {"stations": list(columns.values)} if columns.values else {}
    if others := {name: column for name, (column, _) in names.items() if name != column and not columns.wide}:
        made["columns"] = others
    if kind == "files":
        made |= {"time_format": columns.time_format} if columns.time_format else {}
        if clock.labels != "begin":
            made["labels"] = clock.labels
        if clock.infer:
            made["clock_change"] = "infer"
        made["missing"] = [token for token in columns_of.MISSING if token]
    return made


def _read(draft: dict[str, Any], names: dict[str, tuple[str, str]]) -> tuple[pd.DataFrame, history.Books, list[str]]:
    """Read a sample as the pipeline will; give its standing rows, sorted, and what was noted."""
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
    said = [f"{count:,} {note}" for note, count in notes.items() if count]
    if read > SAMPLE_ROWS:
        said.append(f"only the first {read:,} rows were looked at")
    books, parts = history.Books(), []
    for _, part in rows.groupby(rows[TIME].dt.strftime("%Y-%m")):
        settled, found = history.merge(months.nothing(list(names)), part, Terms(tuple(names), "last"))
        books += found
        parts.append(settled.standing)
    standing = pd.concat(parts, ignore_index=True).drop(columns=ARRIVED)
    return standing.sort_values(KEYS, ignore_index=True), books, said


def _described(measured: dict[str, Measured], target: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Describe the variables, and choose covariates: those that go with the target most closely."""
    variables: dict[str, Any] = {}
    for name, found in measured.items():
        given = {
            "unit": found.unit, "min": found.low, "max": found.high, "sentinels": list(found.sentinels) or None,
            "stuck_steps": found.stuck_steps, "floor": found.floor if found.stuck_steps else None, "spike": found.spike,
        }  # fmt: skip
        variables[name] = {key: value for key, value in given.items() if value is not None}
    others = [name for name in measured if name != target]
    with np.errstate(all="ignore"):
        close = {name: abs(rows[name].corr(rows[target])) for name in others}
    chosen = sorted(others, key=lambda name: -np.nan_to_num(close[name]))[:COVARIATES]
    made = {"variables": variables, "targets": [target], "covariates": [name for name in others if name in chosen]}
    if relations := inspection.relations_of(list(measured)):
        made["relations"] = relations
    return made


def _try(proposal: Proposal, rows: pd.DataFrame, settings: Settings) -> None:
    """Put the sample to the rules, and tolerate what is already there."""
    dataset = Dataset.model_validate(proposal.dataset)
    open_rules = Rules.model_validate(
        {name: {**rule.model_dump(), "tolerance": 0.0} for name, rule in settings.validate_.rules if name != "drift"}
    )
    validate = settings.validate_.model_copy(update={"rules": open_rules, "releases": ()})
    trial = settings.model_copy(update={"dataset": dataset, "validate_": validate})
    phases = rules.moments(rows[TIME]) % rules.micro(dataset.frequency)
    offset = rules.commonest(phases)
    on_grid = rows.loc[phases == offset, TIME]
    if len(on_grid) < (1 - MOST_OFF_GRID) * len(rows):
        raise UserError(
            f"{1 - len(on_grid) / len(rows):.0%} of the rows lie between steps of {dataset.frequency}, which is the "
            "commonest: give data of one fixed frequency (months have none)."
        )
    network = Network(rows.groupby(STATION).size(), offset, on_grid.min(), on_grid.max())
    nothing = history.superseded(Stored(*(rows.iloc[:0],) * 3), list(dataset.variables))
    found = gate.verdict(rows, nothing, trial, network).findings
    proposal.findings = found
    step = step_of(dataset.frequency)
    for name, part in found.groupby(RULE):
        rule = Rules().of(str(name))
        worst = part.sort_values("found").iloc[-1]
        if isinstance(rule, Lasting):
            length = max((pd.to_datetime(part["to"]) - pd.to_datetime(part["from"])) // step)
            worst = part.iloc[int(np.argmax((pd.to_datetime(part["to"]) - pd.to_datetime(part["from"])) // step))]
            why = f"{worst['variable']} at {worst['station']}, {worst['from']} to {worst['to']}"
            proposal.tolerances[str(name)] = ("steps", int(length * MARGIN), why)
        elif rule.severity != "warn" and (share := float(part["share"].max())) * MARGIN > rule.tolerance:
            worst = part.sort_values("share").iloc[-1]
            why = f"{share:.1%} of {worst['variable']} at {worst['station']}"
            proposal.tolerances[str(name)] = ("tolerance", min(1.0, _up(share * MARGIN)), why)


def _up(share: float) -> float:
    return float(np.ceil(share * 100) / 100)
