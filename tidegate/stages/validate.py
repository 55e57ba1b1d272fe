"""Validate: let good rows pass, quarantine bad cells, and stop when there are too many.

Reads data/. Writes artifacts/clean.parquet (each station on the regular grid, bad cells missing),
artifacts/quarantine.parquet (station, time, variable, value, rule), artifacts/validation.json and the Data Docs.
Stops when a station exceeds what validate.tolerance allows; the quarantine and the Data Docs are written first.
"""

import pandas as pd

from tidegate import expectations
from tidegate import frame as long_frame
from tidegate.artifacts import (
    CLEAN,
    DATA,
    DATA_DOCS,
    MEASUREMENTS,
    QUARANTINE,
    SUPERSEDED,
    VALIDATION,
    write_json,
)
from tidegate.calendar import longest_run, off_grid, regular, step_of
from tidegate.errors import DataError, GateClosed
from tidegate.expectations import ALL_VARIABLES, Failure
from tidegate.frame import KEYS, STATION, TIME
from tidegate.report import Report
from tidegate.settings import Settings


def run(settings: Settings, report: Report) -> str:
    """Validate data/; give one line of what passed."""
    rules = settings.validate_
    step = step_of(rules.frequency)
    variables = list(rules.variables)
    rows, superseded = _stored(variables)
    report(1, 5, f"{len(rows):,} rows")
    failures = expectations.check_cells(rows, rules, step, DATA_DOCS / "cells.html")
    report(3, 5, "cells checked")
    quarantine = pd.concat([quarantined(rows, variables, failures), superseded], ignore_index=True)
    long_frame.write(QUARANTINE, quarantine.sort_values([*KEYS, "variable", "rule"], ignore_index=True))
    clean = regular(blanked(rows, quarantine)[~off_grid(rows[TIME], step)], step)
    summary = summarise(clean, quarantine, variables)
    failed = expectations.check_stations(summary, rules.tolerance, DATA_DOCS / "stations.html")
    report(4, 5, "stations checked")
    write_json(VALIDATION, _figures(rows, clean, quarantine, variables))
    _gate(summary, failed, settings)
    long_frame.write(CLEAN, clean)
    return f"{len(clean):,} rows of {len(summary)} stations pass, {len(quarantine):,} cells in quarantine"


def _stored(variables: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read data/: the standing rows, sorted, and the values that they replaced."""
    months = sorted((DATA / MEASUREMENTS).glob("*.parquet"))
    if not months:
        raise DataError("data/ holds no rows: run tidegate ingest first.")
    rows = pd.concat([long_frame.read(path) for path in months], ignore_index=True)
    rows = long_frame.conform(rows, variables).sort_values(KEYS, ignore_index=True)
    replaced = [long_frame.read(path) for path in sorted((DATA / SUPERSEDED).glob("*.parquet"))]
    columns = [*KEYS, "variable", "value"]
    superseded = pd.concat(replaced, ignore_index=True) if replaced else pd.DataFrame(columns=columns)
    return rows, superseded.assign(rule="superseded")


def quarantined(rows: pd.DataFrame, variables: list[str], failures: list[Failure]) -> pd.DataFrame:
    """Give every cell that failed, once, under the first rule that it failed."""
    parts = []
    for failure in failures:
        bad = rows.loc[list(failure.rows)]
        names = variables if failure.variable == ALL_VARIABLES else [failure.variable]
        parts.append(bad.melt(KEYS, names, "variable", "value").assign(rule=failure.rule))
    if not parts:
        return pd.DataFrame(columns=[*KEYS, "variable", "value", "rule"])
    return pd.concat(parts, ignore_index=True).dropna(subset="value").drop_duplicates([*KEYS, "variable"])


def blanked(rows: pd.DataFrame, quarantine: pd.DataFrame) -> pd.DataFrame:
    """Make the quarantined cells missing; superseded values have been replaced already."""
    rows = rows.copy()
    bad = quarantine[quarantine["rule"] != "superseded"]
    for variable, cells in bad.groupby("variable"):
        hit = pd.MultiIndex.from_frame(rows[KEYS]).isin(pd.MultiIndex.from_frame(cells[KEYS]))
        rows.loc[hit, variable] = float("nan")
    return rows


def summarise(clean: pd.DataFrame, quarantine: pd.DataFrame, variables: list[str]) -> pd.DataFrame:
    """Sum up each station in the terms of validate.tolerance, a column "<variable> <measure>" each."""
    bad = quarantine[quarantine["rule"] != "superseded"].groupby([STATION, "variable"]).size()
    newest = len(clean) // clean[STATION].nunique()
    lines = []
    for station, rows in clean.groupby(STATION, sort=True):
        line: dict[str, object] = {STATION: station}
        for name in variables:
            missing = rows[name].isna().to_numpy()
            present = (~missing).nonzero()[0]
            line[f"{name} quarantined_share"] = float(bad.get((station, name), 0)) / len(rows)
            line[f"{name} missing_share"] = float(missing.mean())
            line[f"{name} longest_gap_steps"] = longest_run(missing)
            line[f"{name} behind_steps"] = newest - (int(present[-1]) + 1 if len(present) else 0)
        lines.append(line)
    return pd.DataFrame(lines)


def _figures(
    rows: pd.DataFrame, clean: pd.DataFrame, quarantine: pd.DataFrame, variables: list[str]
) -> dict[str, object]:
    return {
        "rows": len(rows),
        "stations": int(clean[STATION].nunique()),
        "absent_rows": len(clean) - int(clean[variables].notna().any(axis=1).sum()),
        "missing_share": {name: round(float(clean[name].isna().mean()), 6) for name in variables},
        "quarantined": {str(rule): int(count) for rule, count in quarantine.groupby("rule").size().items()},
    }


def _gate(summary: pd.DataFrame, failed: list[Failure], settings: Settings) -> None:
    """Refuse the data when a station exceeds a tolerance; name the worst one.

    Raises:
        GateClosed: with the rule, the station, how many more there are, and what to do.
    """
    if not failed:
        return
    first = failed[0]
    column = f"{first.variable} {first.rule}"
    worst = summary.loc[list(first.rows)].sort_values(column, ascending=False).iloc[0]
    limit = getattr(settings.validate_.tolerance, first.rule)
    others = sum(len(failure.rows) for failure in failed) - 1
    raise GateClosed(
        f"The data gate is closed: {first.rule} of {first.variable} at station {worst[STATION]} is "
        f"{worst[column]:.4g}, above {limit:g}{f', and {others} more like it' if others else ''}: see {QUARANTINE} and "
        f"{DATA_DOCS}/stations.html, then mend the source, or raise validate.tolerance.{first.rule}."
    )
