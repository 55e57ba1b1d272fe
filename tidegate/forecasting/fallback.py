"""The baseline that forecasts where the model should not, with intervals of its own; and what training was like.

What is forecast is the newest value of a whole number of seasons before (seasonal naive), or the newest of all where
that is known to err less or there is no other; without any, the mean. How far a value is wrong depends on how old it
is, and is measured on the training and validation windows when a model is registered, in training deviations:

    q_τ(t) = y(t − a) + the τ-quantile of y(s) − y(s − a) over s,   a: the age of the value, in steps
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tidegate.windows.panel import Doubles, Floats, Forecasts, Panel, Starts, evenly_spaced
from tidegate.windows.spec import WindowSpec

FILE = "baseline.npz"
WINDOWS = 8192  # at most, on which errors are measured
LEAST = 200  # differences, of which many overlap: from fewer no quantile is measured

Steps = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Usual:
    """What training was like: what a station measures, and how large it gets."""

    observed: Floats  # share of the steps (stations, features)
    largest: Floats  # |value| in deviations (features,)

    @classmethod
    def of(cls, panel: Panel, steps: int) -> "Usual":
        """Read the first `steps` steps of the training panel, a station at a time."""
        observed = [panel.observed[row, :steps].mean(axis=0) for row in range(len(panel.values))]
        largest = [np.abs(panel.values[row, :steps]).max(axis=0) for row in range(len(panel.values))]
        return cls(np.stack(observed).astype(np.float32), np.stack(largest).max(axis=0))


class Fallback:
    """Naive forecasts with intervals; `errors` (ages, targets, levels) and `usual` are None of older versions."""

    def __init__(self, spec: WindowSpec, errors: Floats | None = None, usual: Usual | None = None) -> None:
        """Take what was measured; errors of age 0 are those of the mean."""
        self.spec, self.errors, self.usual = spec, errors, usual
        self.ages = 2 * spec.lookback_steps + spec.horizon_steps  # of the oldest value that can be used

    @classmethod
    def load(cls, spec: WindowSpec, folder: Path) -> "Fallback":
        """Read what stands beside a version's spec, if it has that."""
        path = folder / FILE
        if not path.exists():
            return cls(spec)
        with np.load(path, allow_pickle=False) as file:
            usual = Usual(file["observed"], file["largest"])
            return cls(spec, file.get("errors"), usual)

    @classmethod
    def measured(cls, panel: Panel, starts: Starts) -> "Fallback":
        """Measure on the training panel and some of its windows; alerts have no intervals."""
        spec = panel.spec
        usual = Usual.of(panel, int(starts[:, 1].max()) + spec.lookback_steps)
        made = cls(spec, None, usual)
        if not spec.alert:
            chosen = evenly_spaced(starts, WINDOWS)
            made.errors = made._errors(panel, chosen[:, 0], chosen[:, 1] + spec.lookback_steps)
        return made

    def _errors(self, panel: Panel, row: Starts, step: Starts) -> Floats:
        values, observed = panel.measured_targets()
        truth = np.where(observed[row, step], values[row, step], np.nan)
        errors = np.full((self.ages + 1, truth.shape[-1], len(self.spec.quantiles)), np.nan, np.float32)
        for age in range(self.ages + 1):
            missed = truth - _measured(panel, row, step - age) if age else truth
            for target, column in enumerate(missed.T):
                known = column[np.isfinite(column)]
                if len(known) >= LEAST:
                    errors[age, target] = np.quantile(known, self.spec.quantiles)
        return errors

    def save(self, folder: Path) -> Path:
        """Write what was measured; give the file."""
        usual = self.usual or Usual(np.zeros((0, 0), np.float32), np.zeros(0, np.float32))
        arrays = {"observed": usual.observed, "largest": usual.largest}
        if self.errors is not None:
            arrays["errors"] = self.errors
        np.savez(folder / FILE, allow_pickle=False, **arrays)
        return folder / FILE

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast windows whose lookback ends at the origin, scaled; the panel reaches one lookback further back."""
        origin = starts[:, 1:] + self.spec.lookback_steps - 1
        seasonal, seasonal_age = self._of_seasons_before(panel, starts[:, :1], origin)
        newest, newest_age = self._newest(panel, starts[:, :1], origin)
        take = np.isnan(seasonal)
        if self.errors is not None:
            each = np.arange(len(self.spec.targets))
            width = self.errors[..., -1] - self.errors[..., 0]  # (ages, targets)
            take |= width[newest_age, each] < width[seasonal_age, each]
        take &= np.isfinite(newest)
        age = np.where(take, newest_age, seasonal_age)
        point = np.nan_to_num(np.where(take, newest, seasonal), nan=0.0).astype(np.float32)
        if self.errors is None:
            return Forecasts(point, np.full((*point.shape, len(self.spec.quantiles)), np.nan, np.float32))
        return Forecasts(point, point[..., None] + self.errors[age, each])

    def _of_seasons_before(self, panel: Panel, row: Starts, origin: Steps) -> tuple[Doubles, Steps]:
        """Find the newest value of whole seasons before each step, and its age: (windows, horizon, targets)."""
        step = origin + 1 + np.arange(self.spec.horizon_steps)
        point = np.full((*step.shape, len(self.spec.targets)), np.nan)
        ages = np.zeros(point.shape, np.int64)
        for age in range(self.spec.season_steps, self.ages + 1, self.spec.season_steps):
            within = (step - age <= origin) & (step - age > origin - 2 * self.spec.lookback_steps)
            values = _measured(panel, row, np.where(within, step - age, -1))
            take = np.isnan(point) & np.isfinite(values)
            point, ages = np.where(take, values, point), np.where(take, age, ages)
        return point, ages

    def _newest(self, panel: Panel, row: Starts, origin: Steps) -> tuple[Doubles, Steps]:
        """Find the newest value, and its age at each step: (windows, horizon, targets)."""
        past = _measured(panel, row, origin - np.arange(2 * self.spec.lookback_steps))  # the newest comes first
        back = np.isfinite(past).argmax(axis=1)[:, None]  # (windows, 1, targets)
        ages = back + 1 + np.arange(self.spec.horizon_steps)[:, None]
        return np.broadcast_to(np.take_along_axis(past, back, axis=1), ages.shape), ages


def _measured(panel: Panel, row: npt.NDArray[np.int32], step: npt.NDArray[np.integer]) -> Doubles:
    """Read the targets at rows and steps, NaN where nothing was measured or the panel does not reach: (…, targets)."""
    targets = len(panel.spec.targets)
    inside = (step >= 0) & (step < panel.values.shape[1])
    at = np.where(inside, step, 0)
    known = panel.observed[row, at][..., :targets] & inside[..., None]
    return np.where(known, panel.values[row, at][..., :targets], np.nan)
