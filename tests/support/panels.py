"""Small panels for the tests of models."""

import numpy as np

from tidegate.windows.panel import Panel, Starts
from tidegate.windows.spec import WindowSpec


def spec_of(stations: int, features: int, lookback: int, horizon: int, season: int = 4, targets: int = 1) -> WindowSpec:
    names = tuple(f"f{number}" for number in range(features))
    station_names = tuple(f"S{number}" for number in range(stations))
    return WindowSpec(station_names, names, names[:targets], "1h", lookback, horizon, season)


def noise(spec: WindowSpec, steps: int = 60, missing: float = 0.1, seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    shape = (len(spec.stations), steps, len(spec.features))
    observed = rng.random(shape) >= missing
    return Panel.create(np.where(observed, rng.standard_normal(shape), 0).astype(np.float32), observed, spec)


def cycle(spec: WindowSpec, steps: int = 200, seed: int = 0) -> Panel:
    """Make a panel whose features all follow a sine with the season's period, plus a little noise."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(steps)[None, :, None] / spec.season_steps
    shape = (len(spec.stations), steps, len(spec.features))
    values = np.sin(phase) + 0.05 * rng.standard_normal(shape)
    return Panel.create(values.astype(np.float32), np.ones(shape, bool), spec)


def all_starts(panel: Panel, first: int = 0, end: int | None = None) -> Starts:
    stations, steps, _ = panel.values.shape
    last = (steps if end is None else end) - panel.spec.lookback_steps - panel.spec.horizon_steps
    return np.array([(s, t) for s in range(stations) for t in range(first, last + 1)], np.int32)
