"""Issue forecasts with the champion, and store them.

    forecasts/<model>-v<version>/<month of the origin>.parquet

Model version, station, origin, time, variable and revision identify a row. An issued row never changes, not by a second
run and not after a revision of the measurements, so that forecasts can be compared with what was measured later. Where
a station had the baseline, or was late, and what was lacking has come, it is forecast again from the same origin: both
rows are kept, and the newest revision stands. Each row also has the identity of the model (version, data and commit of
its training) and of the data that it was forecast from.
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tidegate.errors import DataError, UserError
from tidegate.forecasting.forecaster import Forecaster
from tidegate.forecasting.recent import ALERT_HISTORY, read_recent, steps_from
from tidegate.measurements.grid import step_of
from tidegate.tracking.aliases import bearer, files_of
from tidegate.tracking.log_entries import CHAMPION, SHADOW
from tidegate.tracking.read_only import Version
from tidegate.verification.adaptive import with_adapted
from tidegate.verification.issued import ADDRESS, MonthFile
from tidegate.verification.places import ISSUED, Place
from tidegate.windows.left_out import named as describe_left_out
from tidegate.windows.spec import WindowSpec
from tidegate.workspace import identity
from tidegate.workspace.columns import BASELINE, METHOD, REASON, REVISION, STATION, TIME
from tidegate.workspace.parallel import ParallelMap, serial_map
from tidegate.workspace.params import typed_time
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings

Span = tuple[str | None, str | None]  # first and last time, as a command or a flow got them


@dataclass(frozen=True)
class IssuedForecasts:
    """The forecasts that one call issued."""

    rows: pd.DataFrame  # only the new rows
    database: str | None  # address of the database that stores them too
    origins: pd.DatetimeIndex
    version: str
    candidate: str
    folder: Path
    unknown_stations: tuple[str, ...]  # stations that the model was not trained on
    left_out: dict[str, str]  # those of them that were left out then, and why
    superseded: dict[str, str]  # stations that were forecast again, and what was lacking before

    @property
    def sentence(self) -> str:
        """Sum up the result in one line."""
        last = f"{self.origins[-1]:%Y-%m-%d %H:%M} UTC"
        span = f"from {last}" if len(self.origins) == 1 else f"from {len(self.origins):,} origins up to {last}"
        text = f"{len(self.rows):,} new rows {span}, by version {self.version} ({self.candidate})"
        if self.superseded:
            named = [f"{station} ({lacking})" for station, lacking in sorted(self.superseded.items())]
            text += f"; {(self.rows[REVISION] > 0).sum():,} of them supersede earlier ones: {_first_names(named)}"
        baseline = self.rows[self.rows[METHOD] == BASELINE].drop_duplicates(STATION).sort_values(STATION)
        named = [f"{row[STATION]} ({row[REASON]})" for _, row in baseline.iterrows()]
        text += f"; by the baseline: {_first_names(named)}" if named else ""
        text += f"; in {self.database} too" if self.database else ""
        left_out = describe_left_out(self.left_out, self.unknown_stations)
        text += f"; left out, as when the model was trained: {left_out}" if left_out else ""
        unknown = _first_names([name for name in self.unknown_stations if name not in self.left_out])
        return text + (f"; left out, unknown to the model: {unknown}" if unknown else "")


def issue_forecasts(
    settings: Settings,
    progress: Progress,
    as_of: str | None,
    span: Span | None,
    parallel_map: ParallelMap = serial_map,
    groups: int = 1,
    place: Place = ISSUED,
) -> IssuedForecasts:
    """Forecast with the champion, or the version on trial, and store the rows that are new.

    Args:
        settings: of the workspace.
        progress: is called for each month of origins.
        as_of: forecast from the newest complete step up to this time, without later measurements; by default from the
            newest complete step.
        span: instead, forecast from every step of a span, both ends included.
        parallel_map: forecasts groups of stations, in parallel or in turn.
        groups: number of groups.
        place: where they are kept: as issued, by the champion, or as on trial, by the version that is.

    Raises:
        UserError: a time cannot be read; both `as_of` and `span` are given, or half a span; there is no champion.
        DataError: there are no measurements to forecast from.
    """
    if as_of and span:
        raise UserError("A moment (--as-of) and a span (--backfill) are both given: leave one out.")
    if span and not all(span):
        raise UserError("Of a span's two ends one is given: give both.")
    champion = _bearer(settings, CHAMPION if place.issued else SHADOW)
    forecaster, digest = _load(Path.cwd(), champion.name, str(champion.version))
    _require_variables(settings, champion, forecaster.spec)
    rows, unknown, origins = _rows_and_origins(settings, forecaster, as_of, span)
    left_out = settings.dataset.stations.leave_out
    stations = [name for name in forecaster.spec.stations if name not in left_out]
    unknown = tuple(name for name in unknown if name not in left_out)
    if not stations:
        raise UserError("dataset.stations.leave_out names every station that the champion knows: leave one in.")
    identity_columns = _identity(champion)
    folder = place.forecasts / f"{champion.name}-v{champion.version}"

    def forecast(origins: pd.DatetimeIndex, stations: Sequence[str]) -> pd.DataFrame:
        version = str(champion.version)
        parts = {
            f"stations-{number}": StationGroup(champion.name, version, stations, rows, origins, digest)
            for number, stations in enumerate(_split(stations, groups), start=1)
        }
        issued: pd.DataFrame = pd.concat(parallel_map(_forecast, parts), ignore_index=True)
        rate = settings.forecast.adapt_rate if place.issued else 0.0
        adapted = with_adapted(issued, folder.name, rate, step_of(forecaster.spec.frequency))
        return adapted.assign(**identity_columns)

    new_rows, superseded, database = [], dict[str, str](), None
    since = None if as_of or span else origins[-1] - pd.Timedelta(hours=settings.forecast.reissue_hours)
    for done, (month, month_origins) in enumerate(by_month := _by_month(origins, since), start=1):
        file = MonthFile(folder / f"{month}.parquet")
        new = [file.add(month_origins, stations, forecast)]
        if since is not None and settings.forecast.reissue_hours:
            again, lacking = file.supersede(since, origins[-1], stations, forecast)
            new.append(again)
            superseded |= lacking
        file.write()
        stored = file.rows_of(month_origins, since)
        database = _store_in_table(settings.forecast.table, stored) if place.issued else None
        new_rows += new
        progress(done, len(by_month), month)
    candidate = champion.tags.get("tidegate.candidate", "?")
    version, issued = str(champion.version), pd.concat(part for part in new_rows if len(part.columns))
    left = dict(forecaster.left_out)
    return IssuedForecasts(issued, database, origins, version, candidate, folder, unknown, left, superseded)


def _rows_and_origins(
    settings: Settings, forecaster: Forecaster, as_of: str | None, span: Span | None
) -> tuple[pd.DataFrame, tuple[str, ...], pd.DatetimeIndex]:
    """Read the measurements to forecast from; give them, the stations unknown to the model, and the origins."""
    spec, step = forecaster.spec, step_of(forecaster.spec.frequency)
    length = max(2 * spec.lookback_steps * step, ALERT_HISTORY if spec.alert else pd.Timedelta(0))
    if span is None:
        until = typed_time(as_of) if as_of else None
        length += pd.Timedelta(hours=0 if as_of else settings.forecast.reissue_hours)
        rows, unknown = read_recent(forecaster, until, length, settings.ingest.conflict)
        return rows, unknown, pd.DatetimeIndex([latest_complete(rows, spec, settings.forecast.complete_share)])
    first, last = (typed_time(end) for end in span if end)
    rows, unknown = read_recent(forecaster, last, length + (last - first))
    return rows, unknown, steps_from(rows, spec, first, step)


def latest_complete(rows: pd.DataFrame, spec: WindowSpec, share: float) -> pd.Timestamp:
    """Find the newest step at which at least this share of the stations with a recent target has measured one.

    Raises:
        DataError: no target was measured.
    """
    measured = rows.loc[rows[list(spec.targets)].notna().any(axis=1), [STATION, TIME]]
    counts = measured.groupby(TIME)[STATION].nunique()
    complete = counts.index[counts >= share * measured[STATION].nunique()]
    if complete.empty:
        raise DataError(f"No target was measured up to {rows[TIME].max()}: ingest newer rows, or give another --as-of.")
    newest: pd.Timestamp = complete.max()
    return newest


def _bearer(settings: Settings, alias: str) -> Version:
    """Give the version that bears an alias.

    Raises:
        UserError: there is none.
    """
    name = settings.register_.name
    version = bearer(name, alias)
    if version is None:
        from tidegate.tracking.registry import no_champion

        raise UserError(no_champion(name) if alias == CHAMPION else f"No version of {name} is on trial.")
    return version


def _store_in_table(name: str, rows: pd.DataFrame) -> str | None:
    if not os.environ.get(ADDRESS):
        return None
    from tidegate.verification import table  # with SQLAlchemy, which takes a while to be imported

    return table.store_forecasts(name, rows)


def _require_variables(settings: Settings, champion: Version, spec: WindowSpec) -> None:
    """Raise UserError if params.yaml no longer has a variable that the champion reads."""
    absent = [name for name in spec.features if name not in settings.dataset.variables]
    if absent:
        raise UserError(
            f"Champion {champion.name} version {champion.version} reads {absent[0]}, which dataset.variables no longer "
            "names: name it again, or train a new champion (tidegate run)."
        )


@functools.lru_cache(maxsize=1)
def _load(_workspace: Path, name: str, version: str) -> tuple[Forecaster, str]:
    """Load a version from the store of a workspace, and give its digest too; cached per process."""
    model, spec = files_of(name, version)
    return Forecaster.load(model, spec), identity.folder_digest(model)


@dataclass(frozen=True)
class StationGroup:
    """A group of stations to forecast, in this process or another one."""

    model: str
    version: str
    stations: tuple[str, ...]
    rows: pd.DataFrame
    origins: pd.DatetimeIndex
    digest: str  # of the model


def _forecast(group: StationGroup) -> pd.DataFrame:
    """Forecast a group of stations.

    Raises:
        DataError: this process's model store has another model under the same version.
    """
    forecaster, digest = _load(Path.cwd(), group.model, group.version)
    if digest != group.digest:
        raise DataError(
            f"{group.model} version {group.version} is another model in the store that this worker sees: give it the "
            "run's MLFLOW_TRACKING_URI."
        )
    return forecaster.forecast_all(group.rows, group.origins, group.stations)


def _split(stations: Sequence[str], groups: int) -> list[tuple[str, ...]]:
    size = -(-len(stations) // groups)
    return [tuple(stations[first : first + size]) for first in range(0, len(stations), size)]


def _identity(champion: Version) -> dict[str, str]:
    return {
        "model": champion.name,
        "version": str(champion.version),
        "model_data": champion.tags.get("tidegate.data", ""),
        "model_commit": champion.tags.get("tidegate.commit", ""),
        "data": identity.data_hash(),
    }


def _by_month(origins: pd.DatetimeIndex, since: pd.Timestamp | None) -> list[tuple[str, pd.DatetimeIndex]]:
    """Group origins by the month of the file they are kept in; months back to `since` are among these."""
    names = origins.strftime("%Y-%m")
    months = set(names)
    if since is not None:
        months |= set(pd.period_range(f"{since:%Y-%m}", f"{origins[-1]:%Y-%m}", freq="M").strftime("%Y-%m"))
    return [(month, origins[names == month]) for month in sorted(months)]


def _first_names(names: Sequence[str], shown: int = 3) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest
