"""Conformal calibration: quantiles whose coverage was measured, on the validation windows, and corrected.

For each level τ, step and target, with q̂ the model's own quantile (or its point forecast, if it has no idea of its
uncertainty) and s a scale that is known at the origin:

    δ_τ = the τ-quantile of (y − q̂_τ) / s over the validation windows        q_τ = q̂_τ + δ_τ · s

s is the distance between the model's outermost quantiles, or how restless the target was over the lookback: its
deviation there times the size of its differences from one season to the next, and the root of that. The first alone
takes a strong, regular cycle for unrest; the second alone misses a slow turn. What results is sorted, so
quantiles never cross. After Romano et al., Conformalized Quantile Regression, arXiv:1905.03222, each level for itself.
The promise holds as far as the time after resembles the validation span.
"""

from pathlib import Path

import numpy as np

from models.interface import Model
from tidegate.windows.panel import Flags, Floats, Forecasts, Panel, Starts, evenly_spaced
from tidegate.windows.spec import WindowSpec

WINDOWS = 8192  # at most, evenly spread over the validation span
CHUNK = 4096
FLOOR = 0.05  # of the training deviation, added to s: a flat lookback does not promise a flat future
FILE = "calibration.npy"


class CalibratedModel:
    """A model whose forecasts have calibrated quantiles."""

    def __init__(self, model: Model, spec: WindowSpec) -> None:
        """Begin without corrections; alerts are given as they are, being probabilities already."""
        self.model, self.spec = model, spec
        self.corrections = np.zeros((spec.outcomes, len(spec.targets), len(spec.quantiles)), np.float32)

    def calibrate(self, panel: Panel, validation: Starts) -> None:
        """Measure the corrections (horizon, targets, levels) on the validation windows."""
        if self.spec.alert:
            return
        chosen = evenly_spaced(validation, WINDOWS)
        own, scale = self._own(panel, chosen, self.model.predict(panel, chosen))
        future, observed = panel.future(chosen)
        truth = np.where(observed, future, np.nan)[..., None]
        misses = ((truth - own) / scale).reshape(len(chosen), -1, len(self.spec.quantiles))
        for place, level in enumerate(self.spec.quantiles):
            column = misses[..., place]
            blank = ~np.isfinite(column).any(axis=0)  # a step that was never measured is left as it is
            column[:, blank] = 0
            corrections = np.nanquantile(column, level, axis=0)
            self.corrections[..., place] = corrections.reshape(self.corrections.shape[:2])

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast, with calibrated quantiles (windows, horizon, targets, levels)."""
        forecasts = self.model.predict(panel, starts)
        if self.spec.alert:
            return forecasts
        own, scale = self._own(panel, starts, forecasts)
        return Forecasts(forecasts.point, np.sort(own + self.corrections * scale, axis=-1))

    def save(self, folder: Path) -> None:
        """Write the model and its corrections."""
        self.model.save(folder)
        np.save(folder / FILE, self.corrections)

    def restore(self, folder: Path) -> None:
        """Read them."""
        self.model.restore(folder)
        self.corrections = np.load(folder / FILE, allow_pickle=False)

    def _own(self, panel: Panel, starts: Starts, forecasts: Forecasts) -> tuple[Floats, Floats]:
        """Give the model's own quantiles and their scale: (windows, horizon, targets, levels) and (…, 1)."""
        if forecasts.quantiles is None:
            restless = np.concatenate(
                [_unrest(panel, starts[first : first + CHUNK]) for first in range(0, len(starts), CHUNK)]
                or [np.zeros((0, 1, len(self.spec.targets)), np.float32)]
            )
            own = np.repeat(forecasts.point[..., None], len(self.spec.quantiles), axis=-1)
            return own, (restless[..., None] + FLOOR).astype(np.float32)
        own = forecasts.quantiles
        return own, own[..., -1:] - own[..., :1] + FLOOR


def _unrest(panel: Panel, starts: Starts) -> Floats:
    """Give how restless each target was over the lookback, of what was observed: (windows, 1, targets)."""
    values, observed = panel.past(starts)
    targets, season = len(panel.spec.targets), panel.spec.season
    values, flags = values[..., :targets], observed[..., :targets]
    whole = _root_mean_square(values - _mean(values, flags), flags)
    if season == panel.spec.lookback:
        return whole
    between = _root_mean_square(values[:, season:] - values[:, :-season], flags[:, season:] & flags[:, :-season])
    return np.sqrt(whole * between)


def _mean(values: Floats, flags: Flags) -> Floats:
    """Average what was observed, over the steps; 0 where nothing was."""
    mean: Floats = np.where(flags, values, 0).sum(axis=1, keepdims=True) / np.maximum(
        flags.sum(axis=1, keepdims=True), 1
    ).astype(np.float32)
    return mean


def _root_mean_square(values: Floats, flags: Flags) -> Floats:
    """Give the size of what was observed: (windows, 1, targets)."""
    return np.sqrt(_mean(values**2, flags))
