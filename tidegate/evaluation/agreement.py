"""How a series of forecasts agrees with what was measured, as hydrology and meteorology judge it: 1 is perfect."""

from typing import Any

import numpy as np
import numpy.typing as npt

LEAST = 2  # pairs


def nse(forecast: npt.NDArray[Any], measured: npt.NDArray[Any]) -> float:
    """Nash–Sutcliffe efficiency: 1 − Σ(f − y)² / Σ(y − ȳ)²; NaN where nothing varies. Below 0 the mean is better.

    Nash and Sutcliffe, River flow forecasting through conceptual models, Journal of Hydrology 10 (1970).
    """
    f, y = _known(forecast, measured)
    spread = float(np.sum((y - y.mean()) ** 2)) if len(y) >= LEAST else 0.0
    return 1 - float(np.sum((f - y) ** 2)) / spread if spread > 0 else float("nan")


def kge(forecast: npt.NDArray[Any], measured: npt.NDArray[Any]) -> float:
    """Kling–Gupta efficiency: 1 − √((r − 1)² + (σ_f/σ_y − 1)² + (f̄/ȳ − 1)²); NaN where one of them is undefined.

    r is Pearson's correlation. Gupta, Kling, Yilmaz and Martinez, Journal of Hydrology 377 (2009).
    """
    f, y = _known(forecast, measured)
    if len(y) < LEAST or f.std() == 0 or y.std() == 0 or y.mean() == 0:
        return float("nan")
    parts = np.corrcoef(f, y)[0, 1] - 1, f.std() / y.std() - 1, f.mean() / y.mean() - 1
    return 1 - float(np.sqrt(np.sum(np.square(parts))))


def _known(*series: npt.NDArray[Any]) -> list[npt.NDArray[np.float64]]:
    """Keep the places at which all series are finite."""
    known = np.logical_and.reduce([np.isfinite(values) for values in series])
    return [np.asarray(values, np.float64)[known] for values in series]
