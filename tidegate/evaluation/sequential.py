"""Whether verified forecasts have changed for the worse, lastingly. Pure functions of one value a day.

A value, such as a station's mean absolute error of a day, is compared with a healthy time, the reference, by a CUSUM.
References are short and days resemble their neighbours: standardised by mean and standard deviation, values would raise
false alarms several times as often as asked. Here instead:

- A day counts for at most about two scales either way, in the reference as well: one extreme day raises nothing.
- The scale is that of sums of autocorrelated days: it grows with the reference's lag-one autocorrelation.
- The center is raised by its standard error. This keeps false alarms rare, at the price of some delay.

Measured on 2,000 years of 6 series of standard deviation 1, with drift 0.25 and `threshold_for(1, 6, 0.25)`: false
alarms a year over the network, the first of each series and, in brackets, with those after restarts from zero; days
from a change by 1 and by 2 standard deviations to its alarm, median / 95 % (– is beyond a year).

    days                        reference 60                     reference 30
    independent, normal         0.33 (0.42)  20 / 46  9 / 13     0.33 (0.63)  23 / 87  10 / 18
    Student t, 5 degrees        0.31 (0.41)  18 / 37  9 / 13     0.34 (0.59)  20 / 65  10 / 16
    AR(1), φ = 0.5              0.46 (0.76)  52 / –  16 / 39     0.66 (1.73)  73 / –   19 / 117
    exponentials of the latter  0.76 (1.36)  38 / –  15 / 37     0.88 (2.32)  52 / –   17 / 202

It does not hold for large networks, whose alarms come from the few worst references: of 60 days, where 1 was asked for,
50 series gave 0.7 (independent) and 1.6 (φ = 0.5) and 500 gave 2.6 and 8; with drift 0.5, 0.4, 1.1, 0.7 and 4.7.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from tidegate.evaluation.comparison import Array

LEAST_REFERENCE = 14  # days; from fewer no spread can be estimated, and 30 or more are better
CLIP = 2.0  # scales from the median
TO_DEVIATION = 1.4826  # of a normal distribution: its standard deviation over its median absolute deviation
MOST_CORRELATION = 0.9  # beyond it a short reference cannot tell a level from its own wandering
CONSTANT = 1e-9  # of the median: a smaller spread is rounding
OVERSHOOT = 1.166  # Siegmund: twice the mean excess of a normal random walk over a barrier


@dataclass(frozen=True)
class Alarm:
    """A change that was detected; days are indices of the values given."""

    since: int  # the day at which the change is estimated to have begun: where the statistic last left zero
    raised: int  # the day of the alarm
    statistic: float  # at the day of the alarm, in scales
    threshold: float


@dataclass(frozen=True)
class _Standard:
    """What a day of the reference looks like, in the values' unit."""

    low: float
    high: float
    center: float
    scale: float

    def scores(self, values: Array) -> Array:
        return np.asarray((np.clip(values, self.low, self.high) - self.center) / self.scale, np.float64)


def cusum(
    values: npt.NDArray[np.floating],
    reference: npt.NDArray[np.floating],
    drift: float,
    threshold: float,
    least_scale: float = 0.0,
) -> Alarm | None:
    """Find the first lasting increase of `values` (days,) over those of a healthy time, `reference` (days,).

    S = max(0, S + z − drift), where z is the day's standardised value, and the alarm is raised at S > threshold. Page,
    Continuous Inspection Schemes, Biometrika 41 (1954). A drift of 0.25 suits references of 30 to 90 days; half the
    increase that matters, in scales, is best only where the center is known. `least_scale`, in the values' unit, is
    what the scale is at least. Days that are not finite are skipped.

    None if there is no alarm, from fewer than 14 reference values, or if these are constant without a least scale.

    Raises:
        ValueError: drift or threshold is negative.
    """
    if drift < 0 or threshold < 0:
        raise ValueError(f"drift and threshold must not be negative: {drift}, {threshold}")
    standard = _standard(np.asarray(reference, np.float64), least_scale)
    known = np.flatnonzero(np.isfinite(values))
    if standard is None or not len(known):
        return None
    sums = np.concatenate([[0.0], np.cumsum(standard.scores(np.asarray(values, np.float64)[known]) - drift)])
    statistics = sums - np.minimum.accumulate(sums)
    above = np.flatnonzero(statistics > threshold)
    if not len(above):
        return None
    zero = np.flatnonzero(statistics[: above[0]] == 0)[-1]  # known[i] is the day of statistics[i + 1]
    return Alarm(int(known[zero]), int(known[above[0] - 1]), float(statistics[above[0]]), float(threshold))


def threshold_for(false_alarms_a_year: float, series: int, drift: float, days_a_year: float = 365) -> float:
    """Find the threshold of `cusum` at which healthy series give at most so many false alarms a year, all together.

    The alarms are shared out evenly (Bonferroni), and each series' mean time between false alarms is Siegmund's
    (e^b − b − 1) / (2 drift²), b = 2 drift (threshold + 1.166), of independent normal values. Siegmund, Sequential
    Analysis (1985), chapter 2.

    Raises:
        ValueError: an argument is not positive.
    """
    if min(false_alarms_a_year, series, drift, days_a_year) <= 0:
        raise ValueError("false alarms a year, series, drift and days a year must be positive")
    wanted = 2 * drift**2 * days_a_year * series / false_alarms_a_year
    b = optimize.brentq(lambda b: math.expm1(b) - b - wanted, 0, 2 * math.log1p(wanted) + 2)
    return max(float(b) / (2 * drift) - OVERSHOOT, 0.0)


def daily_shares(held: npt.NDArray[np.number], counted: npt.NDArray[np.number], least: int = 1) -> Array:
    """Share of each day's measurements that the interval held (days,); NaN for days with fewer than `least`."""
    counts = np.asarray(counted, np.float64)
    return np.where(counts >= max(least, 1), np.asarray(held, np.float64) / np.maximum(counts, 1), np.nan)


def coverage_change(
    held: npt.NDArray[np.number],
    counted: npt.NDArray[np.number],
    expected: float,
    reference: npt.NDArray[np.floating],
    drift: float,
    threshold: float,
) -> Alarm | None:
    """Find the first lasting fall of the coverage of intervals, of the `counted` (days,) measurements those `held`.

    The forecasts of a day overlap, so its measurements are not independent: a day is one value, and its spread that of
    the shares of a healthy time, `reference` (days,), though at least the binomial one. A reference that held more
    than `expected`, which is between 0 and 1, counts as if it had held that: only a fall below both raises an alarm.
    For too much coverage give what was not held, 1 − `expected` and 1 − `reference`.

    Raises:
        ValueError: expected is not between 0 and 1, or drift or threshold is negative.
    """
    if not 0 < expected < 1:
        raise ValueError(f"expected must be between 0 and 1: {expected}")
    counts, healthy = np.asarray(counted, np.float64), expected - np.asarray(reference, np.float64)
    if not (counts > 0).any() or not np.isfinite(healthy).any():
        return None
    binomial = math.sqrt(expected * (1 - expected) / float(np.median(counts[counts > 0])))
    healthy = healthy - min(float(np.nanmean(healthy)), 0.0)
    return cusum(expected - daily_shares(held, counts), healthy, drift, threshold, binomial)


def in_violation(flags: npt.NDArray[np.bool_], window: int, least: int) -> int | None:
    """Find the newest day of `flags` (days,) at which at least `least` of the last `window` days were flagged.

    Raises:
        ValueError: not 1 ≤ least ≤ window.
    """
    if not 1 <= least <= window:
        raise ValueError(f"least must be from 1 to window: {least}, {window}")
    sums = np.concatenate([np.zeros(window, np.int64), np.cumsum(np.asarray(flags, bool))])
    days = np.flatnonzero(sums[window:] - sums[:-window] >= least)
    return int(days[-1]) if len(days) else None


def _standard(reference: Array, least_scale: float) -> _Standard | None:
    known = np.isfinite(reference)
    number = int(known.sum())
    if number < LEAST_REFERENCE:
        return None
    median = float(np.median(reference[known]))
    # Where more than half of the days are equal, the median deviation is 0 though the days do vary.
    spread = TO_DEVIATION * float(np.median(np.abs(reference[known] - median))) or float(reference[known].std())
    spread = max(spread, least_scale)
    if spread <= CONSTANT * abs(median):
        return None
    growth = _growth(np.clip(np.where(known, reference, np.nan), median - CLIP * spread, median + CLIP * spread))
    # Wider by the root of the growth, or a large change of autocorrelated values would count for less than the drift.
    reach = CLIP * spread * math.sqrt(growth)
    clipped = np.clip(reference[known], median - reach, median + reach)
    scale = growth * max(float(clipped.std(ddof=1)), least_scale)
    center = float(clipped.mean()) + scale / math.sqrt(number)
    return _Standard(median - reach, median + reach, center, scale)


def _growth(reference: Array) -> float:
    """Give by what factor the sums of autocorrelated days spread wider: √((1 + φ) / (1 − φ)) of an AR(1).

    φ is corrected for its bias in short series, E r ≈ φ − (1 + 3 φ) / n: Marriott and Pope, Bias in the Estimation of
    Autocorrelations, Biometrika 41 (1954). It is then raised by half its standard error, √((1 − φ²) / n).
    """
    mean = float(np.nanmean(reference))
    deviations = reference - mean
    products = deviations[1:] * deviations[:-1]
    pairs = int(np.isfinite(products).sum())
    variance = float(np.nanmean(deviations**2))
    if pairs < LEAST_REFERENCE / 2 or variance <= (CONSTANT * mean) ** 2:
        return 1.0
    estimate = float(np.nansum(products)) / (pairs + 1) / variance
    error = math.sqrt(max(1 - estimate**2, 0) / pairs)
    correlation = min(max((pairs * estimate + 1) / (pairs - 3) + error / 2, 0.0), MOST_CORRELATION)
    return math.sqrt((1 + correlation) / (1 - correlation))
