"""Drift: what is new against what was accepted, at the same station in the same month of the year. Pure functions."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.quality.rules import Doubles, Flags, epoch_microsecond, epoch_microseconds, sort_rows

EDGES = 11  # deciles, both ends included
QUANTILES = [f"q{place}" for place in range(EDGES)]
SHARES = [f"f{place}" for place in range(EDGES)]
LEAST_SHARE = 1e-3  # of a bin, so that the index stays finite


def profile(station: Any, time: Any, value: Any) -> pd.DataFrame:
    """Sum up the distribution of each station's values in each month of the year.

    Gives a row each: station, month, values (their number), until (the newest time at the station), the deciles q0 to
    q10, and the share of values at or below each, f0 to f10.
    """
    laid = sort_rows(station, time, value)
    names = pd.Series(np.asarray(station))[np.flatnonzero(laid.first) if laid.order is None else laid.order[laid.first]]
    (values,) = laid.values
    month = laid.time.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12
    keep = ~np.isnan(values)
    part = (laid.place * 12 + month)[keep]
    order = np.lexsort((values[keep], part))
    part, ordered = part[order], values[keep][order]
    begins = np.flatnonzero(np.r_[True, part[1:] != part[:-1]]) if len(part) else np.empty(0, int)
    ends = np.r_[begins[1:], len(part)].astype(int) if len(part) else begins
    last_equal = _last_equal(part, ordered)
    deciles = begins[:, None] + np.rint(np.linspace(0, 1, EDGES) * (ends - begins - 1)[:, None]).astype(int)
    until = pd.Series(laid.time).groupby(laid.place).max().to_numpy()
    whose = part[begins] // 12
    made = {
        "station": names.to_numpy()[whose],
        "month": part[begins] % 12 + 1,
        "values": ends - begins,
        "until": pd.to_datetime(until[whose], unit="us", utc=True),
        **{name: ordered[deciles[:, place]] for place, name in enumerate(QUANTILES)},
        **{
            name: (last_equal[deciles[:, place]] + 1 - begins) / (ends - begins)
            for place, name in enumerate(SHARES)
        },
    }  # fmt: skip
    return pd.DataFrame(made).astype({"station": "str", "until": "datetime64[us, UTC]"})


def _last_equal(part: npt.NDArray[np.int64], ordered: Doubles) -> npt.NDArray[np.intp]:
    """Give for each of the ordered values the place of the last one that equals it, within its part."""
    if not len(part):
        return np.empty(0, int)
    ends = np.r_[(part[1:] != part[:-1]) | (ordered[1:] != ordered[:-1]), True]
    return np.flatnonzero(ends)[np.cumsum(np.r_[False, ends[:-1]])]


def drift(station: Any, time: Any, value: Any, accepted: pd.DataFrame, psi: float, ks: float, least: int) -> Flags:
    """New values of stations and months of the year whose distribution has drifted by both measures.

    `accepted` is what `profile` gave; new is what is later than its `until`. With F and G the shares of accepted and of
    new values at or below the deciles: the Kolmogorov-Smirnov distance is max |F - G|, and the population stability
    index the sum of (g - f) ln(g / f) over the bins between them. Fewer than `least` new values are not judged.
    """
    marks = np.zeros(len(value), bool)
    numbers, at = value.to_numpy(np.float64), epoch_microseconds(time)
    month = at.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    known: dict[Any, Any] = {name: rows.set_index("month") for name, rows in accepted.groupby("station")}
    until = {name: epoch_microsecond(rows["until"].iloc[0]) for name, rows in known.items()}
    newer = at > pd.Series(np.asarray(station)).map(until).to_numpy(np.float64)
    fresh = np.flatnonzero(newer & ~np.isnan(numbers))
    if not len(fresh):
        return marks
    parts: Any = pd.Series(fresh).groupby([np.asarray(station)[fresh], month[fresh]])
    for (name, which), rows in parts:
        if len(rows) >= least and which in known[name].index:
            apart = distances(known[name].loc[which], numbers[rows])
            marks[rows] = apart[0] > psi and apart[1] > ks
    return marks


def distances(accepted: Any, values: Doubles) -> tuple[float, float]:
    """Give the population stability index and the Kolmogorov-Smirnov distance of values from an accepted row."""
    edges, shares = accepted[QUANTILES].to_numpy(np.float64), accepted[SHARES].to_numpy(np.float64)
    single = np.r_[edges[1:] != edges[:-1], True]
    edges, shares = edges[single], shares[single]
    now = np.searchsorted(np.sort(values), edges, side="right") / len(values)
    old = np.maximum(np.diff(np.r_[0.0, shares, 1.0]), LEAST_SHARE)
    new = np.maximum(np.diff(np.r_[0.0, now, 1.0]), LEAST_SHARE)
    return float(((new - old) * np.log(new / old)).sum()), float(np.abs(now - shares).max())
