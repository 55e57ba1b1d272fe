"""Small grids of measurements."""

import numpy as np
import pandas as pd

from tidegate.windows.spec import WindowSpec
from tidegate.windows.splits import SPLITS, split_spans, starts_in
from tidegate.windows.window_grid import Grid


def grid_of(values: np.ndarray) -> Grid:
    times = pd.date_range("2024-01-01", periods=values.shape[1], freq="h", tz="UTC")
    return Grid(tuple(f"S{number}" for number in range(len(values))), times, values)


def ramp(stations: int = 2, steps: int = 100, features: int = 2) -> np.ndarray:
    cells = np.arange(stations * steps * features, dtype=float)
    return cells.reshape(stations, steps, features)


def windows_of(
    values: np.ndarray, spec: WindowSpec, gap: int | None = None, min_observed: float = 0.5
) -> tuple[dict[str, np.ndarray], dict[str, tuple[int, int]], int]:
    """Cut windows; give the starts and the span of each split, and the gap."""
    grid = grid_of(values)
    gap = spec.lookback_steps if gap is None else gap
    spans = split_spans(len(grid.times), 0.2, 0.2, gap)
    return {name: starts_in(grid, spec, spans[name], min_observed) for name in SPLITS}, spans, gap
