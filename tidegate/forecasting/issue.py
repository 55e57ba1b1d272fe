"""Forecasts, issued by the champion and kept.

    forecasts/<model>-v<version>/<month of the origin>.parquet

A row is named by its version, station, origin, time and variable. One that has been issued stands: a second run, or a
later revision of the measurements, changes nothing, so what was said can be held against what came. Each row bears the
identity of the model (version, the data and commit it was trained on) and of the data that it was forecast from.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tidegate.errors import DataError, UserError
from tidegate.forecasting import table
from tidegate.forecasting.forecaster import BASELINE, Forecaster
from tidegate.forecasting.recent import COUNTED, read_recent, steps_from
from tidegate.measurements import frame as long_frame
from tidegate.measurements.grid import step_of
from tidegate.tracking import registry
from tidegate.windows.spec import WindowSpec
from tidegate.workspace import identity
from tidegate.workspace.columns import METHOD, ORIGIN, STATION, TIME, VARIABLE
from tidegate.workspace.parallel import ParallelMap, serial_map
from tidegate.workspace.params import typed_time
from tidegate.workspace.paths import FORECASTS
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings

KEYS = [STATION, ORIGIN, TIME, VARIABLE]

Span = tuple[str | None, str | None]  # as they come from a command or a flow


@dataclass(frozen=True)
class IssuedForecasts:
    """What came of it."""

    rows: pd.DataFrame  # the new ones
    database: str | None  # that holds them too
    origins: pd.DatetimeIndex
    version: str
    candidate: str
    folder: Path
    strangers: tuple[str, ...]  # stations that the model was not trained on

    @property
    def sentence(self) -> str:
        """Say it in a line."""
        last = f"{self.origins[-1]:%Y-%m-%d %H:%M} UTC"
        span = f"from {last}" if len(self.origins) == 1 else f"from {len(self.origins):,} origins up to {last}"
        text = f"{len(self.rows):,} new rows {span}, by version {self.version} ({self.candidate})"
        poor = sorted(self.rows.loc[self.rows[METHOD] == BASELINE, STATION].unique())
        text += f"; by the baseline, too little measured: {_some(poor)}" if poor else ""
        text += f"; in {self.database} too" if self.database else ""
        return text + (f"; left out, unknown to the model: {_some(self.strangers)}" if self.strangers else "")


def issue_forecasts(
    settings: Settings,
    progress: Progress,
    as_of: str | None,
    span: Span | None,
    spread: ParallelMap = serial_map,
    groups: int = 1,
) -> IssuedForecasts:
    """Forecast with the champion, and keep what is new.

    Args:
        settings: of the workspace.
        progress: hears of each month of origins.
        as_of: forecast from the latest complete step up to then, with nothing measured later; the newest by default.
        span: instead, from every step of a span, both ends included.
        spread: has groups of stations forecast side by side.
        groups: so many.

    Raises:
        UserError: a time cannot be read, or both a moment and a span are given, or half a span; there is no champion.
        DataError: there is nothing measured to forecast from.
    """
    if as_of and span:
        raise UserError("A moment (--as-of) and a span (--backfill) are both given: leave one out.")
    if span and not all(span):
        raise UserError("Of a span's two ends one is given: give both.")
    champion = _champion(settings)
    forecaster, digest = _loaded(Path.cwd(), champion.name, str(champion.version))
    spec, step = forecaster.spec, step_of(forecaster.spec.frequency)
    length = max(2 * spec.lookback * step, COUNTED if spec.alert else pd.Timedelta(0))
    if span is None:
        rows, strangers = read_recent(
            forecaster, typed_time(as_of) if as_of else None, length, settings.ingest.conflict
        )
        origins = pd.DatetimeIndex([latest_complete(rows, spec, settings.forecast.complete_share)])
    else:
        first, last = (typed_time(end) for end in span if end)
        rows, strangers = read_recent(forecaster, last, length + (last - first))
        origins = steps_from(rows, spec, first, step)
    whose = _identity(champion)
    folder = FORECASTS / f"{champion.name}-v{champion.version}"
    made, database = [], None
    for done, (month, own) in enumerate(by_month := _by_month(origins), start=1):

        def make(origins: pd.DatetimeIndex) -> pd.DataFrame:
            enough = settings.window.min_observed_share
            pieces = {
                f"stations-{place}": StationGroup(
                    champion.name, str(champion.version), stations, rows, origins, enough, digest
                )
                for place, stations in enumerate(_divided(spec.stations, groups), start=1)
            }
            return pd.concat(spread(_forecast, pieces), ignore_index=True).assign(**whose)

        new, kept = _keep(folder / f"{month}.parquet", spec, own, make)
        database = table.store_forecasts(settings.forecast.table, ["model", "version", *KEYS], kept)
        made.append(new)
        progress(done, len(by_month), month)
    candidate = champion.tags.get("tidegate.candidate", "?")
    return IssuedForecasts(pd.concat(made), database, origins, str(champion.version), candidate, folder, strangers)


def latest_complete(rows: pd.DataFrame, spec: WindowSpec, share: float) -> pd.Timestamp:
    """Find the newest step at which at least this share of the stations, of those heard of lately, has a target.

    Raises:
        DataError: there is none.
    """
    measured = rows.loc[rows[list(spec.targets)].notna().any(axis=1), [STATION, TIME]]
    heard = measured.groupby(TIME)[STATION].nunique()
    complete = heard.index[heard >= share * measured[STATION].nunique()]
    if complete.empty:
        raise DataError(f"No target was measured up to {rows[TIME].max()}: ingest newer rows, or give another --as-of.")
    newest: pd.Timestamp = complete.max()
    return newest


def _champion(settings: Settings) -> registry.ModelVersion:
    name = settings.register_.name
    champion = registry.champion(name)
    if champion is None:
        raise UserError(f"{name} has no champion yet: tidegate run trains and registers one.")
    return champion


@functools.lru_cache(maxsize=1)
def _loaded(_where: Path, name: str, version: str) -> tuple[Forecaster, str]:
    """Load a version from the store of a workspace, and its digest; a process does it once."""
    model, spec = registry.version_files(registry.version(name, version))
    return Forecaster.load(model, spec), identity.folder_digest(model)


@dataclass(frozen=True)
class StationGroup:
    """Stations to forecast, wherever that is done."""

    model: str
    version: str
    stations: tuple[str, ...]
    rows: pd.DataFrame
    origins: pd.DatetimeIndex
    enough: float
    digest: str  # of the model


def _forecast(group: StationGroup) -> pd.DataFrame:
    forecaster, digest = _loaded(Path.cwd(), group.model, group.version)
    if digest != group.digest:
        raise DataError(
            f"{group.model} version {group.version} is another model in the store that this worker sees: give it the "
            "run's MLFLOW_TRACKING_URI."
        )
    return forecaster.forecast_all(group.rows, group.origins, group.enough, group.stations)


def _divided(stations: Sequence[str], groups: int) -> list[tuple[str, ...]]:
    each = -(-len(stations) // groups)
    return [tuple(stations[first : first + each]) for first in range(0, len(stations), each)]


def _identity(champion: registry.ModelVersion) -> dict[str, str]:
    return {
        "model": champion.name,
        "version": str(champion.version),
        "model_data": champion.tags.get("tidegate.data", ""),
        "model_commit": champion.tags.get("tidegate.commit", ""),
        "data": identity.data_hash(),
    }


def _by_month(origins: pd.DatetimeIndex) -> list[tuple[str, pd.DatetimeIndex]]:
    names = origins.strftime("%Y-%m")
    return [(month, origins[names == month]) for month in names.unique()]


def _keep(
    path: Path, spec: WindowSpec, origins: pd.DatetimeIndex, make: Callable[[pd.DatetimeIndex], pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Have forecast what a month's file does not hold yet, and add it; give the new rows, and all of these origins."""
    kept, asked = long_frame.read_frame(path) if path.exists() else None, origins
    if kept is not None:
        stations = kept.groupby(ORIGIN)[STATION].nunique()
        origins = origins[~origins.isin(stations.index[stations == len(spec.stations)])]
    if origins.empty and kept is not None:
        return kept.iloc[:0], kept[kept[ORIGIN].isin(asked)]
    made = make(origins)
    if kept is not None:
        made = made[~pd.MultiIndex.from_frame(made[KEYS]).isin(pd.MultiIndex.from_frame(kept[KEYS]))]
    every = made if kept is None else pd.concat([kept, made], ignore_index=True)
    if len(made):
        long_frame.write_frame(path, every.sort_values([ORIGIN, STATION, TIME, VARIABLE]))
    return made, every[every[ORIGIN].isin(asked)]


def _some(names: Sequence[str], shown: int = 3) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest
