"""Groups of stations, judged one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidegate.errors import DataError, TidegateError
from tidegate.measurements import frame as long_frame
from tidegate.measurements import months, parquet, versions
from tidegate.measurements.grid import step_of
from tidegate.measurements.parquet import StationRange
from tidegate.quality import drift, rules
from tidegate.quality.expectations import Outcome
from tidegate.quality.verdict import Network, Verdict, verdict
from tidegate.workspace.columns import ARRIVED, KEYS, REPLACED, RULE, STATION, TIME, VALUE, VARIABLE
from tidegate.workspace.paths import DATA, MEASUREMENTS, VALIDATION_PARTS
from tidegate.workspace.settings import Settings

SUPERSEDED = "superseded"

FEWEST_STEPS, SPARSE = 100_000, 20  # a grid of so many steps is laid out, or of so many times a station's rows

MOMENT = "datetime64[us, UTC]"

QUARANTINE_COLUMNS = {STATION: "str", TIME: MOMENT, VARIABLE: "str", VALUE: "float64", RULE: "str", REPLACED: MOMENT}


@dataclass(frozen=True)
class Group:
    """Stations to be judged, wherever that is done."""

    settings: Settings
    network: Network
    of: StationRange
    place: int


@dataclass(frozen=True)
class Part:
    """What came of a group; its clean rows, quarantine and profile lie in files."""

    outcomes: dict[str, list[Outcome]]
    findings: pd.DataFrame
    rows: dict[str, int]
    values: dict[str, int]
    quarantined: dict[str, int]
    missing: dict[str, int]
    steps: int
    newest: "pd.Series[pd.Timestamp]"  # time of each station's rows


def survey(settings: Settings) -> Network:
    """Count the rows of each station, and find where the grid lies.

    Raises:
        DataError: data/ holds no rows.
    """
    names = months.require_months()
    step = rules.step_microseconds(settings.dataset.frequency)
    step_of(settings.dataset.frequency)
    spans: dict[int, list[int]] = {}
    for name in names:
        table = pq.read_table(DATA / MEASUREMENTS / f"{name}.parquet", columns=[TIME])
        times = pc.cast(pc.cast(table[TIME], pa.timestamp("us", tz="UTC")), pa.int64()).to_numpy()
        phases = times % step
        if (phases == phases[0]).all():  # as nearly always: sorting them would be half of the work
            found, which = phases[:1], np.zeros(len(phases), np.int64)
        else:
            found, which = np.unique(phases, return_inverse=True)
        begins, ends = np.full(len(found), times.max()), np.full(len(found), times.min())
        np.minimum.at(begins, which, times)
        np.maximum.at(ends, which, times)
        for phase, count, begin, end in zip(found, np.bincount(which), begins, ends, strict=True):
            known = spans.get(int(phase), [0, begin, end])
            spans[int(phase)] = [known[0] + int(count), min(known[1], begin), max(known[2], end)]
    offset = min(spans, key=lambda phase: (-spans[phase][0], phase))
    first, last = (pd.Timestamp(moment, unit="us", tz="UTC") for moment in spans[offset][1:])
    rows = parquet.rows_by_station([DATA / MEASUREMENTS / f"{name}.parquet" for name in names])
    _refuse_far_apart((last - first) // step_of(settings.dataset.frequency) + 1, int(rows.max()), names)
    return Network(rows, offset, first.as_unit("us"), last.as_unit("us"))


def _refuse_far_apart(steps: int, most: int, names: Sequence[str]) -> None:
    """Refuse a grid that a wrong date has stretched beyond all measure.

    Raises:
        DataError: naming the first and the last row.
    """
    if steps <= FEWEST_STEPS + SPARSE * most:
        return
    ends = []
    for name, place in ((names[0], 0), (names[-1], -1)):
        rows = pq.read_table(DATA / MEASUREMENTS / f"{name}.parquet", columns=KEYS).to_pandas()
        row = rows.sort_values(TIME).iloc[place]
        ends.append(f"{row[TIME]:%Y-%m-%d %H:%M} at station {row[STATION]}")
    raise DataError(
        f"The data span {steps:,} steps, from {ends[0]} to {ends[1]} (UTC), and no station has more than {most:,} "
        "rows: one of the two times is wrong, or dataset.frequency; correct it, and give tidegate ingest --anew."
    )


def judge(group: Group) -> Part:
    """Judge the rows and series of a group; write its clean rows, its quarantine and its profile."""
    settings, variables = group.settings, list(group.settings.dataset.variables)
    rows, superseded = _stored(group.of, variables)
    found = verdict(rows, superseded, settings, group.network)
    _keep_parts(group.place, found, superseded, settings, group.network, list(rows[STATION].unique()))
    measured, passed = int(rows[variables].notna().sum().sum()), int(found.clean[variables].notna().sum().sum())
    if measured != passed + len(found.held):
        raise TidegateError(
            f"The books do not balance: {measured} values were measured, {passed} passed and {len(found.held)} are in "
            "quarantine: report this as a fault."
        )
    counts = {str(rule): int(count) for rule, count in found.held[RULE].value_counts().items()}
    return Part(
        found.outcomes,
        found.findings,
        {"stored": len(rows), "kept": len(rows) - found.off_grid, "quarantined": found.off_grid},
        {"measured": measured, "kept": passed, "quarantined": len(found.held)},
        {**counts, **({SUPERSEDED: len(superseded)} if len(superseded) else {})},
        {name: int(found.clean[name].isna().sum()) for name in variables},
        len(found.clean),
        rows.groupby(STATION)[TIME].max(),
    )


def _stored(of: StationRange, variables: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read data/: the standing rows of some stations, sorted, and the values that they replaced."""
    stored = [months.read_stored(name, of, variables) for name in months.require_months()]
    standing = pd.concat([month.standing for month in stored], ignore_index=True)
    revised = [month.revisions for month in stored if len(month.revisions)]
    replaced = pd.concat(revised, ignore_index=True) if revised else stored[0].revisions
    whole = versions.StoredRows(standing, replaced, standing.iloc[:0])
    rows = long_frame.conform(standing.drop(columns=ARRIVED), variables).sort_values(KEYS, ignore_index=True)
    return rows, versions.superseded(whole, variables).reset_index(drop=True)


def _keep_parts(
    place: int, found: Verdict, superseded: pd.DataFrame, settings: Settings, network: Network, stations: Sequence[str]
) -> None:
    clean, held = found.clean, found.held
    long_frame.write_frame(VALIDATION_PARTS / f"{place:06d}.clean.parquet", clean, parquet.ROW_GROUP)
    never = pd.Series(pd.NaT, held.index, dtype=MOMENT)
    both = [held.assign(**{REPLACED: never}), superseded.assign(**{RULE: SUPERSEDED})]
    quarantine = pd.concat(
        [part.reindex(columns=list(QUARANTINE_COLUMNS)) for part in both if len(part)] or [_none_held()]
    )
    quarantine = quarantine.astype(QUARANTINE_COLUMNS).sort_values([*KEYS, VARIABLE, RULE, VALUE], ignore_index=True)
    long_frame.write_frame(VALIDATION_PARTS / f"{place:06d}.quarantine.parquet", quarantine)
    profiles = [
        drift.profile(clean[STATION], clean[TIME], clean[name]).assign(**{VARIABLE: name})
        for name in settings.dataset.variables
    ]
    # And each station, whether it has values or not: so that it is known to have been there.
    there = pd.DataFrame({STATION: sorted(stations), VARIABLE: "", "month": 0, "values": 0, "until": network.last})
    profile = pd.concat([there.astype({STATION: "str"}), *profiles], ignore_index=True).astype({VARIABLE: "str"})
    long_frame.write_frame(VALIDATION_PARTS / f"{place:06d}.profile.parquet", profile)


def _none_held() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in QUARANTINE_COLUMNS.items()})
