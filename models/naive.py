"""Naive forecasts: a model must beat them to be worth its cost.

    seasonal      ŷ(t + h) = y(t + h − m·k),  m the season, k the smallest whole number with h ≤ m·k
    last          ŷ(t + h) = y(t): the seasonal forecast with a season of one step
    drift         ŷ(t + h) = y(t) + h · (y(t) − y(s)) / (t − s),  s the first and t the newest observed step

With an alert the forecast is its probability instead:

    prior         the frequency of alerts in the training windows
    persistence   the same, counted separately for windows whose previous horizon had an alert or had none

Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 5.2.
"""

from pathlib import Path
from typing import Literal

import numpy as np

from models.interface import History, ModelOptions, Training
from tidegate.windows.panel import Flags, Floats, Forecasts, Panel, Starts, newest_step
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.paths import read_json, write_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Window

ALERT_METHODS = ("prior", "persistence")
STATE = "frequencies.json"


class Options(ModelOptions):
    """The section of a naive candidate; the season is set by dataset.season_steps."""

    # of values the first three, of alerts the others
    method: Literal["seasonal", "last", "drift", "prior", "persistence"]

    def refusal(self, window: Window) -> tuple[str, str] | None:
        """Refuse methods for values with an alert, methods for alerts without one, and a lookback that is too short."""
        if (self.method in ALERT_METHODS) != (window.alert is not None):
            return "method", f"is {self.method}, which is for {'alerts' if self.method in ALERT_METHODS else 'values'}"
        if self.method == "persistence" and window.lookback_steps < window.horizon_steps:
            return "method", "is persistence, which looks back a whole horizon: lengthen window.lookback_steps"
        return None


class Family:
    """Forecasts that repeat or extrapolate the past."""

    learns = False  # so its errors on the training windows are as good a witness as those on the validation windows

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Set the season; params.yaml ensures that it is not longer than the lookback."""
        self.method, self.spec = options.method, spec
        self.season_steps = spec.season_steps if options.method == "seasonal" else 1
        self.frequencies = [0.5, 0.5]  # of alerts, after a horizon without and with an alert

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Count the alerts; methods for values learn nothing."""
        if self.method in ALERT_METHODS:
            self.count_alerts(training.panel, training.train)
        return []

    def count_alerts(self, panel: Panel, train: Starts) -> None:
        """Compute the frequency of alerts after a horizon without, and after one with an alert."""
        (alerts, observed), previous = panel.future(train), self._previous_alerts(panel, train)
        known = observed[:, 0, 0]
        alerts, previous = alerts[known, 0, 0], previous[known]
        # One alert and one window without are added, so no frequency is 0 or 1 (Laplace's rule of succession).
        self.frequencies = [float((alerts[group].sum() + 1) / (group.sum() + 2)) for group in (~previous, previous)]

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window: (windows, horizon, targets)."""
        if self.method in ALERT_METHODS:
            probability = np.where(self._previous_alerts(panel, starts), self.frequencies[1], self.frequencies[0])
            return Forecasts(probability.astype(np.float32)[:, None, None])
        values, observed = panel.past(starts)
        targets = len(self.spec.targets)
        values, flags = values[..., :targets], observed[..., :targets]
        if self.method == "drift":
            return Forecasts(_drift(values, flags, self.spec.horizon_steps))
        season = _last_season(values, flags, self.season_steps)
        return Forecasts(season[:, np.arange(self.spec.horizon_steps) % self.season_steps])

    def save(self, folder: Path) -> None:
        """Write the frequencies of alerts."""
        write_json(folder / STATE, self.frequencies)

    def restore(self, folder: Path) -> None:
        """Read the frequencies of alerts."""
        self.frequencies = read_json(folder / STATE)

    def _previous_alerts(self, panel: Panel, starts: Starts) -> Flags:
        """Flag the windows whose previous horizon had an alert: (windows,); none for the method prior."""
        if self.method == "prior" or panel.events is None:
            return np.zeros(len(starts), bool)
        previous = panel.events[starts[:, 0], starts[:, 1] + self.spec.lookback_steps - self.spec.horizon_steps]
        return previous == 1


def _last_season(values: Floats, observed: Flags, season_steps: int) -> Floats:
    """Find the newest observed value at each position in the season: (windows, season, targets).

    A position that was never observed takes the value of the position before it, or else the mean, which is 0.
    """
    filled = np.zeros_like(values[:, :season_steps])
    known = np.zeros_like(observed[:, :season_steps])
    for end in range(values.shape[1], season_steps - 1, -season_steps):
        season = slice(end - season_steps, end)
        filled = np.where(known, filled, np.where(observed[:, season], values[:, season], 0))
        known |= observed[:, season]
    for position in range(1, season_steps):
        take_previous = ~known[:, position] & known[:, position - 1]
        filled[:, position] = np.where(take_previous, filled[:, position - 1], filled[:, position])
        known[:, position] |= take_previous
    return filled


def _drift(values: Floats, observed: Flags, horizon_steps: int) -> Floats:
    """Extend the line through the first and the newest observed value: (windows, horizon, targets)."""
    steps = values.shape[1]
    first = observed.argmax(axis=1)[:, None]
    newest = newest_step(observed)
    start, end = np.take_along_axis(values, first, 1), np.take_along_axis(values, newest, 1)
    slope = (end - start) / np.maximum(newest - first, 1)
    ahead = steps - newest + np.arange(horizon_steps)[None, :, None]
    return (end + slope * ahead).astype(np.float32)
