"""Alert events: whether the target crosses the limit within a horizon."""

import numpy as np

from tidegate.errors import DataError
from tidegate.windows.panel import Floats
from tidegate.windows.spec import WindowSpec
from tidegate.windows.window_grid import Grid


def alert_events(grid: Grid, spec: WindowSpec) -> Floats | None:
    """Flag each step whose horizon, beginning at that step, has an alert: (stations, steps); None without an alert.

    NaN where a value of the horizon is missing, because the gap may hide an alert: if only the alerts that were seen
    beside gaps were counted, alerts would look more frequent than they are.
    """
    if spec.alert is None:
        return None
    side, limit = spec.alert
    target = grid.values[..., 0]
    crossed = np.where(np.isfinite(target), (target > limit) if side == "above" else (target < limit), np.nan)
    events = np.full(target.shape, np.nan, np.float32)
    if target.shape[1] >= spec.horizon_steps:
        horizons = np.lib.stride_tricks.sliding_window_view(crossed, spec.horizon_steps, axis=1)
        events[:, : horizons.shape[1]] = horizons.max(axis=-1)  # NaN stays NaN
    return events


def check_classes(share: float, count: int, spec: WindowSpec) -> None:
    """Check that the training windows hold both alerts and non-alerts; `share` is that of the alerts.

    Raises:
        DataError: all windows are of one class.
    """
    if share in (0.0, 1.0):
        side, limit = spec.alert or ("", 0.0)
        raise DataError(
            f"{spec.targets[0]} gets {side} {limit:g} in {'all' if share else 'none'} of the {count:,} "
            "training windows: there is only one class to learn; set another limit in window.alert, or bring more data."
        )
