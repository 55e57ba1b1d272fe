"""The baseline that forecasts where the model should not, with intervals of its own.

Values are forecast by seasonal naive from the station's newest measurements. Its errors are measured on the training
and validation windows when a model is registered: by how much of the last season was measured (all of it, or only its
newest part), and by how many steps ahead, twice as many as the horizon, so that a late station has an interval too:

    q_τ = ŷ + the τ-quantile of (y − ŷ) in training deviations
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

import models
from models import naive
from tidegate.windows.panel import Flags, Floats, Forecasts, Panel, Starts, evenly_spaced
from tidegate.windows.spec import WindowSpec

FILE = "baseline.npy"
WINDOWS = 8192  # at most, on which errors are measured
# Classes of windows by the share of the season's positions that were measured, up to; and what is kept to measure each.
UP_TO = np.array([0.0, 0.25, 0.6, 0.9, 1.0])
KEPT = (0.0, 0.12, 0.42, 0.75, None)


class Fallback:
    """Seasonal naive with intervals; `errors` (classes, 2 · horizon, targets, levels), or None of older versions."""

    def __init__(self, spec: WindowSpec, errors: Floats | None = None) -> None:
        """Take what was measured."""
        self.spec, self.errors = spec, errors

    @classmethod
    def load(cls, spec: WindowSpec, folder: Path) -> "Fallback":
        """Read the errors that stand beside a version's spec, if it has them."""
        path = folder / FILE
        return cls(spec, np.load(path, allow_pickle=False) if path.exists() else None)

    @classmethod
    def measured(cls, panel: Panel, starts: Starts) -> "Fallback":
        """Measure the errors on windows; alerts have no intervals."""
        spec = panel.spec
        if spec.alert:
            return cls(spec)
        steps = 2 * spec.horizon_steps
        inside = starts[starts[:, 1] + spec.lookback_steps + steps <= panel.values.shape[1]]
        chosen = evenly_spaced(inside, WINDOWS)
        if not len(chosen):
            return cls(spec)
        ahead = replace(panel, spec=replace(spec, horizon_steps=steps))
        future, observed = ahead.future(chosen)
        truth = np.where(observed, future, np.nan)
        errors = np.zeros((len(KEPT), steps, len(spec.targets), len(spec.quantiles)), np.float32)
        for number, kept in enumerate(KEPT):
            missed = truth - _naive(panel, chosen, steps, kept)
            blank = ~np.isfinite(missed).any(axis=0)
            missed[:, blank] = 0
            errors[number] = np.moveaxis(np.nanquantile(missed, spec.quantiles, axis=0), 0, -1)
        return cls(spec, errors)

    def save(self, folder: Path) -> Path | None:
        """Write the errors; give the file, if there are any."""
        if self.errors is None:
            return None
        np.save(folder / FILE, self.errors)
        return folder / FILE

    def predict(self, panel: Panel, starts: Starts, late: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Forecasts:
        """Forecast windows that end `late` steps before the origin: the horizon after the origin, scaled."""
        spec, horizon = self.spec, self.spec.horizon_steps
        lead = np.minimum(late, horizon)[:, None] + np.arange(
            horizon
        )  # from the newest measurement, (windows, horizon)
        season = _naive(panel, starts, spec.lookback_steps + horizon, None)
        point = np.take_along_axis(season, (late[:, None] + np.arange(horizon))[..., None], axis=1)
        if self.errors is None:
            return Forecasts(point, np.full((*point.shape, len(spec.quantiles)), np.nan, np.float32))
        number = np.searchsorted(UP_TO, known_share(panel, starts))
        quantiles = point[..., None] + self.errors[number[:, None], lead]
        return Forecasts(point, np.sort(quantiles, axis=-1).astype(np.float32))


def known_share(panel: Panel, starts: Starts) -> Floats:
    """Give the share of the season's positions with a measured target in the lookback: (windows,)."""
    season, targets = panel.spec.season_steps, len(panel.spec.targets)
    observed: Flags = np.asarray(panel.past(starts)[1][..., :targets].all(axis=-1))
    known = np.zeros((len(starts), season), bool)
    for end in range(panel.spec.lookback_steps, season - 1, -season):
        known |= observed[:, end - season : end]
    return known.mean(axis=1).astype(np.float32)


def _naive(panel: Panel, starts: Starts, steps: int, kept: float | None) -> Floats:
    """Forecast so many steps by seasonal naive, from a share of the season at the lookback's end alone, if given."""
    spec = panel.spec
    values, observed = panel.past(starts)
    if kept is not None:
        newest = max(1, round(kept * spec.season_steps)) if kept else 0
        observed = observed & (np.arange(spec.lookback_steps) >= spec.lookback_steps - newest)[:, None]
    rows = np.stack([np.arange(len(starts)), np.zeros(len(starts))], axis=1).astype(np.int32)
    windows = Panel.create(
        np.where(observed, values, 0).astype(np.float32), observed, replace(spec, horizon_steps=steps)
    )
    family = naive.Family(naive.Options(method=models.BASELINES["values"]["method"]), windows.spec)
    point: Floats = family.predict(windows, rows).point
    return point
