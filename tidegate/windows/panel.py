"""The panel: all stations' measurements on one regular time axis, and windows into it that are never copied.

A window is two integers, the station and the first step of its lookback. What lies in it is read from the
panel at the moment it is needed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.windows.spec import WindowSpec

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

Flags = npt.NDArray[np.bool_]

Starts = npt.NDArray[np.int32]


def evenly_spaced(starts: Starts, windows: int) -> Starts:
    """Take so many windows, or all if there are fewer, evenly spread."""
    return starts[np.linspace(0, len(starts) - 1, min(windows, len(starts))).astype(int)]


def newest_step(observed: Flags) -> npt.NDArray[np.intp]:
    """Find the newest observed step of each window's channels (windows, steps, channels): (windows, 1, channels)."""
    return observed.shape[1] - 1 - observed[:, ::-1].argmax(axis=1)[:, None]


@dataclass(frozen=True)
class Forecasts:
    """What a model says of windows: `point` (windows, horizon, targets), `quantiles` (…, levels) if it has an idea."""

    point: npt.NDArray[Any]
    quantiles: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class Panel:
    """Scaled measurements: `values` and `observed` (rows, steps, features), targets first.

    A missing value is 0 in `values`, the training mean, and False in `observed`. A row is a station: which of the
    spec's, says `station`. `calendar` (steps, columns) is the same for all. `events` (rows, steps), if the spec has an
    alert, is 1 where a horizon that begins at that step holds one, 0 where not, NaN where that is not known.
    """

    values: Floats
    observed: Flags
    spec: WindowSpec
    calendar: Floats
    station: Starts  # (rows,)
    events: Floats | None = None

    @classmethod
    def of(
        cls,
        values: Floats,
        observed: Flags,
        spec: WindowSpec,
        calendar: Floats | None = None,
        station: Starts | None = None,
        events: Floats | None = None,
    ) -> "Panel":
        """Make a panel; without more ado its rows are the spec's stations, and there is no calendar."""
        if calendar is None:
            calendar = np.zeros((values.shape[1], 0), np.float32)
        if station is None:
            station = np.arange(len(values), dtype=np.int32)
        return cls(values, observed, spec, calendar, station, events)

    def past(self, starts: Starts) -> tuple[Floats, Flags]:
        """Read the lookback of each window: values and observed (windows, lookback, features)."""
        cells = self._cells(starts, 0, self.spec.lookback)
        return self.values[cells], self.observed[cells]

    def future(self, starts: Starts) -> tuple[Floats, Flags]:
        """Read what follows each lookback: values and observed (windows, horizon, targets); of alerts, one."""
        cells = self._cells(starts, self.spec.lookback, self.spec.outcomes)
        values, observed = self.outcomes()
        return values[cells], observed[cells]

    def outcomes(self) -> tuple[Floats, Flags]:
        """Give what is forecast: values and observed (rows, steps, targets); of alerts, for what begins there."""
        targets = len(self.spec.targets)
        if self.events is None:
            return self.values[..., :targets], self.observed[..., :targets]
        known = np.isfinite(self.events)[..., None]
        return np.where(known, self.events[..., None], 0).astype(np.float32), known

    def ahead(self, starts: Starts) -> Floats:
        """Read what is known of the horizon: calendar, known covariates, their flags (windows, horizon, columns)."""
        station, steps = self._cells(starts, self.spec.lookback, self.spec.horizon)
        known = len(self.spec.features) - len(self.spec.known)
        values, observed = self.values[station, steps][..., known:], self.observed[station, steps][..., known:]
        return np.concatenate([self.calendar[steps], values, observed.astype(np.float32)], axis=-1)

    @staticmethod
    def _cells(starts: Starts, offset: int, length: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        return starts[:, :1], starts[:, 1:] + np.arange(offset, offset + length)
