"""Naive forecasts: what a model must beat to be worth its cost.

    seasonal   ŷ(t + h) = y(t + h − m·k),  m the season, k the least number of seasons that reaches into the past
    last       ŷ(t + h) = y(t), which is the same with a season of one step

Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 5.2.
"""

from pathlib import Path
from typing import Literal

import numpy as np

from tidegate.panel import Flags, Floats, Panel, Starts, WindowSpec
from tidegate.parsing import Section
from tidegate.report import Report
from tidegate.settings import Train


class Options(Section):
    """The section of a naive candidate; the season is window.season_steps."""

    method: Literal["seasonal", "last"]


class Family:
    """Repeats the last season of the lookback."""

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Remember the season, which params.yaml holds to be no longer than the lookback."""
        self.spec = spec
        self.season = spec.season if options.method == "seasonal" else 1

    def fit(
        self, panel: Panel, train: Starts, validation: Starts, recipe: Train, report: Report
    ) -> list[dict[str, float]]:
        """Learn nothing."""
        return []

    def predict(self, panel: Panel, starts: Starts) -> Floats:
        """Repeat the last season: (windows, horizon, targets)."""
        values, observed = panel.past(starts)
        targets = len(self.spec.targets)
        season = _last_season(values[..., :targets], observed[..., :targets], self.season)
        return season[:, np.arange(self.spec.horizon) % self.season]

    def save(self, folder: Path) -> None:
        """Write nothing: there is nothing learnt."""

    def restore(self, folder: Path) -> None:
        """Read nothing."""


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
