"""Linear autoregression: each horizon step is forecast as a weighted sum of all values in the lookback.

    ŷ(t + h) = b_h + Σ_l Σ_f W_h[l, f] · x_f(t − l) + V_h · a(t),   h = 0 … horizon − 1

x_f are the targets and covariates in the lookback; a is what is known ahead: the calendar and the known covariates.
There is one direct regression per horizon step, fitted on all stations together, in closed form with a ridge penalty λ:

    W = (XᵀX / n + λI)⁻¹ XᵀY / n      with X and Y centred

With `normalise: last` the newest value of each target is subtracted from its lookback and added to its forecast.
`order` limits the regression to the newest steps of the lookback. With an alert it is a linear probability model, whose
forecasts are clipped to lie between 0 and 1.

Hoerl and Kennard, Ridge Regression, Technometrics 12 (1970).
"""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from models.interface import History, ModelOptions, Training
from tidegate.errors import DataError
from tidegate.windows.calendar import calendar_columns
from tidegate.windows.panel import Floats, Forecasts, Panel, Starts, newest_step
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.field_types import Real, Steps
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Window

SPACE = {"ridge": (1e-6, 1.0), "normalise": ["none", "last"]}  # what tuning searches by default
CHUNK = 8192  # windows that are read from the panel together
MIN_PROBABILITY = 1e-3  # probabilities are clipped to lie at least this far from 0 and 1


class Options(ModelOptions):
    """The section of a linear autoregression."""

    ridge: Annotated[Real, Field(gt=0)] = 1e-3  # the penalty λ
    order: Steps | None = None  # how many of the newest steps of the lookback are used; all by default
    normalise: Literal["none", "last"] = "none"  # last: the newest value is subtracted, and added to the forecast

    def refusal(self, window: Window) -> tuple[str, str] | None:
        """Refuse an order longer than the lookback, and a normalisation of alerts."""
        if self.order is not None and self.order > window.lookback_steps:
            return "order", f"is {self.order}, longer than window.lookback_steps {window.lookback_steps}"
        if window.alert and self.normalise != "none":
            return "normalise", "is for values: with window.alert leave it out"
        return None


class Family:
    """Direct multi-horizon ridge regression on the flattened lookback."""

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Make weights of 0."""
        self.options, self.spec = options, spec
        self.order = options.order or spec.lookback_steps
        ahead = spec.horizon_steps * (len(calendar_columns(spec.calendar)) + 2 * len(spec.known))
        inputs, outputs = self.order * len(spec.features) + ahead, spec.target_steps * len(spec.targets)
        self.weights, self.bias = np.zeros((inputs, outputs), np.float32), np.zeros(outputs, np.float32)

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Solve the normal equations of the windows whose targets are all observed.

        Raises:
            DataError: there is no such window.
        """
        panel, train = training.panel, training.train
        inputs, outputs = self.weights.shape
        gram, cross = np.zeros((inputs, inputs)), np.zeros((inputs, outputs))
        sum_x, sum_y, count = np.zeros(inputs), np.zeros(outputs), 0
        for first in range(0, len(train), CHUNK):
            chunk = train[first : first + CHUNK]
            future, observed = panel.future(chunk)
            complete = observed.all(axis=(1, 2))
            x, level = self._read(panel, chunk[complete])
            y = (future[complete] - level).reshape(len(x), outputs)
            # The products of a chunk are in float32, which is twice as fast; their sums are in float64.
            gram += x.T @ x
            cross += x.T @ y
            sum_x += x.sum(axis=0, dtype=np.float64)
            sum_y += y.sum(axis=0, dtype=np.float64)
            count += len(x)
            progress(first + len(chunk), len(train), "windows")
        if not count:
            raise DataError(
                f"No training window has all {self.spec.horizon_steps} target steps observed: shorten the horizon."
            )
        mean_x, mean_y = sum_x / count, sum_y / count
        covariance = gram / count - np.outer(mean_x, mean_x) + self.options.ridge * np.eye(inputs)
        weights = np.linalg.solve(covariance, cross / count - np.outer(mean_x, mean_y))
        self.weights, self.bias = weights.astype(np.float32), (mean_y - mean_x @ weights).astype(np.float32)
        return []

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window: (windows, horizon, targets)."""
        shape = (self.spec.target_steps, len(self.spec.targets))
        forecasts = np.empty((len(starts), *shape), np.float32)
        for first in range(0, len(starts), CHUNK):
            x, level = self._read(panel, starts[first : first + CHUNK])
            forecasts[first : first + CHUNK] = (x @ self.weights + self.bias).reshape(len(x), *shape) + level
        return Forecasts(np.clip(forecasts, MIN_PROBABILITY, 1 - MIN_PROBABILITY) if self.spec.alert else forecasts)

    def save(self, folder: Path) -> None:
        """Write the weights; NumPy writes no date into the file, so its bytes depend on the weights alone."""
        np.savez(folder / "weights.npz", weights=self.weights, bias=self.bias)

    def restore(self, folder: Path) -> None:
        """Read the weights."""
        with np.load(folder / "weights.npz", allow_pickle=False) as stored:
            self.weights, self.bias = stored["weights"], stored["bias"]

    def _read(self, panel: Panel, starts: Starts) -> tuple[Floats, Floats]:
        """Read the regressors (windows, inputs), and the level subtracted from each target (windows, 1, targets)."""
        values, observed = panel.past(starts)
        targets = len(self.spec.targets)
        level = np.zeros_like(values[:, :1, :targets])
        if self.options.normalise == "last":
            level = np.take_along_axis(values[..., :targets], newest_step(observed[..., :targets]), 1)
            values[..., :targets] = np.where(observed[..., :targets], values[..., :targets] - level, 0)
        blocks = [values[:, -self.order :], panel.known_ahead(starts)]
        flat = [block.reshape(len(block), block.shape[1] * block.shape[2]) for block in blocks]
        return np.concatenate(flat, axis=1), level
