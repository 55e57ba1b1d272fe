"""The specification of windows: what a model must know about the windows it reads and forecasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tidegate.errors import SettingsError
from tidegate.workspace.settings import Settings

# The keys of these attributes in spec.json and model.json, which must stay the same so that old files can be read.
STORED_KEYS = {"lookback_steps": "lookback", "horizon_steps": "horizon", "season_steps": "season"}


@dataclass(frozen=True)
class WindowSpec:
    """What a model must know about its windows. Durations are in steps of `frequency`."""

    stations: tuple[str, ...]
    features: tuple[str, ...]  # the targets, then the past covariates, then the covariates known ahead
    targets: tuple[str, ...]
    frequency: str
    lookback_steps: int
    horizon_steps: int
    season_steps: int
    known: tuple[str, ...] = ()  # features whose values are also known for the horizon
    calendar: tuple[str, ...] = ()  # parts of the calendar; each gives one or two columns
    time_zone: str = "UTC"  # of the calendar
    static: tuple[tuple[float, ...], ...] = ()  # (stations, attributes), standardised
    quantiles: tuple[float, ...] = (0.5,)  # levels of the forecast quantiles
    alert: tuple[str, float] | None = None  # ("above", 150.0): forecast whether the target gets there in the horizon
    lowest: tuple[float | None, ...] = ()  # per feature, in its unit: lower values are not valid measurements
    highest: tuple[float | None, ...] = ()  # per feature, in its unit: higher values are not valid measurements
    sentinels: tuple[tuple[float, ...], ...] = ()  # per feature: values that mean "missing"
    min_observed_share: float = 0.5  # of the targets' lookback, for a window to be used

    @property
    def target_steps(self) -> int:
        """Count the values to forecast per window and target: one per horizon step, or a single one for an alert."""
        return 1 if self.alert else self.horizon_steps

    def as_json(self) -> dict[str, Any]:
        """Return the specification as values that JSON can hold, under the stored keys."""
        return {STORED_KEYS.get(field.name, field.name): getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "WindowSpec":
        """Read what `as_json` returned.

        In older files `sentinels` is one list of values for all features: every feature gets that list.
        """
        keys = {field.name: STORED_KEYS.get(field.name, field.name) for field in fields(cls)}
        values = {name: _as_tuples(raw[key]) for name, key in keys.items() if key in raw}
        if any(not isinstance(sentinels, tuple) for sentinels in values.get("sentinels", ())):
            values["sentinels"] = (values["sentinels"],) * len(values["features"])
        return cls(**values)


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def spec_of(settings: Settings, stations: Sequence[str]) -> WindowSpec:
    """Build the specification of the windows that these settings describe for these stations.

    Raises:
        SettingsError: a station lacks a static attribute.
    """
    window, dataset = settings.window, settings.dataset
    return WindowSpec(
        stations=tuple(stations),
        features=dataset.features,
        targets=dataset.targets,
        frequency=dataset.frequency,
        lookback_steps=window.lookback_steps,
        horizon_steps=window.horizon_steps,
        season_steps=dataset.season_steps,
        known=dataset.known,
        calendar=window.calendar,
        time_zone=dataset.time_zone,
        static=_standardised(dataset.static, stations),
        quantiles=window.quantiles,
        alert=window.alert.side_and_limit if window.alert else None,
        lowest=tuple(dataset.variables[name].min for name in dataset.features),
        highest=tuple(dataset.variables[name].max for name in dataset.features),
        sentinels=tuple(dataset.sentinels_of(name) for name in dataset.features),
        min_observed_share=window.min_observed_share,
    )


def _standardised(
    attributes: Mapping[str, Mapping[str, float]], stations: Sequence[str]
) -> tuple[tuple[float, ...], ...]:
    """Standardise the static attributes over the stations: (stations, attributes)."""
    columns = []
    for name, by_station in attributes.items():
        for station in stations:
            if station not in by_station:
                raise SettingsError(f"params.yaml: dataset.static.{name} has no value for station {station}: add it.")
        values = np.array([by_station[station] for station in stations])
        columns.append((values - values.mean()) / (values.std() or 1.0))
    return tuple(tuple(float(value) for value in row) for row in np.transpose(columns)) if columns else ()
