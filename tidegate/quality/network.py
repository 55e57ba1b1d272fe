"""The network: what must be known of all stations before any is judged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidegate.errors import DataError
from tidegate.measurements import months, parquet
from tidegate.measurements.grid import step_of
from tidegate.quality.sorted_rows import step_microseconds
from tidegate.workspace.columns import KEYS, STATION, TIME
from tidegate.workspace.params import require_known
from tidegate.workspace.paths import DATA, MEASUREMENTS
from tidegate.workspace.settings import Settings

FEWEST_STEPS, SPARSE = (
    100_000,
    20,
)  # a longer grid than both so many steps and so many times a station's rows is refused


@dataclass(frozen=True)
class Network:
    """Stations, and the grid that all of them share."""

    rows: "pd.Series[int]"  # of each station
    offset: int  # of the grid, in microseconds
    first: pd.Timestamp
    last: pd.Timestamp


def survey(settings: Settings) -> Network:
    """Count the rows of each station that is not left out, and find where the grid lies.

    Raises:
        DataError: data/ holds no rows, or none of a station that is to be left out, or none besides.
    """
    names, step = months.require_months(), step_microseconds(settings.dataset.frequency)
    spans: dict[int, list[int]] = {}
    for name in names:
        table = pq.read_table(DATA / MEASUREMENTS / f"{name}.parquet", columns=[TIME])
        times = pc.cast(pc.cast(table[TIME], pa.timestamp("us", tz="UTC")), pa.int64()).to_numpy()
        phases = times % step
        if (phases == phases[0]).all():  # as nearly always: sorting them would be half of the work
            distinct, index = phases[:1], np.zeros(len(phases), np.int64)
        else:
            distinct, index = np.unique(phases, return_inverse=True)
        begins, ends = np.full(len(distinct), times.max()), np.full(len(distinct), times.min())
        np.minimum.at(begins, index, times)
        np.maximum.at(ends, index, times)
        for phase, count, begin, end in zip(distinct, np.bincount(index), begins, ends, strict=True):
            known = spans.get(int(phase), [0, begin, end])
            spans[int(phase)] = [known[0] + int(count), min(known[1], begin), max(known[2], end)]
    offset = min(spans, key=lambda phase: (-spans[phase][0], phase))
    first, last = (pd.Timestamp(moment, unit="us", tz="UTC") for moment in spans[offset][1:])
    rows = parquet.rows_by_station([DATA / MEASUREMENTS / f"{name}.parquet" for name in names])
    rows = _without(rows, settings.dataset.stations.leave_out)
    _refuse_far_apart((last - first) // step_of(settings.dataset.frequency) + 1, int(rows.max()), names)
    return Network(rows, offset, first.as_unit("us"), last.as_unit("us"))


def _without(rows: "pd.Series[int]", left_out: Sequence[str]) -> "pd.Series[int]":
    for name in left_out:
        require_known(name, list(rows.index), "the station in dataset.stations.leave_out")
    kept = rows.drop(list(left_out))
    if kept.empty:
        raise DataError("dataset.stations.leave_out names every station: leave one in.")
    return kept


def _refuse_far_apart(steps: int, most: int, names: Sequence[str]) -> None:
    """Refuse a grid that a wrong date has made far too long.

    Raises:
        DataError: naming the first and the last row.
    """
    if steps <= FEWEST_STEPS + SPARSE * most:
        return
    ends = []
    for name, position in ((names[0], 0), (names[-1], -1)):
        rows = pq.read_table(DATA / MEASUREMENTS / f"{name}.parquet", columns=KEYS).to_pandas()
        row = rows.sort_values(TIME).iloc[position]
        ends.append(f"{row[TIME]:%Y-%m-%d %H:%M} at station {row[STATION]}")
    raise DataError(
        f"The data span {steps:,} steps, from {ends[0]} to {ends[1]} (UTC), and no station has more than {most:,} "
        "rows: one of the two times is wrong, or dataset.frequency; correct it, and give tidegate ingest --anew."
    )
