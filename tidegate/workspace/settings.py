"""params.yaml as frozen, typed settings: the dataset, one section a stage, and `models.<name>` for the candidates.

The options of a source and of a model are described in that source's and that model's own file.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field, model_validator

from tidegate.workspace.dataset import Dataset
from tidegate.workspace.field_types import Moment, Real, Share, Steps, Whole
from tidegate.workspace.params import Section, parse, read_yaml, utc
from tidegate.workspace.paths import PARAMS

CandidateName = Annotated[str, Field(pattern=r"^[\w-]+$")]

Conflict = Literal["last", "first", "refuse"]


class Ingest(Section):
    """How far back revisions are looked for, and which of two rows for one station and time stands."""

    overlap_hours: Whole = 72  # how far behind the newest row late revisions are looked for
    conflict: Conflict = "last"  # which of two rows for one station and time stands


Severity = Literal["fail", "quarantine", "warn"]


class Rule(Section):
    """What is done about what a rule finds, and how much of it is let pass at any one station."""

    severity: Severity  # quarantine holds values back, fail stops the run, warn tells
    tolerance: Share = 0.0  # of a station's steps


class DurationRule(Rule):
    """A rule about a length of time."""

    steps: Whole  # what is longer is found


class DriftRule(Rule):
    """A rule about distributions: both measures must be exceeded."""

    psi: Annotated[Real, Field(gt=0)] = 1.0  # population stability index
    ks: Annotated[Real, Field(gt=0)] = 0.5  # Kolmogorov-Smirnov distance
    values: Steps = 336  # fewer new ones than this at a station are not judged


class Release(Section):
    """A recorded decision to take values back in that a rule holds back."""

    rule: str  # the rule that holds them back
    station: str | None = None  # all of them without
    variable: str | None = None  # all of them without
    since: Moment | None = None  # from this time on
    until: Moment | None = None  # up to this time
    because: str  # the reason
    decided: str  # when it was decided

    @property
    def span(self) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
        """Give both ends, UTC."""
        first, last = (None if end is None else utc(end) for end in (self.since, self.until))
        return first, last


class Validate(Section):
    """The rules that rows must meet, and what has been let pass by decision."""

    group_rows: Steps = 2_000_000  # of the grid, that are held at a time
    rules: dict[str, Any] = Field(default_factory=dict)  # see tidegate/quality/suite.py
    releases: tuple[Release, ...] = ()  # written by tidegate quarantine release


class Alert(Section):
    """What is to be warned of: that the target gets above, or below, a value within the horizon."""

    above: Real | None = None  # warn where the target gets above this value
    below: Real | None = None  # or below this one

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

    alert: Alert | None = None  # forecast the probability of an alert instead of values
    # levels that forecasts are given at
    quantiles: tuple[Annotated[Real, Field(gt=0, lt=1)], ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
    calendar: tuple[str, ...] = ()  # columns known ahead: hour, weekday, day_of_year, holidays:DE
    lookback_steps: Steps  # what a model reads
    horizon_steps: Steps  # what it forecasts
    validation_share: Annotated[Real, Field(gt=0, lt=1)]  # of the time, before the test span
    test_share: Annotated[Real, Field(gt=0, lt=1)]  # of the time, at the end
    gap_steps: Whole | None = None  # left out between two splits; by default the lookback
    min_observed_share: Share = 0.5  # of the targets' lookback, for a window to be used
    left_out_tolerance: Share = 0.5  # share of the stations from which nothing can be learnt; above it the stage stops

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

    seed: Whole  # of weights and of the order of windows
    epochs: Steps  # at most
    epoch_windows: Steps  # windows of an epoch, drawn anew each time
    batch_windows: Steps  # windows of a gradient step
    loss: Literal["mae", "mse", "huber"] = "mae"  # of scaled values
    learning_rate: Annotated[Real, Field(gt=0)]  # of Adam
    learning_rate_hold_epochs: Whole = 0  # epochs before it decays
    learning_rate_decay: Annotated[Real, Field(gt=0, le=1)] = 1.0  # factor of the learning rate, an epoch
    patience_epochs: Steps  # epochs without a better validation loss before training stops
    # longest gradient, all weights together; a longer one is scaled down
    clip_norm: Annotated[Real, Field(gt=0)] | None = None
    clip_value: Annotated[Real, Field(gt=0)] | None = None  # or the largest entry of the gradient
    weight_decay: Annotated[Real, Field(ge=0)] = 0.0  # of AdamW; 0 is Adam
    # factor of a moving average of the weights, which is what is kept; 0: none
    averaging: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    device: Literal["any", "cpu", "gpu"] = "any"  # gpu refuses to train without one
    replicas: Steps = 1  # devices of a machine that share each batch

    @model_validator(mode="after")
    def _one_clip(self) -> "Train":
        if self.clip_norm is not None and self.clip_value is not None:
            raise ValueError("clip_norm and clip_value are both given; leave one out")
        return self


class Diagnose(Section):
    """How gradient flow is measured."""

    windows: Steps = 256  # training windows that are measured


class Evaluate(Section):
    """By which figure candidates are ranked; of all of these, less is better."""

    metric: str = "mase"  # see METRICS in tidegate/evaluation/metrics.py


class Evidence(Section):
    """What a challenger must show against the champion, besides a better score; each alone refuses."""

    p_value: Annotated[Real, Field(gt=0, lt=1)] = 0.05  # at most, of the test that it is better, and by station
    effective_origins: Steps = 10  # at least: test origins, counted for what they are worth
    station_tolerance: Share = 0.05  # by which a station's loss may grow
    coverage: Share = 0.05  # by which the outermost interval may miss what it promises, unless the champion's is worse


class Register(Section):
    """What a model must show to be registered and promoted."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]  # of the registered model
    # share by which a challenger's score must be better than the champion's
    margin: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    evidence: Evidence = Evidence()  # what it must show besides
    shadow: Literal["none", "former", "challenger"] = "none"  # who forecasts beside the champion for a while, on trial
    shadow_days: Steps = 28  # at most


class Forecast(Section):
    """From when, and into which table, forecasts are issued."""

    complete_share: Annotated[Real, Field(gt=0, le=1)] = 0.5  # of the stations that a step must have been heard of
    adapt_rate: Annotated[Real, Field(ge=0, le=1)] = 0.05  # at which verified forecasts move quantiles; 0: not at all
    reissue_hours: Whole = 6  # forecasts up to this old are issued again if what they lacked has come; 0: never
    table: Annotated[str, Field(pattern=r"^\w+$")] = "forecasts"  # of the database that TIDEGATE_FORECASTS_URL names


class Verify(Section):
    """Into which table the scores of issued forecasts go."""

    table: Annotated[str, Field(pattern=r"^\w+$")] = "verification"  # of the database that TIDEGATE_FORECASTS_URL names


class Watch(Section):
    """How verified forecasts are watched, and what a lasting change for the worse leads to."""

    false_alarms_a_year: Annotated[Real, Field(gt=0)] = 1.0  # over all stations
    drift: Annotated[Real, Field(gt=0)] = 0.25  # scales a day that are no change
    reference_days: Steps = 60  # verified days that are usual, of a version without test scores by day
    violation_window: Steps = 14  # days that are looked at
    violation_days: Steps = 11  # of the window: worse than seasonal naive on so many
    # changes that ask for a retraining
    retrain_on: tuple[Literal["skill", "coverage", "violation"], ...] = ("skill", "coverage", "violation")
    cooldown_days: Whole = 7  # between two retrainings that changes ask for

    @model_validator(mode="after")
    def _within(self) -> "Watch":
        if self.violation_days > self.violation_window:
            raise ValueError("violation_days is more than violation_window")
        return self


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
    verify: Verify = Verify()
    watch: Watch = Watch()
    runner: Annotated[str, Field(pattern=r"^(none|processes|dask|\w+://\S+)$")] = "none"  # of groups of stations
    classify: dict[str, Any] = Field(default_factory=dict)  # see models/sequences.py
    models: Annotated[dict[CandidateName, dict[str, Any]], Field(min_length=1)]

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
