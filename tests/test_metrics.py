"""Each metric against a plain twin."""

import math

import numpy as np
import pytest

from tidegate import metrics

RNG = np.random.default_rng(3)
ERRORS = np.where(RNG.random((5, 4, 2)) < 0.2, np.nan, RNG.normal(size=(5, 4, 2)))
SCALE = RNG.uniform(1, 2, (5, 1, 2))
CELLS = [
    (float(ERRORS[w, h, t]), float(SCALE[w, 0, t]))
    for w in range(5) for h in range(4) for t in range(2) if not math.isnan(ERRORS[w, h, t])
]  # fmt: skip


def test_mae_rmse_and_mase_are_their_definitions() -> None:
    assert metrics.mae(ERRORS, SCALE) == pytest.approx(sum(abs(e) for e, _ in CELLS) / len(CELLS))
    assert metrics.rmse(ERRORS, SCALE) == pytest.approx(math.sqrt(sum(e * e for e, _ in CELLS) / len(CELLS)))
    assert metrics.mase(ERRORS, SCALE) == pytest.approx(sum(abs(e) / s for e, s in CELLS) / len(CELLS))


def test_a_perfect_forecast_scores_zero_and_has_skill_one() -> None:
    none = np.zeros((2, 3, 1))
    assert [metric(none, np.ones((2, 1, 1))) for metric in metrics.METRICS.values()] == [0, 0, 0]
    assert metrics.skill(0.0, 2.0) == 1
    assert metrics.skill(2.0, 2.0) == 0
    assert metrics.skill(3.0, 2.0) < 0


def test_the_seasonal_scale_is_the_mean_seasonal_difference() -> None:
    values = np.array([[[1.0], [2.0], [4.0], [np.nan], [9.0]]])
    assert metrics.seasonal_scale(values, 2)[0, 0] == pytest.approx((abs(4 - 1) + abs(9 - 4)) / 2)
