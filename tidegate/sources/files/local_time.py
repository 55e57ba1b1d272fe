"""Local times of a file in UTC, over the changes of the clock.

Where the clock is set back, an hour comes twice: the order of a station's rows shows which of them is summer time and
which is winter time. Where it is set forward, an hour does not exist. A file is brought to UTC chunk by chunk.
"""

from collections import Counter
from typing import Literal

import numpy as np
import pandas as pd

from tidegate.sources.cells import local_to_utc, skipped_to_utc
from tidegate.sources.files.tables import Table, refusal, refuse

TO_DO = "give the times in UTC, or set dataset.options.clock_change to infer"
NO_STEP = pd.Timedelta(0)


class LocalClock:
    """The clock of a zone, as the rows of one file follow it."""

    def __init__(self, zone: str, change: Literal["refuse", "infer"], notes: Counter[str]) -> None:
        """Begin a file; what is inferred is counted in the notes."""
        self.zone, self.infers, self.notes = zone, change == "infer", notes
        # Of each station's doubled times: how often one has come so far, the row where it first did, and its text.
        self._doubled: dict[tuple[str, pd.Timestamp], tuple[int, int, str]] = {}
        self._deferred: set[int] = set()  # rows that were marked to come again with the next chunk
        self._last: pd.Series | None = None  # time of each station
        self._balance = pd.Series(dtype="float64")  # of each station's steps forward and back

    def utc(
        self, table: Table, local: pd.Series, text: pd.Series, stations: pd.Series, step: pd.Timedelta, last: bool
    ) -> tuple[pd.Series, pd.Series]:
        """Bring local times to UTC, and mark rows that are to come again with the next chunk.

        Args:
            table: the file.
            local: times without a zone.
            text: the times as the file has them.
            stations: of the rows.
            step: the length of the intervals if the times name their ends, else none.
            last: whether there is no next chunk.
        """
        if self.zone == "UTC":
            return local.dt.tz_localize("UTC"), pd.Series(False, index=local.index)
        begin = local - step  # an interval that ends as the clock is set back begins before that
        times = local_to_utc(begin, self.zone, doubled="first")
        skipped = times.isna()
        if skipped.any():
            times = times.where(~skipped, self._skipped(table, begin[skipped], text).reindex(times.index))
        doubled = ~skipped & (local_to_utc(begin, self.zone, doubled="second") != times)
        deferred = pd.Series(False, index=local.index)
        backward_stations = self._backward_stations(begin, stations)
        if doubled.any():
            rows = pd.DataFrame({"station": stations, "time": begin, "text": text})[doubled]
            is_summer, deferred_rows = self._summer_or_winter(rows, rows["station"].isin(backward_stations), last)
            winter = is_summer.index[~is_summer]
            times.loc[winter] = local_to_utc(begin[winter], self.zone, doubled="second")
            deferred[deferred_rows] = True
        return times + step, deferred

    def close(self, table: Table) -> None:
        """Refuse, or count, the doubled times that did not come exactly twice."""
        for (_, _), (count, row, text) in sorted(self._doubled.items(), key=lambda item: item[1][1]):
            if self.infers:
                manner = "that stand once, taken as summer time" if count == 1 else "told apart by their order"
                self.notes[f"times in a doubled hour of {self.zone} {manner}"] += count
            elif count != 2:
                often = "once" if count == 1 else f"{count} times"
                what = f"is ambiguous in {self.zone}, where the clock was set back, and stands {often}: {TO_DO}"
                raise refusal(table, row, text, what)

    def arrivals(self, table: Table, local: pd.Series, text: pd.Series) -> pd.Series:
        """Bring arrival times to UTC; a doubled one is taken as the later time, so that no row is known too early."""
        times = local_to_utc(local, self.zone, doubled="second")
        skipped = times.isna() & local.notna()
        if skipped.any():
            times = times.where(~skipped, self._skipped(table, local[skipped], text).reindex(times.index))
        doubled = ~skipped & local.notna() & (local_to_utc(local, self.zone, doubled="first") != times)
        if doubled.any():
            if not self.infers:
                refuse(table, doubled, text, f"is ambiguous in {self.zone}, where the clock was set back: {TO_DO}")
            self.notes[f"arrivals in a doubled hour of {self.zone}, taken as winter time"] += int(doubled.sum())
        return times

    def _skipped(self, table: Table, local: pd.Series, text: pd.Series) -> pd.Series:
        """Refuse times that the clock skips, or take them as winter time."""
        if not self.infers:
            what = f"does not exist in {self.zone}, where the clock was set forward: {TO_DO}"
            raise refusal(table, int(local.index[0]), str(text[local.index[0]]), what)
        self.notes[f"times that do not exist in {self.zone}, taken as winter time"] += len(local)
        return skipped_to_utc(local, self.zone)

    def _backward_stations(self, times: pd.Series, stations: pd.Series) -> pd.Index:
        """Name the stations whose rows so far mostly go back in time."""
        is_new = ~times.index.isin(list(self._deferred))
        times, stations = times[is_new], stations[is_new]
        by_station = times.groupby(stations)
        before = by_station.shift()
        if self._last is not None:
            before = before.fillna(stations.map(self._last))
        direction = (times > before).astype("float64") - (times < before)
        self._balance = self._balance.add(direction.groupby(stations).sum(), fill_value=0)
        self._last = by_station.last() if self._last is None else by_station.last().combine_first(self._last)
        return self._balance.index[self._balance < 0]

    def _summer_or_winter(self, rows: pd.DataFrame, is_backward: pd.Series, last: bool) -> tuple[pd.Series, pd.Index]:
        """Mark which of the rows in a doubled hour are summer time, and name those that wait for the next chunk."""
        keys = list(zip(rows["station"], rows["time"], strict=True))
        before = np.array([self._doubled.get(key, (0,))[0] for key in keys])
        same_time = rows.groupby(["station", "time"], sort=False)
        size = same_time["text"].transform("size").to_numpy()
        number = same_time.cumcount().to_numpy()
        # Where time goes back down the file, winter time comes first; its partner may come in the next chunk.
        backward = is_backward.to_numpy() & (before == 0)
        deferred = backward & (size == 1) & ~rows.index.isin(self._deferred) & (not last)
        for key, row, text, is_deferred in zip(keys, rows.index, rows["text"], deferred, strict=True):
            if not is_deferred:
                count, first, first_text = self._doubled.get(key, (0, int(row), str(text)))
                self._doubled[key] = (count + 1, first, first_text)
        self._deferred |= set(rows.index[deferred])
        is_summer = np.where(backward, number == size - 1, number + before == 0)
        return pd.Series(is_summer, index=rows.index), rows.index[deferred]
