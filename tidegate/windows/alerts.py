"""Alerts: whether a horizon holds one."""

import numpy as np

from tidegate.windows.panel import Floats
from tidegate.windows.spec import WindowSpec
from tidegate.windows.window_grid import Grid


def alert_events(grid: Grid, spec: WindowSpec) -> Floats | None:
    """Say of each step whether a horizon that begins there holds the alert: (stations, steps), None without an alert.

    NaN where the horizon is not wholly measured: a gap may hide an alert, and to count only the alerts that were seen
    beside gaps would make them look more frequent than they are.
    """
    if spec.alert is None:
        return None
    side, limit = spec.alert
    target = grid.values[..., 0]
    reached = np.where(np.isfinite(target), (target > limit) if side == "above" else (target < limit), np.nan)
    held = np.full(target.shape, np.nan, np.float32)
    if target.shape[1] >= spec.horizon:
        ahead = np.lib.stride_tricks.sliding_window_view(reached, spec.horizon, axis=1)
        held[:, : ahead.shape[1]] = ahead.max(axis=-1)  # NaN stays NaN
    return held
