"""Each metric against a plain twin."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import integrate, stats

from tidegate.evaluation import metrics
from tidegate.evaluation.comparison import Comparison
from tidegate.evaluation.metrics import METRICS

RNG = np.random.default_rng(3)
SHAPE = (5, 4, 2)
LEVELS = (0.1, 0.5, 0.8)
MEASURED = np.where(RNG.random(SHAPE) < 0.2, np.nan, RNG.normal(size=SHAPE))
POINT = RNG.normal(size=SHAPE)
QUANTILES = np.sort(RNG.normal(size=(*SHAPE, 3)), axis=-1)
SCALE = RNG.uniform(1, 2, (5, 1, 2))
COMPARED = Comparison(POINT, MEASURED, SCALE, QUANTILES, LEVELS)
CELLS = [cell for cell in product(range(5), range(4), range(2)) if not math.isnan(MEASURED[cell])]


def mean(numbers: "list[float]") -> float:
    return sum(numbers) / len(numbers)


def loss(level: float, measured: float, quantile: float) -> float:
    return level * (measured - quantile) if measured >= quantile else (1 - level) * (quantile - measured)


def test_mae_rmse_and_mase_are_their_definitions() -> None:
    errors = [POINT[cell] - MEASURED[cell] for cell in CELLS]
    assert METRICS["mae"](COMPARED) == pytest.approx(mean([abs(e) for e in errors]))
    assert METRICS["rmse"](COMPARED) == pytest.approx(math.sqrt(mean([e * e for e in errors])))
    scaled = [abs(e) / SCALE[cell[0], 0, cell[2]] for e, cell in zip(errors, CELLS, strict=True)]
    assert METRICS["mase"](COMPARED) == pytest.approx(mean(scaled))


def test_pinball_coverage_and_width_are_their_definitions() -> None:
    losses = [loss(level, MEASURED[c], QUANTILES[c][place]) for c in CELLS for place, level in enumerate(LEVELS)]
    assert METRICS["pinball"](COMPARED) == pytest.approx(mean(losses))
    inside = [QUANTILES[c][0] <= MEASURED[c] <= QUANTILES[c][2] for c in CELLS]
    assert METRICS["coverage"](COMPARED) == pytest.approx(mean([float(i) for i in inside]))
    assert METRICS["width"](COMPARED) == pytest.approx(mean([QUANTILES[c][2] - QUANTILES[c][0] for c in CELLS]))


def test_crps_from_many_levels_is_the_integral_it_stands_for() -> None:
    levels = tuple((np.arange(500) + 0.5) / 500)
    measured = 0.7
    quantiles = stats.norm.ppf(levels)[None, None, None, :]
    one = np.ones((1, 1, 1))
    found = METRICS["crps"](Comparison(0 * one, measured * one, one, quantiles, levels))
    wanted, _ = integrate.quad(lambda x: (stats.norm.cdf(x) - (x >= measured)) ** 2, -9, 9, points=[measured])
    assert found == pytest.approx(wanted, rel=1e-2)


def test_crps_of_a_point_is_its_absolute_error() -> None:
    point = Comparison(POINT, MEASURED, SCALE, np.repeat(POINT[..., None], 3, -1), (0.25, 0.5, 0.75))
    assert METRICS["crps"](point) == pytest.approx(METRICS["mae"](point))


def test_the_metrics_of_alerts_are_their_definitions() -> None:
    happened = np.array([1, 0, 0, 1, np.nan]).reshape(5, 1, 1)
    chance = np.array([0.9, 0.6, 0.2, 0.4, 0.5]).reshape(5, 1, 1)
    compared = Comparison(chance, happened, np.ones((5, 1, 1)))
    assert METRICS["brier"](compared) == pytest.approx((0.01 + 0.36 + 0.04 + 0.36) / 4)
    expected = -(math.log(0.9) + math.log(0.4) + math.log(0.8) + math.log(0.4)) / 4
    assert METRICS["log_loss"](compared) == pytest.approx(expected)
    assert METRICS["accuracy"](compared) == 0.5
    assert METRICS["macro_f1"](compared) == pytest.approx(0.5)
    assert METRICS["auroc"](compared) == 0.75  # of the four pairs of one with and one without, three are in order
    assert METRICS["average_precision"](compared) == pytest.approx((1 / 1 + 2 / 3) / 2)
    calm = compared.windows([1, 2])
    assert math.isnan(METRICS["auroc"](calm)) and math.isnan(METRICS["average_precision"](calm))


def test_a_perfect_forecast_scores_zero_and_has_skill_one() -> None:
    none = np.zeros((2, 3, 1))
    perfect = Comparison(none, none, np.ones((2, 1, 1)), np.zeros((2, 3, 1, 3)), LEVELS)
    scored = {name: metric(perfect) for name, metric in metrics.metrics_of("values").items()}
    assert scored.pop("coverage") == 1
    assert set(scored.values()) == {0}
    assert metrics.skill(0.0, 2.0) == 1
    assert metrics.skill(2.0, 2.0) == 0
    assert metrics.skill(3.0, 2.0) < 0


def test_some_windows_of_a_comparison_are_those_of_everything() -> None:
    part = COMPARED.windows([1, 3])
    assert np.array_equal(part.point, POINT[[1, 3]]) and np.array_equal(part.scale, SCALE[[1, 3]])
    assert np.array_equal(part.quantiles, QUANTILES[[1, 3]])  # type: ignore[arg-type]


def test_the_seasonal_scale_is_the_mean_seasonal_difference() -> None:
    values = np.array([[[1.0], [2.0], [4.0], [np.nan], [9.0]]])
    assert metrics.seasonal_scale(values, 2)[0, 0] == pytest.approx((abs(4 - 1) + abs(9 - 4)) / 2)
