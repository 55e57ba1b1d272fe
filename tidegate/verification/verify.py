"""Verify issued forecasts: compare them with what was measured since, and keep how they did.

    verification/<model>-v<version>/rows/<month of the origin>.parquet    each forecast beside the truth
    verification/<model>-v<version>/days/<month of the origin>.parquet    scores by station, step and day

A month is looked at again when its forecasts, or the measurements of its times, have changed; the same inputs give the
same bytes. What was away when a day was verified, or is corrected later, changes its rows then, and is counted. With
TIDEGATE_FORECASTS_URL set, a table of that database holds the days too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tidegate.errors import DataError, UserError, one_line
from tidegate.measurements import frame as long_frame
from tidegate.measurements.grid import step_of
from tidegate.verification import table
from tidegate.verification.issued import read_issued
from tidegate.verification.places import DAYS, ISSUED, ON_TRIAL, ROWS, Place
from tidegate.verification.truth import AFTERWARDS, months_of, newest_measured, read_truth
from tidegate.verification.verified import ALERT, DAY_KEYS, ROW_KEYS, daily_scores, targets_of, verified_rows
from tidegate.workspace.columns import ORIGIN, TIME, VARIABLE
from tidegate.workspace.identity import file_digest
from tidegate.workspace.params import digest, typed_time
from tidegate.workspace.paths import DATA, FORECASTS, MEASUREMENTS, VERIFIED_STATE, read_json, write_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings

MONTH = re.compile(r"\d{4}-\d\d")


@dataclass
class Verified:
    """What one call has verified."""

    rows: int = 0  # compared with the truth, for the first time or again
    new: int = 0
    corrected: int = 0  # whose truth has changed since the last call
    months: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    database: str | None = None

    @property
    def sentence(self) -> str:
        """Sum up the result in one line."""
        left_out = f"; left out: {', '.join(self.left_out)}" if self.left_out else ""
        if not self.months:
            return f"nothing new: neither forecasts nor measurements of their times have changed{left_out}"
        if not self.rows:
            return f"nothing to verify yet: the times of what was forecast are still to come{left_out}"
        text = f"{self.new:,} forecasts verified, of {self.rows:,} in {', '.join(self.months)}"
        text += f"; the truth of {self.corrected:,} has been corrected since" if self.corrected else ""
        return text + (f"; in {self.database} too" if self.database else "") + left_out


def verify(settings: Settings, progress: Progress, since: str | None = None) -> Verified:
    """Verify the forecasts whose inputs have changed; with `since`, all those of the months from that time on.

    Raises:
        UserError: the time cannot be read, or no forecast has been issued.
        DataError: data/ holds no rows.
    """
    files = list(_forecast_files(typed_time(since) if since else None))
    state, verified, newest = _read_state(), Verified(), newest_measured(list(settings.dataset.targets))
    for done, (place, path) in enumerate(files, start=1):
        key = path.relative_to(FORECASTS).as_posix() if place.issued else path.as_posix()
        progress(done, len(files), key)
        if not MONTH.fullmatch(path.stem):
            verified.left_out.append(f"{key} (no month is its name)")
            continue
        inputs = Inputs.of(settings, path, newest)
        rows_path, days_path = (place.verification / path.parent.name / kind / path.name for kind in (ROWS, DAYS))
        if not since and rows_path.exists() and days_path.exists() and inputs.are_those_of(state.get(key)):
            continue
        issued = read_issued(path)
        if issued.empty:
            continue
        if reason := _cannot_be_verified(issued, settings):
            verified.left_out.append(f"{key} ({reason})")
            continue
        days = _verify_month(settings, issued, rows_path, days_path, verified)
        if place.issued:
            verified.database = table.store_scores(settings.verify.table, days)
        state[key] = inputs.described()
        write_json(VERIFIED_STATE, state)  # the last: what was killed before is done again, to the same bytes
    return verified


def _read_state() -> dict[str, dict[str, str]]:
    """Read what was verified from which inputs; nothing if that cannot be read: all is compared again then."""
    try:
        state = read_json(VERIFIED_STATE) if VERIFIED_STATE.exists() else {}
    except DataError:
        return {}
    return state if isinstance(state, dict) else {}


def _cannot_be_verified(issued: pd.DataFrame, settings: Settings) -> str:
    """Say why forecasts cannot be compared with the data set as params.yaml describes it now; empty if they can."""
    unknown = next((name for name in targets_of(issued) if name not in settings.dataset.variables), "")
    if unknown:
        return f"{unknown}, which dataset.variables no longer names"
    step, ahead = step_of(settings.dataset.frequency), pd.TimedeltaIndex(issued[TIME] - issued[ORIGIN])
    of_values = ahead[~issued[VARIABLE].str.fullmatch(ALERT).to_numpy(bool)]
    if (ahead % step != pd.Timedelta(0)).any() or (len(of_values) and of_values.min() != step):
        return f"issued for other steps than dataset.frequency {settings.dataset.frequency}"
    return ""


def _verify_month(
    settings: Settings, issued: pd.DataFrame, rows_path: Path, days_path: Path, verified: Verified
) -> pd.DataFrame:
    """Write the rows and the days of a month; give the days."""
    before = _rows_before(rows_path)
    step, season = step_of(settings.dataset.frequency), settings.dataset.season_steps
    truth = read_truth(settings, targets_of(issued), issued[TIME].min(), issued[TIME].max())
    rows = verified_rows(issued, truth, before, season, step)
    long_frame.write_frame(rows_path, rows)
    days = daily_scores(rows).assign(model=issued["model"].iloc[0], version=issued["version"].iloc[0])
    days = days[["model", "version", *DAY_KEYS, *days.columns.drop(["model", "version", *DAY_KEYS])]]
    long_frame.write_frame(days_path, days)
    verified.rows += len(rows)
    verified.new += len(rows) - _known(rows, before)
    verified.corrected += int(rows["corrected"].sum()) - (0 if before is None else int(before["corrected"].sum()))
    verified.months.append(f"{rows_path.parent.parent.name} {rows_path.stem}")
    return days


def _rows_before(path: Path) -> pd.DataFrame | None:
    """Read what was verified before; None if there is nothing, or if it is damaged: it follows from the rest."""
    try:
        return long_frame.read_frame(path) if path.exists() else None
    except DataError:
        return None


def _known(rows: pd.DataFrame, before: pd.DataFrame | None) -> int:
    if before is None or before.empty:
        return 0
    return int(pd.MultiIndex.from_frame(rows[ROW_KEYS]).isin(pd.MultiIndex.from_frame(before[ROW_KEYS])).sum())


def _forecast_files(since: pd.Timestamp | None) -> Iterator[tuple[Place, Path]]:
    """List the files of forecasts, from the month of a time on, and the place of each.

    Raises:
        UserError: there are none.
    """
    files = [(place, path) for place in (ISSUED, ON_TRIAL) for path in sorted(place.forecasts.glob("*/*.parquet"))]
    if not any(place.issued for place, _ in files):
        raise UserError("No forecast has been issued yet: tidegate forecast issues them.")
    return ((place, path) for place, path in files if since is None or path.stem >= f"{since:%Y-%m}")


@dataclass(frozen=True)
class Inputs:
    """What the verification of a month of forecasts depends on: the forecasts, the measurements, and the settings.

    Files are compared by size and time of change first, so that the cost does not grow with the past.
    """

    files: tuple[Path, ...]
    last: pd.Timestamp | None  # of the times that were forecast: later measurements do not matter
    others: Any

    @classmethod
    def of(cls, settings: Settings, path: Path, newest: pd.Timestamp | None) -> "Inputs":
        """Find them; the network has measured up to `newest`.

        Raises:
            DataError: the file of forecasts is damaged.
        """
        first, last = _span(path)
        names = months_of(settings, first, last) if first is not None and last is not None else []
        stored = [DATA / MEASUREMENTS / f"{month}.parquet" for month in names]
        # Forecasts of times that were never measured are missing once something later is.
        reached = newest is not None and last is not None and newest >= last
        sections = [settings.validate_.model_dump(mode="json"), settings.dataset.model_dump(mode="json")]
        return cls((path, *(file for file in stored if file.exists())), last, [sections, reached, table.address()])

    def are_those_of(self, before: Any) -> bool:
        """Say whether nothing has changed since these were described."""
        if not isinstance(before, dict):
            return False
        return before.get("seen") == self._seen() or before.get("content") == self._content()

    def described(self) -> dict[str, str]:
        """Describe them, to be compared with later."""
        return {"seen": self._seen(), "content": self._content()}

    def _seen(self) -> str:
        stats = [(file.as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in self.files]
        return digest([self.others, stats])

    def _content(self) -> str:
        return digest([self.others, *(_content_of(file, self.last) for file in self.files)])


def _content_of(file: Path, last: pd.Timestamp | None) -> str:
    """Give a digest of a file; of a month of measurements that goes on after `last`, of those rows that matter."""
    if last is None or file.parent.name != MEASUREMENTS or file.stem < f"{last:%Y-%m}":
        return file_digest(file)
    rows = long_frame.read_frame(file)
    rows = rows[rows[TIME] <= last + AFTERWARDS]
    return f"{len(rows)}-{pd.util.hash_pandas_object(rows, index=False).sum():x}"


def _span(path: Path) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """Give the first and the last time of a file of forecasts, without reading its rows; None if it has none."""
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is damaged ({one_line(error)}): bring it back from a backup, or move it away."
        ) from None
    column = metadata.schema.names.index(TIME)
    groups = [metadata.row_group(number).column(column).statistics for number in range(metadata.num_row_groups)]
    known = [group for group in groups if group is not None and group.has_min_max]
    if not known:
        return None, None
    return pd.Timestamp(min(group.min for group in known)), pd.Timestamp(max(group.max for group in known))
