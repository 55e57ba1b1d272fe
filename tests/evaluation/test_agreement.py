"""Efficiencies of hydrology."""

import numpy as np
import pytest

from tidegate.evaluation.agreement import kge, nse

Y = np.array([1.0, 2.0, 4.0, 3.0, np.nan])


def test_perfect_forecasts_have_an_efficiency_of_1() -> None:
    assert nse(Y, Y) == 1 and kge(Y, Y) == pytest.approx(1)


def test_the_mean_has_nash_and_sutcliffe_s_0_and_worse_than_it_is_below() -> None:
    assert nse(np.full(5, 2.5), Y) == pytest.approx(0)
    assert nse(-Y, Y) < 0


def test_kling_and_gupta_count_a_factor_twice_in_spread_and_in_mean() -> None:
    assert kge(2 * Y, Y) == pytest.approx(1 - np.sqrt(2))
    assert kge(Y + 2.5, Y) == pytest.approx(0)  # the mean is twice what was measured


@pytest.mark.parametrize("efficiency", [nse, kge])
def test_where_nothing_varies_or_is_known_there_is_none(efficiency: object) -> None:
    for measured in (np.ones(5), np.full(5, np.nan), np.array([1.0])):
        assert np.isnan(efficiency(np.arange(len(measured)), measured))  # type: ignore[operator]
