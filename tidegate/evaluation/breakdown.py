"""Scores by station and by step, and what they tell of the whole: which stations decide alone."""

import numpy as np
import pandas as pd

from tidegate.evaluation.metrics import Array, Comparison, rounded
from tidegate.evaluation.origins import TestOrigins
from tidegate.workspace.paths import HISTORY, MODELS

BY_DAY = "by_day.parquet"


def by_station(comparisons: dict[str, Comparison], test: TestOrigins) -> pd.DataFrame:
    """Score each candidate at each station, for each target; `values` is how many measurements were compared."""
    rows, windows = [], test.windows_by_station()
    for name, comparison in comparisons.items():
        for station, at_station in zip(test.panel.spec.stations, windows, strict=True):
            for column, target in enumerate(test.panel.spec.targets):
                part = comparison.part(windows=at_station, targets=slice(column, column + 1))
                if part.any():
                    scores = {key: metric(part) for key, metric in test.metrics.items()}
                    values = int(np.isfinite(part.measured).sum())
                    rows.append({"model": name, "station": station, "target": target, "values": values, **scores})
    return pd.DataFrame(rows)


def by_step(comparisons: dict[str, Comparison], test: TestOrigins) -> pd.DataFrame:
    """Score each candidate at each step ahead, where anything was measured."""
    rows = []
    for name, comparison in comparisons.items():
        for ahead in range(comparison.measured.shape[1]):
            part = comparison.part(steps=slice(ahead, ahead + 1))
            if part.any():
                scores = {key: metric(part) for key, metric in test.metrics.items()}
                rows.append({"model": name, "step": ahead + 1, **scores})
    return pd.DataFrame(rows)


def by_day(
    comparisons: dict[str, Comparison], baseline: str, test: TestOrigins, origins: pd.DatetimeIndex
) -> pd.DataFrame:
    """Sum up each candidate by station and day of the origin, as verified forecasts are: what is usual for it.

    Args:
        comparisons: of each candidate.
        baseline: the candidate whose losses are beside the others'.
        test: the origins.
        origins: the time of each window's origin.

    Returns:
        model, station, day, `verified` (values), means of `loss`, `naive_loss` and `coverage`, as `daily_scores` has
        them; `loss` is the absolute error, of an alert the squared one.
    """
    names = np.asarray(test.panel.spec.stations)[test.starts[:, 0]]
    naive = cell_losses(comparisons[baseline], test)
    parts = []
    for name, compared in comparisons.items():
        losses = cell_losses(compared, test)
        known = np.isfinite(losses) & np.isfinite(naive)
        count = known.sum(axis=(1, 2))
        held = np.zeros(len(names))
        if compared.quantiles is not None:
            inside = (compared.measured >= compared.quantiles[..., 0]) & (
                compared.measured <= compared.quantiles[..., -1]
            )
            held = (inside & known).sum(axis=(1, 2))
        sums = {"verified": count, "loss": np.where(known, losses, 0).sum(axis=(1, 2)), "held": held}
        sums["naive_loss"] = np.where(known, naive, 0).sum(axis=(1, 2))
        parts.append(pd.DataFrame({"model": name, "station": names, "day": origins.floor("D"), **sums}))
    rows = pd.concat(parts).groupby(["model", "station", "day"], sort=True).sum().reset_index()
    rows = rows[rows["verified"] > 0]
    for total, mean in (("loss", "loss"), ("naive_loss", "naive_loss"), ("held", "coverage")):
        rows[mean] = rows[total] / rows["verified"]
    if all(compared.quantiles is None for compared in comparisons.values()):
        rows["coverage"] = np.nan
    return rows[["model", "station", "day", "verified", "loss", "naive_loss", "coverage"]].reset_index(drop=True)


def cell_losses(compared: Comparison, test: TestOrigins) -> Array:
    """Give the loss of each forecast: the absolute error, of an alert the squared one; NaN where nothing was."""
    return compared.errors**2 if test.panel.spec.alert else np.abs(compared.errors)


def learning_curves(names: list[str]) -> pd.DataFrame:
    """Put the learning curves of all candidates that have one into one table."""
    curves = [pd.read_csv(MODELS / name / HISTORY).assign(model=name) for name in names]
    return pd.concat([curve for curve in curves if len(curve)] or curves[:1], ignore_index=True)


def deciding_stations(rows: pd.DataFrame, metric: str, best: str) -> list[str]:
    """Name the stations without which another model than `best` would be best.

    Args:
        rows: what `by_station` gives, of two models or more.
        metric: one of those by which candidates are ranked: each is a mean over values, or the root of one.
        best: the model whose score over all stations is the least.
    """
    power = 2 if metric == "rmse" else 1
    sums = rows.assign(total=rows["values"] * rows[metric] ** power).groupby(["model", "station"])[["total", "values"]]
    total = sums.sum()
    without = total.groupby("model").transform("sum") - total
    scores = (without["total"] / without["values"]).unstack("model")
    others = scores.drop(columns=best).min(axis=1)
    return [str(station) for station in scores.index[scores[best] >= others]]


def medians(rows: pd.DataFrame, metric: str) -> dict[str, float]:
    """Give each model's median score over stations and targets; none of a metric that was not computed."""
    if metric not in rows:
        return {}
    return {str(name): rounded(float(score)) for name, score in rows.groupby("model")[metric].median().items()}
