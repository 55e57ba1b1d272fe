"""The significance of loss differences against hand formulas, and by simulation."""

import math

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.signal import lfilter

from tidegate.evaluation.significance import Array, block_interval, diebold_mariano, effective_number, holm

ALTERNATING = np.array([-1.0, 0.4, -1.2, 0.5, -0.9, 0.3, -1.1, 0.6, -1.0, 0.2])
ALONE = 1e-4  # the shortest range of the model lets neighbours resemble each other by exp(−10)


def overlapping(rng: np.random.Generator, series: int, origins: int, horizon: int) -> Array:
    """Sums of `horizon` successive shocks: (series, origins), of mean 0 and long-run variance horizon²."""
    shocks = rng.normal(size=(series, origins + horizon - 1))
    return np.lib.stride_tricks.sliding_window_view(shocks, horizon, axis=1).sum(axis=-1)


def autoregressive(rng: np.random.Generator, series: int, origins: int, memory: float) -> Array:
    return np.asarray(lfilter([1], [1, -memory], rng.normal(size=(series, origins + 100)), axis=1)[:, 100:])


def rejections(series: Array, horizon: int) -> float:
    return float(np.mean([diebold_mariano(differences, horizon).p_value < 0.05 for differences in series]))


def plain_statistic(differences: "list[float]", horizon: int, lags: int) -> float:
    """The corrected statistic by loops and a general optimiser."""
    known = [value for value in differences if not math.isnan(value)]
    count, mean, origins = len(known), sum(known) / len(known), len(differences)
    pairs, products = [], []
    for lag in range(origins):
        both = [
            (a, b) for a, b in zip(differences, differences[lag:], strict=False) if not (math.isnan(a) or math.isnan(b))
        ]
        pairs.append(len(both))
        products.append(sum((a - mean) * (b - mean) for a, b in both))

    def misfit(guess: Array) -> float:
        return sum(
            (products[lag] - pairs[lag] * guess[0] * math.exp(-3 * lag / guess[1])) ** 2 for lag in range(lags + 1)
        )

    fit = optimize.minimize(misfit, [1.0, 3.0], bounds=[(1e-3, None), (0.3, origins)]).x
    modelled = [pairs[lag] * fit[0] * math.exp(-3 * lag / fit[1]) for lag in range(origins)]
    variance_of_mean = (modelled[0] + 2 * sum(modelled[1:])) / count**2
    correction = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
    return mean / math.sqrt(variance_of_mean) * math.sqrt(correction)


def test_differences_that_do_not_resemble_their_neighbours_give_students_t_test() -> None:
    found = diebold_mariano(ALTERNATING, 1)
    wanted = stats.ttest_1samp(ALTERNATING, 0, alternative="less")
    assert found.mean == pytest.approx(ALTERNATING.mean())
    assert found.statistic == pytest.approx(wanted.statistic, rel=ALONE)
    assert found.p_value == pytest.approx(wanted.pvalue, rel=10 * ALONE)
    assert found.effective == pytest.approx(10, rel=ALONE)


def test_the_statistic_is_its_definition_with_missing_origins_in_their_places() -> None:
    differences = overlapping(np.random.default_rng(5), 1, 24, 3)[0]
    differences[[1, 3, 4, 5, 7, 9, 11, 13, 18]] = np.nan
    found = diebold_mariano(differences, 3)
    assert found.statistic == pytest.approx(plain_statistic(differences.tolist(), 3, 9), rel=0.03)
    assert found.p_value == pytest.approx(stats.t.cdf(found.statistic, 14))
    closed = diebold_mariano(differences[np.isfinite(differences)], 3)
    assert found.statistic != pytest.approx(closed.statistic, rel=0.03)


def test_a_longer_horizon_is_corrected_as_harvey_leybourne_and_newbold_say() -> None:
    differences = overlapping(np.random.default_rng(6), 1, 20, 2)[0]
    short, long = (diebold_mariano(differences, horizon).statistic for horizon in (1, 4))
    assert long / short == pytest.approx(math.sqrt((20 + 1 - 8 + 4 * 3 / 20) / (20 + 1 - 2)))


@pytest.mark.parametrize(("horizon", "origins"), [(1, 100), (6, 120), (24, 250)])
def test_overlapping_forecasts_without_a_difference_are_seldom_found_to_differ(horizon: int, origins: int) -> None:
    assert rejections(overlapping(np.random.default_rng(1), 1000, origins, horizon), horizon) <= 0.085


@pytest.mark.parametrize("origins", [100, 500])
def test_errors_that_last_beyond_the_horizon_do_not_pass_for_a_difference(origins: int) -> None:
    series = autoregressive(np.random.default_rng(2), 400, origins, 0.5)
    assert rejections(series, 1) <= 0.085
    assert np.mean([stats.ttest_1samp(one, 0, alternative="less").pvalue < 0.05 for one in series]) > 0.12


def test_gaps_do_not_make_differences() -> None:
    series = overlapping(np.random.default_rng(3), 400, 200, 6)
    series[:, 40:75] = np.nan
    series[:, np.random.default_rng(4).random(200) < 0.1] = np.nan
    assert rejections(series, 6) <= 0.085


def test_a_real_difference_is_found_and_only_in_its_direction() -> None:
    series = overlapping(np.random.default_rng(4), 200, 250, 6)
    shift = 4 * 6 / math.sqrt(250)  # four standard errors
    assert rejections(series - shift, 6) > 0.95
    assert rejections(series + shift, 6) == 0


@pytest.mark.parametrize("factor", [1e-200, 1e-3, 7.0, 1e200])
def test_the_unit_of_the_loss_changes_the_mean_alone(factor: float) -> None:
    plain, other = diebold_mariano(ALTERNATING, 2), diebold_mariano(factor * ALTERNATING, 2)
    assert other.mean == pytest.approx(factor * plain.mean, rel=1e-9, abs=0)
    assert other.p_value == pytest.approx(plain.p_value, rel=1e-9)
    assert other.effective == pytest.approx(plain.effective, rel=1e-9)
    low, high = block_interval(ALTERNATING, 2, 0.9, seed=1)
    wanted = pytest.approx((factor * low, factor * high), rel=1e-9, abs=0)
    assert block_interval(factor * ALTERNATING, 2, 0.9, seed=1) == wanted


def test_missing_origins_at_both_ends_change_nothing() -> None:
    padded = np.concatenate([[np.nan] * 3, ALTERNATING, [np.nan] * 4])
    assert diebold_mariano(padded, 1).p_value == pytest.approx(diebold_mariano(ALTERNATING, 1).p_value, rel=10 * ALONE)


@pytest.mark.parametrize(("value", "p_value"), [(0.0, 1.0), (0.1, 1.0), (-0.1, 0.0)])
def test_equal_differences_are_certain(value: float, p_value: float) -> None:
    found = diebold_mariano(np.array([value] * 9 + [np.nan]), 3)
    assert (found.mean, found.p_value, found.effective) == (pytest.approx(value), p_value, 9)
    assert block_interval(np.full(9, value), 3, 0.9, seed=1) == pytest.approx((value, value))


@pytest.mark.parametrize("differences", [[], [np.nan, np.nan], [-1.0], [np.nan, -1.0], [-1.0, -2.0]])
def test_of_too_few_differences_nothing_is_said(differences: "list[float]") -> None:
    found = diebold_mariano(np.array(differences), 2)
    assert (found.p_value, found.statistic) == (1, 0)
    assert found.mean == pytest.approx(np.nansum(differences) / max(np.isfinite(differences).sum(), 1))
    assert found.effective == min(np.isfinite(differences).sum(), 1)
    assert block_interval(np.array(differences), 2, 0.9, seed=1) == (-math.inf, math.inf)


def test_two_differences_give_students_t_with_one_degree() -> None:
    assert 0.05 < diebold_mariano(np.array([-1.0, -2.0]), 1).p_value < 0.5


@pytest.mark.filterwarnings("error")
def test_no_differences_give_nan_or_a_warning() -> None:
    rng = np.random.default_rng(8)
    for count in range(40):
        differences = np.where(rng.random(count) < 0.3, np.nan, rng.normal(size=count) * rng.integers(0, 2, count))
        for horizon in (1, 2, 7, 24):
            found = diebold_mariano(differences, horizon)
            numbers = (found.mean, found.statistic, found.p_value, found.effective)
            assert not np.isnan((*numbers, *block_interval(differences, horizon, 0.9, seed=1, resamples=50))).any()
            assert 0 <= found.p_value <= 1 and 0 <= found.effective <= count


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(ValueError, match="horizon is 0"):
        diebold_mariano(ALTERNATING, 0)
    with pytest.raises(ValueError, match="infinite"):
        diebold_mariano(np.array([1.0, np.inf]), 1)
    with pytest.raises(ValueError, match="block is 0"):
        block_interval(ALTERNATING, 0, 0.9, seed=1)
    with pytest.raises(ValueError, match="level 90"):
        block_interval(ALTERNATING, 2, 90, seed=1)


def test_overlapping_forecasts_count_as_one_in_horizon() -> None:
    differences = overlapping(np.random.default_rng(9), 1, 8000, 6)[0]
    assert effective_number(differences, 6) == pytest.approx(8000 / 6, rel=0.2)
    remembered = autoregressive(np.random.default_rng(9), 1, 8000, 0.5)[0]
    assert effective_number(remembered, 1) == pytest.approx(8000 * (1 - 0.5) / (1 + 0.5), rel=0.15)


def test_the_bootstrap_interval_is_the_percentiles_of_means_of_drawn_blocks() -> None:
    differences = np.array([1.0, 2.0, np.nan, 4.0, 8.0])
    starts = np.random.default_rng(7).integers(0, 4, (300, 3))
    means = [
        np.nanmean(np.concatenate([differences[a : a + 2], differences[b : b + 2], differences[c : c + 1]]))
        for a, b, c in starts
    ]
    wanted = tuple(np.quantile(means, [0.1, 0.9]))
    assert block_interval(differences, 2, 0.8, seed=7, resamples=300) == pytest.approx(wanted)
    assert block_interval(differences, 2, 0.8, seed=8, resamples=300) != pytest.approx(wanted, rel=1e-6)


def test_the_bootstrap_interval_holds_the_true_mean_about_as_often_as_it_says() -> None:
    series = overlapping(np.random.default_rng(10), 300, 1000, 6) + 5
    held = []
    for differences in series:
        low, high = block_interval(differences, 24, 0.9, seed=1, resamples=300)
        held.append(low <= 5 <= high)
    assert 0.82 <= np.mean(held) <= 0.94


def test_holm_is_that_of_statsmodels_and_of_a_hand_example() -> None:
    from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    p_values = np.random.default_rng(11).random(20) ** 4
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([0.9, 0.8]).max() == 1 and len(holm([])) == 0
