"""Time as a regular grid of steps. Pure functions."""

import numpy as np
import pandas as pd

from tidegate.errors import DataError, SettingsError
from tidegate.workspace.columns import KEYS, STATION, TIME


def step_of(frequency: str) -> pd.Timedelta:
    """Turn a frequency such as "1h" or "15min" into a duration.

    Raises:
        SettingsError: it is not a fixed, positive duration.
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
    """Lay a frame on the regular grid: each station at each step of a span, by default the frame's, NaN elsewhere.

    Raises:
        DataError: there are no rows.
    """
    if frame.empty:
        raise DataError("There are no rows left to use: see the quarantine and the source.")
    first, last = frame[TIME].min() if first is None else first, frame[TIME].max() if last is None else last
    times = pd.date_range(first, last, freq=step, unit="us", name=TIME)
    stations = pd.Index(sorted(frame[STATION].unique()), name=STATION, dtype="str")
    step_in = times.get_indexer(pd.DatetimeIndex(frame[TIME]))
    on_it = step_in >= 0
    row = (pd.factorize(frame[STATION], sort=True)[0] * len(times) + step_in)[on_it]
    moments = pd.DatetimeIndex(np.tile(times.asi8, len(stations)).view("M8[us]"), tz="UTC")
    made = {STATION: pd.Series(stations.repeat(len(times))), TIME: pd.Series(moments)}
    for name in frame.columns.drop(KEYS):
        column = np.full(len(times) * len(stations), np.nan)
        column[row] = frame[name].to_numpy(np.float64)[on_it]
        made[name] = pd.Series(column)
    return pd.DataFrame(made)
