"""What a model must know of its windows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from tidegate.errors import SettingsError
from tidegate.workspace.settings import Settings


@dataclass(frozen=True)
class WindowSpec:
    """What a model must know of its windows. Durations are in steps of `frequency`."""

    stations: tuple[str, ...]
    features: tuple[str, ...]  # targets, then past covariates, then those known ahead
    targets: tuple[str, ...]
    frequency: str
    lookback: int
    horizon: int
    season: int
    known: tuple[str, ...] = ()  # features whose values are given for the horizon too
    calendar: tuple[str, ...] = ()  # parts of the calendar, each a few columns of it
    time_zone: str = "UTC"  # of the calendar
    static: tuple[tuple[float, ...], ...] = ()  # (stations, attributes), scaled
    quantiles: tuple[float, ...] = (0.5,)  # levels that forecasts are given at
    alert: tuple[str, float] | None = None  # ("above", 150.0): whether the target gets there within the horizon
    lowest: tuple[float | None, ...] = ()  # of each feature, in its unit: what lies below is no measurement
    highest: tuple[float | None, ...] = ()
    sentinels: tuple[tuple[float, ...], ...] = ()  # of each feature: values that mean "missing"

    @property
    def outcomes(self) -> int:
        """What is said of a window: a value for each step of the horizon, or one alert."""
        return 1 if self.alert else self.horizon

    def as_json(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "WindowSpec":
        """Read what `as_json` gave; of older models, too, whose sentinels were those of all features."""
        given = {field.name: _tuples(raw[field.name]) for field in fields(cls) if field.name in raw}
        if any(not isinstance(of, tuple) for of in given.get("sentinels", ())):
            given["sentinels"] = (given["sentinels"],) * len(given["features"])
        return cls(**given)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list | tuple) else value


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
