"""params.yaml as frozen, typed settings: the dataset, one section a stage, and `models.<name>` for the candidates.

The options of a source and of a model are described in that source's and that model's own file.
"""

import re
import zoneinfo
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from tidegate.workspace.columns import RESERVED
from tidegate.workspace.params import Section, parse, read_yaml, utc
from tidegate.workspace.paths import PARAMS

Real = Annotated[float, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Steps = Annotated[int, Field(strict=True, ge=1)]
Share = Annotated[Real, Field(ge=0, le=1)]


def _known_zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("there is no such time zone; give a name such as Europe/Berlin or UTC")
    return name


def _a_time(text: str) -> str:
    utc(text)
    return text


Zone = Annotated[str, AfterValidator(_known_zone)]
Moment = Annotated[str, AfterValidator(_a_time)]  # UTC unless it has a zone
CandidateName = Annotated[str, Field(pattern=r"^[\w-]+$")]

Conflict = Literal["last", "first", "refuse"]


class Ingest(Section):
    """How far back revisions are looked for, and which of two rows for one station and time stands."""

    overlap_hours: Whole = 72
    conflict: Conflict = "last"


class Variable(Section):
    """What one measured variable can be, in its own unit."""

    unit: str
    min: Real | None = None  # physical limits
    max: Real | None = None
    sentinels: tuple[Real, ...] = ()  # values that mean "missing", in this variable alone
    stuck_steps: Annotated[int, Field(ge=2)] | None = None  # as many equal values in a row are suspect
    floor: Real | None = None  # what lies at it or below may rest: rain, solar power
    spike: Annotated[Real, Field(gt=0)] | None = None  # robust z-score of what stands out from both its neighbours
    revision: Annotated[Real, Field(ge=0)] | None = None  # a late correction by more than this is told

    @model_validator(mode="after")
    def _ordered(self) -> "Variable":
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min {self.min:g} is not below max {self.max:g}")
        return self


RELATION = re.compile(r"^\s*(?P<less>.+?)\s*<=\s*(?P<more>.+?)\s*$")  # "DEWP <= TEMP"


class Dataset(Section):
    """What is measured, where it comes from, and what is forecast of it."""

    source: str
    options: dict[str, Any] = Field(default_factory=dict)  # see tidegate/sources/<source>.py
    frequency: str
    time_zone: Zone = "UTC"  # where the stations are: of times without a zone, of the calendar, of clock changes
    variables: Annotated[dict[str, Variable], Field(min_length=1)]
    sentinels: tuple[Real, ...] = ()  # values that mean "missing", in every variable
    relations: tuple[str, ...] = ()
    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    covariates: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: dict[str, dict[str, Real]] = Field(default_factory=dict)
    season_steps: Steps

    @property
    def features(self) -> tuple[str, ...]:
        """Targets first, then past covariates, then those known ahead."""
        return self.targets + self.covariates + self.known

    @property
    def clock(self) -> str:
        """Give the zone of times that carry none; days and longer are dates, the same everywhere."""
        try:
            daily = pd.Timedelta(self.frequency) >= pd.Timedelta("1D")
        except ValueError:
            daily = False
        return "UTC" if daily else self.time_zone

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Give each relation as the lesser and the greater variable."""
        return tuple((found["less"], found["more"]) for text in self.relations if (found := RELATION.match(text)))

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


Severity = Literal["fail", "quarantine", "warn"]


class Rule(Section):
    """What is done about what a rule finds, and how much of it is let pass at any one station."""

    severity: Severity
    tolerance: Share = 0.0  # of a station's steps


class DurationRule(Rule):
    """A rule about a length of time."""

    steps: Whole


class DriftRule(Rule):
    """A rule about distributions: both measures must be exceeded."""

    psi: Annotated[Real, Field(gt=0)] = 1.0  # population stability index
    ks: Annotated[Real, Field(gt=0)] = 0.5  # Kolmogorov-Smirnov distance
    values: Steps = 336  # fewer new ones than this at a station are not judged


class Rules(Section):
    """The rules of the data gate, in the order in which a bad cell is put down to one; see tidegate/rules.py."""

    off_grid: Rule = Rule(severity="quarantine", tolerance=0.05)
    sentinel: Rule = Rule(severity="quarantine", tolerance=0.05)
    range: Rule = Rule(severity="quarantine", tolerance=0.05)
    relation: Rule = Rule(severity="quarantine", tolerance=0.05)
    stuck: Rule = Rule(severity="quarantine", tolerance=0.05)
    spike: Rule = Rule(severity="quarantine", tolerance=0.05)
    gap: DurationRule = DurationRule(severity="fail", steps=336)
    missing: Rule = Rule(severity="fail", tolerance=0.10)
    freshness: DurationRule = DurationRule(severity="fail", steps=48)
    clock_change: Rule = Rule(severity="warn")
    stations: Rule = Rule(severity="warn")
    drift: DriftRule = DriftRule(severity="warn")
    revision: Rule = Rule(severity="warn")

    @model_validator(mode="after")
    def _cells_alone_go_to_quarantine(self) -> "Rules":
        for name in ("gap", "missing", "freshness", "clock_change", "stations", "drift", "revision"):
            if getattr(self, name).severity == "quarantine":
                raise ValueError(f"{name} finds no values that quarantine could hold: give fail or warn")
        return self

    def of(self, name: str) -> Rule:
        """Give a rule by its name."""
        rule: Rule = getattr(self, name)
        return rule


class Release(Section):
    """A recorded decision to take values back in that a rule holds back."""

    rule: str
    station: str | None = None  # all of them without
    variable: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    because: str
    decided: str

    @property
    def span(self) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
        """Give both ends, UTC."""
        first, last = (None if end is None else utc(end) for end in (self.since, self.until))
        return first, last


class Validate(Section):
    """The rules that rows must meet, and what has been let pass by decision."""

    group_rows: Steps = 2_000_000  # of the grid, that are held at a time
    rules: Rules = Rules()
    releases: tuple[Release, ...] = ()


class Alert(Section):
    """What is to be warned of: that the target gets above, or below, a value within the horizon."""

    above: Real | None = None
    below: Real | None = None

    @model_validator(mode="after")
    def _one_side(self) -> "Alert":
        if (self.above is None) == (self.below is None):
            raise ValueError("give one of above and below")
        return self

    @property
    def side_and_limit(self) -> tuple[str, float]:
        """Give ("above", 150.0), say."""
        return ("above", self.above) if self.above is not None else ("below", float(self.below or 0.0))


class Window(Section):
    """How the clean data are cut into windows, and how they are split by time."""

    alert: Alert | None = None
    quantiles: tuple[Annotated[Real, Field(gt=0, lt=1)], ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
    calendar: tuple[str, ...] = ()
    lookback_steps: Steps
    horizon_steps: Steps
    validation_share: Annotated[Real, Field(gt=0, lt=1)]
    test_share: Annotated[Real, Field(gt=0, lt=1)]
    gap_steps: Whole | None = None
    min_observed_share: Share = 0.5

    @model_validator(mode="after")
    def _consistent(self) -> "Window":
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on")
        if 0.5 not in self.quantiles or list(self.quantiles) != sorted(set(self.quantiles)):
            raise ValueError("quantiles are to ascend, with 0.5 among them")
        return self

    @property
    def gap(self) -> int:
        """Steps left out between one split's targets and the next's; by default no split sees another's steps."""
        return self.lookback_steps if self.gap_steps is None else self.gap_steps


class Train(Section):
    """How candidates are trained; all but the seed is for those that learn by gradient."""

    seed: Whole
    epochs: Steps
    epoch_windows: Steps
    batch_windows: Steps
    loss: Literal["mae", "mse", "huber"] = "mae"
    learning_rate: Annotated[Real, Field(gt=0)]
    learning_rate_hold_epochs: Whole = 0
    learning_rate_decay: Annotated[Real, Field(gt=0, le=1)] = 1.0
    patience_epochs: Steps
    clip_norm: Annotated[Real, Field(gt=0)] | None = None
    clip_value: Annotated[Real, Field(gt=0)] | None = None
    weight_decay: Annotated[Real, Field(ge=0)] = 0.0
    averaging: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    device: Literal["any", "cpu", "gpu"] = "any"
    replicas: Steps = 1  # devices of a machine that share each batch

    @model_validator(mode="after")
    def _one_clip(self) -> "Train":
        if self.clip_norm is not None and self.clip_value is not None:
            raise ValueError("clip_norm and clip_value are both given; leave one out")
        return self


class Diagnose(Section):
    """How gradient flow is measured."""

    windows: Steps = 256


class Evaluate(Section):
    """By which figure candidates are ranked; of all of these, less is better."""

    metric: Literal["mae", "rmse", "mase", "crps", "brier", "log_loss"] = "mase"


class Register(Section):
    """What a model must show to be registered and promoted."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    margin: Annotated[Real, Field(ge=0, lt=1)] = 0.0


class Forecast(Section):
    """From when, and into which table, forecasts are issued."""

    complete_share: Annotated[Real, Field(gt=0, le=1)] = 0.5  # of the stations that a step must have been heard of
    table: Annotated[str, Field(pattern=r"^\w+$")] = "forecasts"  # of the database that TIDEGATE_FORECASTS_URL names


class Settings(Section):
    """The whole of params.yaml."""

    dataset: Dataset
    ingest: Ingest
    validate_: Validate = Field(alias="validate")
    window: Window
    train: Train
    diagnose: Diagnose = Diagnose()
    evaluate: Evaluate
    register_: Register = Field(alias="register")
    forecast: Forecast = Forecast()
    runner: Annotated[str, Field(pattern=r"^(none|processes|dask|\w+://\S+)$")] = "none"  # of groups of stations
    classify: dict[str, Any] = Field(default_factory=dict)  # see models/sequences.py
    models: Annotated[dict[CandidateName, dict[str, Any]], Field(min_length=1)]

    @model_validator(mode="after")
    def _metric_of_the_task(self) -> "Settings":
        if (self.evaluate.metric in ("brier", "log_loss")) != (self.window.alert is not None):
            kind = "an alert is ranked by brier or log_loss" if self.window.alert else "it is for alerts"
            raise ValueError(f"evaluate.metric is {self.evaluate.metric}: {kind}")
        return self

    @model_validator(mode="after")
    def _windows_of_the_dataset(self) -> "Settings":
        season, lookback = self.dataset.season_steps, self.window.lookback_steps
        if season > lookback:
            raise ValueError(f"dataset.season_steps {season} is longer than window.lookback_steps {lookback}")
        if self.window.alert and len(self.dataset.targets) > 1:
            raise ValueError("window.alert is of one target, and dataset.targets are several")
        return self


def load_settings(path: Path = PARAMS) -> Settings:
    """Read params.yaml.

    Raises:
        SettingsError: the file is absent or not YAML, or a key or value in it is refused.
    """
    raw = read_yaml(path)
    return parse(Settings, raw, "", raw, path)
