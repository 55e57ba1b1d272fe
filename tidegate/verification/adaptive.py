"""Intervals that follow what was verified: each quantile is moved, by station and step ahead, until it holds its level.

After each measurement y of a forecast with quantiles q_τ, in the order of time:

    θ_τ ← θ_τ + η w / √k (τ − [y ≤ q_τ + θ_τ])    w: the distance between the outermost quantiles; k: steps ahead

A quantile that too many measurements exceed rises, one that too few exceed sinks, whatever the measurements do: over
time the share below it comes to τ. Gibbs and Candès, Adaptive Conformal Inference Under Distribution Shift (2021);
Angelopoulos, Candès and Tibshirani, Conformal PID Control for Time Series Prediction (2023), its quantile tracker.

Only what had been measured at a forecast's origin moves its quantiles, from the first day of the month before the last
on: what is given for an origin does not depend on which others are issued with it. The forecast's own quantiles are
kept beside the adapted ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tidegate.verification.files import read_rows
from tidegate.verification.verified import ADAPTED, STANDING, quantile_columns
from tidegate.workspace.columns import METHOD, MODEL, ORIGIN, STATION, TIME, VARIABLE
from tidegate.workspace.paths import VERIFICATION

MONTHS = 2  # before that of the origin
PAIR = [STATION, VARIABLE, "step"]


def with_adapted(rows: pd.DataFrame, version: str, rate: float, step: pd.Timedelta) -> pd.DataFrame:
    """Add the adapted quantiles, `adapted_q0.05` …, to forecasts; they are the forecast's own where nothing is known.

    Args:
        rows: forecasts of one version.
        version: "tidegate-v3".
        rate: η; 0: nothing is moved.
        step: of the data.
    """
    names = quantile_columns(rows)
    if not names:
        return rows
    adapted = rows[names].to_numpy(np.float64, copy=True)
    if rate > 0 and (VERIFICATION / version).exists():
        for _, part in rows.groupby(rows[ORIGIN].dt.strftime("%Y-%m")):
            at = rows.index.get_indexer(part.index)
            adapted[at] += _moves(part, version, names, rate, step)
    ordered = np.sort(adapted, axis=1)
    return rows.assign(**{ADAPTED + name: ordered[:, column] for column, name in enumerate(names)})


def _moves(rows: pd.DataFrame, version: str, names: Sequence[str], rate: float, step: pd.Timedelta) -> Any:
    """Give by how much the quantiles of forecasts from origins of one month move: (rows, levels)."""
    begin = rows[ORIGIN].min().tz_localize(None).to_period("M").start_time.tz_localize("UTC")
    begin -= pd.DateOffset(months=MONTHS)
    columns = [STATION, VARIABLE, "step", TIME, METHOD, "truth", STANDING, *names]
    verified = read_rows(version, columns, begin)
    known = verified[STANDING] & (verified[METHOD] == MODEL) & verified["truth"].notna()
    verified = verified[known & (verified[TIME] <= rows[ORIGIN].max()) & verified[list(names)].notna().all(axis=1)]
    if verified.empty:
        return np.zeros((len(rows), len(names)))
    states = track(verified, names, rate, pd.DatetimeIndex(rows[ORIGIN].unique()).sort_values())
    ahead: Any = rows[TIME] - rows[ORIGIN]
    keys = pd.MultiIndex.from_arrays([rows[ORIGIN], rows[STATION], rows[VARIABLE], ahead // step])
    moves = states.reindex(keys).fillna(0.0).to_numpy()
    return np.where((rows[METHOD] == MODEL).to_numpy()[:, None], moves, 0.0)


def track(verified: pd.DataFrame, names: Sequence[str], rate: float, origins: pd.DatetimeIndex) -> pd.DataFrame:
    """Follow verified forecasts in the order of time.

    Args:
        verified: station, variable, step, time, truth and the quantiles, none of them missing.
        names: of the quantiles' columns, the lowest first.
        rate: η.
        origins: moments at which the state is wanted, ascending.

    Returns:
        θ of each quantile by origin, station, variable and step, from what was measured up to the origin.
    """
    verified = verified.sort_values(TIME, kind="stable")
    by_pair = verified.groupby(PAIR, sort=True)
    codes, pairs = by_pair.ngroup().to_numpy(), by_pair.size().index
    quantiles, truth = verified[list(names)].to_numpy(np.float64), verified["truth"].to_numpy(np.float64)
    levels = np.array([float(name.removeprefix("q")) for name in names])
    width = quantiles[:, -1:] - quantiles[:, :1]
    # Errors so many steps ahead resemble those of as many neighbours: fewer tell something new.
    rates = rate / np.sqrt(verified["step"].to_numpy(np.float64))[:, None]
    times = pd.DatetimeIndex(verified[TIME])
    first = np.flatnonzero(np.append(True, times[1:] != times[:-1])) if len(times) else np.empty(0, np.intp)
    ends, after = np.append(first[1:], len(verified)), times[first].searchsorted(origins, side="right")
    state, states, done = np.zeros((len(pairs), len(names))), [], 0
    for wanted in after:
        for begin, end in zip(first[done:wanted], ends[done:wanted], strict=True):
            row = slice(begin, end)
            below = truth[row, None] <= quantiles[row] + state[codes[row]]
            state[codes[row]] += rates[row] * width[row] * (levels - below)
        done = max(done, int(wanted))
        states.append(pd.DataFrame(state.copy(), pairs, list(names)))
    return pd.concat(dict(zip(origins, states, strict=True)))
