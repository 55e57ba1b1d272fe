"""Conformal calibration: intervals cover what they promise."""

import dataclasses

import numpy as np
import pytest
from panels import all_starts, spec_of

import models
from models.conformal import CalibratedModel
from models.interface import Training
from tidegate.windows.panel import Forecasts, Panel, Starts
from tidegate.windows.spec import WindowSpec

LEVELS = (0.05, 0.5, 0.95)


class Stub:
    """Forecasts zero, with quantiles that are too narrow if asked for."""

    def __init__(self, spec: WindowSpec, quantiles: bool) -> None:
        self.spec, self.quantiles = spec, quantiles

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        point = np.zeros((len(starts), self.spec.horizon_steps, len(self.spec.targets)), np.float32)
        narrow = np.stack([point - 0.1, point, point + 0.1], axis=-1)
        return Forecasts(point, narrow if self.quantiles else None)


def restless(steps: int = 6000, missing: float = 0.2) -> Panel:
    """Noise whose deviation changes slowly, skewed to one side."""
    spec = dataclasses.replace(spec_of(1, 1, lookback=24, horizon=4), quantiles=LEVELS)
    rng = np.random.default_rng(0)
    deviation = np.exp(np.sin(np.arange(steps) / 80))
    values = (deviation * (rng.exponential(size=steps) - 1)).astype(np.float32)[None, :, None]
    observed = rng.random(values.shape) >= missing
    return Panel.create(np.where(observed, values, 0).astype(np.float32), observed, spec)


def coverage(model: CalibratedModel, panel: Panel, starts: Starts) -> float:
    quantiles = model.predict(panel, starts).quantiles
    future, observed = panel.future(starts)
    assert quantiles is not None
    inside = (future >= quantiles[..., 0]) & (future <= quantiles[..., -1])
    return float(inside[observed].mean())


@pytest.mark.parametrize("quantiles", [False, True])
def test_a_ninety_percent_interval_covers_ninety_percent(quantiles: bool) -> None:
    panel = restless()
    model = CalibratedModel(Stub(panel.spec, quantiles), panel.spec)  # type: ignore[arg-type]
    test = all_starts(panel, 3000)
    assert quantiles is False or coverage(model, panel, test) < 0.5
    model.calibrate(panel, all_starts(panel, end=3000))
    assert coverage(model, panel, test) == pytest.approx(0.9, abs=0.02)


def test_intervals_of_a_point_forecast_are_wide_where_the_past_is_restless() -> None:
    panel = restless()
    model = CalibratedModel(Stub(panel.spec, False), panel.spec)  # type: ignore[arg-type]
    model.calibrate(panel, all_starts(panel, end=3000))
    starts = all_starts(panel, 3000)
    quantiles = model.predict(panel, starts).quantiles
    assert quantiles is not None
    past, observed = panel.past(starts)
    deviation = np.where(observed, past, np.nan)[..., 0]
    width = (quantiles[..., -1] - quantiles[..., 0])[:, 0, 0]
    assert np.corrcoef(width, np.nanstd(deviation, axis=1))[0, 1] > 0.97


def test_a_step_that_was_never_measured_is_left_as_it_is() -> None:
    panel = restless(400, missing=1.0)
    model = CalibratedModel(Stub(panel.spec, True), panel.spec)  # type: ignore[arg-type]
    model.calibrate(panel, all_starts(panel))
    assert not model.corrections.any()


def test_every_family_is_calibrated_and_its_point_stays_its_own() -> None:
    from nets import RECIPE

    from tidegate.workspace.progress import no_progress

    panel = restless(1200)
    train, validation = all_starts(panel, end=600), all_starts(panel, 600)
    section = {"family": "naive", "method": "last"}
    model, _ = models.fit("x", section, Training(panel, train, validation, RECIPE), no_progress)
    assert np.array_equal(model.predict(panel, validation).point, model.model.predict(panel, validation).point)
    assert coverage(model, panel, validation) == pytest.approx(0.9, abs=0.01)


def test_a_strong_regular_cycle_is_not_taken_for_unrest() -> None:
    """Half the time a strong cycle with little noise, half the time no cycle and much noise."""
    spec = dataclasses.replace(spec_of(1, 1, lookback=72, horizon=4), quantiles=LEVELS, season_steps=24)
    rng, steps = np.random.default_rng(0), np.arange(12000)
    calm = (steps // 1000) % 2 == 0
    noise = rng.standard_normal(len(steps)) * np.where(calm, 0.3, 1.0)
    values = (noise + np.where(calm, 2 * np.sin(2 * np.pi * steps / 24), 0)).astype(np.float32)[None, :, None]
    panel = Panel.create(values, np.ones(values.shape, bool), spec)

    class SeasonalNaive(Stub):
        def predict(self, panel: Panel, starts: Starts) -> Forecasts:
            return Forecasts(panel.past(starts)[0][:, -24:-20])

    model = CalibratedModel(SeasonalNaive(spec, False), spec)  # type: ignore[arg-type]
    starts = all_starts(panel)
    model.calibrate(panel, starts[::2])
    widths = {}
    for kind in (True, False):
        own = starts[1::2][[bool((calm[first : first + 76] == kind).all()) for first in starts[1::2, 1]]]
        quantiles = model.predict(panel, own).quantiles
        assert quantiles is not None
        widths[kind] = float((quantiles[..., -1] - quantiles[..., 0]).mean())
    assert widths[True] < 0.7 * widths[False]
