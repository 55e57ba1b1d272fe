"""data/ is never changed in place: its new state is built beside it, and then takes its place whole.

A killed ingest leaves the old rows or the new ones, and never half of each.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tidegate.errors import DataError
from tidegate.measurements import months, parquet, versions
from tidegate.measurements.frame import read_frame
from tidegate.measurements.versions import MergePolicy, RowCounts
from tidegate.workspace.columns import REPLACED
from tidegate.workspace.parallel import map_parts
from tidegate.workspace.paths import (
    ACCEPTED,
    DATA,
    INGEST_STATE,
    LATER,
    MEASUREMENTS,
    PROFILE,
    REVISIONS,
    SERIES,
    read_json,
    remove,
    write_json,
)
from tidegate.workspace.progress import Progress

INCOMING, OUTGOING = DATA.with_name("data.incoming"), DATA.with_name("data.outgoing")


@dataclass(frozen=True)
class MonthMerge:
    """A month to be merged, in this process or in another."""

    month: str
    staged: tuple[Path, ...]  # files of new rows, in the order in which the rows came
    policy: MergePolicy
    keep_stored: bool  # whether what data/ holds of the month is merged too


def build(
    staged: Mapping[str, Sequence[Path]], policy: MergePolicy, begin: bool, again: Sequence[str], progress: Progress
) -> RowCounts:
    """Build the new state of data/ in data.incoming.

    Args:
        staged: files of new rows by month.
        policy: how versions of a row are settled.
        begin: leave out what data/ holds.
        again: months to settle anew though they have no new rows.
        progress: is told of each merged month.

    Raises:
        DataError: two rows disagree, and the policy refuses that. Nothing is left of the new state then: on a full
            disk it would hold the room.
    """
    try:
        return _build(staged, policy, begin, again, progress)
    except BaseException:
        remove(INCOMING)
        raise


def _build(
    staged: Mapping[str, Sequence[Path]], policy: MergePolicy, begin: bool, again: Sequence[str], progress: Progress
) -> RowCounts:
    touched = sorted(staged if begin else {*staged, *again})
    remove(INCOMING)
    INCOMING.mkdir()
    if not begin:
        _link_tree(DATA, INCOMING)
    merges = {month: MonthMerge(month, tuple(staged.get(month, ())), policy, not begin) for month in touched}
    counts = RowCounts()
    for done, of_month in enumerate(map_parts(merge_month, merges), start=1):
        counts += of_month
        progress(done, len(merges), f"{counts.read:,} rows merged")
    for kind in (REVISIONS, LATER):
        if (INCOMING / kind).exists() and not any((INCOMING / kind).iterdir()):
            (INCOMING / kind).rmdir()
    return counts.balanced()


def merge_month(merge: MonthMerge) -> RowCounts:
    """Merge the staged rows of a month with the stored ones, a range of stations at a time."""
    variables = merge.policy.variables
    stored = [DATA / kind / f"{merge.month}.parquet" for kind in (MEASUREMENTS, LATER)] if merge.keep_stored else []
    rows_by_station = parquet.rows_by_station([*(path for path in stored if path.exists()), *merge.staged])
    plain, dated = months.month_schema(variables), months.month_schema(variables, REPLACED)
    counts = RowCounts()
    with (
        parquet.write_parquet(INCOMING / MEASUREMENTS / f"{merge.month}.parquet", plain) as standing,
        parquet.write_parquet(INCOMING / REVISIONS / f"{merge.month}.parquet", dated) as revisions,
        parquet.write_parquet(INCOMING / LATER / f"{merge.month}.parquet", plain) as later,
    ):
        for stations in parquet.station_ranges(rows_by_station, parquet.BLOCK_ROWS):
            before = (
                months.read_stored(merge.month, stations, variables) if merge.keep_stored else months.no_rows(variables)
            )
            new = [parquet.read_range(path, stations, plain) for path in merge.staged]
            rows = pd.concat(new, ignore_index=True) if new else plain.empty_table().to_pandas()
            settled, of_range = versions.merge(before, rows, merge.policy)
            counts += of_range
            standing.add(settled.standing)
            revisions.add(settled.revisions)
            later.add(settled.later)
    return counts


def rebuild(policy: MergePolicy, series: str, progress: Progress) -> str:
    """Rebuild data/ as it was known at the policy's moment; give one line of what came later.

    Raises:
        DataError: data/ is of another series, or nothing in it was known then.
    """
    every = months.require_months()
    if read_json(DATA / SERIES)["series"] != series:
        raise DataError("data/ is of another series than params.yaml describes: tidegate ingest brings them together.")
    build({}, policy, False, months.stored_months(), progress)
    if not list((INCOMING / MEASUREMENTS).glob("*.parquet")):
        remove(INCOMING)
        raise DataError(f"Nothing in data/ was known as of {policy.as_of}: its rows begin in {every[0]}.")
    write_json(INCOMING / SERIES, {**read_json(DATA / SERIES), "as_of": str(policy.as_of)})
    swap()
    write_json(INGEST_STATE, {**last_state(), "as_of": str(policy.as_of)})
    note_data()
    later = sum(len(read_frame(path)) for path in (DATA / LATER).glob("*.parquet"))
    return f"data/ is as it was known at {policy.as_of:%Y-%m-%d %H:%M} UTC; {later:,} rows that came later are put by"


def _link_tree(source: Path, target: Path) -> None:
    """Take over the stored months without copying them: a merged month is written anew, never changed in place."""
    for path in source.rglob("*.parquet"):
        link = target / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, link)


def keep_accepted() -> None:
    """Keep with the new rows the profile of the data that passed the gate last: the new rows are compared with it."""
    for path in (PROFILE, DATA / ACCEPTED):
        if path.exists():
            (INCOMING / ACCEPTED).unlink(missing_ok=True)
            shutil.copyfile(path, INCOMING / ACCEPTED)
            return


def swap() -> None:
    """Put the new state in the place of data/."""
    remove(OUTGOING)
    if DATA.exists():
        DATA.rename(OUTGOING)
    INCOMING.rename(DATA)
    remove(OUTGOING)


def recover() -> None:
    """Undo a swap that was killed between its two renames."""
    if OUTGOING.exists() and not DATA.exists():
        OUTGOING.rename(DATA)


def data_files() -> dict[str, list[int]]:
    """Give the size and the time of change of each file of data/: a hand may have touched them."""
    files = sorted(path for path in DATA.rglob("*") if path.is_file())
    return {path.as_posix(): [path.stat().st_size, path.stat().st_mtime_ns] for path in files}


def last_state() -> dict[str, Any]:
    """Read what the last ingest noted of the source and of data/; empty before the first."""
    return read_json(INGEST_STATE) if INGEST_STATE.exists() else {}


def note_data() -> None:
    """Note data/ as it stands now, after an ingest, or after DVC has linked its files anew."""
    write_json(INGEST_STATE, {**last_state(), "data": data_files()})
