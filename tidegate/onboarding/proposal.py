"""`tidegate init`: look at a sample of someone's measurements, and propose the section `dataset` of params.yaml.

What is proposed is tried before it is written: the sample is read by the very source that will read all, and put to the
very rules, whose tolerances are set to what is already there.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tidegate.errors import UserError
from tidegate.measurements import versions
from tidegate.measurements.grid import step_of
from tidegate.measurements.versions import StoredRows
from tidegate.onboarding import columns as columns_of
from tidegate.onboarding import variables
from tidegate.onboarding.columns import ColumnRoles, ZoneGuess
from tidegate.onboarding.sample import (
    read_database,
    read_files,
    read_sample,
    refuse_other_columns,
    source_options,
    step_and_zone,
    variable_names,
)
from tidegate.onboarding.variables import VariableProfile, relations_of
from tidegate.quality import rules
from tidegate.quality.findings import COLUMNS
from tidegate.quality.rules import plausible
from tidegate.quality.verdict import Network, verdict
from tidegate.sources.sql.database import is_address
from tidegate.workspace.columns import RULE, STATION, TIME
from tidegate.workspace.settings import Dataset, DurationRule, Rules, Settings

COVARIATES = 8

MOST_DISAGREEING, MOST_COPIES, MOST_OFF_GRID = 0.05, 0.5, 0.2  # of the rows: more, and something was misread

MARGIN = 1.25  # how much more than a sample shows is tolerated


@dataclass
class Proposal:
    """What is proposed, and why."""

    dataset: dict[str, Any]
    columns: ColumnRoles
    clock: ZoneGuess
    season: str  # why
    measured: dict[str, VariableProfile]
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
        kind, options, tables, decimal = "sql", *read_database(source, table)
    else:
        kind, options, tables, decimal = "files", *read_files(source)
    try:
        columns = columns_of.classify_columns(tables, decimal, wide, station)
    except ValueError as error:
        raise UserError(f"{source}: {error}: describe it in params.yaml by hand, as README.md shows.") from None
    if kind == "sql" and (columns.wide or not isinstance(columns.time, str)):
        raise UserError(f"{table} has no single column of times, or a column a station: give a query, in params.yaml.")
    refuse_other_columns(tables, columns, source)
    names, left_out = variable_names(columns), dict(columns.left_out)
    step, clock = step_and_zone(tables, columns, zone)
    options |= source_options(columns, names, clock, kind)
    draft: dict[str, Any] = {
        "source": kind,
        "options": options,
        "frequency": columns_of.frequency_text(step),
        "time_zone": zone or clock.zone,
        "variables": {name: {"unit": unit or "1"} for name, (_, unit) in names.items()},
        "targets": [next(iter(names))],
        "season_steps": 1,
    }
    rows, books, notes = read_sample(draft, names)
    if books.revisions > MOST_DISAGREEING * books.read or books.copies > MOST_COPIES * books.read:
        raise UserError(
            f"{source}: of {books.read:,} rows {books.revisions:,} disagree with another of their station and time, "
            f"and {books.copies:,} repeat one: name the column of stations with --station, or describe it by hand."
        )
    measured = {}
    for name, (column, unit) in names.items():
        found = variables.profile_variable(name, unit, column, rows[name], rows, draft["frequency"])
        if found.missing > variables.ABSENT_SHARE or np.isnan(found.middle):
            left_out[column] = f"{found.missing:.1%} missing"
        else:
            measured[name] = found
    if not measured:
        raise UserError(f"{source}: no column is measured more than half of the time: name others in params.yaml.")
    if books.copies:
        notes.append(f"{books.copies:,} identical rows")
    if books.revisions:
        notes.append(f"{books.revisions:,} rows that disagree with another of their station and time: the last stands")
    target = variables.target_of(list(measured))
    own = measured[target]
    season, why = variables.season(plausible(rows[target], own.low, own.high, own.sentinels), rows, step)
    dataset = {**draft, **_described(measured, target, rows), "season_steps": season}
    proposal = Proposal(
        dataset, columns, clock, why, measured, left_out, len(rows), int(rows[STATION].nunique()),
        (rows[TIME].min(), rows[TIME].max()), notes,
    )  # fmt: skip
    _try(proposal, rows, settings)
    return proposal


def _described(measured: dict[str, VariableProfile], target: str, rows: pd.DataFrame) -> dict[str, Any]:
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
    if relations := relations_of(list(measured)):
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
    phases = rules.epoch_microseconds(rows[TIME]) % rules.step_microseconds(dataset.frequency)
    offset = rules.most_common(phases)
    on_grid = rows.loc[phases == offset, TIME]
    if len(on_grid) < (1 - MOST_OFF_GRID) * len(rows):
        raise UserError(
            f"{1 - len(on_grid) / len(rows):.0%} of the rows lie between steps of {dataset.frequency}, which is the "
            "commonest: give data of one fixed frequency (months have none)."
        )
    network = Network(rows.groupby(STATION).size(), offset, on_grid.min(), on_grid.max())
    nothing = versions.superseded(StoredRows(*(rows.iloc[:0],) * 3), list(dataset.variables))
    found = verdict(rows, nothing, trial, network).findings
    proposal.findings = found
    step = step_of(dataset.frequency)
    for name, part in found.groupby(RULE):
        rule = Rules().of(str(name))
        worst = part.sort_values("found").iloc[-1]
        if isinstance(rule, DurationRule):
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
