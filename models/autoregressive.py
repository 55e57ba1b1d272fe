"""Linear autoregression: every step of the horizon as a weighted sum of all that the lookback holds.

    ŷ(t + h) = b_h + Σ_l Σ_f W_h[l, f] · x_f(t − l) + V_h · a(t),   h = 0 … horizon − 1

x_f are the targets and covariates of the lookback, a what is known ahead: the calendar and known covariates. One direct
regression a step, all stations pooled, fitted in closed form with a ridge penalty λ on the weights:

    W = (XᵀX / n + λI)⁻¹ XᵀY / n      with X and Y centred

With `normalise: last` the newest value of each target is taken off before and added after, and `order` shortens the
lookback that is read. Of an alert it gives the probability, as a linear probability model held within 0 and 1.

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
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Real, Steps, Window

SPACE = {"ridge": (1e-6, 1.0), "normalise": ["none", "last"]}  # what tuning searches, unless told otherwise
CHUNK = 8192  # windows read from the panel at a time
SURE = 1e-3  # a probability is held this far from 0 and 1


class Options(ModelOptions):
    """The section of a linear autoregression."""

    ridge: Annotated[Real, Field(gt=0)] = 1e-3
    order: Steps | None = None  # steps of the lookback that are read; all of them by default
    normalise: Literal["none", "last"] = "none"

    def refusal(self, window: Window) -> tuple[str, str] | None:
        """The order lies within the lookback."""
        if self.order is not None and self.order > window.lookback_steps:
            return "order", f"is {self.order}, longer than window.lookback_steps {window.lookback_steps}"
        if window.alert and self.normalise != "none":
            return "normalise", "is for values: with window.alert leave it out"
        return None


class Family:
    """Direct multi-horizon ridge regression on the flattened lookback."""

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Start with no weights."""
        self.options, self.spec = options, spec
        self.order = options.order or spec.lookback
        ahead = spec.horizon * (len(calendar_columns(spec.calendar)) + 2 * len(spec.known))
        inputs, outputs = self.order * len(spec.features) + ahead, spec.outcomes * len(spec.targets)
        self.weights, self.bias = np.zeros((inputs, outputs), np.float32), np.zeros(outputs, np.float32)

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Solve the normal equations, from windows whose targets are all observed.

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
            whole = observed.all(axis=(1, 2))
            x, level = self._read(panel, chunk[whole])
            y = (future[whole] - level).reshape(len(x), outputs)
            # A chunk is multiplied in float32, which is twice as fast; the sums are kept in float64.
            gram += x.T @ x
            cross += x.T @ y
            sum_x += x.sum(axis=0, dtype=np.float64)
            sum_y += y.sum(axis=0, dtype=np.float64)
            count += len(x)
            progress(first + len(chunk), len(train), "windows")
        if not count:
            raise DataError(
                f"No training window has all {self.spec.horizon} target steps observed: shorten the horizon."
            )
        mean_x, mean_y = sum_x / count, sum_y / count
        covariance = gram / count - np.outer(mean_x, mean_x) + self.options.ridge * np.eye(inputs)
        weights = np.linalg.solve(covariance, cross / count - np.outer(mean_x, mean_y))
        self.weights, self.bias = weights.astype(np.float32), (mean_y - mean_x @ weights).astype(np.float32)
        return []

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window: (windows, horizon, targets)."""
        shape = (self.spec.outcomes, len(self.spec.targets))
        said = np.empty((len(starts), *shape), np.float32)
        for first in range(0, len(starts), CHUNK):
            x, level = self._read(panel, starts[first : first + CHUNK])
            said[first : first + CHUNK] = (x @ self.weights + self.bias).reshape(len(x), *shape) + level
        return Forecasts(np.clip(said, SURE, 1 - SURE) if self.spec.alert else said)

    def save(self, folder: Path) -> None:
        """Write the weights; numpy stamps no date on them."""
        np.savez(folder / "weights.npz", weights=self.weights, bias=self.bias)

    def restore(self, folder: Path) -> None:
        """Read the weights."""
        with np.load(folder / "weights.npz", allow_pickle=False) as stored:
            self.weights, self.bias = stored["weights"], stored["bias"]

    def _read(self, panel: Panel, starts: Starts) -> tuple[Floats, Floats]:
        """Read the regressors (windows, inputs), and the level taken off each target (windows, 1, targets)."""
        values, observed = panel.past(starts)
        targets = len(self.spec.targets)
        level = np.zeros_like(values[:, :1, :targets])
        if self.options.normalise == "last":
            level = np.take_along_axis(values[..., :targets], newest_step(observed[..., :targets]), 1)
            values[..., :targets] = np.where(observed[..., :targets], values[..., :targets] - level, 0)
        parts = [values[:, -self.order :], panel.ahead(starts)]
        return np.concatenate([part.reshape(len(part), part.shape[1] * part.shape[2]) for part in parts], axis=1), level
