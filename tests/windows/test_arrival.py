"""Values are judged as they arrive: by themselves and by what came before, and never differently later."""

import dataclasses

import numpy as np
import pytest
from grids import grid_of
from panels import spec_of

from tidegate.windows.arrival import ArrivalRules, fit_rules
from tidegate.workspace.dataset import Dataset

SPEC = dataclasses.replace(
    spec_of(2, 2, lookback=6, horizon=2), lowest=(-50.0, None), highest=(50.0, None), sentinels=((-9.0,), ())
)
DATASET = Dataset(
    source="files",
    frequency="1h",
    variables={
        "f0": {"unit": "1", "min": -50, "max": 50, "spike": 20, "stuck_steps": 4},
        "f1": {"unit": "1", "stuck_steps": 4, "floor": 0},
    },
    relations=["f0 <= f1"],
    targets=["f0"],
    covariates=["f1"],
    season_steps=4,
)


def clean(steps: int = 400) -> np.ndarray:
    rng = np.random.default_rng(0)
    low = 3 * np.sin(np.arange(steps) / 4) + rng.normal(0, 0.3, (2, steps))
    return np.stack([low, low + 5 + rng.normal(0, 0.3, (2, steps))], axis=-1)


@pytest.fixture
def rules() -> ArrivalRules:
    return fit_rules(DATASET, grid_of(clean()), 300)


def flagged(rules: ArrivalRules, values: np.ndarray) -> set[tuple[int, int, int]]:
    passed = rules.passed(values, SPEC)
    return {tuple(map(int, cell)) for cell in np.argwhere(np.isnan(passed) & ~np.isnan(values))}


def test_clean_values_pass(rules: ArrivalRules) -> None:
    assert flagged(rules, clean()) == set()


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (lambda v: v.__setitem__((0, 350, 0), -9.0), {(0, 350, 0)}),
        (lambda v: v.__setitem__((1, 350, 0), 60.0), {(1, 350, 0)}),
        (lambda v: v.__setitem__((0, 350, 1), -40.0), {(0, 350, 0), (0, 350, 1)}),
        (lambda v: v.__setitem__((0, slice(350, 358), 1), 7.25), {(0, step, 1) for step in range(354, 358)}),
        (lambda v: v.__setitem__((0, 350, 0), -45.0), {(0, 350, 0)}),
        (lambda v: v.__setitem__((0, slice(350, 360), 0), v[0, 350:360, 0] - 40), {(0, 350, 0), (0, 360, 0)}),
    ],
    ids=["sentinel", "range", "relation", "stuck", "spike", "lasting change of level, and back"],
)
def test_a_fault_is_seen_when_it_arrives(rules: ArrivalRules, plant, found) -> None:  # type: ignore[no-untyped-def]
    values = clean()
    plant(values)
    assert flagged(rules, values) == found


def test_a_verdict_never_depends_on_what_comes_later(rules: ArrivalRules) -> None:
    values = clean()
    rng = np.random.default_rng(1)
    for _ in range(60):
        row, step, column = rng.integers(2), rng.integers(400), rng.integers(2)
        values[row, step : step + rng.integers(1, 8), column] = rng.choice([np.nan, -9.0, 80.0, 7.5, -30.0])
    whole = rules.passed(values, SPEC)
    for end in range(5, 400, 13):
        assert np.array_equal(rules.passed(values[:, :end], SPEC), whole[:, :end], equal_nan=True)


def test_rules_are_stored_and_older_versions_have_only_limits(rules: ArrivalRules) -> None:
    again = ArrivalRules.from_json(rules.as_json())
    values = clean()
    values[0, 350, 0], values[1, 200, 0] = -45.0, 60.0
    assert np.array_equal(again.passed(values, SPEC), rules.passed(values, SPEC), equal_nan=True)
    assert flagged(ArrivalRules.from_json(None), values) == {(1, 200, 0)}


def test_a_steep_rise_that_is_a_habit_is_no_spike() -> None:
    values = clean()
    values[..., 0] += 30 * (np.arange(400) % 24 > 12) - 20
    values[..., 1] += 30
    assert flagged(fit_rules(DATASET, grid_of(values), 300), values) == set()
