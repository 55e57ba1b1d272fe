"""Stations from which nothing can be learnt are left out by name, and stop nobody."""

import numpy as np
import pytest
from grids import grid_of
from panels import spec_of

from tidegate.errors import DataError
from tidegate.windows.left_out import named, require_enough, unlearnable, without
from tidegate.windows.splits import starts_in

TRAINING = 60
STEP = np.arange(100)
SPEC = spec_of(2, 2, lookback=6, horizon=2)


def reasons(values: np.ndarray) -> dict[str, str]:
    grid = grid_of(values)
    return unlearnable(grid, TRAINING, starts_in(grid, SPEC, (0, TRAINING), 0.5), SPEC)


def cycles() -> np.ndarray:
    return np.random.default_rng(0).normal(5, 1, (4, 100, 2))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda target: np.full_like(target, np.nan), "f0 has no value in the training span"),
        (lambda target: np.where(STEP < 70, np.nan, target), "f0 has no value in the training span"),
        (lambda target: np.where(STEP < TRAINING, 7.0, target), "f0 is constant in the training span"),
        (
            lambda target: np.where(STEP < 57, np.nan, target),
            "its 3 steps in the training span hold no window",
        ),
    ],
    ids=["never measured", "young", "constant", "short"],
)
def test_a_station_is_left_out_with_its_reason(spoil, reason: str) -> None:  # type: ignore[no-untyped-def]
    values = cycles()
    values[2, :, 0] = spoil(values[2, :, 0])
    assert reasons(values) == {"S2": reason}
    assert without(grid_of(values), reasons(values)).stations == ("S0", "S1", "S3")


def test_one_of_two_targets_is_enough_to_leave_a_station_out() -> None:
    values = cycles()
    values[1, :TRAINING, 1] = np.nan
    grid, spec = grid_of(values), spec_of(2, 2, lookback=6, horizon=2, targets=2)
    found = unlearnable(grid, TRAINING, starts_in(grid, spec, (0, TRAINING), 0.0), spec)
    assert found == {"S1": "f1 has no value in the training span"}


def test_more_than_is_tolerated_is_refused_with_names_and_what_helps() -> None:
    left_out = dict.fromkeys("ABCD", "x is constant in the training span")
    require_enough(left_out, 8, 0.5)
    with pytest.raises(DataError, match=r"4 of 7 stations \(A \(x is constant.*and 1 more.*left_out_tolerance \(0.5\)"):
        require_enough(left_out, 7, 0.5)
    with pytest.raises(DataError, match="4 of 4"):
        require_enough(left_out, 4, 1.0)
    assert named(left_out, ["B", "Z"]) == "B (x is constant in the training span)"
