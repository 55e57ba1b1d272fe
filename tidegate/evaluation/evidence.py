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
class Duel:
    """A challenger and a champion that have forecast the same windows."""

    metric: str  # that ranks
    challenger: Comparison
    champion: Comparison
    station: npt.NDArray[np.integer]  # of each window, a number into `stations`
    origin: npt.NDArray[np.integer]  # of each window, in steps
    stations: Sequence[str]
    horizon: int  # steps: so many successive origins overlap

    def losses(self) -> tuple[Array, Array]:
        """Give the challenger's and the champion's loss of each window that both were compared in; else NaN."""
        ours, theirs = (window_losses(self.metric, compared) for compared in (self.challenger, self.champion))
        known = np.isfinite(ours) & np.isfinite(theirs)
        return np.where(known, ours, np.nan), np.where(known, theirs, np.nan)

    def by_origin(self, values: Array, windows: npt.NDArray[np.bool_] | None = None) -> Array:
        """Average what is known of windows at each step from the first origin to the last: NaN where nothing is."""
        known = np.isfinite(values) if windows is None else np.isfinite(values) & windows
        step = self.origin - self.origin.min()
        count = np.bincount(step[known], minlength=int(step.max()) + 1)
        total = np.bincount(step[known], values[known], minlength=int(step.max()) + 1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def judge(duel: Duel, rules: Evidence) -> list[Finding]:
    """Apply each rule to a duel."""
    ours, theirs = duel.losses()
    differences = duel.by_origin(ours - theirs)
    return [
        *_significant(duel, differences, rules),
        _no_station_pays(duel, ours, theirs, rules),
        _coverage_holds(duel, rules),
    ]


def _significant(duel: Duel, differences: Array, rules: Evidence) -> list[Finding]:
    tested = diebold_mariano(differences, duel.horizon)
    low, high = block_interval(differences, BLOCKS * duel.horizon, 0.9, SEED)
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


def _no_station_pays(duel: Duel, ours: Array, theirs: Array, rules: Evidence) -> Finding:
    """Test for each station whether its loss has grown by more than is tolerated; Holm-corrected for their number."""
    p_values, worse = [], []
    for number in range(len(duel.stations)):
        at = duel.station == number
        champions = duel.by_origin(theirs, at)
        mean = float(np.nanmean(champions)) if np.isfinite(champions).any() else 0.0
        grown = duel.by_origin(ours - theirs, at)
        p_values.append(diebold_mariano(rules.station_tolerance * mean - grown, duel.horizon).p_value)
        worse.append(float(np.nanmean(grown)) / mean if mean else 0.0)
    refused = np.flatnonzero(holm(p_values) <= rules.p_value)
    names = [f"{duel.stations[row]} ({worse[row]:+.1%})" for row in refused[:SHOWN]]
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
    return Finding("coverage", abs(held - promised) <= rules.coverage, figures)
