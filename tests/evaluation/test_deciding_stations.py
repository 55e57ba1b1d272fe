"""No station whose scale is near zero rules a mean of ratios, and one that decides alone is named."""

import numpy as np
import pandas as pd
import pytest

from tidegate.evaluation.breakdown import deciding_stations, medians
from tidegate.evaluation.comparison import Comparison
from tidegate.evaluation.metrics import METRICS, floored


def compared(size: float) -> Comparison:
    """Five stations, the last of which was dry in training but for one small shower."""
    rng = np.random.default_rng(0)
    measured = rng.gamma(1, 2, (50, 4, 1)) * size
    scale = np.array([2.0, 1.8, 2.2, 1.9, 0.001])[:, None] * size
    station = np.arange(50) % 5
    return Comparison(measured + rng.normal(0, 1, measured.shape) * size, measured, floored(scale)[station][:, None])


@pytest.mark.parametrize("size", [1e-12, 1e-9, 1.0, 1e9, 1e12])
def test_a_mean_of_ratios_is_bounded_and_the_same_in_any_unit(size: float) -> None:
    mase = METRICS["mase"]
    assert mase(compared(size)) == pytest.approx(mase(compared(1.0)), rel=1e-9)
    assert mase(compared(size)) < 3


def test_a_station_without_which_another_would_be_best_is_named() -> None:
    rows = pd.DataFrame(
        {
            "model": ["linear"] * 3 + ["naive"] * 3,
            "station": ["A", "B", "dry"] * 2,
            "target": "rain",
            "values": 100,
            "mase": [1.2, 0.9, 3256.0, 1.1, 0.8, 4114.0],
            "rmse": [1.0, 1.0, 1.0, 2.0, 2.0, 2.0],
        }
    )
    assert deciding_stations(rows, "mase", "linear") == ["dry"]
    assert deciding_stations(rows, "rmse", "linear") == []
    assert medians(rows, "mase") == {"linear": 1.2, "naive": 1.1} and medians(rows, "brier") == {}
