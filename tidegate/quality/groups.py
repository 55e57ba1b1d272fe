"""Groups of stations: judged one by one, or in parallel, so that memory does not grow with their number.

A group's clean rows, quarantine and profile are written to files of their own in .tidegate/validation, in the order of
the stations' names; `summary` puts them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tidegate.errors import TidegateError
from tidegate.measurements import months, parquet, versions
from tidegate.measurements.frame import conform, write_frame
from tidegate.measurements.parquet import StationRange
from tidegate.quality import drift
from tidegate.quality.expectations import Outcome
from tidegate.quality.network import Network
from tidegate.quality.verdict import Verdict, verdict
from tidegate.workspace.columns import ARRIVED, KEYS, REPLACED, RULE, STATION, SUPERSEDED, TIME, VALUE, VARIABLE
from tidegate.workspace.paths import VALIDATION_PARTS
from tidegate.workspace.settings import Settings

MOMENT = "datetime64[us, UTC]"
QUARANTINE_COLUMNS = {STATION: "str", TIME: MOMENT, VARIABLE: "str", VALUE: "float64", RULE: "str", REPLACED: MOMENT}


@dataclass(frozen=True)
class Group:
    """Stations to be judged, in this process or in another."""

    settings: Settings
    network: Network
    stations: StationRange
    number: int


@dataclass(frozen=True)
class GroupResult:
    """The verdict on a group, counted."""

    outcomes: dict[str, list[Outcome]]
    findings: pd.DataFrame
    rows: dict[str, int]
    values: dict[str, int]
    quarantined: dict[str, int]
    missing: dict[str, int]
    steps: int
    newest: "pd.Series[pd.Timestamp]"  # time of each station's rows


def judge(group: Group) -> GroupResult:
    """Judge the rows and series of a group; write its clean rows, its quarantine and its profile.

    Raises:
        TidegateError: a value is neither clean nor in quarantine.
    """
    settings, variables = group.settings, list(group.settings.dataset.variables)
    rows, superseded = _stored(group.stations, variables, settings.dataset.stations.leave_out)
    result = verdict(rows, superseded, settings, group.network)
    _write_files(group, result, superseded, list(rows[STATION].unique()))
    measured, passed = int(rows[variables].notna().sum().sum()), int(result.clean[variables].notna().sum().sum())
    if measured != passed + len(result.held):
        raise TidegateError(
            f"The books do not balance: {measured} values were measured, {passed} passed and {len(result.held)} are in "
            "quarantine: report this as a fault."
        )
    quarantined = {str(rule): int(count) for rule, count in result.held[RULE].value_counts().items()}
    return GroupResult(
        outcomes=result.outcomes,
        findings=result.findings,
        rows={"stored": len(rows), "kept": len(rows) - result.off_grid, "quarantined": result.off_grid},
        values={"measured": measured, "kept": passed, "quarantined": len(result.held)},
        quarantined={**quarantined, **({SUPERSEDED: len(superseded)} if len(superseded) else {})},
        missing={name: int(result.clean[name].isna().sum()) for name in variables},
        steps=len(result.clean),
        newest=rows.groupby(STATION)[TIME].max(),
    )


def _stored(
    stations: StationRange, variables: Sequence[str], left_out: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read data/: the standing rows of some stations, sorted, and the values that they replaced."""
    stored = [months.read_stored(month, stations, variables) for month in months.require_months()]
    standing = pd.concat([of_month.standing for of_month in stored], ignore_index=True)
    revised = [of_month.revisions for of_month in stored if len(of_month.revisions)]
    revisions = pd.concat(revised, ignore_index=True) if revised else stored[0].revisions
    standing, revisions = (
        rows[~rows[STATION].isin(left_out)].reset_index(drop=True) if left_out else rows
        for rows in (standing, revisions)
    )
    whole = versions.StoredRows(standing, revisions, standing.iloc[:0])
    rows = conform(standing.drop(columns=ARRIVED), variables).sort_values(KEYS, ignore_index=True)
    return rows, versions.superseded(whole, variables).reset_index(drop=True)


def _write_files(group: Group, result: Verdict, superseded: pd.DataFrame, stations: Sequence[str]) -> None:
    clean, begin = result.clean, f"{group.number:06d}"
    write_frame(VALIDATION_PARTS / f"{begin}.clean.parquet", clean, parquet.ROW_GROUP)
    write_frame(VALIDATION_PARTS / f"{begin}.quarantine.parquet", _quarantine(result.held, superseded))
    profiles = [
        drift.profile(clean[STATION], clean[TIME], clean[name]).assign(**{VARIABLE: name})
        for name in group.settings.dataset.variables
    ]
    # A row for each station, whether it has values or not: the next validation knows that it was there.
    present = {STATION: sorted(stations), VARIABLE: "", "month": 0, "values": 0, "until": group.network.last}
    profile = pd.concat([pd.DataFrame(present).astype({STATION: "str"}), *profiles], ignore_index=True)
    write_frame(VALIDATION_PARTS / f"{begin}.profile.parquet", profile.astype({VARIABLE: "str"}))


def _quarantine(held: pd.DataFrame, superseded: pd.DataFrame) -> pd.DataFrame:
    never = pd.Series(pd.NaT, held.index, dtype=MOMENT)
    parts = [held.assign(**{REPLACED: never}), superseded.assign(**{RULE: SUPERSEDED})]
    empty = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in QUARANTINE_COLUMNS.items()})
    cells = pd.concat([part.reindex(columns=list(QUARANTINE_COLUMNS)) for part in parts if len(part)] or [empty])
    return cells.astype(QUARANTINE_COLUMNS).sort_values([*KEYS, VARIABLE, RULE, VALUE], ignore_index=True)
