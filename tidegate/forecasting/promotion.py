"""Whether a candidate is registered and promoted."""

from dataclasses import dataclass
from typing import Any

import models
from tidegate.errors import ServiceError, TidegateError
from tidegate.evaluation.metrics import METRICS
from tidegate.evaluation.test_origins import read_test_origins
from tidegate.forecasting.forecaster import Forecaster
from tidegate.measurements import frame as long_frame
from tidegate.tracking import registry
from tidegate.windows.window_grid import to_grid
from tidegate.workspace.paths import CLEAN
from tidegate.workspace.settings import Settings

DECISION = "tidegate.decision."

COMPLETE = "tidegate.complete"  # set once the aliases point as decided: a killed registration is finished later


@dataclass(frozen=True)
class Decision:
    """What became of the best candidate."""

    candidate: str
    registered: bool
    promoted: bool
    reason: str


def decide(settings: Settings, name: str, scores: dict[str, dict[str, float]]) -> Decision:
    """Compare the best candidate with the baseline, then with the present champion."""
    metric = settings.evaluate.metric
    baseline_name = models.baseline_of(settings.models, settings.window)
    against = baseline_name.replace("_", " ")
    own, baseline = scores[name][metric], scores[baseline_name][metric]
    if not own < baseline:
        return Decision(
            name,
            False,
            False,
            f"no candidate beats {against} ({metric} {baseline:.4g}); none is registered",
        )
    present = registry.champion(settings.register_.name)
    if present is None:
        reason = f"{name} beats {against} ({metric} {own:.4g} against {baseline:.4g}), and there was no champion"
        return Decision(name, True, True, reason)
    try:
        reigning = champion_score(settings, Forecaster.load(*registry.version_files(present)))
    except ServiceError:  # no evidence about the champion, only that MLflow is away
        raise
    except TidegateError as error:
        reason = f"{name} stays challenger: champion version {present.version} cannot be compared with it ({error})"
        return Decision(name, True, False, reason)
    figures = f"({metric} {own:.4g} against {reigning:.4g} of version {present.version} on the same origins)"
    if own < round(reigning, 6) * (1 - settings.register_.margin):
        return Decision(name, True, True, f"{name} beats the champion {figures}")
    return Decision(name, True, False, f"{name} does not beat the champion {figures}; it stays challenger")


def champion_score(settings: Settings, reigning: Forecaster) -> float:
    """Score the champion on the test origins of the present windows.

    Raises:
        Incomparable: it forecasts something else, or cannot be run on these origins.
    """
    test = read_test_origins()
    own, its = test.panel.spec, reigning.spec
    for what, mine, theirs in (
        ("targets", own.targets, its.targets),
        ("horizon", own.horizon, its.horizon),
        ("alert", own.alert, its.alert),
        ("frequency", own.frequency, its.frequency),
    ):
        if mine != theirs:
            raise Incomparable(f"its {what} is {theirs}, not {mine}: give register.name a new name for the new kind")
    if settings.evaluate.metric == "crps" and own.quantiles != its.quantiles:
        raise Incomparable(f"its quantiles are {its.quantiles}, not {own.quantiles}")
    clean = long_frame.read_frame(CLEAN)
    absent = [feature for feature in its.features if feature not in clean.columns]
    if absent:
        raise Incomparable(f"it needs {absent[0]}, which the data no longer hold")
    starts = test.starts.copy()
    starts[:, 1] += own.lookback - its.lookback
    if (starts[:, 1] < 0).any():
        raise Incomparable("its lookback is longer than the data before the first test origin")
    forecasts = reigning.forecasts_at(to_grid(clean, its.features), starts)
    return METRICS[settings.evaluate.metric](test.compare(forecasts))


class Incomparable(TidegateError):
    """The champion cannot be scored on the present test origins."""


def decision_of(version: Any) -> Decision:
    """Give what was decided when this identity was registered: it is not put before the gate twice."""
    stored = {k.removeprefix(DECISION): v for k, v in version.tags.items() if k.startswith(DECISION)}
    decision = Decision(stored["candidate"], True, stored["promoted"] == "True", stored["reason"])
    present = registry.champion(version.name)
    if not decision.promoted or COMPLETE not in version.tags or (present and present.version == version.version):
        return decision
    holder = f"version {present.version}" if present else "none"
    return Decision(
        stored["candidate"], True, False, f"it was champion once, and has been registered before; now {holder} is"
    )
