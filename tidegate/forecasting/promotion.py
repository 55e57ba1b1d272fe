"""Decide whether the best candidate is registered, and whether it is promoted to champion.

A candidate must beat the baseline to be registered, and then the present champion, on the same test origins, to be
promoted.
"""

from dataclasses import dataclass
from typing import Any

import models
from tidegate.errors import ServiceError, TidegateError
from tidegate.evaluation.metrics import METRICS, rounded
from tidegate.evaluation.origins import read_test_origins
from tidegate.forecasting.forecaster import Forecaster
from tidegate.measurements import frame as long_frame
from tidegate.tracking import registry
from tidegate.windows.window_grid import to_grid
from tidegate.workspace.paths import CLEAN
from tidegate.workspace.settings import Settings

DECISION = "tidegate.decision."  # prefix of the tags of a version that hold its decision
COMPLETE = "tidegate.complete"  # set once the aliases are set as decided: a killed registration is finished later


@dataclass(frozen=True)
class Decision:
    """Whether the best candidate is registered and promoted, and why."""

    candidate: str
    registered: bool
    promoted: bool
    reason: str


def decide(settings: Settings, name: str, scores: dict[str, dict[str, float]]) -> Decision:
    """Compare the best candidate with the baseline, then with the present champion.

    Raises:
        ServiceError: MLflow does not answer.
    """
    metric = settings.evaluate.metric
    baseline_name = models.baseline_of(settings.models, settings.window)
    baseline_label = baseline_name.replace("_", " ")
    score, baseline = scores[name][metric], scores[baseline_name][metric]
    if not score < baseline:
        reason = f"no candidate beats {baseline_label} ({metric} {baseline:.4g}); none is registered"
        return Decision(name, False, False, reason)
    champion = registry.champion(settings.register_.name)
    if champion is None:
        figures = f"({metric} {score:.4g} against {baseline:.4g})"
        reason = f"{name} beats {baseline_label} {figures}, and there was no champion"
        return Decision(name, True, True, reason)
    try:
        champions_score = champion_score(settings, Forecaster.load(*registry.version_files(champion)))
    except ServiceError:  # says nothing about the champion, only that MLflow does not answer
        raise
    except TidegateError as error:
        reason = f"{name} stays challenger: champion version {champion.version} cannot be compared with it ({error})"
        return Decision(name, True, False, reason)
    figures = f"({metric} {score:.4g} against {champions_score:.4g} of version {champion.version} on the same origins)"
    if score < rounded(champions_score) * (1 - settings.register_.margin):
        return Decision(name, True, True, f"{name} beats the champion {figures}")
    return Decision(name, True, False, f"{name} does not beat the champion {figures}; it stays challenger")


def champion_score(settings: Settings, champion: Forecaster) -> float:
    """Score the champion on the test origins of the present windows.

    Raises:
        IncomparableError: it forecasts something else, or cannot forecast from these origins.
    """
    test = read_test_origins()
    spec, champion_spec = test.panel.spec, champion.spec
    for label, present, champions in (
        ("targets", spec.targets, champion_spec.targets),
        ("horizon", spec.horizon_steps, champion_spec.horizon_steps),
        ("alert", spec.alert, champion_spec.alert),
        ("frequency", spec.frequency, champion_spec.frequency),
    ):
        if present != champions:
            raise IncomparableError(
                f"its {label} is {champions}, not {present}: give register.name a new name for the new kind"
            )
    if settings.evaluate.metric == "crps" and spec.quantiles != champion_spec.quantiles:
        raise IncomparableError(f"its quantiles are {champion_spec.quantiles}, not {spec.quantiles}")
    clean = long_frame.read_frame(CLEAN)
    absent = [feature for feature in champion_spec.features if feature not in clean.columns]
    if absent:
        raise IncomparableError(f"it needs {absent[0]}, which the data no longer hold")
    starts = test.starts.copy()
    starts[:, 1] += spec.lookback_steps - champion_spec.lookback_steps
    if (starts[:, 1] < 0).any():
        raise IncomparableError("its lookback is longer than the data before the first test origin")
    forecasts = champion.forecasts_at(to_grid(clean, champion_spec.features), starts)
    return METRICS[settings.evaluate.metric](test.compare(forecasts))


class IncomparableError(TidegateError):
    """The champion cannot be scored on the present test origins."""


def stored_decision(version: Any) -> Decision:
    """Give the decision that was made when this version was registered: the same identity is not judged twice.

    A version that was champion and is not any more stays demoted.
    """
    stored = {k.removeprefix(DECISION): v for k, v in version.tags.items() if k.startswith(DECISION)}
    decision = Decision(stored["candidate"], True, stored["promoted"] == "True", stored["reason"])
    champion = registry.champion(version.name)
    if not decision.promoted or COMPLETE not in version.tags or (champion and champion.version == version.version):
        return decision
    holder = f"version {champion.version}" if champion else "none"
    return Decision(
        stored["candidate"], True, False, f"it was champion once, and has been registered before; now {holder} is"
    )
