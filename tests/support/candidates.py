"""Test origins of panels of noise, and candidates whose forecasts of them are noise too."""

from dataclasses import replace

import numpy as np
import pandas as pd
from panels import all_starts, noise, spec_of

from tidegate.evaluation.comparison import Comparison
from tidegate.evaluation.origins import TestOrigins, test_origins_of
from tidegate.evaluation.tally import Candidates
from tidegate.windows.panel import Forecasts
from tidegate.windows.scaler import Scaler
from tidegate.windows.spec import WindowSpec
from tidegate.windows.store import SPEC
from tidegate.workspace.paths import WINDOWS, write_json

BEGINS = pd.Timestamp("2024-01-01T00:00Z")
LEVELS = (0.05, 0.5, 0.95)


def spec(**options: object) -> WindowSpec:
    """Four stations, two targets, six hours from the last eight, where it is nine hours later than UTC."""
    made = spec_of(4, 3, lookback=8, horizon=6, targets=2)
    return replace(made, quantiles=LEVELS, time_zone="Asia/Tokyo", **options)  # type: ignore[arg-type]


def origins_of(spec: WindowSpec, steps: int = 130) -> TestOrigins:
    """Test origins in a panel of noise with gaps, in the workspace that is the working directory."""
    WINDOWS.mkdir(parents=True, exist_ok=True)
    write_json(WINDOWS / SPEC, {"begins": BEGINS.isoformat()})
    panel = noise(spec, steps=steps)
    if spec.alert:
        events = np.random.default_rng(3).integers(0, 2, panel.values.shape[:2]).astype(np.float32)
        panel = replace(panel, events=events)
    scaler = Scaler(np.arange(12.0).reshape(4, 3), np.arange(1.0, 13).reshape(4, 3))
    return test_origins_of(panel, {"train": all_starts(panel, 0, 60), "test": all_starts(panel, 60)}, scaler)


class Known:
    """A candidate that looks its forecasts up: those of all origins were made before."""

    def __init__(self, test: TestOrigins, forecasts: Forecasts) -> None:
        """Keep the forecasts of all origins, (windows, …), in the targets' units."""
        self.forecasts = forecasts
        self.place = {tuple(start): number for number, start in enumerate(test.starts.tolist())}

    def __call__(self, part: TestOrigins) -> Comparison:
        """Give those of some origins."""
        rows = [self.place[tuple(start)] for start in part.starts.tolist()]
        quantiles = self.forecasts.quantiles
        return part.compare(Forecasts(self.forecasts.point[rows], None if quantiles is None else quantiles[rows]))


def erring(test: TestOrigins, error: np.ndarray) -> Known:
    """A candidate that errs so, (windows, horizon, targets), with quantiles one below and one above its forecasts."""
    point = np.nan_to_num(test.measured) + error
    return Known(test, Forecasts(point, np.stack([point - 1, point, point + 1], axis=-1)))


def noisy(test: TestOrigins, names: tuple[str, ...]) -> Candidates:
    """Candidates whose forecasts are noise: values with quantiles, or probabilities of an alert."""
    candidates = {}
    for seed, name in enumerate(names):
        rng, shape = np.random.default_rng(seed), test.measured.shape
        if test.panel.spec.alert:
            candidates[name] = Known(test, Forecasts(rng.random(shape)))
        else:
            candidates[name] = erring(test, (seed + 1) * rng.normal(size=shape))
    return candidates
