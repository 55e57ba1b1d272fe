"""Register: let the best candidate into the registry, and make it champion if it has earned it.

Reads artifacts/evaluation, artifacts/models, artifacts/windows and artifacts/clean.parquet, and the registry. Writes
artifacts/registration.json: what was decided, and why. A candidate must beat the baseline to be registered
(@challenger), and the present champion, on the same origins, to be promoted (@champion). A tie does not promote;
without evidence nothing is promoted. A model that stays out is no error: the champion stays.
"""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

import models
from tidegate import frame as long_frame
from tidegate import registry, tracking, windows
from tidegate.artifacts import CLEAN, EVALUATION, MODELS, REGISTRATION, WINDOWS, read_json, write_json
from tidegate.errors import ServiceError, TidegateError
from tidegate.forecaster import Forecaster
from tidegate.frame import STATION, TIME
from tidegate.metrics import METRICS
from tidegate.report import Report
from tidegate.scoring import read_test
from tidegate.settings import Settings

DECISION = "tidegate.decision."
COMPLETE = "tidegate.complete"  # set once the aliases point as decided: a killed registration is finished later


@dataclass(frozen=True)
class Decision:
    """What became of the best candidate."""

    candidate: str
    registered: bool
    promoted: bool
    reason: str


def run(settings: Settings, report: Report) -> str:
    """Put the best candidate before the gate; give one line of what was decided."""
    scores = read_json(EVALUATION / "metrics.json")
    metric = settings.evaluate.metric
    name = min(scores, key=lambda candidate: scores[candidate][metric])
    run_id = tracking.run_of(settings, name)
    whose = tracking.identity_tags(run_id)  # as it was when the model was trained
    found = registry.find_version(settings.register_.name, whose)
    if found is not None:
        decision = _decision_of(found)  # this identity has been before the gate
    else:
        report(1, 3, f"{name} against the baseline and the champion")
        decision = decide(settings, name, scores)
        if decision.registered:
            report(2, 3, f"registering {name}")
            found = _register(settings, run_id, whose, decision)
    if found is not None and COMPLETE not in found.tags:
        _point_aliases(found, decision)
    version = int(found.version) if found is not None else None
    write_json(REGISTRATION, {**asdict(decision), "model": settings.register_.name, "version": version})
    label = f"{settings.register_.name} version {version}: " if version else ""
    return f"{label}{decision.reason}"


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
        reigning = champion_score(settings, Forecaster.load(*registry.parts_of(present)))
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
    test = read_test()
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
    clean = long_frame.read(CLEAN)
    absent = [feature for feature in its.features if feature not in clean.columns]
    if absent:
        raise Incomparable(f"it needs {absent[0]}, which the data no longer hold")
    starts = test.starts.copy()
    starts[:, 1] += own.lookback - its.lookback
    if (starts[:, 1] < 0).any():
        raise Incomparable("its lookback is longer than the data before the first test origin")
    forecasts = reigning.forecasts_at(windows.to_grid(clean, its.features), starts)
    return METRICS[settings.evaluate.metric](test.compare(forecasts))


class Incomparable(TidegateError):
    """The champion cannot be scored on the present test origins."""


def _register(settings: Settings, run_id: str, whose: dict[str, str], decision: Decision) -> Any:
    tags = {**whose, **{DECISION + key: str(value) for key, value in asdict(decision).items()}}
    model, spec = MODELS / decision.candidate, WINDOWS / windows.SPEC
    return registry.register(settings.register_.name, run_id, model, spec, _example(Forecaster.load(model)), tags)


def _point_aliases(version: Any, decision: Decision) -> None:
    registry.set_alias(version, registry.CHALLENGER)
    if decision.promoted:
        registry.set_alias(version, registry.CHAMPION)
    registry.set_tag(version, COMPLETE, "true")


def _decision_of(version: Any) -> Decision:
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


def _example(forecaster: Forecaster) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take the newest lookback of the clean data, and what is forecast from it, as the version's example."""
    clean = long_frame.read(CLEAN)
    span = forecaster.spec.lookback * pd.Timedelta(forecaster.spec.frequency)
    recent = clean[clean[TIME] > clean[TIME].max() - span]
    recent = recent[[STATION, TIME, *forecaster.spec.features]]
    # A station that is silent now cannot be forecast, and is no example.
    heard = recent[list(forecaster.spec.targets)].notna().any(axis=1).groupby(recent[STATION]).transform("any")
    recent = recent[heard].reset_index(drop=True)
    return recent, forecaster.forecast(recent)
