"""Read the recent measurements that forecasts start from, as they are or as they were known at a past time."""

from collections.abc import Sequence

import pandas as pd

from tidegate.errors import DataError
from tidegate.forecasting.forecaster import Forecaster
from tidegate.measurements import frame as long_frame
from tidegate.measurements import months, versions
from tidegate.measurements.grid import step_of
from tidegate.measurements.versions import MergePolicy
from tidegate.quality.rules import off_grid
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.columns import STATION, TIME
from tidegate.workspace.paths import DATA, MEASUREMENTS
from tidegate.workspace.settings import Conflict

ALERT_HISTORY = pd.Timedelta(days=365)  # in which the baseline counts how often there were alerts


def read_recent(
    forecaster: Forecaster, until: pd.Timestamp | None, length: pd.Timedelta, conflict: Conflict | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read the rows of data/ that the forecaster needs.

    Args:
        forecaster: knows the features and stations.
        until: no later measurement is read, only covariates that are known ahead; by default there is no limit.
        length: how far back to read.
        conflict: the workspace's `ingest.conflict`: use the rows as they were known at `until`, without later
            corrections. By default the rows are used as they are now.

    Returns:
        The rows, checked, of the stations that the model knows; and the names of the other stations.

    Raises:
        DataError: there are no measurements.
    """
    spec, step = forecaster.spec, step_of(forecaster.spec.frequency)
    ahead = until + spec.horizon_steps * step if until is not None and spec.known else until
    measured = [name for name in spec.features if name not in spec.known]
    rows = _read(ahead, length + spec.horizon_steps * step, measured)
    if until is not None and conflict:
        rows = _as_known(rows, until, MergePolicy(spec.features, conflict, as_of=until))
    rows = rows[~off_grid(rows[STATION], rows[TIME], spec.frequency)]
    if until is not None:
        rows.loc[rows[TIME] > until, measured] = float("nan")
    known = rows[STATION].isin(spec.stations)
    return forecaster.check_rows(rows[known]), tuple(sorted(rows.loc[~known, STATION].unique()))


def _as_known(rows: pd.DataFrame, until: pd.Timestamp, policy: MergePolicy) -> pd.DataFrame:
    """Replace the rows up to a time by what was known of them at that time; later rows stay as they are."""
    first = rows[TIME].min()
    names = [name for name in months.require_months() if f"{first:%Y-%m}" <= name <= f"{until:%Y-%m}"]
    parts = [versions.known_as_of(months.read_stored(name, None, policy.variables), policy) for name in names]
    known = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return pd.concat([known[known[TIME] >= first], rows[rows[TIME] > until]], ignore_index=True)


def _read(until: pd.Timestamp | None, length: pd.Timedelta, measured: Sequence[str]) -> pd.DataFrame:
    """Read the rows of data/ up to `until`, from a length before the newest measurement; months newest first.

    Rows of covariates that are known far ahead are no measurements.
    """
    parts: list[pd.DataFrame] = []
    newest = None
    for path in sorted((DATA / MEASUREMENTS).glob("*.parquet"), reverse=True):
        if newest is not None and path.stem < f"{newest - length:%Y-%m}":
            break
        month = long_frame.read_frame(path)
        month = month if until is None else month[month[TIME] <= until]
        parts.insert(0, month)
        has_value = month[[name for name in measured if name in month]].notna().any(axis=1)
        if newest is None and has_value.any():
            newest = month.loc[has_value, TIME].max()
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if frame.empty:
        when = f" up to {until:%Y-%m-%d %H:%M} UTC" if until is not None else ""
        raise DataError(f"{DATA}/ holds no measurements{when}: tidegate ingest brings them in.")
    return frame if newest is None else frame[frame[TIME] > newest - length]


def steps_from(rows: pd.DataFrame, spec: WindowSpec, first: pd.Timestamp, step: pd.Timedelta) -> pd.DatetimeIndex:
    """List the steps of the data's regular grid from `first` to the newest measurement of a target.

    Raises:
        DataError: there are none.
    """
    measured = rows.loc[rows[list(spec.targets)].notna().any(axis=1), TIME]
    steps = pd.date_range(rows[TIME].min(), measured.max(), freq=step, unit="us")
    steps = steps[steps >= first]
    if steps.empty:
        raise DataError(
            f"Nothing was measured in that span: the newest measurement before its end is of {measured.max()}."
        )
    return steps


def example(clean: pd.DataFrame, forecaster: Forecaster) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the two newest lookbacks of clean rows, and the forecasts from it."""
    span = 2 * forecaster.spec.lookback_steps * pd.Timedelta(forecaster.spec.frequency)
    recent = clean[clean[TIME] > clean[TIME].max() - span]
    recent = recent[[STATION, TIME, *forecaster.spec.features]]
    # Stations without a measured target in that span cannot be forecast.
    has_targets = recent[list(forecaster.spec.targets)].notna().any(axis=1).groupby(recent[STATION]).transform("any")
    recent = recent[has_targets].reset_index(drop=True)
    return recent, forecaster.forecast(recent)
