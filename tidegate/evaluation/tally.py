"""What is kept of a candidate's forecasts: sums of their losses, so that memory does not grow with the origins.

An alert's figures of classes are no means of anything, so of each window its probability and what happened are kept.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.errors import DataError
from tidegate.evaluation import metrics
from tidegate.evaluation.comparison import Array, Comparison
from tidegate.evaluation.losses import mean_of
from tidegate.evaluation.origins import TestOrigins, numbers_by_group, times_of
from tidegate.workspace.progress import Progress

Cells = int | slice
Candidates = Mapping[str, Callable[[TestOrigins], Comparison]]  # what forecasts some of the origins
ALL = slice(None)


class Tally:
    """A candidate's losses on the test origins, summed up as its forecasts are added.

    `count` (stations, horizon, targets) is how many values were compared, and `sums` has of each metric that is a mean
    the sum of its losses, likewise. By time there are sums of the `plain` metric's alone: `by_step_of_time` (steps),
    for the times that were forecast, and `by_day` (stations, days), for the origins' days.
    """

    def __init__(self, test: TestOrigins) -> None:
        """Begin with no forecast."""
        spec = test.panel.spec
        self.metrics, self.alert = test.metrics, spec.alert is not None
        self.losses = {name: metric.loss for name, metric in self.metrics.items() if metric.loss}
        self.plain = "brier" if self.alert else "mae"
        shape = (len(spec.stations), spec.target_steps, 1 if self.alert else len(spec.targets))
        self.count = np.zeros(shape, np.int64)
        self.sums = {name: np.zeros(shape) for name in self.losses}
        self.below = np.zeros(len(spec.quantiles))  # measurements at or below each quantile
        self.first = int(test.starts[:, 1].min())
        self.times = times_of(test, np.arange(self.first, test.starts[:, 1].max() + 1 + spec.target_steps))
        self.by_step_of_time = {name: np.zeros(len(self.times)) for name in ("count", self.plain)}
        self.day, self.days = pd.factorize(self.times.floor("D"))
        by_day = ("count", self.plain, *({"coverage"} & set(self.losses)))
        self.by_day = {name: np.zeros((len(spec.stations), len(self.days))) for name in by_day}
        self._alerts: list[tuple[npt.NDArray[Any], ...]] = []  # probability, what happened, station

    def add(self, part: TestOrigins, compared: Comparison) -> None:
        """Add the forecasts of some windows."""
        known = compared.known
        losses = {name: np.where(known, loss(compared), 0.0) for name, loss in self.losses.items()}
        station, step = part.starts[:, 0], part.starts[:, 1] - self.first
        firsts = np.flatnonzero(np.diff(station, prepend=-1))  # of the windows of each station
        np.add.at(self.count, station[firsts], np.add.reduceat(known, firsts, dtype=np.int64))
        for name, values in losses.items():
            np.add.at(self.sums[name], station[firsts], np.add.reduceat(values, firsts))
        cells = {"count": known, **losses}
        target_step = step[:, None] + np.arange(1, known.shape[1] + 1)
        for name, sums in self.by_step_of_time.items():
            sums += np.bincount(target_step.ravel(), cells[name].sum(axis=2).ravel(), minlength=len(sums))
        for name, of_days in self.by_day.items():
            np.add.at(of_days, (station, self.day[step]), cells[name].sum(axis=(1, 2)))
        if self.alert:
            self._alerts.append((compared.point, compared.measured.astype(np.float32), station))
        elif compared.quantiles is not None:
            self.below += [
                (compared.measured <= level)[known].sum() for level in np.moveaxis(compared.quantiles, -1, 0)
            ]

    def scores(self, station: Cells = ALL, ahead: Cells = ALL, target: Cells = ALL) -> dict[str, float]:
        """Score the forecasts by each metric: all, or those of a station, a step ahead or a target."""
        count = self.count[station, ahead, target].sum()
        scores = {}
        for name, metric in self.metrics.items():
            if name in self.sums:
                scores[name] = metric.of_mean(self.sums[name][station, ahead, target].sum() / count)
            else:
                scores[name] = metric(self.alerts(station if isinstance(station, int) else None))
        return scores

    def means(self, axes: tuple[int, ...], target: Cells = ALL) -> Array:
        """Average the plain losses over some of the axes (stations, horizon, targets): NaN where nothing was."""
        sums, counts = self.sums[self.plain][:, :, target], self.count[:, :, target]
        return mean_of(sums.sum(axis=axes), counts.sum(axis=axes))

    def alerts(self, station: int | None = None) -> Comparison:
        """Give the probabilities of alerts beside what happened, once all are added: all, or those of a station."""
        whole, windows = self._alerts_by_station
        return whole if station is None else whole.windows(windows[station])

    @cached_property
    def _alerts_by_station(self) -> tuple[Comparison, list[npt.NDArray[np.intp]]]:
        point, measured, station = (np.concatenate(column) for column in zip(*self._alerts, strict=True))
        self._alerts.clear()
        nothing = np.broadcast_to(1.0, measured.shape)  # an alert has no scale
        return Comparison(point, measured, nothing), numbers_by_group(station, len(self.count))


def tally(candidates: Candidates, test: TestOrigins, progress: Progress) -> dict[str, Tally]:
    """Let all candidates forecast from all origins, some at a time, and sum up their losses."""
    tallies, done = {name: Tally(test) for name in candidates}, 0
    for part in test.parts():
        progress(done, len(test.starts), f"{done:,} of {len(test.starts):,} origins")
        for name, forecast in candidates.items():
            tallies[name].add(part, forecast(part))
        done += len(part.starts)
    return tallies


def score(tallies: Mapping[str, Tally], baseline: str, ranked_by: str) -> dict[str, dict[str, float]]:
    """Score each candidate over all origins, stations and steps; skill is by the metric that ranks.

    A metric that is undefined for these origins (AUROC where all are of one class) is left out.

    Raises:
        DataError: the baseline makes no error.
    """
    scores = {name: of_candidate.scores() for name, of_candidate in tallies.items()}
    reference = scores[baseline][ranked_by]
    if reference == 0:
        raise DataError("The baseline forecasts the test span without any error: there is nothing left to learn.")
    for of_candidate in scores.values():
        of_candidate["skill"] = metrics.skill(of_candidate[ranked_by], reference)
    return {
        name: {key: metrics.rounded(value) for key, value in of_candidate.items() if np.isfinite(value)}
        for name, of_candidate in scores.items()
    }
