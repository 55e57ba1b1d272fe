"""The data gate: which rules a data set is held to, and what is said of what breaks them.

A finding sums up what one rule found in one variable at one station: how much, from when to when, with examples, and
whether that is more than is tolerated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tidegate import expectations as expect
from tidegate.artifacts import ACCEPTED, DATA, DATA_DOCS, FINDINGS
from tidegate.calendar import regular, step_of
from tidegate.errors import DataError, GateClosed, UserError
from tidegate.expectations import Expected, Outcome
from tidegate.frame import KEYS, STATION, TIME
from tidegate.history import STANDING, VALUE, VARIABLE
from tidegate.settings import Lasting, Release, Rules, Settings, Validate

ALL_VARIABLES = "*"
SCHEMA = "schema"
RULE = "rule"
CELL_RULES = ("off_grid", "sentinel", "range", "relation", "stuck", "spike")  # in the order of precedence
RELEASABLE = CELL_RULES[1:]
COLUMNS = [RULE, "severity", STATION, VARIABLE, "found", "share", "tolerated", "from", "to", "examples", "closes"]
EXAMPLES = 3


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
    """Give every cell that is held back, once, under the first rule that it broke: rows as in quarantine, and `row`.

    What a release takes back in is not found; what a rule merely warns of, or fails for, is found and not held back.
    """
    known, rules = list(settings.dataset.variables), settings.validate_.rules
    parts: list[pd.DataFrame] = []
    for outcome in sorted(outcomes, key=lambda outcome: _precedence(outcome.rule)):
        if not outcome.rows or outcome.rule not in CELL_RULES:
            continue
        names, broken = variables_of(outcome, known), np.array(outcome.rows)
        if outcome.rule == "relation":  # where one of the two is no measurement, nothing is said of the other
            broken = broken[
                ~np.isin(broken, [row for part in parts for row in part.loc[part[VARIABLE].isin(names), "row"]])
            ]
        bad = rows.iloc[broken]
        for name in names:
            cells = bad[[*KEYS, name]].set_axis([*KEYS, VALUE], axis=1)
            named: dict[str, Any] = {VARIABLE: name, RULE: outcome.rule, "row": broken, "of": outcome.variable}
            parts.append(cells.assign(**named))
    if not parts:
        return pd.DataFrame(columns=[*KEYS, VALUE, VARIABLE, RULE, "row", "of"])
    cells = pd.concat(parts, ignore_index=True).dropna(subset=VALUE).drop_duplicates(["row", VARIABLE])
    cells = cells[~released(cells, settings.validate_)]
    # What lies between the steps has no place among the clean rows, whatever is done about it.
    return cells.assign(held=[rule == "off_grid" or rules.of(rule).severity == "quarantine" for rule in cells[RULE]])


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


def findings_of_cells(cells: pd.DataFrame, steps: "pd.Series[int]", rules: Rules) -> pd.DataFrame:
    """Sum up quarantined cells; `steps` counts each station's steps."""
    made = []
    parts: Any = cells.drop_duplicates(["row", "of"]).groupby([RULE, STATION, "of"], sort=False)
    for (rule, station, of), part in parts:
        examples = [f"{value:g} at {time:%Y-%m-%d %H:%M}" for time, value in part[[TIME, VALUE]].head(3).to_numpy()]
        made.append(_finding(rule, rules, station, of, len(part), steps[station], part[TIME], examples))
    return pd.DataFrame(made, columns=COLUMNS)


def findings_of_series(
    frame: pd.DataFrame, outcomes: Sequence[Outcome], steps: "pd.Series[int]", rules: Rules
) -> pd.DataFrame:
    """Sum up what was found in whole series (station, time, the variables; or the rows of the network)."""
    made = []
    for outcome in outcomes:
        if not outcome.rows or outcome.rule in (*CELL_RULES, SCHEMA):
            continue
        for station, part in frame.iloc[list(outcome.rows)].groupby(STATION, observed=True):
            times = _span(frame, part, outcome, str(station))
            examples = [f"{time:%Y-%m-%d %H:%M}" for time in part[TIME].head(EXAMPLES)]
            made.append(
                _finding(
                    outcome.rule, rules, str(station), outcome.variable, len(part), steps[station], times, examples
                )
            )
    return pd.DataFrame(made, columns=COLUMNS)


def _span(frame: pd.DataFrame, part: pd.DataFrame, outcome: Outcome, station: str) -> "pd.Series[pd.Timestamp]":
    """Give the times that a finding spans: of a gap from the value before it on, of a silence to the network's end."""
    if outcome.rule == "freshness":
        return pd.Series([part[TIME].min(), frame[TIME].max()])
    if outcome.rule == "gap":
        own = frame.loc[(frame[STATION] == station) & frame[outcome.variable].notna(), TIME]
        before = own[own < part[TIME].min()]
        return pd.concat([before.tail(1), part[TIME]])
    return part[TIME]


def _finding(
    rule: str,
    rules: Rules,
    station: str,
    variable: str,
    found: int,
    steps: int,
    times: "pd.Series[pd.Timestamp]",
    examples: Sequence[str],
) -> dict[str, object]:
    own = rules.of(rule)
    share = found / max(int(steps), 1)
    # A rule about a length of time, or about a whole series, has tolerated in its own terms before it found anything.
    exceeded = share > own.tolerance if rule in CELL_RULES or rule in ("clock_change", "revision") else True
    tolerated = f"{own.steps} steps" if isinstance(own, Lasting) else f"{own.tolerance:g}"
    first, last = times.min(), times.max()
    return {
        RULE: rule,
        "severity": own.severity,
        STATION: station,
        VARIABLE: variable,
        "found": found,
        "share": round(share, 6),
        "tolerated": tolerated,
        "from": f"{first:%Y-%m-%d %H:%M}" if not pd.isna(first) else "",
        "to": f"{last:%Y-%m-%d %H:%M}" if not pd.isna(last) else "",
        "examples": "; ".join(examples),
        "closes": bool(exceeded and own.severity != "warn"),
    }


def close(findings: pd.DataFrame, validate: Validate) -> None:
    """Refuse the data where a finding closes the gate; name the worst.

    Raises:
        GateClosed: with the rule, the station, the span, how many more there are, and what to do.
    """
    closing = findings[findings["closes"].astype(bool)]
    if closing.empty:
        return
    worst = closing.sort_values(["found"], ascending=False, kind="stable").iloc[0]
    others = len(closing) - 1
    lasting = isinstance(validate.rules.of(worst[RULE]), Lasting)
    more = f", and {others} more like it" if others else ""
    raise GateClosed(
        f"The data gate is closed: {_said(worst)}, above {worst['tolerated']}{more}: see {FINDINGS} and "
        f"{DATA_DOCS}/index.html, then mend the source, or raise "
        f"validate.rules.{worst[RULE]}.{'steps' if lasting else 'tolerance'}, or set its severity to warn."
    )


def _said(finding: "pd.Series[Any]") -> str:
    where = f"{finding[VARIABLE]} at station {finding[STATION]}"
    span = f"from {finding['from']} to {finding['to']} UTC"
    if finding[RULE] == "gap":
        return f"gap: {where} has no value {span}"
    if finding[RULE] == "freshness":
        return f"freshness: {where} is silent {span}"
    return f"{finding[RULE]}: {finding['found']} rows of {where}, a share of {finding['share']:.4g}, {span}"


def sorted_findings(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put findings together: those that close the gate first, then by severity and weight."""
    every = pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)
    rank = every["severity"].map({"fail": 0, "quarantine": 1, "warn": 2})
    order = np.lexsort(
        (every[VARIABLE], every[STATION], -every["found"].astype(int), rank, ~every["closes"].astype(bool))
    )
    return every.iloc[order].reset_index(drop=True)
