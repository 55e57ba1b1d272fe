"""Splits by time, and the windows that lie in each."""

import numpy as np
import numpy.typing as npt

from tidegate.windows.alerts import alert_events
from tidegate.windows.panel import Starts
from tidegate.windows.spec import WindowSpec
from tidegate.windows.window_grid import Grid

SPLITS = ("train", "validation", "test")

Counts = npt.NDArray[np.int64]


def split_spans(steps: int, validation_share: float, test_share: float, gap: int) -> dict[str, tuple[int, int]]:
    """Give each split's span of targets, as a half-open range of steps."""
    test = steps - round(steps * test_share)
    validation = test - round(steps * validation_share)
    return {"train": (0, validation - gap), "validation": (validation, test - gap), "test": (test, steps)}


def starts_in(grid: Grid, spec: WindowSpec, span: tuple[int, int], min_observed_share: float) -> Starts:
    """List the windows whose targets lie in the span: (station, first step of the lookback), int32.

    A window counts if enough of its targets' lookback is observed and at least one target after it; of an alert, if it
    is known whether there was one.
    """
    first = max(span[0], spec.lookback)
    origins = np.arange(first, span[1] - spec.horizon + 1)
    if origins.size == 0:
        return np.empty((0, 2), np.int32)
    observed = np.isfinite(grid.values[..., : len(spec.targets)]).all(axis=-1)
    counted = np.pad(np.cumsum(observed, axis=1), ((0, 0), (1, 0)))
    past: Counts = counted[:, origins] - counted[:, origins - spec.lookback]
    future: Counts = counted[:, origins + spec.horizon] - counted[:, origins]
    enough = max(1.0, min_observed_share * spec.lookback)
    held = alert_events(grid, spec)
    told = future > 0 if held is None else np.isfinite(held[:, origins])
    station, column = np.nonzero(np.logical_and(past >= enough, told))
    return np.stack([station, origins[column] - spec.lookback], axis=1).astype(np.int32)
