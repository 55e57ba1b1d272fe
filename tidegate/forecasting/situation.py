"""How each station is forecast: by the model, or by the baseline with a reason.

One function decides for everything that forecasts, from what was stored with the version. The model reads up to the
newest step that a station has measured, however late that is: its forecast k steps ahead of a measurement that is m
steps old is one for k - m steps ahead of the network's origin. What lies beyond its horizon then is the baseline's.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.forecasting.fallback import Usual
from tidegate.windows.panel import Flags, Panel, Starts
from tidegate.windows.spec import WindowSpec

FULL_SHARE = 0.9  # of the lookback: with a hole of a sixth, the 90 % interval of the default's champion held 82 %
WILD = 20.0  # deviations from the mean, and half as much again as anything in training

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Situation:
    """What the decision is, for each window (windows,)."""

    late: Integers  # steps from the newest measurement to the origin, of the feature that is the latest
    latest: Integers  # that feature
    starts: Starts  # of the lookbacks that end there
    silent: Flags  # no target was measured in the lookback
    absent: Flags  # something that is needed was not
    reason: npt.NDArray[Any]  # why the model does not forecast; empty where it does

    def beyond_horizon(self, spec: WindowSpec, window: int) -> str:
        """Say why the last steps of a late station are the baseline's."""
        return f"{_old(spec, self, window)}: beyond the model's horizon"


def situation_of(panel: Panel, starts: Starts, usual: Usual | None = None) -> Situation:
    """Decide for windows whose lookback ends at the network's origin; the panel reaches one lookback further back."""
    spec = panel.spec
    values, observed = panel.past(starts)
    needed = _needed(spec, panel.station[starts[:, 0]], usual)
    absent = needed & ~observed.any(axis=1)  # (windows, features)
    steps = np.where(needed & ~absent, observed[:, ::-1].argmax(axis=1), 0)
    moved = starts.copy()
    moved[:, 1] -= steps.max(axis=1).astype(np.int32)
    silent: Flags = np.asarray(absent[:, : len(spec.targets)].all(axis=1))
    reason = np.full(len(starts), "", dtype=object)
    decision = Situation(steps.max(axis=1), steps.argmax(axis=1), moved, silent, np.asarray(absent.any(axis=1)), reason)
    if steps.any():
        values, observed = panel.past(moved)
    causes = (
        _old_for_alert(spec, decision),
        _sparse(spec, observed, needed),
        _not_given(panel, moved),
        _wild(spec, values, usual),
        _never(spec, absent),
    )
    for cause in causes:  # the last one that applies is given
        for row, text in cause.items():
            reason[row] = text
    return decision


def _needed(spec: WindowSpec, station: npt.NDArray[Any], usual: Usual | None) -> Flags:
    """Flag what a station must have measured: the targets, and what it usually measures (windows, features)."""
    feature = np.arange(len(spec.features))
    needed = np.broadcast_to(feature < len(spec.targets), (len(station), len(feature)))
    if usual is None:
        return needed
    measured = feature < len(spec.features) - len(spec.known)
    return needed | (measured & (usual.observed[station] >= FULL_SHARE))


def _old(spec: WindowSpec, decision: Situation, window: int) -> str:
    steps = decision.late[window]
    return f"the newest {spec.features[decision.latest[window]]} is {steps} step{'s' if steps > 1 else ''} old"


def _old_for_alert(spec: WindowSpec, decision: Situation) -> dict[int, str]:
    if not spec.alert:
        return {}
    return {int(row): _old(spec, decision, int(row)) for row in np.flatnonzero(decision.late)}


def _sparse(spec: WindowSpec, observed: Flags, needed: Flags) -> dict[int, str]:
    steps = spec.lookback_steps
    count = np.where(needed, observed.sum(axis=1), steps)
    least, fewest = ceil(max(spec.min_observed_share, FULL_SHARE) * steps), count.argmin(axis=1)
    return {
        int(row): f"{count[row].min()} of {steps} steps of {spec.features[fewest[row]]} measured, {least} are needed"
        for row in np.flatnonzero(count.min(axis=1) < least)
    }


def _not_given(panel: Panel, starts: Starts) -> dict[int, str]:
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


def _wild(spec: WindowSpec, values: npt.NDArray[np.float32], usual: Usual | None) -> dict[int, str]:
    if usual is None:
        return {}
    size = np.abs(values).max(axis=1)  # (windows, features)
    excess = size - np.maximum(WILD, 1.5 * usual.largest)
    worst = excess.argmax(axis=1)
    return {
        int(row): f"{spec.features[worst[row]]} is {size[row, worst[row]]:.3g} deviations from its mean, in training "
        f"at most {usual.largest[worst[row]]:.3g}"
        for row in np.flatnonzero((excess > 0).any(axis=1))
    }


def _never(spec: WindowSpec, absent: Flags) -> dict[int, str]:
    return {
        int(row): f"no {spec.features[absent[row].argmax()]} in the last {spec.lookback_steps} steps"
        for row in np.flatnonzero(absent.any(axis=1))
    }
