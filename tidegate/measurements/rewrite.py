"""Replacing data/: the new state is built in a folder beside it, and then takes its place as a whole.

If an ingest is killed, data/ holds either the old rows or the new ones, never a mixture.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    """The merge of one month, to be done in this process or in another one."""

    month: str
    staged: tuple[Path, ...]  # files of new rows, in the order in which the rows came
    policy: MergePolicy
    keep_stored: bool  # whether the stored rows of the month are merged too


def build(
    staged: Mapping[str, Sequence[Path]],
    policy: MergePolicy,
    discard_stored: bool,
    remerge: Sequence[str],
    progress: Progress,
) -> RowCounts:
    """Build the new state of data/ in data.incoming.

    Args:
        staged: files of new rows by month.
        policy: how versions of a row are merged.
        discard_stored: start anew, without the rows that data/ holds.
        remerge: months to merge anew even if they have no new rows.
        progress: is called after each merged month.

    Raises:
        DataError: two rows disagree, and the policy refuses that.
    """
    month_names = sorted(staged if discard_stored else {*staged, *remerge})
    merges = {
        month: MonthMerge(month, tuple(staged.get(month, ())), policy, not discard_stored) for month in month_names
    }
    counts = RowCounts()
    with _new_incoming():
        if not discard_stored:
            _link_tree(DATA, INCOMING)
        for done, month_counts in enumerate(map_parts(merge_month, merges), start=1):
            counts += month_counts
            progress(done, len(merges), f"{counts.read:,} rows merged")
        for name in (REVISIONS, LATER):
            if (INCOMING / name).exists() and not any((INCOMING / name).iterdir()):
                (INCOMING / name).rmdir()
        return counts.require_balance()


@contextmanager
def _new_incoming() -> Iterator[None]:
    """Begin an empty data.incoming; remove it on failure: on a full disk it would keep the space occupied."""
    try:
        remove(INCOMING)
        INCOMING.mkdir()
        yield
    except BaseException:
        remove(INCOMING)
        raise


def merge_month(merge: MonthMerge) -> RowCounts:
    """Merge the staged rows of a month with the stored ones, a range of stations at a time."""
    variables = merge.policy.variables
    stored = [DATA / name / f"{merge.month}.parquet" for name in (MEASUREMENTS, LATER)] if merge.keep_stored else []
    rows_by_station = parquet.rows_by_station([*(path for path in stored if path.exists()), *merge.staged])
    version_schema, revision_schema = months.month_schema(variables), months.month_schema(variables, REPLACED)
    counts = RowCounts()
    with (
        parquet.write_parquet(INCOMING / MEASUREMENTS / f"{merge.month}.parquet", version_schema) as standing,
        parquet.write_parquet(INCOMING / REVISIONS / f"{merge.month}.parquet", revision_schema) as revisions,
        parquet.write_parquet(INCOMING / LATER / f"{merge.month}.parquet", version_schema) as later,
    ):
        for stations in parquet.station_ranges(rows_by_station, parquet.BLOCK_ROWS):
            stored_rows = (
                months.read_stored(merge.month, stations, variables) if merge.keep_stored else months.no_rows(variables)
            )
            new = [parquet.read_range(path, stations, version_schema) for path in merge.staged]
            rows = pd.concat(new, ignore_index=True) if new else version_schema.empty_table().to_pandas()
            merged, range_counts = versions.merge(stored_rows, rows, merge.policy)
            counts += range_counts
            standing.add(merged.standing)
            revisions.add(merged.revisions)
            later.add(merged.later)
    return counts


def rebuild(policy: MergePolicy, series: str, progress: Progress) -> str:
    """Rebuild data/ as it was known at the policy's moment `as_of`; return a summary of one line.

    Raises:
        DataError: data/ holds another series than params.yaml describes, or none of its rows was known then.
    """
    month_names = months.require_months()
    if read_json(DATA / SERIES)["series"] != series:
        raise DataError("data/ holds another series than params.yaml describes: run tidegate ingest first.")
    forward = _is_earlier_state(policy)
    build({}, policy, False, _months_with_news(policy) if forward else months.stored_months(), progress)
    if forward:
        keep_accepted_profile()
    if not list((INCOMING / MEASUREMENTS).glob("*.parquet")):
        remove(INCOMING)
        raise DataError(f"Nothing in data/ was known as of {policy.as_of}: its rows begin in {month_names[0]}.")
    write_json(INCOMING / SERIES, {**read_json(DATA / SERIES), "as_of": str(policy.as_of)})
    swap()
    write_json(INGEST_STATE, {**last_state(), "conflict": policy.conflict, "as_of": str(policy.as_of)})
    record_data_files()
    later = sum(len(read_frame(path)) for path in (DATA / LATER).glob("*.parquet"))
    moment = f"{policy.as_of:%Y-%m-%d %H:%M} UTC"
    return f"data/ is as it was known at {moment}; {later:,} rows that came later are kept in data/later"


def _is_earlier_state(policy: MergePolicy) -> bool:
    """Say whether data/ is as it was known at an earlier moment than the policy's, by the same rule for conflicts."""
    before = read_json(DATA / SERIES).get("as_of")
    same_rule = last_state().get("conflict") == policy.conflict
    return before is not None and policy.as_of is not None and same_rule and pd.Timestamp(before) < policy.as_of


def _months_with_news(policy: MergePolicy) -> list[str]:
    """Name the months with rows that may have become known since data/ was as of an earlier moment."""
    return sorted(path.stem for path in (DATA / LATER).glob("*.parquet") if path.stem <= f"{policy.as_of:%Y-%m}")


def _link_tree(source: Path, target: Path) -> None:
    """Hard-link the stored months instead of copying them: a merged month is a new file, so no link is written to."""
    for path in source.rglob("*.parquet"):
        link = target / path.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, link)


def keep_accepted_profile() -> None:
    """Keep the profile of the data that last passed the gate, because the new rows are compared with it."""
    for path in (PROFILE, DATA / ACCEPTED):
        if path.exists():
            (INCOMING / ACCEPTED).unlink(missing_ok=True)
            shutil.copyfile(path, INCOMING / ACCEPTED)
            return


def swap() -> None:
    """Replace data/ by the new state."""
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
    """Give the size and modification time of each file of data/, to notice files that were changed by hand."""
    files = sorted(path for path in DATA.rglob("*") if path.is_file())
    return {path.as_posix(): [path.stat().st_size, path.stat().st_mtime_ns] for path in files}


def last_state() -> dict[str, Any]:
    """Read what the last ingest recorded about the source and data/; empty before the first ingest."""
    return read_json(INGEST_STATE) if INGEST_STATE.exists() else {}


def record_data_files() -> None:
    """Record the present files of data/: after an ingest, or after DVC has linked them anew."""
    write_json(INGEST_STATE, {**last_state(), "data": data_files()})
