"""What must be shown for a challenger to replace the champion: rules, each of which alone refuses.

Both have forecast the same windows. Neighbouring origins say nearly the same, and the luckiest of many challengers
looks better than it is; so the difference must be larger than chance explains, no station may pay for it, and the
intervals must hold what they promise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.evaluation.losses import window_losses
from tidegate.evaluation.metrics import Array, Comparison, coverage
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
        first, last = self.origin.min(), self.origin.max()
        values, step = values[windows], self.origin[windows] - first
        known, steps = np.isfinite(values), int(last - first) + 1
        count = np.bincount(step[known], minlength=steps)
        total = np.bincount(step[known], values[known], minlength=steps)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class Duel:
    """A challenger and a champion that have forecast the same windows."""

    metric: str  # that ranks
    challenger: Comparison
    champion: Comparison
    station: npt.NDArray[np.integer]  # as in `Losses`
    origin: npt.NDArray[np.integer]
    stations: Sequence[str]
    horizon: int

    def losses(self) -> Losses:
        """Give the challenger's and the champion's loss of each window that both were compared in."""
        ours, theirs = (window_losses(self.metric, compared) for compared in (self.challenger, self.champion))
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
    if duel.challenger.quantiles is None:
        return Finding("coverage", True, "there are no intervals")
    levels = duel.challenger.levels
    promised, held = levels[-1] - levels[0], coverage(duel.challenger)
    figures = f"its {promised:.0%} intervals held {held:.1%}, {rules.coverage:.0%} beside that is tolerated"
    tolerated = rules.coverage
    if duel.champion.quantiles is not None and duel.champion.levels == levels:
        champions = coverage(duel.champion)
        figures += f"; the champion's held {champions:.1%}"
        tolerated = max(tolerated, abs(champions - promised))  # to keep a champion that is further off helps nobody
    return Finding("coverage", abs(held - promised) <= tolerated, figures)
