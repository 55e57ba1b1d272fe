"""Windows of the clean data: the panel, the splits by time, the scaler, and the proof that nothing leaks.

A window is named by its origin, the first step of its targets; its lookback ends one step before.

    |<------- train ------->|  gap  |<- validation ->|  gap  |<--- test --->|     targets' spans
                    |<-lookback->|^origin

A split's targets lie in its own span. With the gap as long as the lookback (the default), no step of any split's
windows is shared with another's targets or inputs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from tidegate import parquet
from tidegate.artifacts import WINDOWS, present, read_json, write_json
from tidegate.calendar import calendar
from tidegate.errors import DataError, GateClosed, SettingsError
from tidegate.frame import STATION, TIME
from tidegate.panel import Flags, Floats, Forecasts, Panel, Starts, WindowSpec
from tidegate.settings import Settings

SPLITS = ("train", "validation", "test")
SPEC = "spec.json"
Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """Measurements in their own units: `values` (stations, steps, features), NaN where missing."""

    stations: tuple[str, ...]
    times: pd.DatetimeIndex
    values: Doubles


def to_grid(clean: pd.DataFrame, features: tuple[str, ...]) -> Grid:
    """Fold a frame on a regular grid (sorted by station, then time) into an array."""
    stations = tuple(clean[STATION].unique())
    times = pd.DatetimeIndex(clean[TIME].iloc[: len(clean) // len(stations)])
    values = clean[list(features)].to_numpy("float64").reshape(len(stations), len(times), len(features))
    return Grid(stations, times, values)


@dataclass(frozen=True)
class Scaler:
    """Standardises each feature at each station: `mean` and `deviation` (stations, features)."""

    mean: Doubles
    deviation: Doubles

    def scale(self, values: Doubles) -> tuple[Floats, Flags]:
        """Scale (stations, steps, features); missing values become 0, the mean, and are flagged as not observed."""
        scaled = (values - self.mean[:, None]) / self.deviation[:, None]
        observed = np.isfinite(scaled)
        return np.where(observed, scaled, 0).astype(np.float32), observed

    def unscale(self, forecasts: npt.NDArray[Any], station: npt.NDArray[Any]) -> Doubles:
        """Bring forecasts (windows, horizon, targets) of the given stations (windows,) back to their units."""
        targets = forecasts.shape[-1]
        mean, deviation = self.mean[station, None, :targets], self.deviation[station, None, :targets]
        return forecasts.astype(np.float64) * deviation + mean

    def in_units(self, forecasts: Forecasts, spec: WindowSpec, station: npt.NDArray[Any]) -> Forecasts:
        """Bring a model's forecasts for the given stations (windows,) to their units; alerts have none."""
        if spec.alert:
            return forecasts
        point, quantiles = self.unscale(forecasts.point, station), None
        if forecasts.quantiles is not None:
            each = [self.unscale(forecasts.quantiles[..., place], station) for place in range(len(spec.quantiles))]
            quantiles = np.stack(each, axis=-1)
        return Forecasts(point, quantiles)

    def as_json(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Scaler":
        """Read what `as_json` gave."""
        return cls(np.asarray(raw["mean"], np.float64), np.asarray(raw["deviation"], np.float64))


def fit_scaler(grid: Grid, steps: int, spec: WindowSpec) -> Scaler:
    """Fit a scaler to the first `steps` of the grid alone.

    Raises:
        DataError: a target is all missing or constant there, at some station.
    """
    seen = grid.values[:, :steps]
    observed = np.isfinite(seen)
    count = observed.sum(axis=1)
    mean = np.where(observed, seen, 0).sum(axis=1) / np.maximum(count, 1)
    centred = np.where(observed, seen - mean[:, None], 0)
    deviation = np.sqrt((centred**2).sum(axis=1) / np.maximum(count, 1))
    constant = deviation < 1e-9 * np.maximum(1, np.abs(mean))
    for column, target in enumerate(spec.targets):
        for row, station in enumerate(grid.stations):
            if count[row, column] == 0:
                what = "has no value at all"
            elif constant[row, column]:
                what = f"is constant ({mean[row, column]:g})"
            else:
                continue
            raise DataError(
                f"Target {target} at station {station} {what} in the training span "
                f"({grid.times[0]:%Y-%m-%d %H:%M} to {grid.times[steps - 1]:%Y-%m-%d %H:%M} UTC): "
                "there is nothing to learn; leave the station or the target out."
            )
    return Scaler(mean, np.where(constant, 1.0, deviation))  # a constant covariate says nothing: it becomes 0


def events(grid: Grid, spec: WindowSpec) -> Floats | None:
    """Say of each step whether a horizon that begins there holds the alert: (stations, steps), None without an alert.

    NaN where the horizon is not wholly measured: a gap may hide an alert, and to count only the alerts that were seen
    beside gaps would make them look more frequent than they are.
    """
    if spec.alert is None:
        return None
    side, limit = spec.alert
    target = grid.values[..., 0]
    reached = np.where(np.isfinite(target), (target > limit) if side == "above" else (target < limit), np.nan)
    held = np.full(target.shape, np.nan, np.float32)
    if target.shape[1] >= spec.horizon:
        ahead = np.lib.stride_tricks.sliding_window_view(reached, spec.horizon, axis=1)
        held[:, : ahead.shape[1]] = ahead.max(axis=-1)  # NaN stays NaN
    return held


def to_panel(grid: Grid, scaler: Scaler, spec: WindowSpec, station: Starts | None = None) -> Panel:
    """Scale a grid and lay its calendar beside it; `station` (rows,) says which stations of the spec its rows are."""
    values, observed = scaler.scale(grid.values)
    return Panel.of(
        values, observed, spec, calendar(grid.times, spec.calendar, spec.time_zone), station, events(grid, spec)
    )


def spec_of(settings: Settings, stations: Sequence[str]) -> WindowSpec:
    """Say what a model must know of the windows that these settings cut from measurements of stations.

    Raises:
        SettingsError: a station lacks a static attribute.
    """
    chosen, dataset = settings.window, settings.dataset
    return WindowSpec(
        stations=tuple(stations),
        features=dataset.features,
        targets=dataset.targets,
        frequency=dataset.frequency,
        lookback=chosen.lookback_steps,
        horizon=chosen.horizon_steps,
        season=dataset.season_steps,
        known=dataset.known,
        calendar=chosen.calendar,
        time_zone=dataset.time_zone,
        static=_static(dataset.static, stations),
        quantiles=chosen.quantiles,
        alert=chosen.alert.side_and_limit if chosen.alert else None,
        lowest=tuple(dataset.variables[name].min for name in dataset.features),
        highest=tuple(dataset.variables[name].max for name in dataset.features),
        sentinels=tuple(dataset.sentinels_of(name) for name in dataset.features),
    )


def _static(attributes: Mapping[str, Mapping[str, float]], stations: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Lay out the attributes of each station, standardised over the stations: (stations, attributes)."""
    columns = []
    for name, of in attributes.items():
        for station in stations:
            if station not in of:
                raise SettingsError(f"params.yaml: dataset.static.{name} has no value for station {station}: add it.")
        values = np.array([of[station] for station in stations])
        columns.append((values - values.mean()) / (values.std() or 1.0))
    return tuple(tuple(float(value) for value in row) for row in np.transpose(columns)) if columns else ()


def spans(steps: int, validation_share: float, test_share: float, gap: int) -> dict[str, tuple[int, int]]:
    """Give each split's span of targets, as a half-open range of steps."""
    test = steps - round(steps * test_share)
    validation = test - round(steps * validation_share)
    return {"train": (0, validation - gap), "validation": (validation, test - gap), "test": (test, steps)}


def starts_in(grid: Grid, spec: WindowSpec, span: tuple[int, int], min_observed_share: float) -> Starts:
    """List the windows whose targets lie in the span: (station, first step of the lookback), int32.

    A window counts if enough of its targets' lookback is observed and at least one target after it; of an alert, if it
    is known whether there was one.
    """
    first = max(span[0], spec.lookback)
    origins = np.arange(first, span[1] - spec.horizon + 1)
    if origins.size == 0:
        return np.empty((0, 2), np.int32)
    observed = np.isfinite(grid.values[..., : len(spec.targets)]).all(axis=-1)
    counted = np.pad(np.cumsum(observed, axis=1), ((0, 0), (1, 0)))
    past: Counts = counted[:, origins] - counted[:, origins - spec.lookback]
    future: Counts = counted[:, origins + spec.horizon] - counted[:, origins]
    enough = max(1.0, min_observed_share * spec.lookback)
    held = events(grid, spec)
    told = future > 0 if held is None else np.isfinite(held[:, origins])
    station, column = np.nonzero(np.logical_and(past >= enough, told))
    return np.stack([station, origins[column] - spec.lookback], axis=1).astype(np.int32)


def prove(
    starts: dict[str, Starts], spec: WindowSpec, scaler_steps: int, gap: int, times: pd.DatetimeIndex
) -> dict[str, Any]:
    """Recount from the windows themselves what they touch, and show that no split sees another's future.

    Raises:
        GateClosed: a split is empty, or a target of an earlier split lies less than the gap before a later one's,
            or the scaler has seen a step that is not the training span's.
    """
    proof: dict[str, Any] = {
        "gap_steps": gap,
        "scaler": {"steps": scaler_steps, "to": str(times[scaler_steps - 1])},
    }
    touched = {}
    for split in SPLITS:
        if not len(starts[split]):
            raise GateClosed(
                f"The leakage gate is closed: the {split} split holds no window of {spec.lookback} + {spec.horizon} "
                f"steps in {len(times)} steps: shorten window.lookback_steps, horizon_steps or gap_steps, or bring "
                "more data."
            )
        first, last = int(starts[split][:, 1].min()), int(starts[split][:, 1].max())
        touched[split] = (first + spec.lookback, last + spec.lookback + spec.horizon - 1)
        proof[split] = {
            "windows": len(starts[split]),
            "inputs_from": str(times[first]),
            "targets_from": str(times[touched[split][0]]),
            "targets_to": str(times[touched[split][1]]),
        }
    for earlier, later in (("train", "validation"), ("validation", "test")):
        between = touched[later][0] - touched[earlier][1] - 1
        if between < gap:
            begin = times[touched[later][0]]
            raise GateClosed(
                f"The leakage gate is closed: {later} targets begin at {begin}, {between} steps after the last "
                f"{earlier} target, and window.gap_steps asks for {gap}: rebuild the windows."
            )
    if scaler_steps > touched["validation"][0] - gap:
        raise GateClosed(
            f"The leakage gate is closed: the scaler has seen {scaler_steps} steps, up to {times[scaler_steps - 1]}, "
            "which is beyond the training span: fit it on training rows alone."
        )
    return proof


def extent(clean: Path) -> tuple["pd.Series[int]", pd.DatetimeIndex]:
    """Give the stations of the clean data with their rows, which are the steps of its grid, and the grid's times."""
    rows = parquet.rows_of_stations([present(clean)])
    one = pq.read_table(clean, columns=[TIME], filters=[(STATION, "==", str(rows.index[0]))])
    return rows, pd.DatetimeIndex(one[TIME].to_pandas())


def grids(clean: Path, rows: "pd.Series[int]", features: tuple[str, ...]) -> Iterator[Grid]:
    """Fold the clean data into arrays, a range of stations at a time."""
    for of in parquet.ranges(rows, parquet.BLOCK_ROWS):
        names = [STATION, TIME, *features]
        yield to_grid(pq.read_table(clean, columns=names, filters=of.filters).to_pandas(), features)


class Store:
    """artifacts/windows while it is written, a range of stations at a time; all of it, or nothing, comes to stand."""

    def __init__(self, folder: Path, spec: WindowSpec, steps: int) -> None:
        """Lay out the arrays, (stations, steps, features), as files."""
        self.folder, self.spec, self.row = folder, spec, 0
        folder.mkdir()
        shape = (len(spec.stations), steps, len(spec.features))
        self._arrays = {
            "values": self._array("values", np.float32, shape),
            "observed": self._array("observed", bool, shape),
        }
        if spec.alert:
            self._arrays["events"] = self._array("events", np.float32, shape[:2])
        self._scalers: list[Scaler] = []
        self._starts: dict[str, list[Starts]] = {split: [] for split in SPLITS}

    def _array(self, name: str, kind: Any, shape: tuple[int, ...]) -> Any:
        return np.lib.format.open_memmap(self.folder / f"{name}.npy", "w+", kind, shape)

    def add(self, panel: Panel, scaler: Scaler, starts: dict[str, Starts]) -> None:
        """Add the next stations: `panel` and `starts` count them from 0."""
        rows = slice(self.row, self.row + len(panel.values))
        self._arrays["values"][rows], self._arrays["observed"][rows] = panel.values, panel.observed
        if panel.events is not None:
            self._arrays["events"][rows] = panel.events
        for split, own in starts.items():
            self._starts[split].append(own + np.array([self.row, 0], np.int32))
        self._scalers.append(scaler)
        self.row = rows.stop

    def starts(self) -> dict[str, Starts]:
        """Give the windows of each split, by station."""
        return {split: np.concatenate(parts) for split, parts in self._starts.items()}

    def close(self, starts: dict[str, Starts], times: pd.DatetimeIndex, proof: dict[str, Any]) -> None:
        """Write what is left: the windows, the calendar, the spec with the scaler, the proof."""
        for array in self._arrays.values():
            array.flush()
        np.save(self.folder / "calendar.npy", calendar(times, self.spec.calendar, self.spec.time_zone))
        for split in SPLITS:
            np.save(self.folder / f"starts_{split}.npy", starts[split])
        scaler = Scaler(
            *(np.concatenate([getattr(one, part) for one in self._scalers]) for part in ("mean", "deviation"))
        )
        content = {"spec": self.spec.as_json(), "scaler": scaler.as_json(), "begins": str(times[0])}
        write_json(self.folder / SPEC, content)
        write_json(self.folder / "proof.json", proof)


def read() -> tuple[Panel, dict[str, Starts]]:
    """Read the panel and each split's starts."""
    present(WINDOWS)
    stored = {path.stem: np.load(path, allow_pickle=False) for path in sorted(WINDOWS.glob("*.npy"))}
    starts = {split: stored[f"starts_{split}"] for split in SPLITS}
    spec = read_spec(WINDOWS / SPEC)[0]
    panel = Panel.of(stored["values"], stored["observed"], spec, stored["calendar"], events=stored.get("events"))
    return panel, starts


def read_spec(path: Path = WINDOWS / SPEC) -> tuple[WindowSpec, Scaler]:
    """Read the spec of the windows and the scaler."""
    raw = read_json(path)
    return WindowSpec.from_json(raw["spec"]), Scaler.from_json(raw["scaler"])
