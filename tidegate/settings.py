"""params.yaml as frozen, typed settings: one section a stage, and `models.<name>` for the candidates.

The options of a source and of a model are described in that source's and that model's own file.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tidegate.artifacts import PARAMS
from tidegate.parsing import Section, parse, read

Real = Annotated[float, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Steps = Annotated[int, Field(strict=True, ge=1)]
Share = Annotated[Real, Field(ge=0, le=1)]
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


class Window(Section):
    """How the clean data are cut into windows and split by time."""

    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    covariates: tuple[str, ...] = ()
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
            raise ValueError(f"{twice[0]} is named twice in targets and covariates")
        return self

    @property
    def features(self) -> tuple[str, ...]:
        """Targets first, then covariates."""
        return self.targets + self.covariates

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
    loss: Literal["mae", "mse"] = "mae"
    learning_rate: Annotated[Real, Field(gt=0)]
    learning_rate_decay: Annotated[Real, Field(gt=0, le=1)] = 1.0
    patience_epochs: Steps
    clip_norm: Annotated[Real, Field(gt=0)] | None = None


class Evaluate(Section):
    """By which figure candidates are ranked."""

    metric: Literal["mae", "rmse", "mase"] = "mase"


class Register(Section):
    """What a model must show to be registered and promoted."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    margin: Annotated[Real, Field(ge=0, lt=1)] = 0.0


class Settings(Section):
    """The whole of params.yaml."""

    ingest: Ingest
    validate_: Validate = Field(alias="validate")
    window: Window
    train: Train
    evaluate: Evaluate
    register_: Register = Field(alias="register")
    models: Annotated[dict[CandidateName, dict[str, Any]], Field(min_length=1)]

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
