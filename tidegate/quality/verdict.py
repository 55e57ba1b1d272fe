"""The data gate's verdict on some stations: what broke which rule, what is held back, and what is clean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tidegate.errors import DataError
from tidegate.measurements.grid import on_regular_grid, step_of
from tidegate.quality.expectations import Outcome, check
from tidegate.quality.expected import expected
from tidegate.quality.findings import findings_of_cells, findings_of_series, sorted_findings
from tidegate.quality.gate_rule import SCHEMA
from tidegate.quality.network import Network
from tidegate.quality.quarantine import quarantined
from tidegate.quality.suite import rules_of
from tidegate.workspace.columns import HELD_BACK, ROW, RULE, STATION, TIME, VARIABLE
from tidegate.workspace.settings import Settings


@dataclass(frozen=True)
class Verdict:
    """The verdict on the rows of some stations."""

    outcomes: dict[str, list[Outcome]]
    findings: pd.DataFrame
    held: pd.DataFrame  # cells that are held back, as in quarantine
    clean: pd.DataFrame
    off_grid: int  # rows


@dataclass(frozen=True)
class CellVerdict:
    """The verdict on single cells."""

    outcomes: list[Outcome]
    cells: pd.DataFrame  # that broke a rule
    held: pd.DataFrame  # those of them that are held back, as in quarantine
    on_grid: pd.DataFrame  # rows that lie on the network's grid

    def passed(self) -> pd.DataFrame:
        """Give the rows on the grid, in which what is held back is missing."""
        rows = self.on_grid.copy()
        for name, part in self.held[self.held[RULE] != "off_grid"].groupby(VARIABLE):
            rows.loc[part[ROW].to_numpy(int), name] = np.nan
        return rows


def judge_cells(rows: pd.DataFrame, settings: Settings, offset: int) -> CellVerdict:
    """Judge each cell of rows, sorted by station and time, that a grid with this offset is to hold.

    Raises:
        DataError: data/ has two rows for one station and time.
    """
    by_key = check("keys", _numbered(rows), expected("keys", settings, offset=offset))
    _refuse_broken(rows, by_key)
    off_grid = {row for outcome in by_key if outcome.rule == "off_grid" for row in outcome.rows}
    on_grid = rows.drop(index=list(off_grid)) if off_grid else rows
    by_row = [
        replace(outcome, rows=tuple(on_grid.index[list(outcome.rows)]))
        for outcome in check("rows", _numbered(on_grid), expected("rows", settings))
    ]
    cells = quarantined(rows, [*by_key, *by_row], settings)
    held = cells[cells[HELD_BACK].astype(bool)] if len(cells) else cells
    return CellVerdict([*by_key, *by_row], cells, held, on_grid)


def verdict(rows: pd.DataFrame, superseded: pd.DataFrame, settings: Settings, network: Network) -> Verdict:
    """Judge the rows of some stations, sorted by station and time, and the values that they replaced.

    Raises:
        DataError: data/ has two rows for one station and time.
    """
    judged = judge_cells(rows, settings, network.offset)
    clean = judged.passed()
    if len(clean):  # else all rows lie between the steps, which is a finding: nothing is left for the grid
        clean = on_regular_grid(clean, step_of(settings.dataset.frequency), network.first, network.last)
    by_series = check("series", _numbered(clean), expected("series", settings, until=network.last))
    revisions, of_revisions = _revisions(superseded, settings, network)
    rules, steps = rules_of(settings.validate_), clean.groupby(STATION).size()
    findings = [
        findings_of_cells(judged.cells, network.rows, rules),
        findings_of_series(rows, judged.outcomes, network.rows, rules),
        findings_of_series(clean, by_series, steps, rules),
        *of_revisions,
    ]
    outcomes = {"rows": judged.outcomes, "series": by_series, "revisions": revisions}
    return Verdict(outcomes, sorted_findings(findings), judged.held, clean, len(rows) - len(judged.on_grid))


def _revisions(
    superseded: pd.DataFrame, settings: Settings, network: Network
) -> tuple[list[Outcome], list[pd.DataFrame]]:
    """Judge the values that others have replaced, variable by variable."""
    outcomes, findings = [], []
    for expectation in expected("revisions", settings):
        values = superseded[superseded[VARIABLE] == expectation.subject].reset_index(drop=True)
        of_variable = check("revisions", values, [expectation])
        findings.append(findings_of_series(values, of_variable, network.rows, rules_of(settings.validate_)))
        outcomes += of_variable
    return outcomes, findings


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    """Number the rows by their index; stations become categories, which are compared faster than text."""
    return rows.reset_index(drop=True).astype({STATION: "category"})


def _refuse_broken(rows: pd.DataFrame, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.rule == SCHEMA and outcome.rows:
            broken = rows.iloc[outcome.rows[0]]
            raise DataError(
                f"data/ is broken: station {broken[STATION]} at {broken[TIME]} stands twice: tidegate ingest --anew "
                "makes it again."
            )
