"""Local times as UTC, over the changes of the clock.

Where the clock is set back, an hour stands twice, and which row is which is told by their order, station by station;
where it is set forward, an hour does not exist. A file is brought to UTC chunk by chunk.
"""

from collections import Counter
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tidegate.sources.files.tables import Table, refusal, refuse

TO_DO = "give the times in UTC, or set dataset.options.clock_change to infer"
NO_STEP = pd.Timedelta(0)


class LocalClock:
    """The clock of a zone, as one file's rows follow it."""

    def __init__(self, zone: str, change: Literal["refuse", "infer"], notes: Counter[str]) -> None:
        """Begin a file; what is inferred is counted in the notes."""
        self.zone, self.infers, self.notes = zone, change == "infer", notes
        # How often a station's doubled time has stood so far, where it first did, and as what text.
        self._seen: dict[tuple[str, pd.Timestamp], tuple[int, int, str]] = {}
        self._held: set[int] = set()
        self._last: pd.Series | None = None  # time of each station
        self._balance = pd.Series(dtype="float64")  # of each station's steps forward and back

    def utc(
        self, table: Table, local: pd.Series, text: pd.Series, stations: pd.Series, step: pd.Timedelta, last: bool
    ) -> tuple[pd.Series, pd.Series]:
        """Bring local times to UTC, and mark rows that are to come again with the next chunk.

        Args:
            table: that they are of.
            local: times without a zone.
            text: as they are written.
            stations: that they are of.
            step: the length of the intervals whose end they name, or none.
            last: whether there is no next chunk.
        """
        if self.zone == "UTC":
            return local.dt.tz_localize("UTC"), pd.Series(False, index=local.index)
        begin = local - step  # the hour that ends as the clock is set back begins before that
        first = _localized(begin, self.zone, summer=True)
        absent = first.isna()
        if absent.any():
            first = first.where(~absent, self._standard(table, begin[absent], text).reindex(first.index))
        doubled = ~absent & (_localized(begin, self.zone, summer=False) != first)
        held = pd.Series(False, index=local.index)
        falling = self._falling(begin, stations)
        if doubled.any():
            rows = pd.DataFrame({"station": stations, "time": begin, "text": text})[doubled]
            summer, again = self._told_apart(rows, rows["station"].isin(falling), last)
            winter = summer.index[~summer]
            first.loc[winter] = _localized(begin[winter], self.zone, summer=False)
            held[again] = True
        return first + step, held

    def close(self, table: Table) -> None:
        """Refuse, or count, the doubled times that did not stand twice."""
        for (_, _), (count, row, text) in sorted(self._seen.items(), key=lambda seen: seen[1][1]):
            if self.infers:
                once = "that stand once, taken as summer time" if count == 1 else "told apart by their order"
                self.notes[f"times in a doubled hour of {self.zone} {once}"] += count
            elif count != 2:
                often = "once" if count == 1 else f"{count} times"
                what = f"is ambiguous in {self.zone}, where the clock was set back, and stands {often}: {TO_DO}"
                raise refusal(table, row, text, what)

    def arrivals(self, table: Table, local: pd.Series, text: pd.Series) -> pd.Series:
        """Bring the times at which rows became known to UTC: of two that it may be, the later, which tells less."""
        times = _localized(local, self.zone, summer=False)
        absent = times.isna() & local.notna()
        if absent.any():
            times = times.where(~absent, self._standard(table, local[absent], text).reindex(times.index))
        doubled = ~absent & local.notna() & (_localized(local, self.zone, summer=True) != times)
        if doubled.any():
            if not self.infers:
                refuse(table, doubled, text, f"is ambiguous in {self.zone}, where the clock was set back: {TO_DO}")
            self.notes[f"arrivals in a doubled hour of {self.zone}, taken as winter time"] += int(doubled.sum())
        return times

    def _standard(self, table: Table, local: pd.Series, text: pd.Series) -> pd.Series:
        """Read times that the clock left out by the offset of before."""
        if not self.infers:
            what = f"does not exist in {self.zone}, where the clock was set forward: {TO_DO}"
            raise refusal(table, int(local.index[0]), str(text[local.index[0]]), what)
        self.notes[f"times that do not exist in {self.zone}, taken as winter time"] += len(local)
        zone = ZoneInfo(self.zone)
        moments = [datetime.fromisoformat(str(time)).replace(tzinfo=zone).timestamp() for time in local]
        return pd.Series(pd.to_datetime(moments, unit="s", utc=True), index=local.index)

    def _falling(self, times: pd.Series, stations: pd.Series) -> pd.Index:
        """Name the stations whose rows so far mostly go back in time."""
        new = ~times.index.isin(list(self._held))
        times, stations = times[new], stations[new]
        together = times.groupby(stations)
        before = together.shift()
        if self._last is not None:
            before = before.fillna(stations.map(self._last))
        forward = (times > before).astype("float64") - (times < before)
        self._balance = self._balance.add(forward.groupby(stations).sum(), fill_value=0)
        self._last = together.last() if self._last is None else together.last().combine_first(self._last)
        return self._balance.index[self._balance < 0]

    def _told_apart(self, rows: pd.DataFrame, falling: pd.Series, last: bool) -> tuple[pd.Series, pd.Index]:
        """Say which of the rows in a doubled hour are summer time, and which wait for the next chunk."""
        keys = list(zip(rows["station"], rows["time"], strict=True))
        before = np.array([self._seen.get(key, (0,))[0] for key in keys])
        together = rows.groupby(["station", "time"], sort=False)
        size = together["text"].transform("size").to_numpy()
        number = together.cumcount().to_numpy()
        # Where time falls down the file, winter time comes first; its partner may stand in the next chunk.
        backward = falling.to_numpy() & (before == 0)
        again = backward & (size == 1) & ~rows.index.isin(self._held) & (not last)
        for key, row, text, waits in zip(keys, rows.index, rows["text"], again, strict=True):
            if not waits:
                count, first, as_text = self._seen.get(key, (0, int(row), str(text)))
                self._seen[key] = (count + 1, first, as_text)
        self._held |= set(rows.index[again])
        summer = np.where(backward, number == size - 1, number + before == 0)
        return pd.Series(summer, index=rows.index), rows.index[again]


def _localized(local: pd.Series, zone: str, summer: bool) -> pd.Series:
    """Give UTC, of doubled times the first or the second, and NaT for those that do not exist."""
    which = np.full(len(local), summer)
    return local.dt.tz_localize(zone, ambiguous=which, nonexistent="NaT").dt.tz_convert("UTC")
