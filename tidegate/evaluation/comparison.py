"""Forecasts beside what was measured: what every metric is computed from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
SURE = 1e-7  # log loss takes no probability to be nearer to 0 or 1


@dataclass(frozen=True)
class Comparison:
    """Forecasts beside what was measured, in units: (windows, horizon, targets), quantiles (…, levels).

    `measured` is NaN where nothing was; `scale` (windows, 1, targets) is `seasonal_scale` of each window's station.
    """

    point: npt.NDArray[Any]
    measured: Array
    scale: Array
    quantiles: npt.NDArray[Any] | None = None
    levels: tuple[float, ...] = ()

    def windows(self, chosen: Any) -> "Comparison":
        """Take some windows."""
        quantiles = None if self.quantiles is None else self.quantiles[chosen]
        return Comparison(self.point[chosen], self.measured[chosen], self.scale[chosen], quantiles, self.levels)

    @property
    def errors(self) -> Array:
        """Forecast less measurement."""
        return np.asarray(self.point - self.measured, np.float64)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Say where something was measured."""
        return np.isfinite(self.measured)


@dataclass(frozen=True)
class Classes:
    """Probabilities (rows, classes) of classes 0, 1, … beside the true class of each row, `truth` (rows,)."""

    truth: npt.NDArray[np.int64]
    probabilities: Array
    predicted: npt.NDArray[np.int64]  # (rows,)
    averaged: npt.NDArray[np.int64]  # the classes whose F1 is averaged
    ranked: npt.NDArray[np.int64]  # the classes whose ranking is judged, each against the rest

    @classmethod
    def of_alerts(cls, compared: Comparison) -> "Classes":
        """Take an alert as the second of two classes, predicted at a probability of one half or more."""
        chance = np.asarray(compared.point[compared.known], np.float64)
        both = np.stack([1 - chance, chance], axis=1)
        predicted = (chance >= 0.5).astype(np.int64)
        return cls(compared.measured[compared.known].astype(np.int64), both, predicted, np.arange(2), np.array([1]))

    @classmethod
    def of_sequences(cls, truth: npt.NDArray[np.int64], probabilities: npt.NDArray[Any]) -> "Classes":
        """Judge each sequence by its likeliest class; classes that do not occur are left out of averages."""
        held = np.clip(probabilities.astype(np.float64), SURE, None)
        present = np.unique(truth)
        likeliest = probabilities.argmax(axis=1)
        return cls(truth, held / held.sum(axis=1, keepdims=True), likeliest, present, present)
