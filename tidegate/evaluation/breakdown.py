"""Scores by station and by step, and what they tell of the whole: which stations decide alone."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tidegate.evaluation.metrics import METRICS, rounded
from tidegate.evaluation.origins import TestOrigins
from tidegate.evaluation.tally import Tally
from tidegate.workspace.paths import HISTORY, MODELS

BY_DAY = "by_day.parquet"

Tallies = Mapping[str, Tally]  # of the candidates


def by_station(tallies: Tallies, test: TestOrigins) -> pd.DataFrame:
    """Score each candidate at each station, for each target; `values` is how many measurements were compared."""
    rows = []
    for name, tally in tallies.items():
        for number, station in enumerate(test.panel.spec.stations):
            for column in range(tally.count.shape[2]):
                values = int(tally.count[number, :, column].sum())
                if values:
                    target, scores = test.panel.spec.targets[column], tally.scores(station=number, target=column)
                    rows.append({"model": name, "station": station, "target": target, "values": values, **scores})
    return pd.DataFrame(rows)


def by_step(tallies: Tallies) -> pd.DataFrame:
    """Score each candidate at each step ahead, where anything was measured."""
    return pd.DataFrame(
        {"model": name, "step": ahead + 1, **tally.scores(ahead=ahead)}
        for name, tally in tallies.items()
        for ahead in range(tally.count.shape[1])
        if tally.count[:, ahead].any()
    )


def by_day(tallies: Tallies, baseline: str, test: TestOrigins) -> pd.DataFrame:
    """Sum up each candidate by station and day of the origin, as verified forecasts are: what is usual for it.

    Args:
        tallies: of each candidate.
        baseline: the candidate whose losses are beside the others'.
        test: the origins.

    Returns:
        model, station, day, `verified` (values), means of `loss`, `naive_loss` and `coverage`, as `daily_scores` has
        them; `loss` is the absolute error, of an alert the squared one.
    """
    names, naive, parts = np.asarray(test.panel.spec.stations), tallies[baseline], []
    for name in sorted(tallies):
        tally, sums = tallies[name], tallies[name].by_day
        station, day = np.nonzero(sums["count"])
        count = sums["count"][station, day]
        columns = {"model": name, "station": names[station], "day": tally.days[day], "verified": count.astype(np.int64)}
        held = sums["coverage"][station, day] / count if "coverage" in sums else np.nan
        losses = {
            column: of_candidate.by_day[tally.plain][station, day] / count
            for column, of_candidate in (("loss", tally), ("naive_loss", naive))
        }
        rows = pd.DataFrame({**columns, **losses, "coverage": held})
        parts.append(rows.sort_values(["station", "day"], ignore_index=True))
    return pd.concat(parts, ignore_index=True)


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
    power = 2 if METRICS[metric].root else 1
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
