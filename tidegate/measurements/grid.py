"""The regular time grid of steps. Pure functions."""

import numpy as np
import pandas as pd

from tidegate.errors import DataError, SettingsError
from tidegate.workspace.columns import KEYS, STATION, TIME


def step_of(frequency: str) -> pd.Timedelta:
    """Turn a frequency such as "1h" or "15min" into a duration.

    Raises:
        SettingsError: it is not a fixed duration of at least one second.
    """
    try:
        step = pd.Timedelta(frequency)
    except ValueError:
        step = pd.NaT  # type: ignore[assignment]
    if pd.isna(step) or step < pd.Timedelta("1s"):
        raise SettingsError(f"params.yaml: dataset.frequency is {frequency!r}: give a duration such as 1h or 15min.")
    return step


def on_regular_grid(
    frame: pd.DataFrame, step: pd.Timedelta, first: pd.Timestamp | None = None, last: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Put a frame on the regular grid: one row per station and step from `first` to `last`, NaN where there is no row.

    By default the grid covers the times of the frame. Rows that are not at a step of the grid are left out.

    Raises:
        DataError: there are no rows.
    """
    if frame.empty:
        raise DataError("There are no rows left to use: see the quarantine and the source.")
    first, last = frame[TIME].min() if first is None else first, frame[TIME].max() if last is None else last
    times = pd.date_range(first, last, freq=step, unit="us", name=TIME)
    stations = pd.Index(sorted(frame[STATION].unique()), name=STATION, dtype="str")
    step_index = times.get_indexer(pd.DatetimeIndex(frame[TIME]))
    on_grid = step_index >= 0
    row = (pd.factorize(frame[STATION], sort=True)[0] * len(times) + step_index)[on_grid]
    all_times = pd.DatetimeIndex(np.tile(times.asi8, len(stations)).view("M8[us]"), tz="UTC")
    columns = {STATION: pd.Series(stations.repeat(len(times))), TIME: pd.Series(all_times)}
    for name in frame.columns.drop(KEYS):
        column = np.full(len(times) * len(stations), np.nan)
        column[row] = frame[name].to_numpy(np.float64)[on_grid]
        columns[name] = pd.Series(column)
    return pd.DataFrame(columns)
