"""Naive forecasts: what a model must beat to be worth its cost.

    seasonal      ŷ(t + h) = y(t + h − m·k),  m the season, k the least number of seasons that reaches into the past
    last          ŷ(t + h) = y(t), which is the same with a season of one step
    drift         ŷ(t + h) = y(t) + h · (y(t) − y(s)) / (t − s),  s the first, t the newest step observed

and, where an alert is asked for, its probability:

    prior         how often there was one in training
    persistence   how often there was one in training after a horizon with, or without, one

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

OF_ALERTS = ("prior", "persistence")
STATE = "frequencies.json"


class Options(ModelOptions):
    """The section of a naive candidate; the season is dataset.season_steps."""

    method: Literal["seasonal", "last", "drift", "prior", "persistence"]

    def refusal(self, window: Window) -> tuple[str, str] | None:
        """Methods are either of values or of alerts."""
        if (self.method in OF_ALERTS) != (window.alert is not None):
            return "method", f"is {self.method}, which is for {'alerts' if self.method in OF_ALERTS else 'values'}"
        if self.method == "persistence" and window.lookback_steps < window.horizon_steps:
            return "method", "is persistence, which looks back a whole horizon: lengthen window.lookback_steps"
        return None


class Family:
    """Repeats what was."""

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Remember the season, which params.yaml holds to be no longer than the lookback."""
        self.method, self.spec = options.method, spec
        self.season = spec.season if options.method == "seasonal" else 1
        self.frequencies = [0.5, 0.5]  # of alerts: after none, after one

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Count alerts; of values there is nothing to learn."""
        if self.method in OF_ALERTS:
            self.count(training.panel, training.train)
        return []

    def count(self, panel: Panel, train: Starts) -> None:
        """Count how often there was an alert after a horizon with, or without, one."""
        (happened, known), before = panel.future(train), self._before(panel, train)
        told = known[:, 0, 0]
        own, before = happened[told, 0, 0], before[told]
        # One of each is added, so that no frequency is 0 or 1 (Laplace's rule of succession).
        self.frequencies = [float((own[part].sum() + 1) / (part.sum() + 2)) for part in (~before, before)]

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window: (windows, horizon, targets)."""
        if self.method in OF_ALERTS:
            chance = np.where(self._before(panel, starts), self.frequencies[1], self.frequencies[0])
            return Forecasts(chance.astype(np.float32)[:, None, None])
        values, observed = panel.past(starts)
        targets = len(self.spec.targets)
        own, flags = values[..., :targets], observed[..., :targets]
        if self.method == "drift":
            return Forecasts(_drift(own, flags, self.spec.horizon))
        season = _last_season(own, flags, self.season)
        return Forecasts(season[:, np.arange(self.spec.horizon) % self.season])

    def save(self, folder: Path) -> None:
        """Write how frequent alerts were."""
        write_json(folder / STATE, self.frequencies)

    def restore(self, folder: Path) -> None:
        """Read it."""
        self.frequencies = read_json(folder / STATE)

    def _before(self, panel: Panel, starts: Starts) -> Flags:
        """Say whether there was an alert in the horizon that has just passed: (windows,). The prior does not look."""
        if self.method == "prior" or panel.events is None:
            return np.zeros(len(starts), bool)
        passed = panel.events[starts[:, 0], starts[:, 1] + self.spec.lookback - self.spec.horizon]
        return passed == 1


def _last_season(values: Floats, observed: Flags, season: int) -> Floats:
    """Take the newest observed value at each place in the season: (windows, season, targets).

    A place that was never observed takes the newest value observed before it, then the mean, which is 0.
    """
    filled = np.zeros_like(values[:, :season])
    known = np.zeros_like(observed[:, :season])
    for end in range(values.shape[1], season - 1, -season):
        part = slice(end - season, end)
        filled = np.where(known, filled, np.where(observed[:, part], values[:, part], 0))
        known |= observed[:, part]
    for place in range(1, season):
        take = ~known[:, place] & known[:, place - 1]
        filled[:, place] = np.where(take, filled[:, place - 1], filled[:, place])
        known[:, place] |= take
    return filled


def _drift(values: Floats, observed: Flags, horizon: int) -> Floats:
    """Go on along the line from the first to the newest observed value: (windows, horizon, targets)."""
    steps = values.shape[1]
    first = observed.argmax(axis=1)[:, None]
    newest = newest_step(observed)
    start, end = np.take_along_axis(values, first, 1), np.take_along_axis(values, newest, 1)
    slope = (end - start) / np.maximum(newest - first, 1)
    ahead = steps - newest + np.arange(horizon)[None, :, None]
    return (end + slope * ahead).astype(np.float32)
