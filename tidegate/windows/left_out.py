"""Stations that cannot be learnt from the training span, and are left out of it by name."""

from collections.abc import Mapping, Sequence

import numpy as np

from tidegate.errors import DataError
from tidegate.windows.panel import Starts
from tidegate.windows.scaler import target_moments
from tidegate.windows.spec import WindowSpec
from tidegate.windows.window_grid import Grid

SHOWN = 3


def unlearnable(grid: Grid, training_steps: int, train: Starts, spec: WindowSpec) -> dict[str, str]:
    """Say of each station from which nothing can be learnt, why.

    Args:
        grid: the stations' measurements.
        training_steps: the number of steps of the training span, which begins with the first one.
        train: the training windows of these stations, numbered from 0.
        spec: of the windows.
    """
    count, constant = target_moments(grid, training_steps, spec)
    windows = np.bincount(train[:, 0], minlength=len(grid.stations))
    reasons = {}
    for row, station in enumerate(grid.stations):
        for column, target in enumerate(spec.targets):
            if count[row, column] == 0:
                reasons[station] = f"{target} has no value in the training span"
            elif constant[row, column]:
                reasons[station] = f"{target} is constant in the training span"
        if station not in reasons and not windows[row]:
            reasons[station] = f"its {count[row].min()} steps in the training span hold no window"
    return reasons


def without(grid: Grid, left_out: Mapping[str, str]) -> Grid:
    """Take the stations of a grid that are not left out."""
    rows = [row for row, name in enumerate(grid.stations) if name not in left_out]
    return grid if len(rows) == len(grid.stations) else grid.rows(rows)


def require_enough(left_out: Mapping[str, str], stations: int, tolerance: float) -> None:
    """Check that no more than a share of the stations is left out.

    Raises:
        DataError: more are, or all.
    """
    if len(left_out) < stations and len(left_out) <= tolerance * stations:
        return
    raise DataError(
        f"Nothing can be learnt from {len(left_out)} of {stations} stations ({named(left_out)}), more than "
        f"window.left_out_tolerance ({tolerance:g}): bring more data, leave out the target, or raise the tolerance."
    )


def named(left_out: Mapping[str, str], among: Sequence[str] | None = None) -> str:
    """Name the first stations that are left out, each with its reason; of all, or among some names."""
    chosen = [name for name in (left_out if among is None else among) if name in left_out]
    listed = ", ".join(f"{name} ({left_out[name]})" for name in chosen[:SHOWN])
    return listed + (f" and {len(chosen) - SHOWN} more" if len(chosen) > SHOWN else "")
