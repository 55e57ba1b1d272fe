"""Drift: new values compared with those accepted before, at the same station and month of the year. Pure functions."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.quality.sorted_rows import Doubles, Flags, epoch_microsecond, epoch_microseconds, sort_rows

EDGES = 11  # deciles, both ends included
QUANTILES = [f"q{edge}" for edge in range(EDGES)]
SHARES = [f"f{edge}" for edge in range(EDGES)]
LEAST_SHARE = 1e-3  # of a bin, so that the index stays finite


def profile(station: Any, time: Any, value: Any) -> pd.DataFrame:
    """Summarise the distribution of each station's values in each month of the year.

    Gives a row each: station, month, values (their number), until (the newest time at the station), the deciles q0 to
    q10, and the share of values at or below each, f0 to f10.
    """
    rows = sort_rows(station, time, value)
    firsts = np.flatnonzero(rows.first) if rows.order is None else rows.order[rows.first]
    names = pd.Series(station).iloc[firsts]
    (values,) = rows.values
    month = rows.time.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12
    measured = ~np.isnan(values)
    part = (rows.station_number * 12 + month)[measured]
    order = np.lexsort((values[measured], part))
    part, ordered = part[order], values[measured][order]
    begins = np.flatnonzero(np.r_[True, part[1:] != part[:-1]]) if len(part) else np.empty(0, int)
    ends = np.r_[begins[1:], len(part)].astype(int) if len(part) else begins
    last_equal = _last_equal(part, ordered)
    deciles = begins[:, None] + np.rint(np.linspace(0, 1, EDGES) * (ends - begins - 1)[:, None]).astype(int)
    until = pd.Series(rows.time).groupby(rows.station_number).max().to_numpy()
    number = part[begins] // 12
    columns = {
        "station": names.to_numpy()[number],
        "month": part[begins] % 12 + 1,
        "values": ends - begins,
        "until": pd.to_datetime(until[number], unit="us", utc=True),
        **{name: ordered[deciles[:, edge]] for edge, name in enumerate(QUANTILES)},
        **{
            name: (last_equal[deciles[:, edge]] + 1 - begins) / (ends - begins)
            for edge, name in enumerate(SHARES)
        },
    }  # fmt: skip
    return pd.DataFrame(columns).astype({"station": "str", "until": "datetime64[us, UTC]"})


def _last_equal(part: npt.NDArray[np.int64], ordered: Doubles) -> npt.NDArray[np.intp]:
    """Give for each of the ordered values the position of the last one that equals it, within its part."""
    if not len(part):
        return np.empty(0, int)
    ends = np.r_[(part[1:] != part[:-1]) | (ordered[1:] != ordered[:-1]), True]
    return np.flatnonzero(ends)[np.cumsum(np.r_[False, ends[:-1]])]


def drift(station: Any, time: Any, value: Any, accepted: pd.DataFrame, psi: float, ks: float, least: int) -> Flags:
    """Mark new values of stations and months of the year whose distribution has drifted by both measures.

    `accepted` is what `profile` gave; new is what is later than its `until`. With F and G the shares of accepted and of
    new values at or below the deciles: the Kolmogorov-Smirnov distance is max |F - G|, and the population stability
    index the sum of (g - f) ln(g / f) over the bins between them. Fewer than `least` new values are not judged.
    """
    flags = np.zeros(len(value), bool)
    numbers, moments = value.to_numpy(np.float64), epoch_microseconds(time)
    month = moments.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    known: dict[Any, Any] = {name: rows.set_index("month") for name, rows in accepted.groupby("station")}
    until = {name: epoch_microsecond(rows["until"].iloc[0]) for name, rows in known.items()}
    newer = moments > pd.Series(np.asarray(station)).map(until).to_numpy(np.float64)
    fresh = np.flatnonzero(newer & ~np.isnan(numbers))
    if not len(fresh):
        return flags
    parts: Any = pd.Series(fresh).groupby([np.asarray(station)[fresh], month[fresh]])
    for (name, month_of_year), rows in parts:
        if len(rows) >= least and month_of_year in known[name].index:
            distance = distances(known[name].loc[month_of_year], numbers[rows])
            flags[rows] = distance[0] > psi and distance[1] > ks
    return flags


def drift_from_file(
    station: Any, time: Any, value: Any, profile: str, variable: str, psi: float, ks: float, least: int
) -> Flags:
    """Mark drifted values, as `drift` does, against the profiles of a variable in a Parquet file."""
    accepted = pd.read_parquet(profile, filters=[("variable", "==", variable)])
    return drift(station, time, value, accepted, psi, ks, least)


def distances(accepted: Any, values: Doubles) -> tuple[float, float]:
    """Give the population stability index and the Kolmogorov-Smirnov distance of values from an accepted row."""
    edges, shares = accepted[QUANTILES].to_numpy(np.float64), accepted[SHARES].to_numpy(np.float64)
    distinct = np.r_[edges[1:] != edges[:-1], True]
    edges, shares = edges[distinct], shares[distinct]
    now = np.searchsorted(np.sort(values), edges, side="right") / len(values)
    old = np.maximum(np.diff(np.r_[0.0, shares, 1.0]), LEAST_SHARE)
    new = np.maximum(np.diff(np.r_[0.0, now, 1.0]), LEAST_SHARE)
    return float(((new - old) * np.log(new / old)).sum()), float(np.abs(now - shares).max())
