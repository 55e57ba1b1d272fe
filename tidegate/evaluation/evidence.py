"""What must be shown for a challenger to replace the champion: rules, each of which alone refuses.

Both have forecast the same windows. Neighbouring origins say nearly the same, and the luckiest of many challengers
looks better than it is; so the difference must be larger than chance explains, no station may pay for it, and the
intervals must hold what they promise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidegate.evaluation.comparison import Array, Comparison
from tidegate.evaluation.losses import inside, mean_of, window_means
from tidegate.evaluation.metrics import Metric
from tidegate.evaluation.origins import numbers_by_group
from tidegate.evaluation.significance import block_interval, diebold_mariano, holm
from tidegate.workspace.settings import Evidence

BLOCKS = 4  # horizons in a block of the bootstrap
SEED = 0  # of the bootstrap
SHOWN = 3  # stations


@dataclass(frozen=True)
class Finding:
    """Whether a rule is met, with its figures."""

    rule: str
    passed: bool
    figures: str


@dataclass(frozen=True)
class Losses:
    """The losses of a challenger and of a champion that have forecast the same windows."""

    challenger: Array  # (windows,); NaN where either was not compared, in both
    champion: Array
    station: npt.NDArray[np.integer]  # of each window, a number into `stations`
    origin: npt.NDArray[np.integer]  # of each window, in steps
    stations: Sequence[str]
    horizon: int  # steps: so many successive origins overlap

    def by_origin(self, values: Array, windows: npt.NDArray[np.intp] | slice = slice(None)) -> Array:
        """Average what is known of windows at each step from the first origin to the last: NaN where nothing is."""
        first, steps = self._span
        values, step = values[windows], self.origin[windows] - first
        known = np.isfinite(values)
        total = np.bincount(step[known], values[known], minlength=steps)
        return mean_of(total, np.bincount(step[known], minlength=steps))

    @cached_property
    def _span(self) -> tuple[int, int]:
        """Give the first origin, and the steps up to the last."""
        return int(self.origin.min()), int(np.ptp(self.origin)) + 1


@dataclass(frozen=True)
class Side:
    """One of two models that have forecast the same windows."""

    losses: Array  # of the windows: (windows,), NaN where nothing was compared
    score: float  # by the metric that ranks
    levels: tuple[float, ...]  # of its quantiles
    coverage: float | None  # share of the measurements within its intervals; None if it has none

    @classmethod
    def of(cls, metric: Metric, parts: Iterable[Comparison]) -> "Side":
        """Sum up forecasts, which come some windows at a time.

        Raises:
            TypeError: the metric is not the mean of a loss, so that nobody is ranked by it.
        """
        if metric.loss is None:
            raise TypeError(f"{metric.label} is not the mean of a loss")
        of_windows, sums, levels = [], np.zeros(4), None
        for compared in parts:
            losses = metric.loss(compared)
            of_windows.append(window_means(losses))
            levels = compared.levels if compared.quantiles is not None else None
            within = inside(compared) if levels else np.full(1, np.nan)
            sums += [np.nansum(losses), np.isfinite(losses).sum(), np.nansum(within), np.isfinite(within).sum()]
        score = metric.of_mean(sums[0] / sums[1]) if sums[1] else float("nan")
        coverage = float(sums[2] / sums[3]) if sums[3] else None
        return cls(np.concatenate(of_windows), score, levels or (), coverage)


@dataclass(frozen=True)
class Duel:
    """A challenger and a champion that have forecast the same windows."""

    metric: str  # that ranks
    challenger: Side
    champion: Side
    station: npt.NDArray[np.integer]  # as in `Losses`
    origin: npt.NDArray[np.integer]
    stations: Sequence[str]
    horizon: int

    def losses(self) -> Losses:
        """Give the challenger's and the champion's loss of each window that both were compared in."""
        ours, theirs = self.challenger.losses, self.champion.losses
        known = np.isfinite(ours) & np.isfinite(theirs)
        ours, theirs = np.where(known, ours, np.nan), np.where(known, theirs, np.nan)
        return Losses(ours, theirs, self.station, self.origin, self.stations, self.horizon)


def judge(duel: Duel, rules: Evidence) -> list[Finding]:
    """Apply each rule to a duel."""
    return [*judge_losses(duel.losses(), rules), _coverage_holds(duel, rules)]


def judge_losses(losses: Losses, rules: Evidence) -> list[Finding]:
    """Apply each rule about losses."""
    return [*_significant(losses, rules), _no_station_pays(losses, rules)]


def _significant(losses: Losses, rules: Evidence) -> list[Finding]:
    differences = losses.by_origin(losses.challenger - losses.champion)
    tested = diebold_mariano(differences, losses.horizon)
    low, high = block_interval(differences, BLOCKS * losses.horizon, 0.9, SEED)
    figures = f"Diebold–Mariano p {tested.p_value:.2g}, at most {rules.p_value:g} is asked for"
    if np.isfinite(low):
        figures += f"; the mean difference is {tested.mean:.3g}, by bootstrap {low:.3g} to {high:.3g}"
    count = f"{tested.effective:.0f} effective origins of {np.isfinite(differences).sum():,}"
    return [
        Finding("significance", tested.p_value <= rules.p_value, figures),
        Finding(
            "origins",
            tested.effective >= rules.effective_origins,
            f"{count}, at least {rules.effective_origins} are asked for",
        ),
    ]


def _no_station_pays(losses: Losses, rules: Evidence) -> Finding:
    """Test for each station whether its loss has grown by more than is tolerated; Holm-corrected for their number."""
    p_values, worse = [], []
    differences = losses.challenger - losses.champion
    for at in numbers_by_group(losses.station, len(losses.stations)):
        champions = losses.by_origin(losses.champion, at)
        mean = float(np.nanmean(champions)) if np.isfinite(champions).any() else 0.0
        grown = losses.by_origin(differences, at)
        p_values.append(diebold_mariano(rules.station_tolerance * mean - grown, losses.horizon).p_value)
        worse.append(float(np.nanmean(grown)) / mean if mean else 0.0)
    refused = np.flatnonzero(holm(p_values) <= rules.p_value)
    names = [f"{losses.stations[row]} ({worse[row]:+.1%})" for row in refused[:SHOWN]]
    more = f" and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
    tolerated = f"more than {rules.station_tolerance:.0%} worse"
    figures = f"{', '.join(names)}{more} {tolerated}" if names else f"no station is {tolerated}"
    return Finding("stations", not names, figures)


def _coverage_holds(duel: Duel, rules: Evidence) -> Finding:
    challenger, champion = duel.challenger, duel.champion
    if challenger.coverage is None:
        return Finding("coverage", True, "there are no intervals")
    promised, held = challenger.levels[-1] - challenger.levels[0], challenger.coverage
    figures = f"its {promised:.0%} intervals held {held:.1%}, {rules.coverage:.0%} beside that is tolerated"
    tolerated = rules.coverage
    if champion.coverage is not None and champion.levels == challenger.levels:
        figures += f"; the champion's held {champion.coverage:.1%}"
        # To keep a champion that is further off helps nobody.
        tolerated = max(tolerated, abs(champion.coverage - promised))
    return Finding("coverage", abs(held - promised) <= tolerated, figures)
