"""Linear autoregression: equal to other hands' solutions of the same problem."""

import dataclasses

import numpy as np
import pytest
from nets import RECIPE, fitted
from panels import all_starts, noise, spec_of

import models
from models.interface import Training
from tidegate.errors import DataError
from tidegate.windows.panel import Panel
from tidegate.workspace.progress import no_progress


def test_linear_autoregression_of_one_series_is_the_autoregression_of_statsmodels() -> None:
    from statsmodels.tsa.ar_model import AutoReg

    rng, series = np.random.default_rng(0), [0.0, 0.0, 0.0]
    for _ in range(400):
        series.append(0.5 * series[-1] - 0.3 * series[-2] + 0.2 * series[-3] + rng.standard_normal())
    spec = spec_of(1, 1, lookback=3, horizon=1)
    values = np.array(series, np.float32).reshape(1, -1, 1)
    panel = Panel.create(values, np.ones(values.shape, bool), spec)
    model = models.make("x", {"family": "autoregressive", "ridge": 1e-12}, spec)
    starts = all_starts(panel)
    model.fit(Training(panel, starts, starts, RECIPE), no_progress)
    twin = AutoReg(values[0, :, 0].astype(np.float64), lags=3).fit()
    weights = model.weights[:, 0]  # type: ignore[attr-defined]
    assert np.allclose(weights[::-1], twin.params[1:], atol=1e-4)
    assert float(model.bias[0]) == pytest.approx(twin.params[0], abs=1e-4)  # type: ignore[attr-defined]


def test_linear_autoregression_uses_what_is_known_ahead() -> None:
    spec = dataclasses.replace(spec_of(2, 2, lookback=4, horizon=3), known=("f1",))
    panel = noise(spec, steps=300, missing=0)
    panel.values[:, 1:, 0] = 2 * panel.values[:, 1:, 1]  # the target is twice what is known of its own step
    starts = all_starts(panel, first=1)
    model = models.make("x", {"family": "autoregressive", "ridge": 1e-9}, spec)
    model.fit(Training(panel, starts, starts, RECIPE), no_progress)
    assert np.allclose(model.predict(panel, starts).point, panel.future(starts)[0], atol=1e-3)


def test_linear_autoregression_is_ridge_regression_on_the_flattened_lookback() -> None:
    from sklearn.linear_model import Ridge

    panel = noise(spec_of(2, 2, lookback=4, horizon=3), steps=200, missing=0)
    starts = all_starts(panel, end=120)
    model = models.make("linear", {"family": "autoregressive", "ridge": 0.5}, panel.spec)
    model.fit(Training(panel, starts, starts, RECIPE), no_progress)
    x, y = panel.past(starts)[0].reshape(len(starts), -1), panel.future(starts)[0].reshape(len(starts), -1)
    twin = Ridge(alpha=0.5 * len(starts)).fit(x.astype(np.float64), y.astype(np.float64))
    assert np.allclose(model.predict(panel, starts).point.reshape(len(starts), -1), twin.predict(x), atol=1e-5)


def test_linear_autoregression_learns_from_windows_with_all_targets_measured_or_says_so() -> None:
    panel = noise(spec_of(1, 1, lookback=4, horizon=3), steps=200, missing=1.0)
    with pytest.raises(DataError, match="No training window has all 3 target steps"):
        fitted("linear", panel)
