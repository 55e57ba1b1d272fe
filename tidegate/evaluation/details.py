"""What figures and the report show of an evaluation beside its scores: hours, calibration, and forecasts themselves."""

from pathlib import Path

import numpy as np
import pandas as pd

from tidegate.evaluation.breakdown import cell_losses
from tidegate.evaluation.metrics import Comparison
from tidegate.evaluation.origins import TestOrigins, origin_times
from tidegate.measurements.frame import write_frame

BY_HOUR, CALIBRATION, SHOWN = "by_hour.csv", "calibration.csv", "forecasts.parquet"
RANKS = ("easiest", "median", "hardest")
HORIZONS_SHOWN = 7
TENTHS = 10  # groups of forecast probabilities


def write_details(folder: Path, comparisons: dict[str, Comparison], shown: pd.DataFrame, test: TestOrigins) -> None:
    """Write errors by hour of the day, how often quantiles held, and the forecasts that are shown."""
    by_hour(comparisons, test).to_csv(folder / BY_HOUR, index=False, float_format="%.6g")
    calibration(comparisons, test).to_csv(folder / CALIBRATION, index=False, float_format="%.6g")
    write_frame(folder / SHOWN, shown)


def by_hour(comparisons: dict[str, Comparison], test: TestOrigins) -> pd.DataFrame:
    """Average each candidate's loss by the hour, where the stations are, of the time that was forecast.

    Returns:
        model, hour and loss: the absolute error, of an alert the squared one. No row of steps of a day or longer.
    """
    spec = test.panel.spec
    step, steps = pd.Timedelta(spec.frequency), range(1, spec.target_steps + 1)
    rows = []
    if step < pd.Timedelta("1D"):
        origins = origin_times(test)
        hours = np.stack([(origins + ahead * step).tz_convert(spec.time_zone).hour for ahead in steps], axis=1)
        for name, compared in comparisons.items():
            losses = cell_losses(compared, test)
            known = np.isfinite(losses)
            of_cells = np.broadcast_to(hours[..., None], losses.shape)[known]
            means = pd.Series(losses[known]).groupby(of_cells).mean()
            rows.append(pd.DataFrame({"model": name, "hour": means.index, "loss": means.to_numpy()}))
    return pd.concat(rows) if rows else pd.DataFrame(columns=["model", "hour", "loss"])


def calibration(comparisons: dict[str, Comparison], test: TestOrigins) -> pd.DataFrame:
    """Say of each quantile which share of the measurements lay below it; of an alert, how often it came true.

    Returns:
        model, promised (the quantile's level, or the mean probability of a tenth) and held.
    """
    rows = []
    for name, compared in comparisons.items():
        known = np.isfinite(compared.measured)
        if test.panel.spec.alert:
            chance, happened = compared.point[known], compared.measured[known]
            tenth = np.minimum((chance * TENTHS).astype(int), TENTHS - 1)
            pairs = [(chance[tenth == one].mean(), happened[tenth == one].mean()) for one in np.unique(tenth)]
        elif compared.quantiles is None:
            continue
        else:
            below = compared.measured[known][:, None] <= compared.quantiles[known]
            pairs = list(zip(compared.levels, below.mean(axis=0), strict=True))
        rows += [{"model": name, "promised": float(promised), "held": float(held)} for promised, held in pairs]
    return pd.DataFrame(rows, columns=["model", "promised", "held"])


def shown_forecasts(comparisons: dict[str, Comparison], test: TestOrigins) -> pd.DataFrame:
    """Take the last forecasts, one horizon after another, at three stations: of the least error, the median, the most.

    They are those of the mean over all candidates, which are so shown at the same stations and times.

    Returns:
        model, rank, station, origin, time, measured, forecast, low, high: the first target's, in its unit.
    """
    spec, origins = test.panel.spec, origin_times(test)
    step = pd.Timedelta(spec.frequency)
    apart = 1 if spec.alert else spec.horizon_steps
    parts = []
    for rank, row in _stations(comparisons, test).items():
        chosen = np.flatnonzero(test.starts[:, 0] == row)[::-apart]
        chosen = chosen[: HORIZONS_SHOWN * (spec.horizon_steps // apart)][::-1]
        ahead = np.full(len(chosen) * spec.target_steps, spec.horizon_steps)
        if not spec.alert:
            ahead = np.tile(np.arange(1, spec.target_steps + 1), len(chosen))
        begin = origins[np.repeat(chosen, spec.target_steps)]
        for name, compared in comparisons.items():
            quantiles = compared.quantiles
            ends = [np.nan if quantiles is None else quantiles[chosen, :, 0, end].ravel() for end in (0, -1)]
            columns = {
                "model": name, "rank": rank, "station": spec.stations[row],
                "origin": begin, "time": begin + ahead * step,
                "measured": compared.measured[chosen, :, 0].ravel(),
                "forecast": compared.point[chosen, :, 0].ravel().astype(np.float64), "low": ends[0], "high": ends[1],
            }  # fmt: skip
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _stations(comparisons: dict[str, Comparison], test: TestOrigins) -> dict[str, int]:
    """Choose stations by their mean loss over all candidates; of fewer than three, those there are."""
    by_window = sum(pd.DataFrame(cell_losses(one, test)[..., 0]).mean(axis=1) for one in comparisons.values())
    mean = pd.Series(by_window).groupby(test.starts[:, 0]).mean().dropna().sort_values(kind="stable")
    rows = [int(mean.index[0]), int(mean.index[len(mean) // 2]), int(mean.index[-1])]
    return {RANKS[rows.index(row)]: row for row in dict.fromkeys(rows)}
