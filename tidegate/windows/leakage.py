"""The leakage gate: no split may use the future of another split."""

from typing import Any

import pandas as pd

from tidegate.errors import GateClosed
from tidegate.windows.panel import Starts
from tidegate.windows.spec import WindowSpec
from tidegate.windows.splits import SPLITS


def prove_no_leakage(
    starts: dict[str, Starts], spec: WindowSpec, scaler_steps: int, gap_steps: int, times: pd.DatetimeIndex
) -> dict[str, Any]:
    """Compute the steps that the windows of each split use, and check that no split sees another one's future.

    Returns the computed spans, which are stored as proof.

    Raises:
        GateClosed: a split is empty, the targets of two splits are less than `gap_steps` steps apart, or the scaler
            has been fitted to a step outside the training span.
    """
    proof: dict[str, Any] = {
        "gap_steps": gap_steps,
        "scaler": {"steps": scaler_steps, "to": str(times[scaler_steps - 1])},
    }
    target_spans = {}  # the first and the last target step of each split
    for split in SPLITS:
        if not len(starts[split]):
            raise GateClosed(
                f"The leakage gate is closed: the {split} split holds no window of {spec.lookback_steps} + "
                f"{spec.horizon_steps} steps in {len(times)} steps: shorten window.lookback_steps, horizon_steps or "
                "gap_steps, or bring more data."
            )
        first, last = int(starts[split][:, 1].min()), int(starts[split][:, 1].max())
        target_spans[split] = (first + spec.lookback_steps, last + spec.lookback_steps + spec.horizon_steps - 1)
        proof[split] = {
            "windows": len(starts[split]),
            "inputs_from": str(times[first]),
            "targets_from": str(times[target_spans[split][0]]),
            "targets_to": str(times[target_spans[split][1]]),
        }
    _require_gap(target_spans, gap_steps, times)
    if scaler_steps > target_spans["validation"][0] - gap_steps:
        raise GateClosed(
            f"The leakage gate is closed: the scaler has seen {scaler_steps} steps, up to {times[scaler_steps - 1]}, "
            "which is beyond the training span: fit it on training rows alone."
        )
    return proof


def _require_gap(target_spans: dict[str, tuple[int, int]], gap_steps: int, times: pd.DatetimeIndex) -> None:
    """Check that the targets of consecutive splits are at least `gap_steps` steps apart.

    Raises:
        GateClosed: they are not.
    """
    for earlier, later in (("train", "validation"), ("validation", "test")):
        between = target_spans[later][0] - target_spans[earlier][1] - 1
        if between < gap_steps:
            begin = times[target_spans[later][0]]
            raise GateClosed(
                f"The leakage gate is closed: {later} targets begin at {begin}, {between} steps after the last "
                f"{earlier} target, and window.gap_steps asks for {gap_steps}: rebuild the windows."
            )
