"""The leakage gate."""

from typing import Any

import pandas as pd

from tidegate.errors import GateClosed
from tidegate.windows.panel import Starts
from tidegate.windows.spec import WindowSpec
from tidegate.windows.splits import SPLITS


def prove(
    starts: dict[str, Starts], spec: WindowSpec, scaler_steps: int, gap: int, times: pd.DatetimeIndex
) -> dict[str, Any]:
    """Recount from the windows themselves what they touch, and show that no split sees another's future.

    Raises:
        GateClosed: a split is empty, or a target of an earlier split lies less than the gap before a later one's,
            or the scaler has seen a step that is not the training span's.
    """
    proof: dict[str, Any] = {
        "gap_steps": gap,
        "scaler": {"steps": scaler_steps, "to": str(times[scaler_steps - 1])},
    }
    touched = {}
    for split in SPLITS:
        if not len(starts[split]):
            raise GateClosed(
                f"The leakage gate is closed: the {split} split holds no window of {spec.lookback} + {spec.horizon} "
                f"steps in {len(times)} steps: shorten window.lookback_steps, horizon_steps or gap_steps, or bring "
                "more data."
            )
        first, last = int(starts[split][:, 1].min()), int(starts[split][:, 1].max())
        touched[split] = (first + spec.lookback, last + spec.lookback + spec.horizon - 1)
        proof[split] = {
            "windows": len(starts[split]),
            "inputs_from": str(times[first]),
            "targets_from": str(times[touched[split][0]]),
            "targets_to": str(times[touched[split][1]]),
        }
    for earlier, later in (("train", "validation"), ("validation", "test")):
        between = touched[later][0] - touched[earlier][1] - 1
        if between < gap:
            begin = times[touched[later][0]]
            raise GateClosed(
                f"The leakage gate is closed: {later} targets begin at {begin}, {between} steps after the last "
                f"{earlier} target, and window.gap_steps asks for {gap}: rebuild the windows."
            )
    if scaler_steps > touched["validation"][0] - gap:
        raise GateClosed(
            f"The leakage gate is closed: the scaler has seen {scaler_steps} steps, up to {times[scaler_steps - 1]}, "
            "which is beyond the training span: fit it on training rows alone."
        )
    return proof
