"""Linear autoregression: every step of the horizon as a weighted sum of all that the lookback holds.

    ŷ(t + h) = b_h + Σ_l Σ_f W_h[l, f] · x_f(t − l),   h = 0 … horizon − 1

One direct regression a step, all stations pooled, fitted in closed form with a ridge penalty λ on the weights:

    W = (XᵀX / n + λI)⁻¹ XᵀY / n      with X and Y centred

Hoerl and Kennard, Ridge Regression, Technometrics 12 (1970).
"""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from tidegate.errors import DataError
from tidegate.panel import Floats, Panel, Starts, WindowSpec
from tidegate.parsing import Section
from tidegate.report import Report
from tidegate.settings import Train

CHUNK = 8192  # windows read from the panel at a time


class Options(Section):
    """The section of a linear autoregression."""

    ridge: Annotated[float, Field(strict=True, gt=0)] = 1e-3


class Family:
    """Direct multi-horizon ridge regression on the flattened lookback."""

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Start with no weights."""
        self.options, self.spec = options, spec
        self.weights = np.zeros((spec.lookback * len(spec.features), spec.horizon * len(spec.targets)), np.float32)
        self.bias = np.zeros(spec.horizon * len(spec.targets), np.float32)

    def fit(
        self, panel: Panel, train: Starts, validation: Starts, recipe: Train, report: Report
    ) -> list[dict[str, float]]:
        """Solve the normal equations, from windows whose targets are all observed.

        Raises:
            DataError: there is no such window.
        """
        inputs, outputs = self.weights.shape
        gram, cross = np.zeros((inputs, inputs)), np.zeros((inputs, outputs))
        sum_x, sum_y, count = np.zeros(inputs), np.zeros(outputs), 0
        for first in range(0, len(train), CHUNK):
            chunk = train[first : first + CHUNK]
            future, observed = panel.future(chunk)
            whole = observed.all(axis=(1, 2))
            x, y = self._flat(panel, chunk[whole]), future[whole].reshape(int(whole.sum()), outputs)
            # A chunk is multiplied in float32, which is twice as fast; the sums are kept in float64.
            gram += x.T @ x
            cross += x.T @ y
            sum_x += x.sum(axis=0, dtype=np.float64)
            sum_y += y.sum(axis=0, dtype=np.float64)
            count += len(x)
            report(first + len(chunk), len(train), "windows")
        if not count:
            raise DataError(
                f"No training window has all {self.spec.horizon} target steps observed: shorten the horizon."
            )
        mean_x, mean_y = sum_x / count, sum_y / count
        covariance = gram / count - np.outer(mean_x, mean_x) + self.options.ridge * np.eye(inputs)
        weights = np.linalg.solve(covariance, cross / count - np.outer(mean_x, mean_y))
        self.weights, self.bias = weights.astype(np.float32), (mean_y - mean_x @ weights).astype(np.float32)
        return []

    def predict(self, panel: Panel, starts: Starts) -> Floats:
        """Forecast each window: (windows, horizon, targets)."""
        chunks = [starts[first : first + CHUNK] for first in range(0, len(starts), CHUNK)]
        flat = [self._flat(panel, chunk) @ self.weights + self.bias for chunk in chunks]
        shape = (len(starts), self.spec.horizon, len(self.spec.targets))
        return np.concatenate(flat).reshape(shape) if flat else np.empty(shape, np.float32)

    def save(self, folder: Path) -> None:
        """Write the weights; numpy stamps no date on them."""
        np.savez(folder / "weights.npz", weights=self.weights, bias=self.bias)

    def restore(self, folder: Path) -> None:
        """Read the weights."""
        with np.load(folder / "weights.npz", allow_pickle=False) as stored:
            self.weights, self.bias = stored["weights"], stored["bias"]

    def _flat(self, panel: Panel, starts: Starts) -> Floats:
        return panel.past(starts)[0].reshape(len(starts), len(self.weights))
