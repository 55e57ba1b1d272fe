"""The baseline that forecasts where the model should not, with intervals of its own; and what training was like.

A value is forecast by seasonal naive: the newest one of a whole number of seasons before; if there is none, the newest
of all; without any, the mean. How far that is wrong depends on how old the value is, and is measured on the training
and validation windows when a model is registered, in training deviations:

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

Steps = npt.NDArray[np.int64]


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
    """Seasonal naive with intervals; `errors` (ages, targets, levels) and `usual` are None of older versions."""

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
        truth = _measured(panel, row, step)
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
        point, age = self._newest_values(panel, starts)
        if self.errors is None:
            return Forecasts(point, np.full((*point.shape, len(self.spec.quantiles)), np.nan, np.float32))
        return Forecasts(point, point[..., None] + self.errors[age, np.arange(point.shape[-1])])

    def _newest_values(self, panel: Panel, starts: Starts) -> tuple[Floats, Steps]:
        """Find for each step of the horizon the value to repeat, and its age: (windows, horizon, targets)."""
        spec, row = self.spec, starts[:, :1]
        origin = starts[:, 1:] + spec.lookback_steps - 1
        step = origin + 1 + np.arange(spec.horizon_steps)
        oldest = origin - 2 * spec.lookback_steps + 1
        point = np.full((*step.shape, len(spec.targets)), np.nan, np.float32)
        ages = np.zeros(point.shape, np.int64)
        newest = np.arange(2 * spec.lookback_steps)
        sources = [
            np.broadcast_to(age, step.shape) for age in range(spec.season_steps, self.ages + 1, spec.season_steps)
        ]
        for age in sources:
            source = step - age
            values = _measured(panel, row, np.where((source <= origin) & (source >= oldest), source, -1))
            take = np.isnan(point) & np.isfinite(values)
            point, ages = np.where(take, values, point), np.where(take, age[..., None], ages)
        back = _measured(panel, row, origin - newest)  # newest first
        first = np.isfinite(back).argmax(axis=1)  # (windows, targets)
        last = np.take_along_axis(back, first[:, None], axis=1)
        take = np.isnan(point) & np.isfinite(last)
        ages = np.where(take, first[:, None] + 1 + np.arange(spec.horizon_steps)[:, None], ages)
        point = np.where(take, last, point)
        return np.nan_to_num(point, nan=0.0).astype(np.float32), ages


def _measured(panel: Panel, row: npt.NDArray[np.int32], step: npt.NDArray[np.integer]) -> Doubles:
    """Read the targets at rows and steps, NaN where nothing was measured or the panel does not reach: (…, targets)."""
    targets = len(panel.spec.targets)
    inside = (step >= 0) & (step < panel.values.shape[1])
    at = np.where(inside, step, 0)
    known = panel.observed[row, at][..., :targets] & inside[..., None]
    return np.where(known, panel.values[row, at][..., :targets], np.nan)
