"""Small grids of measurements."""

import numpy as np
import pandas as pd

from tidegate.windows.window_grid import Grid


def grid_of(values: np.ndarray) -> Grid:
    times = pd.date_range("2024-01-01", periods=values.shape[1], freq="h", tz="UTC")
    return Grid(tuple(f"S{number}" for number in range(len(values))), times, values)


def ramp(stations: int = 2, steps: int = 100, features: int = 2) -> np.ndarray:
    cells = np.arange(stations * steps * features, dtype=float)
    return cells.reshape(stations, steps, features)
