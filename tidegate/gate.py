"""The data gate: which rules a data set is held to, what is held back, and what comes clean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tidegate import expectations as expect
from tidegate.artifacts import ACCEPTED, DATA
from tidegate.calendar import regular, step_of
from tidegate.errors import DataError, UserError
from tidegate.expectations import Expected, Outcome
from tidegate.findings import (
    ALL_VARIABLES,
    CELL_RULES,
    RULE,
    SCHEMA,
    findings_of_cells,
    findings_of_series,
    sorted_findings,
)
from tidegate.frame import KEYS, STATION, TIME
from tidegate.history import STANDING, VALUE, VARIABLE
from tidegate.settings import Release, Settings, Validate

RELEASABLE = CELL_RULES[1:]


@dataclass(frozen=True)
class Network:
    """What is to be known of all stations before any is judged."""

    rows: "pd.Series[int]"  # of each station
    offset: int  # of the grid, in microseconds
    first: pd.Timestamp
    last: pd.Timestamp


@dataclass(frozen=True)
class Verdict:
    """What came of the rows of some stations."""

    outcomes: dict[str, list[Outcome]]
    findings: pd.DataFrame
    held: pd.DataFrame  # cells that are held back, as in quarantine
    clean: pd.DataFrame
    off_grid: int  # rows


def verdict(rows: pd.DataFrame, superseded: pd.DataFrame, settings: Settings, network: Network) -> Verdict:
    """Judge the rows of some stations, sorted by station and time, and the values that they replaced.

    Raises:
        DataError: a station and time stand twice.
    """
    by_key = expect.check("keys", _numbered(rows), of_keys(settings, network.offset))
    _refuse_broken(rows, by_key)
    off_grid = {row for outcome in by_key if outcome.rule == "off_grid" for row in outcome.rows}
    on_grid = rows.drop(index=list(off_grid)) if off_grid else rows
    by_row = [
        replace(outcome, rows=tuple(on_grid.index[list(outcome.rows)]))
        for outcome in expect.check("rows", _numbered(on_grid), of_rows(settings))
    ]
    cells = quarantined(rows, [*by_key, *by_row], settings)
    held = cells[cells["held"].astype(bool)] if len(cells) else cells
    clean = _clean(on_grid, held, network, step_of(settings.dataset.frequency))
    by_series = expect.check("series", _numbered(clean), of_series(settings, network.last))
    own, counts = settings.validate_.rules, network.rows
    steps = clean.groupby(STATION).size()
    found = [
        findings_of_cells(cells, counts, own),
        findings_of_series(rows, by_row, counts, own),
        findings_of_series(clean, by_series, steps, own),
    ]
    revised = []
    for name in settings.dataset.variables:
        values = superseded[superseded[VARIABLE] == name].reset_index(drop=True)
        outcomes = expect.check("revisions", values, expected) if (expected := of_revisions(settings, name)) else []
        found.append(findings_of_series(values, outcomes, counts, own))
        revised += outcomes
    kinds = {"rows": [*by_key, *by_row], "series": by_series, "revisions": revised}
    return Verdict(kinds, sorted_findings(found), held, clean, len(off_grid))


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    """Give rows whose index numbers them; stations as categories, which are compared faster than text."""
    return rows.reset_index(drop=True).astype({STATION: "category"})


def _refuse_broken(rows: pd.DataFrame, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.rule == SCHEMA and outcome.rows:
            broken = rows.iloc[outcome.rows[0]]
            raise DataError(
                f"data/ is broken: station {broken[STATION]} at {broken[TIME]} stands twice: tidegate ingest --anew "
                "makes it again."
            )


def _clean(rows: pd.DataFrame, held: pd.DataFrame, network: Network, step: pd.Timedelta) -> pd.DataFrame:
    """Make what is held back missing, and lay each station on the network's grid."""
    clean = rows.copy()
    if clean.empty:  # all of them lie between the steps: that is told, and there is nothing to lay out
        return clean
    for name, part in held[held[RULE] != "off_grid"].groupby(VARIABLE):
        clean.loc[part["row"].to_numpy(int), name] = np.nan
    return regular(clean, step, network.first, network.last)


def of_keys(settings: Settings, offset: int) -> list[Expected]:
    """List what stations and times are held to; `offset` is that of the grid."""
    frequency = settings.dataset.frequency
    return [
        Expected(SCHEMA, ALL_VARIABLES, expect.not_null(column=STATION)),
        Expected(SCHEMA, ALL_VARIABLES, expect.not_null(column=TIME)),
        Expected(SCHEMA, ALL_VARIABLES, expect.unique(column_list=KEYS)),
        Expected(
            "off_grid", ALL_VARIABLES, expect.ExpectRegularTimes(column_list=KEYS, frequency=frequency, offset=offset)
        ),
    ]


def of_rows(settings: Settings) -> list[Expected]:
    """List what the rows on the grid and their cells are held to, in the order of precedence."""
    dataset, frequency = settings.dataset, settings.dataset.frequency
    zone = {"time_zone": dataset.time_zone, "frequency": frequency}
    whole = expect.ExpectNoHourLostToClockChange(column_list=KEYS, **zone)
    listed = [Expected("clock_change", ALL_VARIABLES, whole)]
    for name in dataset.variables:
        if values := dataset.sentinels_of(name):
            listed.append(Expected("sentinel", name, expect.not_in(column=name, value_set=list(values))))
    for name, variable in dataset.variables.items():
        if variable.min is not None or variable.max is not None:
            limits = {"min_value": variable.min, "max_value": variable.max}
            listed.append(Expected("range", name, expect.between(column=name, **limits)))
    for less, more in dataset.pairs:
        listed.append(
            Expected(
                "relation",
                f"{less} <= {more}",
                expect.not_less(column_A=more, column_B=less, or_equal=True, ignore_row_if="either_value_is_missing"),
            )
        )
    for name, variable in dataset.variables.items():
        columns = {"column_list": [*KEYS, name], "frequency": frequency}
        if variable.stuck_steps is not None:
            stuck = expect.ExpectNoStuckSensor(**columns, steps=variable.stuck_steps, floor=variable.floor)
            listed.append(Expected("stuck", name, stuck))
        if variable.spike is not None:
            listed.append(Expected("spike", name, expect.ExpectNoSpike(**columns, z=variable.spike)))
    return listed


def of_series(settings: Settings, until: pd.Timestamp) -> list[Expected]:
    """List what a station's clean series is held to; `until` is the newest time of the network."""
    rules, frequency = settings.validate_.rules, settings.dataset.frequency
    listed = []
    for name in settings.dataset.variables:
        columns = {"column_list": [*KEYS, name]}
        listed += [
            Expected(
                "gap", name, expect.ExpectNoLongGap(**columns, frequency=frequency, steps=rules.gap.steps)
            ),
            Expected("missing", name, expect.ExpectFewMissing(**columns, share=rules.missing.tolerance)),
            Expected(
                "freshness",
                name,
                expect.ExpectFreshData(
                    **columns, frequency=frequency, steps=rules.freshness.steps, until=str(until)
                ),
            ),
        ]  # fmt: skip
        if (DATA / ACCEPTED).exists():
            drift = rules.drift
            measures = {"psi": drift.psi, "ks": drift.ks, "least": drift.values}
            profile = {"profile": str(DATA / ACCEPTED), "variable": name}
            listed.append(Expected("drift", name, expect.ExpectNoDrift(**columns, **profile, **measures)))
    return listed


def of_revisions(settings: Settings, variable: str) -> list[Expected]:
    """List what replaced values of a variable are held to."""
    tolerance = settings.dataset.variables[variable].revision
    if tolerance is None:
        return []
    small = expect.ExpectSmallRevisions(column_list=[VALUE, STANDING], tolerance=tolerance)
    return [Expected("revision", variable, small)]


def of_stations() -> list[Expected]:
    """List what the network is held to, a row a station."""
    return [Expected("stations", ALL_VARIABLES, expect.equal(column_A="present", column_B="accepted"))]


def variables_of(outcome: Outcome, known: Sequence[str]) -> list[str]:
    """Name the variables whose cells an outcome is about."""
    if outcome.variable == ALL_VARIABLES:
        return list(known)
    return outcome.variable.split(" <= ") if outcome.rule == "relation" else [outcome.variable]


def quarantined(rows: pd.DataFrame, outcomes: Sequence[Outcome], settings: Settings) -> pd.DataFrame:
    """Give every cell that broke a rule, once: rows as in quarantine, with `row`, `of`, and whether it is `held` back.

    A cell is put down to the first rule that holds it back, else to the first that it broke. What a release takes back
    in was not broken by that rule; what a rule merely warns of, or fails for, is not held back.
    """
    known, rules = list(settings.dataset.variables), settings.validate_.rules
    parts: list[pd.DataFrame] = []
    for outcome in sorted(outcomes, key=lambda outcome: _precedence(outcome.rule)):
        if not outcome.rows or outcome.rule not in CELL_RULES:
            continue
        names, broken = variables_of(outcome, known), np.array(outcome.rows)
        if outcome.rule == "relation":  # where one of the two is no measurement, nothing is said of the other
            held = [part.loc[part["held"] & part[VARIABLE].isin(names), "row"].to_numpy() for part in parts]
            broken = broken[~np.isin(broken, np.concatenate(held))] if held else broken
        bad = rows.iloc[broken]
        for name in names:
            cells = bad[[*KEYS, name]].set_axis([*KEYS, VALUE], axis=1)
            named: dict[str, Any] = {VARIABLE: name, RULE: outcome.rule, "row": broken, "of": outcome.variable}
            # What lies between the steps has no place among the clean rows, whatever is done about it.
            named["held"] = outcome.rule == "off_grid" or rules.of(outcome.rule).severity == "quarantine"
            cells = cells.assign(**named).dropna(subset=VALUE)
            parts.append(cells[~released(cells, settings.validate_)])
    if not parts:
        return pd.DataFrame(columns=[*KEYS, VALUE, VARIABLE, RULE, "row", "of", "held"])
    every = pd.concat(parts, ignore_index=True)
    first = every.sort_values("held", ascending=False, kind="stable").drop_duplicates(["row", VARIABLE])
    return first.sort_index().reset_index(drop=True)


def _precedence(rule: str) -> int:
    return CELL_RULES.index(rule) if rule in CELL_RULES else len(CELL_RULES)


def released(cells: pd.DataFrame, validate: Validate) -> "pd.Series[bool]":
    """Mark the cells that a release takes back in."""
    marks = pd.Series(False, index=cells.index)
    for release in validate.releases:
        marks |= matches(cells, release)
    return marks


def matches(cells: pd.DataFrame, release: Release) -> "pd.Series[bool]":
    """Mark the cells that a release is about."""
    first, last = release.span
    marks = cells[RULE] == release.rule
    if release.station is not None:
        marks &= cells[STATION] == release.station
    if release.variable is not None:
        marks &= cells[VARIABLE] == release.variable
    if first is not None:
        marks &= cells[TIME] >= first
    return marks if last is None else marks & (cells[TIME] <= last)


def check_releases(validate: Validate) -> None:
    """See that each release is of a rule whose cells can come back.

    Raises:
        UserError: one is not.
    """
    for release in validate.releases:
        if release.rule not in RELEASABLE:
            raise UserError(
                f"What {release.rule} holds back cannot be released; known: {', '.join(RELEASABLE)}: take it out of "
                "validate.releases."
            )
