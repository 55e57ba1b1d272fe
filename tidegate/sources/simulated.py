"""Source `simulated`, the default: a simulated network of weather stations.

Weather fronts cross the network from west to east and reach each station with a lag. Daily and yearly cycles, clouds
that flatten the daily temperature cycle, and autoregressive noise are added, and the faults that real networks have
are injected into the rows. Values are rounded to the resolution of the sensor, so that the same seed and span give the
same bytes on every machine, and a later end only adds rows.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import AwareDatetime, Field, model_validator

from tidegate.errors import SettingsError
from tidegate.measurements.frame import conform
from tidegate.sources import Piece
from tidegate.workspace.columns import ARRIVED, STATION, TIME
from tidegate.workspace.dataset import Dataset
from tidegate.workspace.params import Section, require_known

RESOLUTION = {"temperature": 1, "humidity": 0, "pressure": 1, "wind_speed": 1}  # decimals of °C, %, hPa, m/s
SENTINEL = -999.0
REVISION_DELAY_HOURS = 30
DAY, YEAR = 24.0, 24.0 * 365.25


class Options(Section):
    """The section `dataset.options` for `source: simulated`."""

    seed: Annotated[int, Field(strict=True, ge=0)] = 7  # another one is another weather
    stations: Annotated[int, Field(strict=True, ge=1, le=500)] = 6  # how many
    start: AwareDatetime  # with its zone
    end: AwareDatetime | Literal["now"]  # with its zone, or now
    faults: bool = True  # whether the rows have faults, as real ones do

    @model_validator(mode="after")
    def _ordered(self) -> "Options":
        if self.end != "now" and self.end <= self.start:
            raise ValueError("end is not after start")
        return self


class Source:
    """Hourly rows of temperature, humidity, pressure and wind speed."""

    def __init__(self, options: Options, dataset: Dataset) -> None:
        """Check that each variable of the dataset is simulated."""
        for name in dataset.variables:
            require_known(name, RESOLUTION, "a variable of source simulated")
        self.options, self.variables = options, list(dataset.variables)

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series."""
        return {**self.options.model_dump(mode="json", exclude={"end"}), "variables": self.variables}

    def fingerprint(self) -> str:
        """Change with each new hour."""
        return self.end().isoformat()

    def pieces(self, since: pd.Timestamp | None) -> Iterator[Piece]:
        """Give one piece: the rows that have arrived by the end, in the order of arrival."""
        yield Piece(self.fingerprint(), lambda: iter([self._read(since)]))

    def _read(self, since: pd.Timestamp | None) -> pd.DataFrame:
        times = pd.date_range(self._start(), self.end(), freq="h", inclusive="left", unit="us")
        if times.empty:
            raise SettingsError("params.yaml: dataset.options.start and end have no whole hour between them.")
        weather = _weather(self.options.seed, self.options.stations, times)
        rows = pd.concat(
            [self._arrivals(weather, station, times) for station in range(self.options.stations)],
            ignore_index=True,
        )
        rows = rows[rows[ARRIVED] < self.end()].sort_values([ARRIVED, STATION], kind="stable")
        if since is not None:
            rows = rows[rows[TIME] >= since]
        return conform(rows, self.variables)

    def _start(self) -> pd.Timestamp:
        return _hour(self.options.start).ceil("h")

    def end(self) -> pd.Timestamp:
        """Give the end of the span."""
        end = self.options.end
        return pd.Timestamp.now(tz="UTC").floor("h") if isinstance(end, str) else _hour(end).ceil("h")

    def _arrivals(self, weather: dict[str, np.ndarray], station: int, times: pd.DatetimeIndex) -> pd.DataFrame:
        columns = {name: weather[name][station] for name in RESOLUTION}
        rows = pd.DataFrame({STATION: f"S{station + 1:02d}", TIME: times, **columns, ARRIVED: times})
        if self.options.faults:
            rows = _with_faults(rows, np.random.default_rng([self.options.seed, 1, station]))
        return rows.round(RESOLUTION)


def _hour(moment: datetime) -> pd.Timestamp:
    return pd.Timestamp(moment).tz_convert("UTC")


def _weather(seed: int, stations: int, times: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    """Simulate each variable, (stations, hours)."""
    hours = (times - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta("1h")
    hour = hours.to_numpy()[None, :]
    positions = np.random.default_rng([seed, 0])
    east_km = np.sort(positions.uniform(0, 400, stations))
    altitude_m = positions.uniform(0, 600, stations)[:, None]
    cold, cloud, dip = _fronts(np.random.default_rng([seed, 2]), east_km, len(times))
    noise = [np.random.default_rng([seed, 3, number]) for number in range(4)]
    regional = _autoregressive(noise[0], 1, len(times), hours=60.0)

    cloud = 1 / (1 + np.exp(-(cloud + 0.8 * _autoregressive(noise[1], stations, len(times), hours=8.0) - 0.4)))
    yearly = np.cos(2 * np.pi * (hour / YEAR - 0.55))
    # The sun heats only through a clear sky: the daily amplitude depends on cloud, which no linear model can express.
    daily = np.cos(2 * np.pi * (hour / DAY - 0.6)) * (2.0 + 7.0 * (1 - cloud)) * (0.75 + 0.35 * yearly)
    temperature = (
        9.5
        + 9.0 * yearly
        + daily
        + 2.0 * regional
        - cold
        - altitude_m * 0.0065
        + 0.6 * _autoregressive(noise[2], stations, len(times), hours=4.0)
    )
    wind = np.exp(0.9 + 0.12 * dip + 0.35 * _autoregressive(noise[3], stations, len(times), hours=6.0))
    return {
        "temperature": temperature,
        "humidity": np.clip(62 + 34 * cloud - 2.2 * daily, 8, 100),
        "pressure": 1015 + 5.0 * regional - dip - altitude_m / 8.3,
        "wind_speed": np.clip(wind, 0, 60),
    }


def _fronts(rng: np.random.Generator, east_km: np.ndarray, hours: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Simulate fronts from west to east: cooling (K), cloudiness and pressure dip (hPa), each (stations, hours)."""
    draws = rng.random((hours, 3))  # hour by hour, so that a longer span begins with the rows of a shorter one
    begins = draws[:, 0] < 1 / 110
    strength, speed = 0.4 + 1.2 * draws[:, 1], 15 + 30 * draws[:, 2]  # –, km/h
    cold, cloud, dip = (np.zeros((len(east_km), hours)) for _ in range(3))
    age = np.arange(240.0)
    for begin in np.flatnonzero(begins):
        for station, lag in enumerate(np.rint(east_km / speed[begin]).astype(int)):
            first = begin + lag
            length = max(0, min(len(age), hours - first))
            since = age[:length]
            cold[station, first : first + length] += (
                strength[begin] * 7.0 * np.exp(-since / 60) * (1 - np.exp(-since / 4))
            )
            cloud[station, first : first + length] += strength[begin] * 3.0 * np.exp(-since / 18)
            dip[station, first : first + length] += strength[begin] * 9.0 * np.exp(-(((since - 8) / 9) ** 2))
    return cold, cloud, dip


def _autoregressive(rng: np.random.Generator, series: int, steps: int, hours: float) -> np.ndarray:
    """Draw AR(1) series of unit variance whose correlation falls to 1/e within `hours`, (series, steps)."""
    keep = np.exp(-1 / hours)
    from scipy.signal import lfilter  # takes half a second to import, which an ingest without new rows need not wait

    # Step by step, so that a longer span begins with the rows of a shorter one.
    shocks = rng.standard_normal((steps, series)).T * np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], shocks, axis=1)


def _with_faults(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Inject stuck sensors, spikes, sentinels, gaps, late revisions and duplicates."""
    hours = len(rows)
    draws = rng.random((hours, 8))  # row by row, so that a longer span begins with the rows of a shorter one
    rows = rows.copy()

    stuck = _episodes(draws[:, 0] < 1 / 4000, draws[:, 1], mean_hours=36)
    wind_speed = rows["wind_speed"].where(~stuck)
    rows["wind_speed"] = wind_speed.ffill().fillna(rows["wind_speed"])

    spikes = draws[:, 2] < 1 / 1500
    rows.loc[spikes, "temperature"] += np.where(draws[spikes, 3] < 0.5, -1, 1) * (22 + 20 * draws[spikes, 3])

    revised = rows[draws[:, 5] < 1 / 700].copy()
    rows.loc[revised.index, "pressure"] += 3.0  # reported uncalibrated at first, corrected later
    revised[ARRIVED] += pd.Timedelta(hours=REVISION_DELAY_HOURS)

    sentinels = draws[:, 4] < 1 / 900
    variables = list(RESOLUTION)
    for row in np.flatnonzero(sentinels):
        rows.loc[row, variables[int(draws[row, 3] * len(variables))]] = SENTINEL

    duplicated = rows[draws[:, 6] < 1 / 800]

    gaps = _episodes(draws[:, 7] < 1 / 2500, draws[:, 1], mean_hours=14)
    kept = [part[~gaps[part.index]] for part in (rows, duplicated, revised)]
    return pd.concat(kept, ignore_index=True)


def _episodes(begins: np.ndarray, draws: np.ndarray, mean_hours: float) -> np.ndarray:
    """Mark the hours of episodes of random length, one at each hour marked in `begins`."""
    marked = np.zeros(len(begins), dtype=bool)
    for begin in np.flatnonzero(begins):
        marked[begin : begin + 2 + int(-mean_hours * np.log(1 - draws[begin]))] = True
    return marked
