"""What figures and the report show of an evaluation beside its scores: hours, calibration, and forecasts themselves."""

from pathlib import Path

import numpy as np
import pandas as pd

from tidegate.evaluation.breakdown import Tallies
from tidegate.evaluation.origins import TestOrigins, origin_times
from tidegate.evaluation.tally import Candidates
from tidegate.measurements.frame import write_frame

BY_HOUR, CALIBRATION, SHOWN = "by_hour.csv", "calibration.csv", "forecasts.parquet"
RANKS = ("easiest", "median", "hardest")
HORIZONS_SHOWN = 7
TENTHS = 10  # groups of forecast probabilities


def write_details(folder: Path, tallies: Tallies, shown: pd.DataFrame, test: TestOrigins) -> None:
    """Write errors by hour of the day, how often quantiles held, and the forecasts that are shown."""
    by_hour(tallies, test).to_csv(folder / BY_HOUR, index=False, float_format="%.6g")
    calibration(tallies, test).to_csv(folder / CALIBRATION, index=False, float_format="%.6g")
    write_frame(folder / SHOWN, shown)


def by_hour(tallies: Tallies, test: TestOrigins) -> pd.DataFrame:
    """Average each candidate's loss by the hour, where the stations are, of the time that was forecast.

    Returns:
        model, hour and loss: the absolute error, of an alert the squared one. No row of steps of a day or longer.
    """
    spec, parts = test.panel.spec, [pd.DataFrame(columns=["model", "hour", "loss"])]
    if pd.Timedelta(spec.frequency) < pd.Timedelta("1D"):
        for name, tally in tallies.items():
            hours = tally.times.tz_convert(spec.time_zone).hour
            sums = pd.DataFrame(tally.by_step_of_time).groupby(hours).sum()
            sums = sums[sums["count"] > 0]
            parts.append(pd.DataFrame({"model": name, "hour": sums.index, "loss": sums[tally.plain] / sums["count"]}))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def calibration(tallies: Tallies, test: TestOrigins) -> pd.DataFrame:
    """Say of each quantile which share of the measurements lay below it; of an alert, how often it came true.

    Returns:
        model, promised (the quantile's level, or the mean probability of a tenth) and held.
    """
    rows = []
    for name, tally in tallies.items():
        if tally.alert:
            compared = tally.alerts()
            chance, happened = compared.point[compared.known], compared.measured[compared.known]
            tenth = np.minimum((chance * TENTHS).astype(int), TENTHS - 1)
            pairs = [(chance[tenth == one].mean(), happened[tenth == one].mean()) for one in np.unique(tenth)]
        else:
            pairs = list(zip(test.panel.spec.quantiles, tally.below / tally.count.sum(), strict=True))
        rows += [{"model": name, "promised": float(promised), "held": float(held)} for promised, held in pairs]
    return pd.DataFrame(rows, columns=["model", "promised", "held"])


def shown_forecasts(candidates: Candidates, tallies: Tallies, test: TestOrigins) -> pd.DataFrame:
    """Take the last forecasts, one horizon after another, at three stations: of the least error, the median, the most.

    They are those of the mean over all values and candidates, which are so shown at the same stations and times.

    Returns:
        model, rank, station, origin, time, measured, forecast, low, high: the first target's, in its unit.
    """
    spec = test.panel.spec
    step = pd.Timedelta(spec.frequency)
    apart = 1 if spec.alert else spec.horizon_steps
    parts = []
    for rank, row in _stations(tallies).items():
        chosen = np.flatnonzero(test.starts[:, 0] == row)[::-apart]
        part = test.part(chosen[: HORIZONS_SHOWN * (spec.horizon_steps // apart)][::-1])
        ahead = np.full(len(part.starts) * spec.target_steps, spec.horizon_steps)
        if not spec.alert:
            ahead = np.tile(np.arange(1, spec.target_steps + 1), len(part.starts))
        begin = origin_times(part)[np.repeat(np.arange(len(part.starts)), spec.target_steps)]
        for name, forecast in candidates.items():
            compared = forecast(part)
            quantiles = compared.quantiles
            ends = [np.nan if quantiles is None else quantiles[:, :, 0, end].ravel() for end in (0, -1)]
            columns = {
                "model": name, "rank": rank, "station": spec.stations[row],
                "origin": begin, "time": begin + ahead * step,
                "measured": compared.measured[:, :, 0].ravel(),
                "forecast": compared.point[:, :, 0].ravel().astype(np.float64), "low": ends[0], "high": ends[1],
            }  # fmt: skip
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _stations(tallies: Tallies) -> dict[str, int]:
    """Choose stations by the first target's mean loss over all candidates; of fewer than three, those there are."""
    by_candidate = np.array([tally.means(axes=(1,), target=0) for tally in tallies.values()])
    mean = pd.Series(by_candidate.mean(axis=0)).dropna().sort_values(kind="stable")
    rows = [int(mean.index[0]), int(mean.index[len(mean) // 2]), int(mean.index[-1])]
    return {RANKS[rows.index(row)]: row for row in dict.fromkeys(rows)}
