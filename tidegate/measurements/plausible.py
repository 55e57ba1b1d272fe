"""Which values can be measurements at all, judged by the value alone."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def plausible(values: pd.Series, lowest: float | None, highest: float | None, sentinels: Sequence[float]) -> pd.Series:
    """Make sentinels, and values beyond the physical limits, missing."""
    low, high = (-np.inf if lowest is None else lowest), (np.inf if highest is None else highest)
    return values.where(values.between(low, high) & ~values.isin(sentinels))
