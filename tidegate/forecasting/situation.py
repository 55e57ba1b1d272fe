"""How each station is forecast: by the model, or by the baseline with a reason.

One function decides for everything that forecasts, from the version's own spec. The model reads up to the station's own
newest measurement, however late that is: its forecast k steps ahead of a measurement that is m steps old is one for
k - m steps ahead of the network's origin. What lies beyond its horizon then is the baseline's.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.windows.panel import Flags, Panel, Starts
from tidegate.windows.spec import WindowSpec

FULL_SHARE = 0.9  # of the lookback: with a hole of a sixth, the 90 % interval of the default's champion held 82 %


@dataclass(frozen=True)
class Situation:
    """What the decision is, for each window (windows,)."""

    late: npt.NDArray[np.int64]  # steps from the newest measured target to the origin
    starts: Starts  # of the lookbacks that end at the newest measured target
    silent: Flags  # no target was measured in the lookback
    reason: npt.NDArray[Any]  # why the model does not forecast; empty where it does


def situation_of(panel: Panel, starts: Starts) -> Situation:
    """Decide for windows whose lookback ends at the network's origin; the panel reaches one lookback further back."""
    spec, targets = panel.spec, len(panel.spec.targets)
    observed = panel.past(starts)[1][..., :targets]
    silent: Flags = np.asarray(~observed.any(axis=(1, 2)))
    late = np.where(silent, 0, observed[:, ::-1].argmax(axis=1).max(axis=1))
    moved = starts.copy()
    moved[:, 1] -= late.astype(np.int32)
    reason = np.full(len(starts), "", dtype=object)
    for cause in (_not_given, _old_for_alert, _sparse):  # the last one that applies is given
        for row, text in cause(panel, moved, late).items():
            reason[row] = text
    for row in map(int, np.flatnonzero(silent)):
        reason[row] = f"no {spec.targets[0]} in the last {spec.lookback_steps} steps"
    return Situation(late, moved, silent, reason)


def _sparse(panel: Panel, starts: Starts, late: npt.NDArray[np.int64]) -> dict[int, str]:
    spec = panel.spec
    count = panel.past(starts)[1][..., : len(spec.targets)].sum(axis=1).min(axis=-1)
    least = max(spec.min_observed_share, FULL_SHARE) * spec.lookback_steps
    return {
        int(row): f"{count[row]} of {spec.lookback_steps} steps measured, {least:g} are needed"
        for row in np.flatnonzero(count < least)
    }


def _not_given(panel: Panel, starts: Starts, late: npt.NDArray[np.int64]) -> dict[int, str]:
    spec = panel.spec
    if not spec.known:
        return {}
    ahead = starts[:, 1:] + spec.lookback_steps + np.arange(spec.horizon_steps)
    given = panel.observed[starts[:, :1], ahead][..., -len(spec.known) :]  # (windows, horizon, known)
    reasons = {}
    for row in np.flatnonzero(~given.all(axis=(1, 2))):
        lacking = (~given[row]).sum(axis=0)
        worst = int(lacking.argmax())
        reasons[int(row)] = f"{spec.known[worst]} is not given for {lacking[worst]} of {spec.horizon_steps} steps ahead"
    return reasons


def _old_for_alert(panel: Panel, starts: Starts, late: npt.NDArray[np.int64]) -> dict[int, str]:
    spec = panel.spec
    if not spec.alert:
        return {}
    return {int(row): f"the newest {spec.targets[0]} is {late[row]} steps old" for row in np.flatnonzero(late > 0)}


def beyond_horizon(spec: WindowSpec, late: int) -> str:
    """Say why the last steps of a late station are the baseline's."""
    return f"the newest {spec.targets[0]} is {late} steps old: beyond the model's horizon"
