"""What was measured, as the data gate's rules for single values let it pass: what issued forecasts are compared with.

The rules are applied to data/ itself, so that nothing waits for the next validation. A rule that learns what is usual
(spikes) reads two months before the span too, or two seasons; what comes more than two days after it changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from tidegate.measurements import months, parquet
from tidegate.measurements.frame import conform
from tidegate.measurements.grid import step_of
from tidegate.quality.sorted_rows import epoch_microseconds, most_common, step_microseconds
from tidegate.quality.verdict import judge_cells
from tidegate.workspace.columns import ARRIVED, KEYS, RULE, TIME, VARIABLE
from tidegate.workspace.paths import DATA, MEASUREMENTS
from tidegate.workspace.settings import Settings

CONTEXT = pd.Timedelta(days=62)
AFTERWARDS = pd.Timedelta(days=2)  # what is read after a span: a value is stuck, or a spike, by its neighbours too


@dataclass(frozen=True)
class Truth:
    """Measurements of the targets on the network's grid."""

    values: "pd.Series[float]"  # by station, time and variable; NaN where missing or held back
    rules: "pd.Series[str]"  # by station, time and variable, of what is held back alone
    newest: pd.Timestamp  # time up to which the network has measured

    def at(self, station: pd.Series, time: pd.Series, variable: pd.Series) -> tuple[pd.Series, pd.Series]:
        """Look up the values of some keys, and the rules that hold them back (empty where none does)."""
        keys = pd.MultiIndex.from_arrays([station, time, variable])
        values, rules = self.values.reindex(keys), self.rules.reindex(keys).fillna("")
        return values.set_axis(station.index), rules.set_axis(station.index)


def months_of(settings: Settings, first: pd.Timestamp, last: pd.Timestamp) -> list[str]:
    """Name the months of data/ that the truth of a span is read from, with what rules and naive forecasts need."""
    season = settings.dataset.season_steps * step_of(settings.dataset.frequency)
    begin = first - max(CONTEXT, 2 * season)
    return [name for name in months.stored_months() if f"{begin:%Y-%m}" <= name <= f"{last + AFTERWARDS:%Y-%m}"]


def newest_measured(targets: Sequence[str]) -> pd.Timestamp | None:
    """Give the time up to which the network has measured one of the variables; None if it never has."""
    schema = pa.schema([months.month_schema([]).field(TIME), *((name, pa.float64()) for name in targets)])
    for month in reversed(months.stored_months()):
        rows = parquet.read_range(DATA / MEASUREMENTS / f"{month}.parquet", None, schema)
        measured = rows.loc[rows[list(targets)].notna().any(axis=1), TIME]
        if len(measured):
            newest: pd.Timestamp = measured.max()
            return newest
    return None


def read_truth(settings: Settings, targets: Sequence[str], first: pd.Timestamp, last: pd.Timestamp) -> Truth:
    """Read and judge what was measured of some variables in a span.

    Raises:
        DataError: data/ holds no rows, or two for one station and time.
    """
    months.require_months()
    variables, targets = list(settings.dataset.variables), list(targets)
    names = months_of(settings, first, last)
    stored = [months.read_stored(name, None, variables, DATA).standing for name in names]
    rows = pd.concat(stored or [months.no_rows(variables).standing], ignore_index=True)
    rows = rows[rows[TIME] <= last + AFTERWARDS]
    rows = conform(rows.drop(columns=ARRIVED), variables).sort_values(KEYS, ignore_index=True)
    offset = most_common(epoch_microseconds(rows[TIME]) % step_microseconds(settings.dataset.frequency))
    judged = judge_cells(rows, settings, offset)
    passed = judged.passed()[[*KEYS, *targets]].melt(KEYS, var_name=VARIABLE, value_name="value")
    values = passed.set_index([*KEYS, VARIABLE])["value"]
    held = judged.held[judged.held[VARIABLE].isin(targets)].drop_duplicates([*KEYS, VARIABLE])
    newest = newest_measured(targets)
    return Truth(values, held.set_index([*KEYS, VARIABLE])[RULE], first if newest is None else newest)
