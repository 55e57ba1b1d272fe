"""Watch how the champion's forecasts do: has a station, or the network, changed for the worse, lastingly?

Three questions are put to the verified days of the forecasts that stand, of each station and of all together:

    skill       has the ratio of the loss to the seasonal naive forecast's grown?     CUSUM of its logarithm
    coverage    do the intervals hold less than they did?                             CUSUM of the daily share
    violation   was it worse than seasonal naive on so many of the last days?

What is usual is how the version did on its test span; of a version without that, its first verified days. The ratio to
the naive forecast of the same origin takes season and weather out: in a hard week both err more. The two CUSUMs share
the false alarms a year that `watch.false_alarms_a_year` allows over all stations; evaluation/sequential.py says how
well that is kept. A day of which less than half is verified is not judged yet.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tidegate.evaluation.sequential import Alarm, coverage_change, cusum, in_violation, threshold_for
from tidegate.verification.verified import STANDING, VERIFIED
from tidegate.workspace.columns import STATION
from tidegate.workspace.settings import Watch

NETWORK = "all stations"
SKILL, COVERAGE, VIOLATION = "skill", "coverage", "violation"
PART = 0.5  # of what is usually verified of a day
MEANS = ("loss", "naive_loss", "coverage")


@dataclass(frozen=True)
class Change:
    """A lasting change for the worse."""

    kind: str
    station: str  # or "all stations"
    since: str  # day at which it seems to have begun
    raised: str  # day on which it was certain enough
    figures: str

    def as_json(self) -> dict[str, str]:
        """Give it as JSON can hold it."""
        return asdict(self)


def watch_days(days: pd.DataFrame, reference: pd.DataFrame | None, promised: float, watch: Watch) -> list[Change]:
    """Look for lasting changes.

    Args:
        days: scores by issue, variable, station, step and day, of one version.
        reference: the days of its test span (`breakdown.by_day`), if it has them.
        promised: what the outermost quantiles promise to hold.
        watch: the settings.

    Returns:
        The changes, the network's first, then by station.
    """
    standing = days[days["issue"] == STANDING]
    if standing.empty:
        return []
    standing = standing.assign(loss=standing["compared_loss"])  # the naive forecast's is over the same rows
    verified = dict(_by_subject(standing))
    usual = {} if reference is None else dict(_by_subject(reference))
    threshold = threshold_for(watch.false_alarms_a_year, 2 * len(verified), watch.drift)
    changes: list[Change] = []
    for subject, frame in verified.items():
        healthy, watched = _split(frame, usual.get(subject), watch.reference_days)
        if len(watched):
            changes += _changes(subject, watched, healthy, promised, watch, threshold)
    return changes


def _by_subject(days: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Give the network, then each station: a row a day, without gaps."""
    weighted = days.assign(**{name: days[name] * days[VERIFIED] for name in MEANS})
    for subject, part in [(NETWORK, weighted), *weighted.groupby(STATION)]:
        sums = part.groupby("day")[[VERIFIED, *MEANS]].sum(min_count=1)
        enough = sums[VERIFIED].where(sums[VERIFIED] >= max(1.0, PART * float(sums[VERIFIED].median())))
        frame = sums[list(MEANS)].div(enough, axis=0).assign(verified=enough)
        yield str(subject), frame.reindex(pd.date_range(frame.index.min(), frame.index.max(), freq="D"))


def _split(frame: pd.DataFrame, usual: pd.DataFrame | None, days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the healthy time, and the days to watch."""
    return (usual, frame) if usual is not None else (frame.iloc[:days], frame.iloc[days:])


def _changes(
    subject: str, days: pd.DataFrame, healthy: pd.DataFrame, promised: float, watch: Watch, threshold: float
) -> Iterator[Change]:
    ratio, usual = _log_ratio(days), _log_ratio(healthy)
    if alarm := cusum(ratio, usual, watch.drift, threshold):
        after = np.exp(np.nanmean(ratio[alarm.since :]))
        figures = f"its loss is {after:.2f} times the naive forecast's, and was {np.exp(np.nanmean(usual)):.2f} times"
        yield _change(SKILL, subject, days, alarm, figures)
    counted = days[VERIFIED].fillna(0).to_numpy(np.float64)
    held = (days["coverage"] * days[VERIFIED]).fillna(0).to_numpy(np.float64)
    shares = healthy["coverage"].to_numpy(np.float64)
    alarm = (
        coverage_change(held, counted, promised, shares, watch.drift, threshold) if np.isfinite(shares).any() else None
    )
    if alarm:
        since = slice(alarm.since, None)
        figures = f"its {promised:.0%} intervals held {held[since].sum() / counted[since].sum():.1%} since then"
        yield _change(COVERAGE, subject, days, alarm, figures)
    flags = ratio > 0
    newest = in_violation(flags, watch.violation_window, watch.violation_days)
    if newest is not None and newest == len(flags) - 1:
        first = max(0, newest - watch.violation_window + 1)
        count = int(flags[first:].sum())
        figures = f"worse than seasonal naive on {count} of the last {len(flags) - first} days"
        yield Change(VIOLATION, subject, _day(days, first), _day(days, newest), figures)


def _change(kind: str, subject: str, days: pd.DataFrame, alarm: Alarm, figures: str) -> Change:
    how = f"statistic {alarm.statistic:.1f}, threshold {alarm.threshold:.1f}"
    return Change(kind, subject, _day(days, alarm.since), _day(days, alarm.raised), f"{figures} ({how})")


def _log_ratio(days: pd.DataFrame) -> Any:
    loss, naive = (days[name].to_numpy(np.float64) for name in ("loss", "naive_loss"))
    known = (loss > 0) & (naive > 0)
    return np.where(known, np.log(np.where(known, loss, 1.0) / np.where(known, naive, 1.0)), np.nan)


def _day(days: pd.DataFrame, index: int) -> str:
    return f"{days.index[index]:%Y-%m-%d}"
