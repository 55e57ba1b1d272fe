"""Versions of rows: keep every row that was received, and derive the one row that counts.

A source may send the row of one station and time several times: corrected, completed, or unchanged. Each row that
differs is a *version*. A version became known when it arrived (column `arrived`). If the source gives no arrival time,
a row of the first load counts as known when it was measured, and a later row arrives when the ingest reads it.

The *standing row* of a station and time combines its versions cell by cell: the newest value wins, or the oldest if
`conflict` is "first". A missing cell never replaces a value.

data/ holds for each month

    measurements  the standing row of each (station, time), with the arrival time of its newest version
    revisions     every version of the rows that have several, in the order in which they became known
    later         if data/ was rebuilt as of a moment: the versions that became known after that moment

Nothing that was received is lost. Versions with an arrival time may be received in any order, split into any batches,
and repeatedly: the stored rows are the same, to the byte. All functions here are pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.errors import DataError, TidegateError
from tidegate.workspace.columns import ARRIVED, KEYS, REPLACED, STANDING, STATION, TIME, VALUE, VARIABLE
from tidegate.workspace.settings import Conflict

KEY, FLAG = "(key)", "(flag)"  # temporary columns; no variable can have these names
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MergePolicy:
    """How versions are merged into standing rows."""

    variables: tuple[str, ...]
    conflict: Conflict  # which version wins where two disagree
    now: pd.Timestamp | None = None  # arrival of new rows without an arrival time; None in the first load
    as_of: pd.Timestamp | None = None  # use only the versions known at this moment; None: use all


@dataclass(frozen=True)
class StoredRows:
    """What data/ holds of one month, for some or all stations."""

    standing: pd.DataFrame  # station, time, arrived, variables: one row for each station and time, sorted
    revisions: pd.DataFrame  # the same columns, and `replaced`
    later: pd.DataFrame  # the same columns as `standing`


@dataclass(frozen=True)
class RowCounts:
    """How many rows were read, and what became of them."""

    read: int = 0
    kept: int = 0  # the first or only version of their station and time
    revisions: int = 0  # further versions of a station and time
    copies: int = 0  # rows that add nothing to what was known

    def __add__(self, other: "RowCounts") -> "RowCounts":
        """Add two counts."""
        return RowCounts(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def require_balance(self) -> "RowCounts":
        """Check that every row is counted once, and return the counts.

        Raises:
            TidegateError: a row would be lost.
        """
        if self.read != self.kept + self.revisions + self.copies:
            raise TidegateError(f"Row counts do not add up, so rows would be lost ({self}): report this as a fault.")
        return self


def version_columns(variables: Sequence[str]) -> list[str]:
    """Name the columns of stored versions."""
    return [*KEYS, ARRIVED, *variables]


def merge(stored: StoredRows, new: pd.DataFrame, policy: MergePolicy) -> tuple[StoredRows, RowCounts]:
    """Merge new rows into the stored versions; all rows are of one month, the new ones in the order received.

    Raises:
        DataError: two versions disagree, and the policy's `conflict` is "refuse".
    """
    columns = version_columns(policy.variables)
    old = _all_versions(stored, columns)
    arrived = new[ARRIVED] if ARRIVED in new else pd.Series(pd.NaT, new.index, dtype="datetime64[us, UTC]")
    # A row that arrived no later than it was measured was known when it was measured: this is stored as missing.
    new = new.assign(**{ARRIVED: arrived.where(arrived > new[TIME])})[columns]
    rows = pd.concat([old, new], ignore_index=True)
    key = _keys(rows)
    is_new = np.arange(len(rows)) >= len(old)
    no_arrival = np.r_[np.zeros(len(old), bool), arrived.isna().to_numpy()]  # new rows without an arrival time
    repeated = _repeated(key)
    drop = np.zeros(len(rows), bool)
    if repeated.any():
        index = np.flatnonzero(repeated)
        candidates = rows.iloc[index].assign(**{KEY: key[index]}).reset_index(drop=True)
        # Standing rows as of a past moment lack the later versions, but a new row is compared with all known ones.
        standing = stored.standing if stored.later.empty else known_as_of(stored, replace(policy, as_of=None))
        drop[index] = _already_known(candidates, is_new[index], no_arrival[index], standing, policy)
    if policy.now is not None:
        late = no_arrival & ~drop & (rows[TIME] < policy.now).to_numpy()
        # Several rows of one station and time arrive a microsecond apart, to keep the order in which they came.
        number = rows.groupby(key)[TIME].cumcount()[late]
        rows.loc[late, ARRIVED] = policy.now + pd.to_timedelta(number, unit="us")
    rows, key = rows[~drop], key[~drop]
    merged = _derive_standing(rows, key, policy)
    kept = _distinct(key) - _distinct(_keys(old))
    counts = RowCounts(len(new), kept, len(rows) - len(old) - kept, int(drop.sum()))
    return merged, counts.require_balance()


def known_as_of(stored: StoredRows, policy: MergePolicy) -> pd.DataFrame:
    """Give the rows that were standing at the policy's moment `as_of`."""
    versions = _all_versions(stored, version_columns(policy.variables))
    return _derive_standing(versions, _keys(versions), policy).standing


def superseded(stored: StoredRows, variables: Sequence[str]) -> pd.DataFrame:
    """List the values that differ from the standing one.

    Columns: station, time, variable, value, standing (the value of the standing row), arrived, replaced.
    """
    columns = [*KEYS, VARIABLE, VALUE, STANDING, ARRIVED, REPLACED]
    if stored.revisions.empty:
        return pd.DataFrame(columns=columns)
    kept = [*KEYS, ARRIVED, REPLACED]
    cells = stored.revisions.melt(kept, list(variables), VARIABLE, VALUE).dropna(subset=VALUE)
    revised = stored.revisions[KEYS].drop_duplicates()
    # A cheap selection first: the merge of all standing rows would need much memory.
    near = stored.standing[STATION].isin(revised[STATION]) & stored.standing[TIME].isin(revised[TIME])
    standing = stored.standing[near].merge(revised, on=KEYS)
    cells = cells.merge(standing.melt(KEYS, list(variables), VARIABLE, STANDING), on=[*KEYS, VARIABLE])
    cells = cells[cells[VALUE] != cells[STANDING]]
    return cells.drop_duplicates([*KEYS, VARIABLE, VALUE]).sort_values([*KEYS, VARIABLE, ARRIVED])[columns]


def _all_versions(stored: StoredRows, columns: list[str]) -> pd.DataFrame:
    """Give every version once.

    Where a station and time has several versions, they are in `revisions`, and its standing row is none of them.
    """
    single = stored.standing
    if len(stored.revisions):
        revised = pd.MultiIndex.from_frame(stored.revisions[KEYS])
        single = single[~pd.MultiIndex.from_frame(single[KEYS]).isin(revised)]
    parts = [part.reindex(columns=columns) for part in (single, stored.revisions, stored.later) if len(part)]
    if not parts:
        return stored.standing.reindex(columns=columns)
    return pd.concat(parts, ignore_index=True)


def _keys(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Give each (station, time) of a month a number, ascending by station, then by time."""
    if rows.empty:
        return np.empty(0, np.int64)
    station = pd.factorize(rows[STATION], sort=True)[0].astype(np.int64)
    time = rows[TIME].astype("int64").to_numpy()
    offset = time - time.min()
    return station * (offset.max() + 1) + offset


def _repeated(key: npt.NDArray[np.int64]) -> Flags:
    """Mark the rows whose key another row has too."""
    steps = np.diff(key)
    if len(key) and (steps >= 0).all():  # in order, as nearly always: neighbours tell
        return np.r_[False, steps == 0] | np.r_[steps == 0, False]
    return pd.Series(key).duplicated(keep=False).to_numpy()


def _distinct(key: npt.NDArray[np.int64]) -> int:
    ordered = np.sort(key, kind="stable")  # takes little where they are in order
    return int(np.count_nonzero(np.diff(ordered))) + 1 if len(key) else 0


def _already_known(
    rows: pd.DataFrame, is_new: Flags, no_arrival: Flags, standing: pd.DataFrame, policy: MergePolicy
) -> Flags:
    """Mark the new rows that add nothing to what is known.

    A row with an arrival time is known if a version has the same arrival time and the same values. New rows without
    an arrival time are combined first, for each station and time; if the result agrees with the standing row, all of
    them are known.
    """
    values = list(policy.variables)
    copies = rows.duplicated([KEY, ARRIVED, *values]).to_numpy() & is_new & ~no_arrival
    # Of equal rows without an arrival time the last is kept: a batch with the values 1, 2, 1 results in 1.
    copies |= rows.assign(**{FLAG: no_arrival}).duplicated([KEY, FLAG, *values], keep="last").to_numpy() & no_arrival
    remaining = no_arrival & ~copies
    if policy.now is None or not remaining.any():
        return copies
    before = rows[[KEY, *KEYS]].drop_duplicates(KEY).merge(standing, on=KEYS).set_index(KEY)
    batch = _combine(rows[remaining].groupby(KEY)[values], policy)
    shared = batch.index.intersection(before.index)
    received, stood = batch.loc[shared, values].to_numpy(), before.loc[shared, values].to_numpy()
    agreeing = shared[(np.isnan(received) | (received == stood)).all(axis=1)]
    unchanged = rows[KEY].isin(agreeing).to_numpy() & remaining
    changed = remaining & ~unchanged & rows[KEY].isin(shared).to_numpy()
    newest = ~rows.assign(**{FLAG: changed}).duplicated([KEY, FLAG], keep="last").to_numpy()
    seen = rows.duplicated([KEY, *values]).to_numpy() & changed
    # If the newest value wins, the newest row counts even if it repeats an old version: it may restore that value.
    return copies | unchanged | (seen if policy.conflict == "first" else seen & ~newest)


def _combine(versions: Any, policy: MergePolicy) -> pd.DataFrame:
    """Combine each group of versions cell by cell; a missing cell never replaces a value."""
    combined: pd.DataFrame = versions.first() if policy.conflict == "first" else versions.last()
    return combined


def _derive_standing(rows: pd.DataFrame, key: npt.NDArray[np.int64], policy: MergePolicy) -> StoredRows:
    """Derive one standing row for each station and time from the versions known at the policy's moment."""
    known = rows[ARRIVED].fillna(rows[TIME])  # when each version became known
    order = _order(rows, key, np.asarray(known.astype("int64"), np.int64), policy)
    rows, key, known = rows.iloc[order].reset_index(drop=True), key[order], known.iloc[order].reset_index(drop=True)
    later = rows.iloc[:0]
    if policy.as_of is not None:
        after = (known > policy.as_of).to_numpy()
        later, rows, key, known = rows[after], rows[~after].reset_index(drop=True), key[~after], known[~after]
    repeated = _repeated(key)
    # A version is replaced when the next one of its station and time becomes known; the last one is not replaced.
    revisions = rows.assign(**{REPLACED: known.shift(-1).set_axis(rows.index)})[repeated]
    if repeated.any():
        last = ~pd.Series(key).duplicated(keep="last").to_numpy()
        revisions[REPLACED] = revisions[REPLACED].where(~last[repeated])
        combined = _combine(rows[repeated].groupby(key[repeated])[list(policy.variables)], policy).to_numpy()
        rows = rows[last].copy()
        rows.loc[repeated[last], list(policy.variables)] = combined
    merged = StoredRows(rows.reset_index(drop=True), revisions.reset_index(drop=True), later.reset_index(drop=True))
    if policy.conflict == "refuse":
        _refuse_disagreement(merged, policy.variables)
    return merged


def _order(
    rows: pd.DataFrame, key: npt.NDArray[np.int64], known: npt.NDArray[np.int64], policy: MergePolicy
) -> npt.NDArray[np.intp]:
    """Order versions by station and time, then by when they became known.

    Versions that arrived at the same moment are ordered by their values, so that the order of batches does not
    matter. Versions without an arrival time keep the order in which they were received.
    """
    order = np.lexsort((known, key))  # stable
    same = (np.diff(key[order]) == 0) & (np.diff(known[order]) == 0) & rows[ARRIVED].notna().to_numpy()[order][1:]
    if not same.any():
        return order
    tied = np.zeros(len(rows), bool)
    tied[order[1:][same]] = tied[order[:-1][same]] = True
    values = [np.where(tied, rows[name].to_numpy(np.float64), 0.0) for name in reversed(policy.variables)]
    return np.lexsort((*values, known, key))


def _refuse_disagreement(merged: StoredRows, variables: Sequence[str]) -> None:
    """Refuse versions that disagree.

    Raises:
        DataError: a value differs from the standing one.
    """
    disagreeing = superseded(merged, variables)
    if len(disagreeing):
        cell = disagreeing.iloc[0]
        raise DataError(
            f"Two rows for station {cell[STATION]} at {cell[TIME]} disagree about {cell[VARIABLE]}: "
            "correct one, or set ingest.conflict to last or first."
        )
