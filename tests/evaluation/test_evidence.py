"""What a challenger must show: each rule alone refuses, and luck is not enough."""

from dataclasses import replace

import numpy as np
import pytest

from tidegate.evaluation.comparison import Comparison
from tidegate.evaluation.evidence import Duel, Side, judge
from tidegate.evaluation.metrics import METRICS
from tidegate.workspace.settings import Evidence

ORIGINS, HORIZON, STATIONS = 600, 6, ("A", "B", "C")
LEVELS = (0.05, 0.5, 0.95)
RULES = Evidence()


def duel(
    gain: float = 0.0,
    seed: int = 0,
    spoilt: dict[str, float] | None = None,
    width: float = 1.645,
    champions_width: float | None = None,
) -> Duel:
    """A champion, and a challenger whose errors are smaller by a share, but at spoilt stations larger by one.

    Errors of overlapping forecasts are moving averages, as they are in truth.
    """
    rng = np.random.default_rng(seed)
    station, origin = np.repeat(np.arange(len(STATIONS)), ORIGINS), np.tile(np.arange(ORIGINS), len(STATIONS))
    errors = []
    for _ in range(2):
        shocks = rng.normal(size=(len(STATIONS), ORIGINS + HORIZON))
        error = sum(shocks[:, step : step + ORIGINS] for step in range(HORIZON)) / np.sqrt(HORIZON)
        errors.append(np.repeat(error.reshape(-1, 1, 1), HORIZON, axis=1))
    factor = np.ones(len(STATIONS)) - gain
    for name, loss in (spoilt or {}).items():
        factor[STATIONS.index(name)] = 1 + loss
    challengers, champions = errors[1] * factor[station][:, None, None], errors[0]
    sides = side(challengers, width), side(champions, champions_width or width)
    return Duel("mae", *sides, station, origin, STATIONS, HORIZON)


def side(error: np.ndarray, width: float) -> Side:
    """Sum up forecasts with these errors, whose intervals are so wide to either side, some windows at a time."""
    quantiles = error[..., None] + np.array([-width, 0, width])
    compared = Comparison(error, np.zeros_like(error), np.ones((len(error), 1, 1)), quantiles, LEVELS)
    return Side.of(METRICS["mae"], (compared.windows(slice(first, first + 700)) for first in range(0, len(error), 700)))


def failed(held: Duel, rules: Evidence = RULES) -> list[str]:
    return [found.rule for found in judge(held, rules) if not found.passed]


def test_a_challenger_that_is_better_everywhere_meets_every_rule() -> None:
    findings = judge(duel(0.3, width=1.3), RULES)
    assert all(found.passed for found in findings), findings
    assert [found.rule for found in findings] == ["significance", "origins", "stations", "coverage"]
    assert "Diebold–Mariano p" in findings[0].figures and "by bootstrap" in findings[0].figures


def test_what_chance_explains_is_refused() -> None:
    assert failed(duel(0.02)) == ["significance"]


def test_few_effective_origins_are_refused() -> None:
    assert failed(duel(0.3, width=1.3), RULES.model_copy(update={"effective_origins": 400})) == ["origins"]


def test_a_station_that_pays_refuses_and_is_named() -> None:
    held = duel(0.5, spoilt={"B": 0.7}, width=1.4)
    (finding,) = [found for found in judge(held, RULES) if not found.passed]
    assert finding.rule == "stations" and finding.figures.startswith("B (+")
    assert failed(held, RULES.model_copy(update={"station_tolerance": 0.9})) == []


@pytest.mark.parametrize("width", [0.3, 6.0])
def test_intervals_that_do_not_hold_what_they_promise_refuse(width: float) -> None:
    assert failed(duel(0.3, width=width, champions_width=1.65)) == ["coverage"]


def test_intervals_of_a_champion_that_are_further_off_do_not_keep_it() -> None:
    held = duel(0.3, width=0.9, champions_width=0.3)
    assert failed(held) == []
    assert "; the champion's held 2" in judge(held, RULES)[-1].figures


def test_intervals_of_a_champion_that_promise_something_else_are_no_measure() -> None:
    held = duel(0.3, width=0.9, champions_width=0.3)
    others = replace(held.champion, levels=(0.25, 0.5, 0.75))
    assert failed(replace(held, champion=others)) == ["coverage"]


def test_better_by_luck_alone_is_refused_in_at_least_95_of_100_seeds() -> None:
    lucky = [seed for seed in range(200) if better(duel(seed=seed))][:100]
    assert len(lucky) > 80
    assert sum(not failed(duel(seed=seed)) for seed in lucky) <= 0.1 * len(lucky), "half of all are lucky: 10 % of them"
    assert sum(not failed(duel(seed=seed)) for seed in range(100)) <= 5


def better(held: Duel) -> bool:
    return held.challenger.score < held.champion.score


def test_what_only_one_of_them_forecast_is_not_compared() -> None:
    held = duel(0.3, width=1.3)
    champions = held.champion.losses.copy()
    champions[:100] = np.nan
    losses = replace(held, champion=replace(held.champion, losses=champions)).losses()
    ours, theirs = losses.challenger, losses.champion
    assert np.isnan(ours[:100]).all() and np.isnan(theirs[:100]).all() and np.isfinite(ours[100:]).all()


@pytest.mark.parametrize("metric", sorted(name for name, metric in METRICS.items() if metric.ranks))
def test_the_losses_average_to_the_metric(metric: str) -> None:
    rng = np.random.default_rng(3)
    shape = (50, 4, 2)
    classes = METRICS[metric].kind == "classes"
    measured = rng.integers(0, 2, shape).astype(float) if classes else rng.normal(size=shape)
    point = rng.random(shape) if classes else rng.normal(size=shape)
    quantiles = np.sort(rng.normal(size=(*shape, 3)), axis=-1)
    compared = Comparison(point, measured, rng.random((50, 1, 2)) + 0.5, quantiles, LEVELS)
    held = Side.of(METRICS[metric], [compared.windows(slice(20)), compared.windows(slice(20, None))])
    assert held.losses.mean() == pytest.approx(METRICS[metric](compared) ** (2 if metric == "rmse" else 1))
    assert held.score == pytest.approx(METRICS[metric](compared))
    measured[7] = np.nan
    losses = Side.of(METRICS[metric], [compared]).losses
    assert np.isnan(losses[7]) and np.isfinite(losses[8])


def test_nobody_is_ranked_by_what_is_not_the_mean_of_a_loss() -> None:
    assert all(metric.loss for metric in METRICS.values() if metric.ranks)
    with pytest.raises(TypeError, match="AUROC is not the mean of a loss"):
        Side.of(METRICS["auroc"], [])
    with pytest.raises(TypeError, match="must be the mean of a loss: AUROC"):
        replace(METRICS["auroc"], ranks=True)
