"""The section `dataset` of params.yaml: what is measured, where it comes from, and what is forecast of it."""

import re
from typing import Annotated, Any

import pandas as pd
from pydantic import Field, model_validator

from tidegate.workspace.columns import RESERVED
from tidegate.workspace.field_types import Real, Steps, Zone
from tidegate.workspace.params import Section


class Variable(Section):
    """What one measured variable can be, in its own unit."""

    unit: str  # as it is printed and drawn
    min: Real | None = None  # physical limits: the lower one
    max: Real | None = None  # of these, the higher one
    sentinels: tuple[Real, ...] = ()  # values that mean "missing", in this variable alone
    stuck_steps: Annotated[int, Field(ge=2)] | None = None  # as many equal values in a row are suspect
    floor: Real | None = None  # what lies at it or below may rest: rain, solar power
    spike: Annotated[Real, Field(gt=0)] | None = None  # robust z-score of what stands out from both its neighbours
    revision: Annotated[Real, Field(ge=0)] | None = None  # a late correction by more than this is a finding

    @model_validator(mode="after")
    def _ordered(self) -> "Variable":
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min {self.min:g} is not below max {self.max:g}")
        return self


class Stations(Section):
    """What the user has decided about stations."""

    leave_out: tuple[str, ...] = ()  # neither judged, nor trained on, nor forecast


RELATION = re.compile(r"^\s*(?P<less>.+?)\s*<=\s*(?P<more>.+?)\s*$")  # "DEWP <= TEMP"


class Dataset(Section):
    """What is measured, where it comes from, and what is forecast of it."""

    source: str  # which source the rows come from: simulated, files, sql or http_json
    options: dict[str, Any] = Field(default_factory=dict)  # of that source: below
    frequency: str  # the step between two times, such as 1h, 15min or 1D
    time_zone: Zone = "UTC"  # where the stations are: of times without a zone, of the calendar, of clock changes
    stations: Stations = Stations()  # what is decided about stations
    variables: Annotated[dict[str, Variable], Field(min_length=1)]  # what is measured, by name
    sentinels: tuple[Real, ...] = ()  # values that mean "missing", in every variable
    relations: tuple[str, ...] = ()  # what must hold between two variables, such as DEWP <= TEMP
    targets: Annotated[tuple[str, ...], Field(min_length=1)]  # the variables to forecast
    covariates: tuple[str, ...] = ()  # variables that are read in the lookback alone
    known: tuple[str, ...] = ()  # variables that are given for the horizon too, such as a weather forecast
    static: dict[str, dict[str, Real]] = Field(default_factory=dict)  # attributes of stations: name: {station: number}
    season_steps: Steps  # steps of a season: what the seasonal naive forecast repeats, and what MASE is scaled by

    @property
    def features(self) -> tuple[str, ...]:
        """Targets first, then past covariates, then those known ahead."""
        return self.targets + self.covariates + self.known

    @property
    def unit_of_targets(self) -> str:
        """The unit of errors over all targets: theirs, or "mixed units" where they have several."""
        units = {self.variables[name].unit for name in self.targets}
        return units.pop() if len(units) == 1 else "mixed units"

    @property
    def naive_zone(self) -> str:
        """Give the zone of times that carry none; days and longer are dates, the same everywhere."""
        try:
            daily = pd.Timedelta(self.frequency) >= pd.Timedelta("1D")
        except ValueError:
            daily = False
        return "UTC" if daily else self.time_zone

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Give each relation as the lesser and the greater variable."""
        return tuple((match["less"], match["more"]) for text in self.relations if (match := RELATION.match(text)))

    def sentinels_of(self, variable: str) -> tuple[float, ...]:
        """Give the values that mean "missing" in a variable."""
        return tuple(dict.fromkeys((*self.sentinels, *self.variables[variable].sentinels)))

    @model_validator(mode="after")
    def _consistent(self) -> "Dataset":
        for name in self.variables:
            if name in RESERVED:
                raise ValueError(f"no variable can be named {name}; name it otherwise, with dataset.options.columns")
        twice = sorted({name for name in self.features if self.features.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is named twice in targets, covariates and known")
        for text in self.relations:
            if not RELATION.match(text):
                raise ValueError(f"relation {text!r} cannot be read: give it as DEWP <= TEMP")
        for name in (*self.features, *(name for pair in self.pairs for name in pair)):
            if name not in self.variables:
                known = ", ".join(self.variables)
                raise ValueError(f"it names {name!r}, which is not in dataset.variables ({known})")
        return self
