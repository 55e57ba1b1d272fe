"""Scores by station and by step."""

import pandas as pd

from tidegate.evaluation.metrics import Comparison
from tidegate.evaluation.origins import TestOrigins
from tidegate.workspace.paths import HISTORY, MODELS


def by_station(comparisons: dict[str, Comparison], test: TestOrigins) -> pd.DataFrame:
    """Score each candidate at each station, for each target."""
    rows = []
    for name, comparison in comparisons.items():
        for row, station in enumerate(test.panel.spec.stations):
            at_station = test.starts[:, 0] == row
            for column, target in enumerate(test.panel.spec.targets):
                part = comparison.part(windows=at_station, targets=slice(column, column + 1))
                if part.any():
                    scores = {key: metric(part) for key, metric in test.metrics.items()}
                    rows.append({"model": name, "station": station, "target": target, **scores})
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


def learning_curves(names: list[str]) -> pd.DataFrame:
    """Put the learning curves of all candidates that have one into one table."""
    curves = [pd.read_csv(MODELS / name / HISTORY).assign(model=name) for name in names]
    return pd.concat([curve for curve in curves if len(curve)] or curves[:1], ignore_index=True)
