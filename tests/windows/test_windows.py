"""Windows: nothing copied, nothing leaked, nothing missing let through."""

import numpy as np
import pandas as pd
import pytest
from grids import grid_of, ramp
from panels import all_starts, noise, spec_of

from tidegate.errors import DataError, GateClosed
from tidegate.windows.leakage import prove
from tidegate.windows.scaler import Scaler, fit_scaler
from tidegate.windows.spec import WindowSpec
from tidegate.windows.splits import SPLITS, split_spans, starts_in
from tidegate.windows.window_grid import to_grid


def build(
    values: np.ndarray, spec: WindowSpec, gap: int | None = None, min_observed: float = 0.5
) -> tuple[dict[str, np.ndarray], dict[str, tuple[int, int]], int]:
    grid = grid_of(values)
    gap = spec.lookback if gap is None else gap
    spans = split_spans(len(grid.times), 0.2, 0.2, gap)
    return {name: starts_in(grid, spec, spans[name], min_observed) for name in SPLITS}, spans, gap


def test_a_frame_folds_into_stations_steps_and_features() -> None:
    times = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC")
    frame = pd.DataFrame({"station": list("AAABBB"), "time": [*times, *times], "x": range(6), "y": range(10, 16)})
    grid = to_grid(frame, ("y", "x"))
    assert grid.stations == ("A", "B")
    assert grid.values[1].tolist() == [[13, 3], [14, 4], [15, 5]]


def test_splits_follow_each_other_in_time_with_the_gap_between_their_targets() -> None:
    assert split_spans(100, 0.2, 0.2, 7) == {"train": (0, 53), "validation": (60, 73), "test": (80, 100)}


def test_the_test_span_is_the_last_share_whatever_the_gap_is() -> None:
    assert split_spans(100, 0.1, 0.2, 0)["test"] == split_spans(100, 0.1, 0.2, 9)["test"] == (80, 100)


def test_no_step_of_a_split_is_a_step_of_another() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    starts, _, _ = build(ramp(), spec)
    steps = {
        name: {step for _, first in part for step in range(first, first + spec.lookback + spec.horizon)}
        for name, part in starts.items()
    }
    assert steps["train"].isdisjoint(steps["validation"])
    assert max(steps["train"]) < min(steps["validation"])
    assert max(t + 6 + 2 for _, t in starts["validation"]) < min(t for _, t in starts["test"])


def test_every_window_lies_within_its_station() -> None:
    spec = spec_of(3, 1, lookback=5, horizon=2)
    starts, _, _ = build(ramp(3, 100, 1), spec)
    for part in starts.values():
        assert part.dtype == np.int32
        assert part[:, 1].min() >= 0 and part[:, 1].max() + 7 <= 100
        assert set(part[:, 0]) == {0, 1, 2}


def test_windows_read_what_lies_before_and_after_their_origin() -> None:
    spec = spec_of(2, 2, lookback=3, horizon=2)
    panel = noise(spec, missing=0)
    past, _ = panel.past(np.array([[1, 10]], np.int32))
    future, _ = panel.future(np.array([[1, 10]], np.int32))
    assert np.array_equal(past[0], panel.values[1, 10:13])
    assert np.array_equal(future[0], panel.values[1, 13:15, :1])


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


@pytest.mark.parametrize(("spoil", "words"), [(7.0, "is constant \\(7\\)"), (np.nan, "has no value at all")])
def test_a_target_that_cannot_be_learnt_is_refused_with_its_station(spoil: float, words: str) -> None:
    values = ramp()
    values[1, :, 0] = spoil
    with pytest.raises(DataError, match=f"Target f0 at station S1 {words}"):
        fit_scaler(grid_of(values), 60, spec_of(2, 2, lookback=3, horizon=2))


def test_a_constant_covariate_becomes_zero() -> None:
    values = ramp()
    values[:, :, 1] = 7
    scaler = fit_scaler(grid_of(values), 60, spec_of(2, 2, lookback=3, horizon=2))
    assert (scaler.scale(values)[0][..., 1] == 0).all()


def test_a_window_needs_enough_of_its_lookback_and_some_of_its_future() -> None:
    spec = spec_of(1, 1, lookback=4, horizon=2)
    values = ramp(1, 20, 1)
    values[0, 0:3] = np.nan  # the window from 0 has one of four observed, that from 1 two
    values[0, 18:20] = np.nan  # the window with targets 18 and 19 has none of them
    starts = starts_in(grid_of(values), spec, (0, 20), 0.5)
    assert starts[:, 1].tolist() == list(range(1, 14))


def test_an_all_missing_lookback_is_never_a_window() -> None:
    values = ramp(1, 20, 1)
    values[0, 4:12] = np.nan
    starts = starts_in(grid_of(values), spec_of(1, 1, lookback=4, horizon=2), (0, 20), 0.0)
    assert not {4, 5, 6, 7, 8} & set(starts[:, 1].tolist())


def test_the_proof_counts_what_the_windows_touch() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    starts, spans, gap = build(ramp(), spec)
    times = grid_of(ramp()).times
    proof = prove(starts, spec, spans["train"][1], gap, times)
    assert proof["train"]["windows"] == len(starts["train"])
    assert proof["train"]["targets_to"] == str(times[spans["train"][1] - 1])
    assert proof["test"]["targets_to"] == str(times[-1])


@pytest.mark.parametrize("later", ["validation", "test"])
def test_the_leakage_gate_closes_on_a_window_that_reaches_into_the_next_split(later: str) -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    starts, spans, gap = build(ramp(), spec)
    earlier = {"validation": "train", "test": "validation"}[later]
    starts[earlier] = np.concatenate([starts[earlier], [[0, starts[earlier][:, 1].max() + 1]]]).astype(np.int32)
    with pytest.raises(GateClosed, match=f"{later} targets begin at .* 5 steps after the last {earlier} target"):
        prove(starts, spec, spans["train"][1], gap, grid_of(ramp()).times)


def test_the_leakage_gate_closes_on_a_scaler_that_has_seen_validation_rows() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    starts, spans, gap = build(ramp(), spec)
    with pytest.raises(GateClosed, match="the scaler has seen 55 steps"):
        prove(starts, spec, spans["train"][1] + 1, gap, grid_of(ramp()).times)


def test_the_leakage_gate_closes_on_an_empty_split() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    starts, spans, gap = build(ramp(), spec)
    starts["test"] = starts["test"][:0]
    with pytest.raises(GateClosed, match="test split holds no window"):
        prove(starts, spec, spans["train"][1], gap, grid_of(ramp()).times)


def test_windows_are_never_copied() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    panel = noise(spec)
    starts = all_starts(panel)
    assert starts.nbytes == 8 * len(starts)
