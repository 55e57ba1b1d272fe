"""params.yaml as frozen, typed settings: one section a stage, and `models.<name>` for the candidates.

The options of a source and of a model are described in that source's and that model's own file.
"""

import zoneinfo
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from tidegate.artifacts import PARAMS
from tidegate.parsing import Section, parse, read

Real = Annotated[float, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Steps = Annotated[int, Field(strict=True, ge=1)]
Share = Annotated[Real, Field(ge=0, le=1)]


def _known_zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("there is no such time zone; give a name such as Europe/Berlin or UTC")
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]
CandidateName = Annotated[str, Field(pattern=r"^[\w-]+$")]
OWN_NAMES = ("station", "time", "variable", "value", "rule", "standing")  # columns of frames that hold variables too


class Ingest(Section):
    """Where rows come from, and which of two rows for one station and time stands."""

    source: str
    options: dict[str, Any] = Field(default_factory=dict)
    overlap_hours: Whole = 72
    conflict: Literal["last", "first", "refuse"] = "last"


class Variable(Section):
    """The physical limits of one measured variable, in its own unit."""

    unit: str
    min: Real | None = None
    max: Real | None = None
    spike: Annotated[Real, Field(gt=0)] | None = None
    stuck_steps: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Variable":
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min {self.min:g} is not below max {self.max:g}")
        return self


class Tolerance(Section):
    """What the data gate lets pass, at any one station."""

    quarantined_share: Share
    missing_share: Share
    longest_gap_steps: Whole
    behind_steps: Whole


class Validate(Section):
    """The expectations that rows must meet."""

    frequency: str
    variables: Annotated[dict[str, Variable], Field(min_length=1)]
    sentinels: tuple[Real, ...] = ()
    tolerance: Tolerance

    @model_validator(mode="after")
    def _free_names(self) -> "Validate":
        for name in self.variables:
            if name in OWN_NAMES:
                raise ValueError(f"no variable can be named {name}; name it otherwise, with ingest.options.columns")
        return self


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
    """What is forecast from what, how the clean data are cut into windows, and how they are split by time."""

    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    alert: Alert | None = None
    quantiles: tuple[Annotated[Real, Field(gt=0, lt=1)], ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
    covariates: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    time_zone: Zone = "UTC"
    static: dict[str, dict[str, Real]] = Field(default_factory=dict)
    lookback_steps: Steps
    horizon_steps: Steps
    season_steps: Steps
    validation_share: Annotated[Real, Field(gt=0, lt=1)]
    test_share: Annotated[Real, Field(gt=0, lt=1)]
    gap_steps: Whole | None = None
    min_observed_share: Share = 0.5

    @model_validator(mode="after")
    def _consistent(self) -> "Window":
        if self.season_steps > self.lookback_steps:
            raise ValueError(f"season_steps {self.season_steps} is longer than lookback_steps {self.lookback_steps}")
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on")
        twice = sorted({name for name in self.features if self.features.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is named twice in targets, covariates and known")
        if 0.5 not in self.quantiles or list(self.quantiles) != sorted(set(self.quantiles)):
            raise ValueError("quantiles are to ascend, with 0.5 among them")
        if self.alert and len(self.targets) > 1:
            raise ValueError("an alert is of one target, and there are several")
        return self

    @property
    def features(self) -> tuple[str, ...]:
        """Targets first, then past covariates, then those known ahead."""
        return self.targets + self.covariates + self.known

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

    ingest: Ingest
    validate_: Validate = Field(alias="validate")
    window: Window
    train: Train
    diagnose: Diagnose = Diagnose()
    evaluate: Evaluate
    register_: Register = Field(alias="register")
    forecast: Forecast = Forecast()
    classify: dict[str, Any] = Field(default_factory=dict)  # see models/sequences.py
    models: Annotated[dict[CandidateName, dict[str, Any]], Field(min_length=1)]

    @model_validator(mode="after")
    def _metric_of_the_task(self) -> "Settings":
        if (self.evaluate.metric in ("brier", "log_loss")) != (self.window.alert is not None):
            kind = "an alert is ranked by brier or log_loss" if self.window.alert else "it is for alerts"
            raise ValueError(f"evaluate.metric is {self.evaluate.metric}: {kind}")
        return self

    @model_validator(mode="after")
    def _features_are_variables(self) -> "Settings":
        for feature in self.window.features:
            if feature not in self.validate_.variables:
                known = ", ".join(self.validate_.variables)
                raise ValueError(f"window names {feature!r}, which is not in validate.variables ({known})")
        return self


def load(path: Path = PARAMS) -> Settings:
    """Read params.yaml.

    Raises:
        SettingsError: the file is absent or not YAML, or a key or value in it is refused.
    """
    raw = read(path)
    return parse(Settings, raw, "", raw, path)
