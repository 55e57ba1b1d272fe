"""Which values can be measurements at all, judged by the value alone."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def plausible(
    values: npt.NDArray[np.float64], lowest: float | None, highest: float | None, sentinels: Sequence[float]
) -> npt.NDArray[np.float64]:
    """Make sentinels, and values beyond the physical limits, missing."""
    low, high = (-np.inf if lowest is None else lowest), (np.inf if highest is None else highest)
    kept = (values >= low) & (values <= high)
    for sentinel in sentinels:
        kept &= values != sentinel
    return np.where(kept, values, np.nan)
