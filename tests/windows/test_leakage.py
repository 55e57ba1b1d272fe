"""The proof that nothing leaks, and the gate that closes where something would."""

import numpy as np
import pytest
from grids import grid_of, ramp, windows_of
from panels import spec_of

from tidegate.errors import GateClosed
from tidegate.windows.leakage import prove_no_leakage


def test_the_proof_counts_what_the_windows_touch() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    starts, spans, gap = windows_of(ramp(), spec)
    times = grid_of(ramp()).times
    proof = prove_no_leakage(starts, spec, spans["train"][1], gap, times)
    assert proof["train"]["windows"] == len(starts["train"])
    assert proof["train"]["targets_to"] == str(times[spans["train"][1] - 1])
    assert proof["test"]["targets_to"] == str(times[-1])


@pytest.mark.parametrize("later", ["validation", "test"])
def test_the_leakage_gate_closes_on_a_window_that_reaches_into_the_next_split(later: str) -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    starts, spans, gap = windows_of(ramp(), spec)
    earlier = {"validation": "train", "test": "validation"}[later]
    starts[earlier] = np.concatenate([starts[earlier], [[0, starts[earlier][:, 1].max() + 1]]]).astype(np.int32)
    with pytest.raises(GateClosed, match=f"{later} targets begin at .* 5 steps after the last {earlier} target"):
        prove_no_leakage(starts, spec, spans["train"][1], gap, grid_of(ramp()).times)


def test_the_leakage_gate_closes_on_a_scaler_that_has_seen_validation_rows() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    starts, spans, gap = windows_of(ramp(), spec)
    with pytest.raises(GateClosed, match="the scaler has seen 55 steps"):
        prove_no_leakage(starts, spec, spans["train"][1] + 1, gap, grid_of(ramp()).times)


def test_the_leakage_gate_closes_on_an_empty_split() -> None:
    spec = spec_of(2, 2, lookback=6, horizon=3)
    starts, spans, gap = windows_of(ramp(), spec)
    starts["test"] = starts["test"][:0]
    with pytest.raises(GateClosed, match="test split holds no window"):
        prove_no_leakage(starts, spec, spans["train"][1], gap, grid_of(ramp()).times)
