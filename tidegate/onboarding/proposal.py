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
from tidegate.measurements.plausible import plausible
from tidegate.measurements.versions import RowCounts, StoredRows
from tidegate.onboarding import seasons, variables
from tidegate.onboarding.columns import ColumnRoles, Told, classify_columns
from tidegate.onboarding.cost import expected_cost
from tidegate.onboarding.fit import WindowFit, fit_window
from tidegate.onboarding.limits import marks_of_missing
from tidegate.onboarding.sample import (
    Sample,
    read_database,
    read_files,
    read_sample,
    refuse_other_columns,
    source_options,
    step_and_zone,
    variable_names,
)
from tidegate.onboarding.targets import TargetGuess, target_of
from tidegate.onboarding.variables import VariableProfile, relations_of
from tidegate.onboarding.zone import ZoneGuess, frequency_text
from tidegate.quality.findings import COLUMNS
from tidegate.quality.network import Network
from tidegate.quality.sorted_rows import epoch_microseconds, most_common, step_microseconds
from tidegate.quality.suite import Rules, rules_of
from tidegate.quality.verdict import verdict
from tidegate.sources.sql.database import is_address
from tidegate.workspace.columns import RULE, STATION, TIME
from tidegate.workspace.dataset import Dataset
from tidegate.workspace.settings import DurationRule, Settings

COVARIATES = 8

MOST_DISAGREEING, MOST_COPIES, MOST_OFF_GRID = 0.05, 0.5, 0.2  # of the rows: more, and something was misread

MARGIN = 1.25  # how much more than a sample shows is tolerated


@dataclass
class Proposal:
    """What is proposed, and why."""

    dataset: dict[str, Any]
    columns: ColumnRoles
    zone: ZoneGuess
    season: str  # why
    target: TargetGuess
    profiles: dict[str, VariableProfile]
    left_out: dict[str, str]  # column: why
    rows: int
    stations: int
    span: tuple[pd.Timestamp, pd.Timestamp]
    notes: list[str]
    window: WindowFit = field(default_factory=WindowFit)
    cost: str = ""  # of a run, as expected
    tolerances: dict[str, tuple[str, float, str]] = field(default_factory=dict)  # rule: key, value, why
    findings: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))


def propose(source: str, table: str | None, told: Told, settings: Settings) -> Proposal:
    """Look at a source, and propose the section `dataset`.

    Args:
        source: a path, a glob, a folder or a URL of files, or a database's address.
        table: of the database.
        told: what the user has said of it.
        settings: of the workspace, of which all but the data set is kept.

    Raises:
        UserError: the columns cannot be told apart, or the rows do not fit what the columns seem to be.
        SourceError: the source cannot be read.
    """
    kind = "sql" if is_address(source) else "files"
    sample = read_database(source, table) if kind == "sql" else read_files(source, told)
    columns = _roles(source, sample, told)
    if kind == "sql" and (columns.wide or columns.time is None or not isinstance(columns.time.time, str)):
        raise UserError(f"{table} has no single column of times, or a column a station: give a query, in params.yaml.")
    refuse_other_columns(sample, columns, source)
    names = variable_names(columns, sample.layout.units)
    step, zone_guess = step_and_zone(sample, columns, told)
    draft: dict[str, Any] = {
        "source": kind,
        "options": {**sample.options, **source_options(columns, names, zone_guess, told, kind)},
        "frequency": frequency_text(step),
        "time_zone": told.time_zone or zone_guess.zone,
        "variables": {name: {"unit": unit or "1"} for name, (_, unit) in names.items()},
        "targets": [next(iter(names))],
        "season_steps": 1,
    }
    rows, counts, notes = read_sample(draft, names)
    notes += _notes_on_versions(source, counts)
    if columns.time and columns.time.doubt:
        notes.append(f"a guess: {columns.time.doubt}")
    profiles, mostly_missing = _profiles(source, names, rows, draft["frequency"])
    target = _target(profiles, rows, told)
    profile = profiles[target.name]
    measured = plausible(np.asarray(rows[target.name], np.float64), profile.low, profile.high, profile.sentinels)
    season, why = seasons.season(pd.Series(measured, rows.index), rows, step)
    proposal = Proposal(
        dataset={**draft, **_described(profiles, target.name, rows, told), "season_steps": season},
        columns=columns,
        zone=zone_guess,
        season=why,
        target=target,
        profiles=profiles,
        left_out={**columns.left_out, **mostly_missing},
        rows=len(rows),
        stations=int(rows[STATION].nunique()),
        span=(rows[TIME].min(), rows[TIME].max()),
        notes=notes,
    )
    _try(proposal, rows, settings)
    steps = (proposal.span[1] - proposal.span[0]) // step + 1
    proposal.window = fit_window(settings.window, season, why, steps)
    proposal.dataset["season_steps"] = proposal.window.season_steps
    window = settings.window.model_copy(update=proposal.window.changes)
    features = len(proposal.dataset["targets"]) + len(proposal.dataset["covariates"])
    proposal.cost = expected_cost(settings, window, len(rows), features)
    return proposal


def _roles(source: str, sample: Sample, told: Told) -> ColumnRoles:
    """Find what the columns hold.

    Raises:
        UserError: it cannot be told; or the user named a column that is not there.
    """
    if told.station and told.station not in sample.tables[0].columns:
        listed = ", ".join(map(str, sample.tables[0].columns))
        raise UserError(f"{source} has no column {told.station!r} for --station; it has {listed}.")
    try:
        return classify_columns(sample.tables, sample.decimal, told, sample.layout.names_invented)
    except ValueError as error:
        raise UserError(f"{source}: {error}.") from None


def _target(profiles: dict[str, VariableProfile], rows: pd.DataFrame, told: Told) -> TargetGuess:
    """Give the variable to forecast, as told or by evidence.

    Raises:
        UserError: there is none of that name.
    """
    if told.targets:
        return TargetGuess(_named(told.targets[0], profiles), "as you said")
    return target_of(rows[list(profiles)], {name: profile.unit for name, profile in profiles.items()})


def _named(wanted: str, profiles: dict[str, VariableProfile]) -> str:
    """Give the variable that the user means, by its own name or its column's.

    Raises:
        UserError: there is none.
    """
    by_column = {profile.column: name for name, profile in profiles.items()}
    name = by_column.get(wanted, wanted)
    if name not in profiles:
        raise UserError(f"--target {wanted} is none of the variables: {', '.join(profiles)}.")
    return name


def _notes_on_versions(source: str, counts: RowCounts) -> list[str]:
    """Note rows that occur twice.

    Raises:
        UserError: there are so many that the columns must have been misread.
    """
    if counts.revisions > MOST_DISAGREEING * counts.read or counts.copies > MOST_COPIES * counts.read:
        raise UserError(
            f"{source}: of {counts.read:,} rows {counts.revisions:,} disagree with another of their station and time, "
            f"and {counts.copies:,} repeat one: name the column of stations with --station, or "
            "those of the time with --time."
        )
    notes = [f"{counts.copies:,} identical rows"] if counts.copies else []
    disagree = f"{counts.revisions:,} rows that disagree with another of their station and time: the last stands"
    return notes + ([disagree] if counts.revisions else [])


def _profiles(
    source: str, names: dict[str, tuple[str, str]], rows: pd.DataFrame, frequency: str
) -> tuple[dict[str, VariableProfile], dict[str, str]]:
    """Profile each variable; give those that are measured, and why other columns are left out.

    Raises:
        UserError: no variable is measured more than half of the time.
    """
    profiles, left_out = {}, {}
    marks = marks_of_missing(rows[list(names)])
    for name, (column, unit) in names.items():
        profile = variables.profile_variable(name, unit, column, rows[name], rows, frequency, marks[name])
        if profile.missing > variables.ABSENT_SHARE or np.isnan(profile.middle):
            left_out[column] = f"{profile.missing:.1%} missing"
        else:
            profiles[name] = profile
    if not profiles:
        raise UserError(f"{source}: no column is measured more than half of the time: name others in params.yaml.")
    return profiles, left_out


def _described(profiles: dict[str, VariableProfile], target: str, rows: pd.DataFrame, told: Told) -> dict[str, Any]:
    """Describe the variables, and choose as covariates those that correlate most with the target."""
    described: dict[str, Any] = {}
    for name, profile in profiles.items():
        options = {
            "unit": profile.unit,
            "min": profile.low,
            "max": profile.high,
            "sentinels": list(profile.sentinels) or None,
            "stuck_steps": profile.stuck_steps,
            "floor": profile.floor if profile.stuck_steps else None,
            "spike": profile.spike,
        }
        described[name] = {key: value for key, value in options.items() if value is not None}
    targets = list(dict.fromkeys([target, *(_named(wanted, profiles) for wanted in told.targets)]))
    others = [name for name in profiles if name not in targets]
    with np.errstate(all="ignore"):
        correlation = {name: abs(rows[name].corr(rows[target])) for name in others}
    chosen = sorted(others, key=lambda name: -np.nan_to_num(correlation[name]))[:COVARIATES]
    section = {
        "variables": described,
        "targets": targets,
        "covariates": [name for name in others if name in chosen],
    }
    if relations := relations_of(list(profiles)):
        section["relations"] = relations
    return section


def _try(proposal: Proposal, rows: pd.DataFrame, settings: Settings) -> None:
    """Put the sample to the rules of the data gate, and tolerate what is there already."""
    dataset = Dataset.model_validate(proposal.dataset)
    strict = {**rules_of(settings.validate_).model_dump(), "drift": Rules().of("drift").model_dump()}
    strict = {name: {**section, "tolerance": 0.0} for name, section in strict.items()}
    validate = settings.validate_.model_copy(update={"rules": strict, "releases": ()})
    trial = settings.model_copy(update={"dataset": dataset, "validate_": validate})
    nothing = versions.superseded(StoredRows(*(rows.iloc[:0],) * 3), list(dataset.variables))
    proposal.findings = verdict(rows, nothing, trial, _network(rows, dataset.frequency)).findings
    for name, findings in proposal.findings.groupby(RULE):
        if tolerance := _tolerance(str(name), findings, step_of(dataset.frequency)):
            proposal.tolerances[str(name)] = tolerance


def _network(rows: pd.DataFrame, frequency: str) -> Network:
    """Find the grid on which most rows lie.

    Raises:
        UserError: too many rows lie between its steps.
    """
    phases = epoch_microseconds(rows[TIME]) % step_microseconds(frequency)
    offset = most_common(phases)
    on_grid = rows.loc[phases == offset, TIME]
    if len(on_grid) < (1 - MOST_OFF_GRID) * len(rows):
        raise UserError(
            f"{1 - len(on_grid) / len(rows):.0%} of the rows lie between steps of {frequency}, which is the "
            "commonest: give data of one fixed frequency (months have none)."
        )
    return Network(rows.groupby(STATION).size(), offset, on_grid.min(), on_grid.max())


def _tolerance(name: str, findings: pd.DataFrame, step: pd.Timedelta) -> tuple[str, float, str] | None:
    """Say what a rule must tolerate for a sample to pass: the key, its value and why; None if the default is enough."""
    rule = Rules().of(name)
    if isinstance(rule, DurationRule):
        steps = (pd.to_datetime(findings["to"]) - pd.to_datetime(findings["from"])) // step
        worst = findings.iloc[int(np.argmax(steps))]
        why = f"{worst['variable']} at {worst['station']}, {worst['from']} to {worst['to']}"
        return "steps", int(max(steps) * MARGIN), why
    share = float(findings["share"].max())
    if rule.severity == "warn" or share * MARGIN <= rule.tolerance:
        return None
    worst = findings.sort_values("share").iloc[-1]
    why = f"{share:.1%} of {worst['variable']} at {worst['station']}"
    return "tolerance", min(1.0, _rounded_up(share * MARGIN)), why


def _rounded_up(share: float) -> float:
    return float(np.ceil(share * 100) / 100)
