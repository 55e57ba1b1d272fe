"""Small panels for tests of what learns."""

import numpy as np

from tidegate.windows.panel import Panel, Starts
from tidegate.windows.spec import WindowSpec


def spec_of(stations: int, features: int, lookback: int, horizon: int, season: int = 4, targets: int = 1) -> WindowSpec:
    names = tuple(f"f{number}" for number in range(features))
    places = tuple(f"S{number}" for number in range(stations))
    return WindowSpec(places, names, names[:targets], "1h", lookback, horizon, season)


def noise(spec: WindowSpec, steps: int = 60, missing: float = 0.1, seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    shape = (len(spec.stations), steps, len(spec.features))
    observed = rng.random(shape) >= missing
    return Panel.of(np.where(observed, rng.standard_normal(shape), 0).astype(np.float32), observed, spec)


def cycle(spec: WindowSpec, steps: int = 200, seed: int = 0) -> Panel:
    """A cycle of one season with a little noise, in every feature."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(steps)[None, :, None] / spec.season
    shape = (len(spec.stations), steps, len(spec.features))
    values = np.sin(phase) + 0.05 * rng.standard_normal(shape)
    return Panel.of(values.astype(np.float32), np.ones(shape, bool), spec)


def all_starts(panel: Panel, first: int = 0, end: int | None = None) -> Starts:
    stations, steps, _ = panel.values.shape
    last = (steps if end is None else end) - panel.spec.lookback - panel.spec.horizon
    return np.array([(s, t) for s in range(stations) for t in range(first, last + 1)], np.int32)
