"""Conformal calibration: intervals cover what they promise."""

import dataclasses

import numpy as np
import pytest
from panels import all_starts, spec_of

import models
from models.conformal import CalibratedModel, effective_number, expected_level
from models.interface import Training
from tidegate.windows.panel import Forecasts, Panel, Starts
from tidegate.windows.spec import WindowSpec
from tidegate.workspace import settings

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
    assert coverage(model, panel, validation) == pytest.approx(0.9, abs=0.015)


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


def test_a_level_is_moved_until_its_expectation_is_right() -> None:
    rng = np.random.default_rng(0)
    for number in (20, 60, 200):
        errors = rng.normal(size=(number, 4000))
        high = np.quantile(errors, expected_level(0.95, number), axis=0)
        low = np.quantile(errors, expected_level(0.05, number), axis=0)
        fresh = rng.normal(size=(500, 1))
        assert ((fresh >= low) & (fresh <= high)).mean() == pytest.approx(0.9, abs=0.015)
    assert expected_level(0.5, 5) == 0.5 and expected_level(0.95, 1.5) == 1.0


def test_windows_that_overlap_count_for_what_they_are_worth() -> None:
    rng = np.random.default_rng(0)
    independent = rng.normal(size=(4000, 6))
    repeated = np.repeat(rng.normal(size=(200, 6)), 20, axis=0)  # each error comes twenty times
    batch = np.arange(4000) // 100
    assert effective_number(independent, 0.95, batch) == pytest.approx(4000, rel=0.4)
    assert effective_number(repeated, 0.95, batch) == pytest.approx(200, rel=0.4)


def test_few_windows_that_overlap_still_hold_ninety_percent() -> None:
    spec = dataclasses.replace(spec_of(1, 1, lookback=12, horizon=12), quantiles=LEVELS)
    held, plain = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise = np.convolve(rng.normal(size=900), np.ones(8) / np.sqrt(8), "valid")[:880]
        panel = Panel.create(noise.astype(np.float32)[None, :, None], np.ones((1, 880, 1), bool), spec)
        model = CalibratedModel(Stub(spec, True), spec)  # type: ignore[arg-type]
        calibration = all_starts(panel, end=110)
        model.calibrate(panel, calibration)
        held.append(coverage(model, panel, all_starts(panel, 150)))
        future = panel.future(calibration)[0][..., 0]
        low, high = (np.quantile(future, level, axis=0) for level in (0.05, 0.95))
        test = panel.future(all_starts(panel, 150))[0][..., 0]
        plain.append(((test >= low) & (test <= high)).mean())
    assert np.mean(plain) < 0.87  # what the levels as they are would hold
    assert 0.88 <= np.mean(held) <= 0.94


def test_a_model_that_learns_nothing_is_calibrated_on_the_training_windows_too() -> None:
    panel = restless()
    train, validation = all_starts(panel, end=5000), all_starts(panel, 5000)
    section, recipe = {"family": "naive", "method": "last"}, models.recipe("x", {}, settings.load_settings().train)
    fitted, _ = models.fit("x", section, Training(panel, train, validation, recipe), lambda *_: None)
    alone = CalibratedModel(fitted.model, panel.spec)
    alone.calibrate(panel, np.concatenate([train, validation]))
    assert np.array_equal(fitted.corrections, alone.corrections)
