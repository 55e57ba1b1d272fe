"""The data gate's verdict on some stations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tidegate.errors import DataError
from tidegate.measurements.grid import on_regular_grid, step_of
from tidegate.quality import expectations as expect
from tidegate.quality.expectations import Outcome
from tidegate.quality.findings import SCHEMA, findings_of_cells, findings_of_series, sorted_findings
from tidegate.quality.quarantine import quarantined
from tidegate.quality.suite import of_keys, of_revisions, of_rows, of_series
from tidegate.workspace.columns import RULE, STATION, TIME, VARIABLE
from tidegate.workspace.settings import Settings


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
    return on_regular_grid(clean, step, network.first, network.last)
