"""What was known when: each row as it was received, and what stands of it. Pure functions.

A row for one station and time may be received more than once: corrected, completed, or sent again. Each of these is a
*version*. It became known when it `arrived`; where that is not told, when it was measured. data/ holds

    measurements  the standing row of each (station, time), and when its newest version arrived
    revisions     every version of a row that has several, in the order in which they became known
    later         the versions that became known after the moment as of which data/ was rebuilt, if it was

so that nothing received is lost, and versions may come in any order, in any batches, again and again: what stands is
the same, to the byte.
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

KEY, MARK = "(key)", "(mark)"  # no variable is named so
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MergePolicy:
    """How versions are settled."""

    variables: tuple[str, ...]
    conflict: Conflict
    now: pd.Timestamp | None = None  # when untold rows arrive that are not of the first load
    as_of: pd.Timestamp | None = None


@dataclass(frozen=True)
class StoredRows:
    """What data/ holds of some stations and a month."""

    standing: pd.DataFrame  # station, time, arrived, variables: one row a station and time, sorted
    revisions: pd.DataFrame  # the same columns, and `replaced`
    later: pd.DataFrame  # the same columns as `standing`


@dataclass(frozen=True)
class RowCounts:
    """What became of the rows that were read."""

    read: int = 0
    kept: int = 0  # the only version of their station and time, or the first
    revisions: int = 0  # further versions: what they replace, or what replaced them, is in quarantine
    copies: int = 0  # identical to what was known

    def __add__(self, other: "RowCounts") -> "RowCounts":
        """Add up two ledgers."""
        return RowCounts(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def balanced(self) -> "RowCounts":
        """See that no row is lost.

        Raises:
            TidegateError: one is.
        """
        if self.read != self.kept + self.revisions + self.copies:
            raise TidegateError(f"The books do not balance, so rows would be lost ({self}): report this as a fault.")
        return self


def version_columns(variables: Sequence[str]) -> list[str]:
    """Name the columns of stored versions."""
    return [*KEYS, ARRIVED, *variables]


def merge(stored: StoredRows, new: pd.DataFrame, terms: MergePolicy) -> tuple[StoredRows, RowCounts]:
    """Settle stored versions and new rows, all of one month; new ones in the order in which they came.

    Raises:
        DataError: two versions disagree, and `conflict` is "refuse".
    """
    names = version_columns(terms.variables)
    old = _versions(stored, names)
    arrived = new[ARRIVED] if ARRIVED in new else pd.Series(pd.NaT, new.index, dtype="datetime64[us, UTC]")
    new = new.assign(**{ARRIVED: arrived.where(arrived > new[TIME])})[names]
    rows = pd.concat([old, new], ignore_index=True)
    key = _keys(rows)
    fresh = np.arange(len(rows)) >= len(old)
    untold = np.r_[np.zeros(len(old), bool), arrived.isna().to_numpy()]
    several = _repeated(key)
    drop = np.zeros(len(rows), bool)
    if several.any():
        contested = np.flatnonzero(several)
        part = rows.iloc[contested].assign(**{KEY: key[contested]}).reset_index(drop=True)
        # Data as of a moment lack in what stands what is known by now.
        stands = stored.standing if stored.later.empty else known_as_of(stored, replace(terms, as_of=None))
        drop[contested] = _known_already(part, fresh[contested], untold[contested], stands, terms)
    if terms.now is not None:
        late = untold & ~drop & (rows[TIME] < terms.now).to_numpy()
        # Of several at one station and time, one after the other, as they came.
        number = rows.groupby(key)[TIME].cumcount()[late]
        rows.loc[late, ARRIVED] = terms.now + pd.to_timedelta(number, unit="us")
    rows, key = rows[~drop], key[~drop]
    settled = _settle(rows, key, terms)
    kept = len(np.unique(key)) - len(np.unique(_keys(old)))
    copies = int(drop.sum())
    return settled, RowCounts(len(new), kept, len(rows) - len(old) - kept, copies).balanced()


def known_as_of(stored: StoredRows, terms: MergePolicy) -> pd.DataFrame:
    """Give the rows that stood as of the terms' moment."""
    versions = _versions(stored, version_columns(terms.variables))
    return _settle(versions, _keys(versions), terms).standing


def superseded(stored: StoredRows, variables: Sequence[str]) -> pd.DataFrame:
    """Give each value that another stands for: station, time, variable, value, standing, arrived, replaced."""
    names = [*KEYS, VARIABLE, VALUE, STANDING, ARRIVED, REPLACED]
    if stored.revisions.empty:
        return pd.DataFrame(columns=names)
    kept = [*KEYS, ARRIVED, REPLACED]
    cells = stored.revisions.melt(kept, list(variables), VARIABLE, VALUE).dropna(subset=VALUE)
    revised = stored.revisions[KEYS].drop_duplicates()
    near = stored.standing[STATION].isin(revised[STATION]) & stored.standing[TIME].isin(revised[TIME])
    standing = stored.standing[near].merge(revised, on=KEYS)
    cells = cells.merge(standing.melt(KEYS, list(variables), VARIABLE, STANDING), on=[*KEYS, VARIABLE])
    cells = cells[cells[VALUE] != cells[STANDING]]
    return cells.drop_duplicates([*KEYS, VARIABLE, VALUE]).sort_values([*KEYS, VARIABLE, ARRIVED])[names]


def _versions(stored: StoredRows, names: list[str]) -> pd.DataFrame:
    """Give every version, once: the standing row of a station and time with several is none of them."""
    single = stored.standing
    if len(stored.revisions):
        revised = pd.MultiIndex.from_frame(stored.revisions[KEYS])
        single = single[~pd.MultiIndex.from_frame(single[KEYS]).isin(revised)]
    parts = [part.reindex(columns=names) for part in (single, stored.revisions, stored.later) if len(part)]
    if not parts:
        return stored.standing.reindex(columns=names)
    return pd.concat(parts, ignore_index=True)


def _keys(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Number each (station, time) of a month, in the order of stations, then times."""
    if rows.empty:
        return np.empty(0, np.int64)
    station = pd.factorize(rows[STATION], sort=True)[0].astype(np.int64)
    time = rows[TIME].astype("int64").to_numpy()
    since = time - time.min()
    return station * (since.max() + 1) + since


def _repeated(key: npt.NDArray[np.int64]) -> Flags:
    return pd.Series(key).duplicated(keep=False).to_numpy()


def _known_already(
    rows: pd.DataFrame, fresh: Flags, untold: Flags, standing: pd.DataFrame, terms: MergePolicy
) -> Flags:
    """Mark the new rows that tell nothing new.

    A row that tells when it arrived is known if that very version is. Of the rows of a batch that do not tell, what
    counts is what they come to: if that stands already, none of them is new.
    """
    values = list(terms.variables)
    same = rows.duplicated([KEY, ARRIVED, *values]).to_numpy() & fresh & ~untold
    # Of equal rows that do not tell, the last counts: where a batch says 1, 2, 1 it comes to 1.
    same |= rows.assign(**{MARK: untold}).duplicated([KEY, MARK, *values], keep="last").to_numpy() & untold
    untold = untold & ~same
    if terms.now is None or not untold.any():
        return same
    stood = rows[[KEY, *KEYS]].drop_duplicates(KEY).merge(standing, on=KEYS).set_index(KEY)
    come = _folded(rows[untold].groupby(KEY)[values], terms)
    both = come.index.intersection(stood.index)
    now, then = come.loc[both, values].to_numpy(), stood.loc[both, values].to_numpy()
    old_news = both[(np.isnan(now) | (now == then)).all(axis=1)]
    told = rows[KEY].isin(old_news).to_numpy() & untold
    again = untold & ~told & rows[KEY].isin(both).to_numpy()
    newest = ~rows.assign(**{MARK: again}).duplicated([KEY, MARK], keep="last").to_numpy()
    seen = rows.duplicated([KEY, *values]).to_numpy() & again
    return same | told | (seen if terms.conflict == "first" else seen & ~newest)


def _folded(versions: Any, terms: MergePolicy) -> pd.DataFrame:
    """Give what stands of each group of versions, cell by cell: a missing cell never stands for a value."""
    folded: pd.DataFrame = versions.first() if terms.conflict == "first" else versions.last()
    return folded


def _settle(rows: pd.DataFrame, key: npt.NDArray[np.int64], terms: MergePolicy) -> StoredRows:
    """Let one row stand for each station and time, of the versions that are known as of the moment."""
    moment = rows[ARRIVED].fillna(rows[TIME])
    order = _order(rows, key, np.asarray(moment.astype("int64"), np.int64), terms)
    rows, key, moment = rows.iloc[order].reset_index(drop=True), key[order], moment.iloc[order].reset_index(drop=True)
    later = rows.iloc[:0]
    if terms.as_of is not None:
        after = (moment > terms.as_of).to_numpy()
        later, rows, key, moment = rows[after], rows[~after].reset_index(drop=True), key[~after], moment[~after]
    several = _repeated(key)
    revisions = rows.assign(**{REPLACED: moment.shift(-1).set_axis(rows.index)})[several]
    if several.any():
        last = ~pd.Series(key).duplicated(keep="last").to_numpy()
        revisions[REPLACED] = revisions[REPLACED].where(~last[several])
        folded = _folded(rows[several].groupby(key[several])[list(terms.variables)], terms).to_numpy()
        rows = rows[last].copy()
        rows.loc[several[last], list(terms.variables)] = folded
    settled = StoredRows(rows.reset_index(drop=True), revisions.reset_index(drop=True), later.reset_index(drop=True))
    if terms.conflict == "refuse":
        _refuse(settled, terms.variables)
    return settled


def _order(
    rows: pd.DataFrame, key: npt.NDArray[np.int64], moment: npt.NDArray[np.int64], terms: MergePolicy
) -> npt.NDArray[np.intp]:
    """Order versions by station and time, then by when they became known.

    Those that arrived at one and the same moment are ordered by their values, so that the order of batches does not
    matter; those that do not tell, as they were received.
    """
    order = np.lexsort((moment, key))  # stable
    same = (np.diff(key[order]) == 0) & (np.diff(moment[order]) == 0) & rows[ARRIVED].notna().to_numpy()[order][1:]
    if not same.any():
        return order
    tied = np.zeros(len(rows), bool)
    tied[order[1:][same]] = tied[order[:-1][same]] = True
    values = [np.where(tied, rows[name].to_numpy(np.float64), 0.0) for name in reversed(terms.variables)]
    return np.lexsort((*values, moment, key))


def _refuse(settled: StoredRows, variables: Sequence[str]) -> None:
    disagreeing = superseded(settled, variables)
    if len(disagreeing):
        cell = disagreeing.iloc[0]
        raise DataError(
            f"Two rows for station {cell[STATION]} at {cell[TIME]} disagree about {cell[VARIABLE]}: "
            "correct one, or set ingest.conflict to last or first."
        )
