"""Scaling: fitted on the training rows alone, undone exactly, and safe from what is missing."""

import numpy as np
import pytest
from grids import grid_of, ramp
from panels import spec_of

from tidegate.windows.scaler import Scaler, constant_covariates, fit_scaler


def test_the_scaler_sees_the_training_rows_alone() -> None:
    spec = spec_of(2, 2, lookback=3, horizon=2)
    values = np.random.default_rng(0).normal(3, 2, (2, 100, 2))
    scaler = fit_scaler(grid_of(values), 50, spec)
    spoilt = values.copy()
    spoilt[:, 50:] = 1e6
    again = fit_scaler(grid_of(spoilt), 50, spec)
    assert np.array_equal(scaler.mean, again.mean) and np.array_equal(scaler.deviation, again.deviation)
    scaled, _ = scaler.scale(values[:, :50])
    assert np.allclose(scaled.mean(axis=1), 0, atol=1e-6) and np.allclose(scaled.std(axis=1), 1, atol=1e-6)


def test_scaling_there_and_back_gives_the_values() -> None:
    spec = spec_of(2, 2, lookback=3, horizon=2)
    values = np.random.default_rng(0).normal(3, 2, (2, 100, 2))
    scaler = fit_scaler(grid_of(values), 50, spec)
    scaled, _ = scaler.scale(values)
    station = np.array([1, 0])
    forecasts = np.stack([scaled[1, 10:12, :1], scaled[0, 20:22, :1]])
    assert np.allclose(scaler.unscale(forecasts, station)[:, :, 0], [values[1, 10:12, 0], values[0, 20:22, 0]])
    copy = Scaler.from_json(scaler.as_json())
    assert np.array_equal(copy.mean, scaler.mean)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_missing_or_infinite_value_becomes_the_mean_and_is_flagged(bad: float) -> None:
    values = ramp(1, 20, 1)
    values[0, 5, 0] = bad
    spec = spec_of(1, 1, lookback=3, horizon=2)
    scaled, observed = fit_scaler(grid_of(values), 20, spec).scale(values)
    assert np.isfinite(scaled).all()
    assert scaled[0, 5, 0] == 0 and not observed[0, 5, 0] and observed.sum() == 19


def test_a_constant_covariate_becomes_zero() -> None:
    values = ramp()
    values[:, :, 1] = 7
    scaler = fit_scaler(grid_of(values), 60, spec_of(2, 2, lookback=3, horizon=2))
    assert (scaler.scale(values)[0][..., 1] == 0).all()


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_values_of_any_size_are_scaled_alike(size: float) -> None:
    values, spec = ramp().astype(np.float64), spec_of(2, 2, lookback=3, horizon=2)
    alike = fit_scaler(grid_of(values * size), 60, spec).scale(values * size)[0]
    assert np.allclose(alike, fit_scaler(grid_of(values), 60, spec).scale(values)[0], atol=1e-4)


def test_a_constant_covariate_is_counted_by_station() -> None:
    values, spec = ramp(), spec_of(2, 2, lookback=3, horizon=2)
    values[1, :, 1] = 7
    assert constant_covariates(grid_of(values), 60, spec) == {"f1": 1}


def test_a_covariate_that_comes_to_life_after_training_stays_at_the_mean() -> None:
    values, spec = ramp(), spec_of(2, 2, lookback=3, horizon=2)
    values[1, :60, 1] = np.nan
    assert (fit_scaler(grid_of(values), 60, spec).scale(values)[0][1, :, 1] == 0).all()
