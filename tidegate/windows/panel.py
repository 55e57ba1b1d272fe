"""The panel: the measurements of all stations on one regular time axis, and the windows in it.

A window is two integers: the station, and the first step of its lookback. Its values are read from the panel only when
they are needed, so windows that overlap take no extra memory.
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
    """Choose `windows` windows that are evenly spread, or all if there are fewer."""
    return starts[np.linspace(0, len(starts) - 1, min(windows, len(starts))).astype(int)]


def newest_step(observed: Flags) -> npt.NDArray[np.intp]:
    """Find the newest observed step in flags (windows, steps, channels): (windows, 1, channels)."""
    return observed.shape[1] - 1 - observed[:, ::-1].argmax(axis=1)[:, None]


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of windows: `point` (windows, horizon, targets), and `quantiles` (…, levels) if the model gives any."""

    point: npt.NDArray[Any]
    quantiles: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class Panel:
    """Scaled measurements: `values` and `observed` (rows, steps, features), targets first, as they are read.

    `truth` (rows, steps, targets) is what is to be forecast, scaled too, NaN where the data gate has not passed it;
    None where it is what is read.

    A missing value is False in `observed` and 0, the training mean, in `values`. Each row is a station; `station` gives
    its index in the spec. `calendar` (steps, columns) is the same for all rows. If the spec has an alert, `events`
    (rows, steps) is 1 where the horizon that begins at that step has an alert, 0 where it has none, NaN if unknown.
    """

    values: Floats
    observed: Flags
    spec: WindowSpec
    calendar: Floats
    station: Starts  # (rows,)
    events: Floats | None = None
    truth: Floats | None = None

    @classmethod
    def create(
        cls,
        values: Floats,
        observed: Flags,
        spec: WindowSpec,
        calendar: Floats | None = None,
        station: Starts | None = None,
        events: Floats | None = None,
        truth: Floats | None = None,
    ) -> "Panel":
        """Create a panel; by default its rows are the stations of the spec, and there is no calendar."""
        if calendar is None:
            calendar = np.zeros((values.shape[1], 0), np.float32)
        if station is None:
            station = np.arange(len(values), dtype=np.int32)
        return cls(values, observed, spec, calendar, station, events, truth)

    def past(self, starts: Starts) -> tuple[Floats, Flags]:
        """Read the lookback of each window: values and observed (windows, lookback, features)."""
        length = self.spec.lookback_steps
        return _windows(self.values, starts, 0, length), _windows(self.observed, starts, 0, length)

    def future(self, starts: Starts) -> tuple[Floats, Flags]:
        """Read the targets after each lookback: values and observed (windows, horizon, targets).

        With an alert they are the events: (windows, 1, 1).
        """
        offset, length = self.spec.lookback_steps, self.spec.target_steps
        known = self.truth if self.events is None else self.events[..., None]
        if known is not None:
            return _flagged(_windows(known, starts, offset, length))
        values, observed = self.measured_targets()  # views: nothing of the whole panel is computed for some windows
        return _windows(values, starts, offset, length), _windows(observed, starts, offset, length)

    def target_values(self) -> tuple[Floats, Flags]:
        """Give what is to be forecast: values and observed (rows, steps, targets).

        With an alert they are the events of the horizons that begin at each step: (rows, steps, 1).
        """
        if self.events is None:
            return self.measured_targets()
        return _flagged(self.events[..., None])

    def measured_targets(self) -> tuple[Floats, Flags]:
        """Give the targets as the data gate has passed them: values and observed (rows, steps, targets)."""
        if self.truth is None:
            targets = len(self.spec.targets)
            return self.values[..., :targets], self.observed[..., :targets]
        return _flagged(self.truth)

    def known_ahead(self, starts: Starts) -> Floats:
        """Read what is known about the horizon: calendar, known covariates, their flags (windows, horizon, columns)."""
        first = len(self.spec.features) - len(self.spec.known)
        offset, length = self.spec.lookback_steps, self.spec.horizon_steps
        calendar = self._calendar(starts, offset, length)
        values, observed = (
            _windows(cells[..., first:], starts, offset, length) for cells in (self.values, self.observed)
        )
        return np.concatenate([calendar, values, observed.astype(np.float32)], axis=-1)

    def past_calendar(self, starts: Starts) -> Floats:
        """Read the calendar of each window's lookback: (windows, lookback, columns)."""
        return self._calendar(starts, 0, self.spec.lookback_steps)

    def _calendar(self, starts: Starts, offset: int, length: int) -> Floats:
        of_all_rows = starts * np.array([0, 1], np.int32)
        return _windows(self.calendar[None], of_all_rows, offset, length)


def _flagged(cells: Floats) -> tuple[Floats, Flags]:
    """Make missing cells 0, and say which are not."""
    observed: Flags = np.isfinite(cells)
    return np.where(observed, cells, np.float32(0)), observed


def _windows(cells: npt.NDArray[Any], starts: Starts, offset: int, length: int) -> npt.NDArray[Any]:
    """Read `length` steps of each window, from `offset` steps after its start: (windows, length, columns).

    As a view in which each window is one piece of memory: several times as fast as the index of every step.
    """
    windows = np.lib.stride_tricks.sliding_window_view(cells, length, axis=1).swapaxes(2, 3)
    return np.ascontiguousarray(windows[starts[:, 0], starts[:, 1] + offset])
