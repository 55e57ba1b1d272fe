"""Scores by station and by step."""

import pandas as pd

from tidegate.evaluation.metrics import Comparison
from tidegate.evaluation.test_origins import TestOrigins
from tidegate.workspace.paths import HISTORY, MODELS


def by_station(compared: dict[str, Comparison], test: TestOrigins) -> pd.DataFrame:
    """Score each candidate at each station, for each target."""
    rows = []
    for name, own in compared.items():
        for row, station in enumerate(test.panel.spec.stations):
            here = test.starts[:, 0] == row
            for column, target in enumerate(test.panel.spec.targets):
                part = own.part(windows=here, targets=slice(column, column + 1))
                if part.any():
                    figures = {key: metric(part) for key, metric in test.metrics.items()}
                    rows.append({"model": name, "station": station, "target": target, **figures})
    return pd.DataFrame(rows)


def by_step(compared: dict[str, Comparison], test: TestOrigins) -> pd.DataFrame:
    """Score each candidate at each step ahead, where anything was measured."""
    rows = []
    for name, own in compared.items():
        for ahead in range(own.measured.shape[1]):
            part = own.part(steps=slice(ahead, ahead + 1))
            if part.any():
                figures = {key: metric(part) for key, metric in test.metrics.items()}
                rows.append({"model": name, "step": ahead + 1, **figures})
    return pd.DataFrame(rows)


def learning_curves(names: list[str]) -> pd.DataFrame:
    """Put the learning curves of all candidates that have one into one table."""
    curves = [pd.read_csv(MODELS / name / HISTORY).assign(model=name) for name in names]
    return pd.concat([curve for curve in curves if len(curve)] or curves[:1], ignore_index=True)
