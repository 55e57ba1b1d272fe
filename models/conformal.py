"""Conformal calibration: quantiles are corrected so that their coverage on the validation windows is right.

For each level τ, horizon step and target, with q̂ the model's own quantile (or its point forecast, if it forecasts no
quantiles) and s a scale that is known at the origin:

    δ_τ = the τ-quantile of (y − q̂_τ) / s over the validation windows        q_τ = q̂_τ + δ_τ · s

s is the distance between the model's outermost quantiles. For a model without quantiles it is the variability of the
target over the lookback: the geometric mean of its standard deviation and of the root mean square of its differences
from one season to the next. The deviation alone would take a strong, regular cycle for variability, and the differences
alone would miss a slow change. The corrected quantiles are sorted, so they never cross.

After Romano et al., Conformalized Quantile Regression, arXiv:1905.03222, but with each level corrected separately. The
coverage holds as long as later data resemble the validation span.

The τ-quantile of n errors holds less than τ of what comes: of the errors' order statistics the expected coverage of
number k is k / (n + 1). So a level is moved outwards until its expectation is τ. Windows overlap and stations are
alike, so n is not their number but what they are worth: p (1 - p) over the variance of the share p of errors beyond the
level, estimated from the shares in batches of origins, several horizons long (batch means; Flegal and Jones, Batch
means and spectral variance estimators in Markov chain Monte Carlo, Ann. Statist. 38 (2010)).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.interface import Model
from tidegate.windows.panel import Flags, Floats, Forecasts, Panel, Starts, evenly_spaced
from tidegate.windows.spec import WindowSpec

WINDOWS = 8192  # at most so many are used, evenly spaced over the validation span
CHUNK = 4096  # windows that are read from the panel together
MIN_SCALE = 0.05  # in training deviations, added to s: after a flat lookback the future may still vary
BATCH_HORIZONS, FEWEST_BATCHES = 3, 8
FILE = "calibration.npy"


class CalibratedModel:
    """A model whose forecasts have calibrated quantiles."""

    def __init__(self, model: Model, spec: WindowSpec) -> None:
        """Make corrections of 0; forecasts of alerts stay as they are, since they are probabilities already."""
        self.model, self.spec = model, spec
        self.corrections = np.zeros((spec.target_steps, len(spec.targets), len(spec.quantiles)), np.float32)

    def calibrate(self, panel: Panel, validation: Starts) -> None:
        """Compute the corrections (horizon, targets, levels) on the validation windows."""
        if self.spec.alert:
            return
        chosen = evenly_spaced(validation, WINDOWS)
        quantiles, scale = self._quantiles_and_scale(panel, chosen, self.model.predict(panel, chosen))
        future, observed = panel.future(chosen)
        truth = np.where(observed, future, np.nan)[..., None]
        errors = ((truth - quantiles) / scale).reshape(len(chosen), -1, len(self.spec.quantiles))
        batch = (chosen[:, 1] - chosen[:, 1].min()) // self._batch_steps(chosen)
        for index, level in enumerate(self.spec.quantiles):
            column = errors[..., index]
            unobserved = ~np.isfinite(column).any(axis=0)  # no correction where no window was observed
            column[:, unobserved] = 0
            moved = expected_level(level, effective_number(column, level, batch))
            corrections = np.nanquantile(column, moved, axis=0)
            self.corrections[..., index] = corrections.reshape(self.corrections.shape[:2])

    def _batch_steps(self, chosen: Starts) -> int:
        """Give the length of batches of origins: several horizons, or less where the span is short."""
        span = int(chosen[:, 1].max() - chosen[:, 1].min()) + 1
        return max(1, min(BATCH_HORIZONS * self.spec.horizon_steps, span // FEWEST_BATCHES))

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast, with calibrated quantiles (windows, horizon, targets, levels)."""
        forecasts = self.model.predict(panel, starts)
        if self.spec.alert:
            return forecasts
        quantiles, scale = self._quantiles_and_scale(panel, starts, forecasts)
        return Forecasts(forecasts.point, np.sort(quantiles + self.corrections * scale, axis=-1))

    def save(self, folder: Path) -> None:
        """Write the model and its corrections."""
        self.model.save(folder)
        np.save(folder / FILE, self.corrections)

    def restore(self, folder: Path) -> None:
        """Read the model and its corrections."""
        self.model.restore(folder)
        self.corrections = np.load(folder / FILE, allow_pickle=False)

    def _quantiles_and_scale(self, panel: Panel, starts: Starts, forecasts: Forecasts) -> tuple[Floats, Floats]:
        """Return the model's own quantiles (windows, horizon, targets, levels), and their scale (…, 1)."""
        if forecasts.quantiles is None:
            variability = np.concatenate(
                [_variability(panel, starts[first : first + CHUNK]) for first in range(0, len(starts), CHUNK)]
                or [np.zeros((0, 1, len(self.spec.targets)), np.float32)]
            )
            quantiles = np.repeat(forecasts.point[..., None], len(self.spec.quantiles), axis=-1)
            return quantiles, (variability[..., None] + MIN_SCALE).astype(np.float32)
        quantiles = forecasts.quantiles
        return quantiles, quantiles[..., -1:] - quantiles[..., :1] + MIN_SCALE


def effective_number(errors: Floats, level: float, batch: npt.NDArray[np.int32]) -> float:
    """Estimate how many independent windows would tell a quantile of the errors as well as these do.

    Args:
        errors: (windows, columns), NaN where nothing was measured; every column has one.
        level: of the quantile.
        batch: of each window, numbered from 0: (windows,).
    """
    known = np.isfinite(errors)
    beyond = np.where(known, (errors <= np.nanquantile(errors, level, axis=0)) - level, 0.0)
    sums = np.zeros((int(batch.max()) + 1, errors.shape[1]))
    np.add.at(sums, batch, beyond)
    variance = float(((sums**2).sum(axis=0) / known.sum(axis=0) ** 2).mean())
    return level * (1 - level) / max(variance, level * (1 - level) / len(errors))


def expected_level(level: float, number: float) -> float:
    """Move a level outwards, so that a quantile of so many values is expected to hold it; NumPy's quantile is linear.

    Its position is (n - 1) τ + 1 among n order statistics, whose expected coverage is the position over n + 1.
    """
    outer = max(level, 1 - level)
    moved = min(1.0, (outer * (number + 1) - 1) / (number - 1)) if number > 2 else 1.0
    return level if level == 0.5 else (moved if level > 0.5 else 1 - moved)


def _variability(panel: Panel, starts: Starts) -> Floats:
    """Compute the variability of each target's observed values over the lookback: (windows, 1, targets)."""
    values, observed = panel.past(starts)
    targets, season_steps = len(panel.spec.targets), panel.spec.season_steps
    values, flags = values[..., :targets], observed[..., :targets]
    deviation = _root_mean_square(values - _mean(values, flags), flags)
    if season_steps == panel.spec.lookback_steps:
        return deviation
    differences = _root_mean_square(
        values[:, season_steps:] - values[:, :-season_steps], flags[:, season_steps:] & flags[:, :-season_steps]
    )
    return np.sqrt(deviation * differences)


def _mean(values: Floats, flags: Flags) -> Floats:
    """Average the observed values over the steps; 0 if there are none: (windows, 1, targets)."""
    mean: Floats = np.where(flags, values, 0).sum(axis=1, keepdims=True) / np.maximum(
        flags.sum(axis=1, keepdims=True), 1
    ).astype(np.float32)
    return mean


def _root_mean_square(values: Floats, flags: Flags) -> Floats:
    """Compute the root mean square of the observed values: (windows, 1, targets)."""
    return np.sqrt(_mean(values**2, flags))
