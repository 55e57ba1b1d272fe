"""Splits by time, and the windows of each split."""

import numpy as np
import numpy.typing as npt

from tidegate.errors import DataError
from tidegate.windows.alerts import alert_events
from tidegate.windows.panel import Starts
from tidegate.windows.spec import WindowSpec
from tidegate.windows.window_grid import Grid

SPLITS = ("train", "validation", "test")

Counts = npt.NDArray[np.int64]


def split_spans(steps: int, validation_share: float, test_share: float, gap_steps: int) -> dict[str, tuple[int, int]]:
    """Give the span of targets of each split, as a half-open range of steps."""
    test = steps - round(steps * test_share)
    validation = test - round(steps * validation_share)
    return {"train": (0, validation - gap_steps), "validation": (validation, test - gap_steps), "test": (test, steps)}


def check_length(spans: dict[str, tuple[int, int]], spec: WindowSpec, steps: int) -> None:
    """Check that each split's span is long enough for a window.

    Raises:
        DataError: one is too short.
    """
    for split, (first, end) in spans.items():
        need = spec.lookback_steps + spec.horizon_steps if split == "train" else spec.horizon_steps
        if end - first < need:
            raise DataError(
                f"The {split} span has {max(0, end - first)} of the data's {steps} steps, fewer than the {need} that "
                f"one window of {spec.lookback_steps} + {spec.horizon_steps} steps needs: shorten window.horizon_steps "
                "or lookback_steps, or bring more data."
            )


def starts_in(
    grid: Grid, spec: WindowSpec, span: tuple[int, int], min_observed_share: float, clean: Grid | None = None
) -> Starts:
    """List the windows whose targets lie in the span: (station, first step of the lookback), int32.

    `grid` is what lookbacks hold, `clean` what targets are compared with, if that is not the same.

    A window is listed if enough target values of its lookback are observed, and at least one of its horizon. With an
    alert, instead of the latter, it must be known whether the horizon has one.
    """
    first = max(span[0], spec.lookback_steps)
    first_targets = np.arange(first, span[1] - spec.horizon_steps + 1)
    if first_targets.size == 0:
        return np.empty((0, 2), np.int32)
    clean = grid if clean is None else clean
    total, passed = _observed_so_far(grid, spec), _observed_so_far(clean, spec)
    past: Counts = total[:, first_targets] - total[:, first_targets - spec.lookback_steps]
    future: Counts = passed[:, first_targets + spec.horizon_steps] - passed[:, first_targets]
    enough = max(1.0, min_observed_share * spec.lookback_steps)
    events = alert_events(clean, spec)
    outcome_known = future > 0 if events is None else np.isfinite(events[:, first_targets])
    station, column = np.nonzero(np.logical_and(past >= enough, outcome_known))
    return np.stack([station, first_targets[column] - spec.lookback_steps], axis=1).astype(np.int32)


def _observed_so_far(grid: Grid, spec: WindowSpec) -> Counts:
    """Count the steps before each at which all targets were observed: (stations, steps + 1)."""
    observed = np.isfinite(grid.values[..., : len(spec.targets)]).all(axis=-1)
    return np.pad(np.cumsum(observed, axis=1), ((0, 0), (1, 0)))
