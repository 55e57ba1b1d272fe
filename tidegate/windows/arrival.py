"""What a model reads of measurements: each value is judged as it arrives, by itself and by what came before it.

The data gate judges with hindsight: it sees the values after a spike, and the whole of a stuck run. A forecast cannot
wait for them. So lookbacks, in training, calibration, evaluation and serving alike, hold what these rules let pass of
the measurements as they were given, and only targets are what the whole gate has passed:

    sentinel, range   as the gate
    relation          both cells where it does not hold
    stuck             repeats of a value from the moment it has stayed the same for more than `stuck_steps`
    spike             a value that stands out from both values before it, in the same direction, by more than a limit

The limit of a spike is the larger of z · 1.4826 · the median of |x[t] − (x[t−1] + x[t+1]) / 2|, as at the gate, and 1.5
times what stood out most from both values before it among the training span's clean values: a steep rise that is a
habit is none. A value's verdict depends on the `stuck_steps` + 2 steps before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegate.measurements.plausible import plausible
from tidegate.windows.panel import Doubles, Flags
from tidegate.windows.spec import WindowSpec
from tidegate.windows.window_grid import Grid
from tidegate.workspace.dataset import Dataset

MAD_TO_DEVIATION = 1.4826  # of a normal distribution
BEYOND_USUAL = 1.5


@dataclass(frozen=True)
class ArrivalRules:
    """The rules of a version; by feature, and the limits of spikes by station too."""

    stuck_steps: tuple[int | None, ...] = ()
    floor: tuple[float | None, ...] = ()
    relations: tuple[tuple[str, str], ...] = ()  # of features: the lesser, the greater
    spike: Doubles | None = None  # (stations, features), infinite where nothing is a spike

    def passed(self, values: Doubles, spec: WindowSpec, stations: Any = slice(None)) -> Doubles:
        """Make missing what does not pass: (stations, steps, features), steps without holes.

        Args:
            values: as given; NaN where missing.
            spec: of the windows.
            stations: the rows of these stations in the spec; all by default.
        """
        kept = _within_limits(values, spec)
        flags = np.zeros(kept.shape, bool)
        names = list(spec.features)
        for less, more in self.relations:
            pair = [names.index(less), names.index(more)]
            with np.errstate(invalid="ignore"):
                flags[..., pair] |= np.asarray(np.greater(kept[..., pair[:1]], kept[..., pair[1:]]))
        for column, steps in enumerate(self.stuck_steps):
            if steps is not None:
                flags[..., column] |= _stuck(kept[..., column], steps, self.floor[column])
        if self.spike is not None:
            limited = np.isfinite(self.spike).any(axis=0)  # no other feature has spikes
            flags[..., limited] |= stands_out(kept[..., limited]) > self.spike[stations][:, None, limited]
        return np.where(flags, np.nan, kept)

    def as_json(self) -> dict[str, Any]:
        """Return the rules as values that JSON can hold."""
        limits = None
        if self.spike is not None:
            limits = [[limit if np.isfinite(limit) else None for limit in row] for row in self.spike.tolist()]
        return {"stuck_steps": self.stuck_steps, "floor": self.floor, "relations": self.relations, "spike": limits}

    @classmethod
    def from_json(cls, raw: dict[str, Any] | None) -> "ArrivalRules":
        """Read what `as_json` returned; of an older version, None: only sentinels and ranges are judged."""
        if raw is None:
            return cls()
        spike = None if raw["spike"] is None else np.array(raw["spike"], np.float64)
        spike = None if spike is None else np.where(np.isnan(spike), np.inf, spike)
        pairs = tuple((less, more) for less, more in raw["relations"])
        return cls(tuple(raw["stuck_steps"]), tuple(raw["floor"]), pairs, spike)

    @classmethod
    def joined(cls, parts: Sequence["ArrivalRules"]) -> "ArrivalRules":
        """Put the rules of several ranges of stations together."""
        spikes = [part.spike for part in parts if part.spike is not None]
        first = parts[0]
        return cls(first.stuck_steps, first.floor, first.relations, np.concatenate(spikes) if spikes else None)


def fit_rules(dataset: Dataset, clean: Grid, steps: int) -> ArrivalRules:
    """Take the rules from the description of a data set, and the limits of spikes from its first clean steps."""
    variables = [dataset.variables[name] for name in dataset.features]
    relations = tuple(pair for pair in dataset.pairs if set(pair) <= set(dataset.features))
    factor = np.array([np.inf if variable.spike is None else variable.spike for variable in variables])
    training = clean.values[:, :steps]
    spike = None
    if np.isfinite(factor).any():
        with np.errstate(all="ignore"):
            bend = np.abs(training[:, 1:-1] - (training[:, :-2] + training[:, 2:]) / 2)
            scale = factor * MAD_TO_DEVIATION * _or_infinite(np.nanmedian, bend)
            usual = BEYOND_USUAL * _or_infinite(np.nanmax, stands_out(training))
        spike = np.where(np.isfinite(factor) & (scale > 0), np.maximum(scale, usual), np.inf)
    stuck_steps = tuple(variable.stuck_steps for variable in variables)
    return ArrivalRules(stuck_steps, tuple(variable.floor for variable in variables), relations, spike)


def _or_infinite(summary: Any, values: Doubles) -> Doubles:
    """Sum up over the steps; infinite where there is no value: (stations, features)."""
    known: Flags = np.asarray(np.isfinite(values).any(axis=1))
    summed: Doubles = np.where(known, summary(np.where(known[:, None], values, 0.0), axis=1), np.inf)
    return summed


def stands_out(values: Doubles) -> Doubles:
    """Give by how much each value stands out from both before it, 0 where it does not or one is missing."""
    out = np.zeros(values.shape)
    if values.shape[1] > 2:
        one, two = values[:, 2:] - values[:, 1:-1], values[:, 2:] - values[:, :-2]
        with np.errstate(invalid="ignore"):
            out[:, 2:] = np.where(one * two > 0, np.minimum(np.abs(one), np.abs(two)), 0.0)
    return out


def _within_limits(values: Doubles, spec: WindowSpec) -> Doubles:
    """Make sentinels, and values beyond the limits, missing."""
    kept = values.copy()
    for column, (low, high, sentinels) in enumerate(zip(spec.lowest, spec.highest, spec.sentinels, strict=False)):
        kept[..., column] = plausible(kept[..., column], low, high, sentinels)
    return kept


def _stuck(values: Doubles, steps: int, floor: float | None) -> Flags:
    """Mark values (stations, steps) that have been the same for more than so many steps, themselves included."""
    position = np.arange(values.shape[1])
    changed = np.ones(values.shape, bool)
    changed[:, 1:] = values[:, 1:] != values[:, :-1]  # NaN is never the same
    begin = np.maximum.accumulate(np.where(changed, position, 0), axis=1)
    with np.errstate(invalid="ignore"):
        rests = np.zeros(values.shape, bool) if floor is None else values <= floor
    flags: Flags = (position - begin + 1 > steps) & ~rests
    return flags
