"""Forecasts as they are kept: every revision of each row, the newest of which stands.

A row of a release without revisions counts as revision 0, and it is unknown how late its station was.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tidegate.measurements import frame as long_frame
from tidegate.workspace.columns import (
    BASELINE,
    LATE_STEPS,
    METHOD,
    MODEL,
    ORIGIN,
    REASON,
    REVISION,
    STATION,
    TIME,
    VARIABLE,
)

KEYS = [STATION, ORIGIN, TIME, VARIABLE]
ADDRESS = "TIDEGATE_FORECASTS_URL"  # in the environment: of a database that holds them too
IDENTITY = ["model", "version"]
ONE_FORECAST = [STATION, ORIGIN]

Forecast = Callable[[pd.DatetimeIndex, Sequence[str]], pd.DataFrame]  # of stations, from origins


class MonthFile:
    """A file of forecasts with the origins of one month: what is issued is added, and nothing is changed."""

    def __init__(self, path: Path) -> None:
        """Read the file, if it is there."""
        self.path = path
        self.rows = read_issued(path) if path.exists() else None
        self._read = 0 if self.rows is None else len(self.rows)

    def add(self, origins: pd.DatetimeIndex, stations: Sequence[str], forecast: Forecast) -> pd.DataFrame:
        """Forecast from the origins that the file does not hold for all the stations; give the new rows."""
        missing = origins
        if self.rows is not None:
            counts = self.rows.groupby(ORIGIN)[STATION].nunique()
            missing = origins[~origins.isin(counts.index[counts >= len(stations)])]
            if missing.empty:
                return self.rows.iloc[:0]
        if missing.empty:
            return pd.DataFrame()
        new = complete(forecast(missing, stations))
        if self.rows is not None:
            new = new[~pd.MultiIndex.from_frame(new[KEYS]).isin(pd.MultiIndex.from_frame(self.rows[KEYS]))]
        self._append(new)
        return new

    def supersede(
        self, since: pd.Timestamp, until: pd.Timestamp, stations: Sequence[str], forecast: Forecast
    ) -> tuple[pd.DataFrame, dict[str, str]]:
        """Forecast again what stood from origins of a span, where that is better; give it, and what was lacking."""
        if self.rows is None:
            return pd.DataFrame(), {}
        read = self.rows.iloc[: self._read]  # what is added now is from all that is known
        stood = standing(read[read[ORIGIN].between(since, until) & read[STATION].isin(stations)])
        poor = improvable(stood)
        if poor.empty:
            return self.rows.iloc[:0], {}
        origins, names = pd.DatetimeIndex(poor[ORIGIN].unique()).sort_values(), sorted(poor[STATION].unique())
        candidates = complete(forecast(origins, names))
        again, lacking = superseding(stood, candidates[_pairs(candidates).isin(_pairs(poor))])
        self._append(again)
        return again, lacking

    def write(self) -> None:
        """Write the file, if rows were added."""
        if self.rows is not None and len(self.rows) > self._read:
            long_frame.write_frame(self.path, self.rows.sort_values([ORIGIN, STATION, TIME, VARIABLE, REVISION]))

    def rows_of(self, origins: pd.DatetimeIndex, since: pd.Timestamp | None) -> pd.DataFrame:
        """Give all revisions of the rows from some origins, and from those since a time."""
        if self.rows is None:
            return pd.DataFrame()
        chosen = self.rows[ORIGIN].isin(origins)
        return self.rows[chosen if since is None else chosen | (self.rows[ORIGIN] >= since)]

    def _append(self, rows: pd.DataFrame) -> None:
        self.rows = rows if self.rows is None else complete(pd.concat([self.rows, rows], ignore_index=True))


def read_issued(path: Path) -> pd.DataFrame:
    """Read a file of forecasts with all their revisions, complete with the columns that older releases lack."""
    return complete(long_frame.read_frame(path))


def complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Give forecasts of any release the columns `method`, `reason`, `late_steps` and `revision`, and their types."""
    unknown: dict[str, Any] = {METHOD: MODEL, REASON: "", LATE_STEPS: pd.NA, REVISION: 0}
    rows = rows.assign(**{name: value for name, value in unknown.items() if name not in rows.columns})
    return rows.astype({LATE_STEPS: "Int64", REVISION: "int64"}).fillna({REASON: ""})


def standing(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the newest revision of each forecast, by model, version, station, origin, time and variable.

    Args:
        rows: forecasts as they are kept in files or in the table, of any release.

    Returns:
        One row each, in the order given.
    """
    if REVISION not in rows.columns:
        return rows
    keys = [name for name in (*IDENTITY, *KEYS) if name in rows.columns]
    newest = rows[REVISION].fillna(0).sort_values(kind="stable").index if rows.index.is_unique else None
    if newest is None:
        return standing(rows.reset_index(drop=True))
    return rows.loc[newest].drop_duplicates(keys, keep="last").sort_index()


def improvable(rows: pd.DataFrame) -> pd.DataFrame:
    """List the stations and origins whose standing forecast was made from less than all that could be known.

    That is a baseline, or a forecast from a value older than the origin.
    """
    poor = (rows[METHOD] == BASELINE) | (rows[LATE_STEPS] > 0).fillna(False)
    return rows.loc[poor, ONE_FORECAST].drop_duplicates()


def superseding(stood: pd.DataFrame, candidates: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Choose the forecasts that are better than those that stand, as their next revision.

    Better is a forecast with more rows by the model, or with as many from newer values.

    Args:
        stood: the standing rows.
        candidates: forecasts of the same keys from what is known now.

    Returns:
        The rows that supersede; and why, by station: what was lacking before.
    """
    old, new = _quality(stood), _quality(candidates)
    old = old.reindex(new.index)
    newer = (new[LATE_STEPS] < old[LATE_STEPS]).fillna(False)
    better = (new["by_model"] > old["by_model"]) | ((new["by_model"] == old["by_model"]) & newer)
    chosen = candidates[_pairs(candidates).isin(better.index[better])]
    before = stood.set_index(KEYS)[REVISION].reindex(pd.MultiIndex.from_frame(chosen[KEYS]))
    chosen = chosen.assign(**{REVISION: before.fillna(-1).to_numpy().astype("int64") + 1})
    was = stood[_pairs(stood).isin(better.index[better])].sort_values([ORIGIN, METHOD])
    return chosen, {row[STATION]: _lacking(row) for _, row in was.drop_duplicates(STATION).iterrows()}


def _quality(rows: pd.DataFrame) -> pd.DataFrame:
    by_model = rows.assign(by_model=rows[METHOD] == MODEL)
    return by_model.groupby(ONE_FORECAST).agg({"by_model": "sum", LATE_STEPS: "max"})


def _pairs(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[ONE_FORECAST])


def _lacking(row: "pd.Series") -> str:
    if row[METHOD] == BASELINE:
        return row[REASON] or "too little was measured"
    return f"its newest value was {row[LATE_STEPS]} step{'s' if row[LATE_STEPS] > 1 else ''} old"
