"""Decide whether the best candidate is registered, and whether it is promoted to champion.

A candidate must beat the baseline to be registered, and then the present champion, on the same test origins and by more
than chance explains, to be promoted. A tie keeps the champion.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import models
from tidegate.errors import ServiceError, TidegateError
from tidegate.evaluation.breakdown import deciding_stations
from tidegate.evaluation.comparison import Comparison
from tidegate.evaluation.evidence import Duel, Side, judge
from tidegate.evaluation.metrics import METRICS, rounded
from tidegate.evaluation.origins import TestOrigins, first_not_finite, read_test_origins
from tidegate.forecasting.forecaster import Forecaster
from tidegate.measurements import frame as long_frame
from tidegate.measurements.grid import step_of
from tidegate.tracking import registry
from tidegate.windows.clean import as_given
from tidegate.windows.panel import Starts
from tidegate.windows.spec import WindowSpec
from tidegate.windows.store import read_seen_until
from tidegate.windows.window_grid import to_grid
from tidegate.workspace.columns import STATION, TIME
from tidegate.workspace.paths import CLEAN, EVALUATION, MODELS
from tidegate.workspace.settings import Settings

DECISION = "tidegate.decision."  # prefix of the tags of a version that hold its decision
EVIDENCE = "tidegate.evidence."  # prefix of those that hold the findings of the rules, by rule
COMPLETE = "tidegate.complete"  # set once the aliases are set as decided: a killed registration is finished later


@dataclass(frozen=True)
class Decision:
    """Whether the best candidate is registered and promoted, and why."""

    candidate: str
    registered: bool
    promoted: bool
    reason: str
    evidence: Mapping[str, str] = field(default_factory=dict)  # by rule: whether it is met, and its figures
    trial: bool = False  # whether it forecasts in the shadow of the champion first


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
        reason = f"{name} beats {baseline_label} {figures}, and there was no champion{_decided_by(metric, name)}"
        return Decision(name, True, True, reason)
    try:
        duel, where = duel_with_champion(settings, name, *registry.version_files(champion))
    except ServiceError:  # says nothing about the champion, only that MLflow does not answer
        raise
    except TidegateError as error:
        reason = (
            f"{name} stays challenger: champion version {champion.version} cannot be compared with it ({error}); "
            "tidegate promote can decide otherwise"
        )
        return Decision(name, True, False, reason)
    return _decision(settings, name, str(champion.version), duel, where)


def _decision(settings: Settings, name: str, champion: str, duel: Duel, where: str) -> Decision:
    """Decide by the scores and by the rules of evidence."""
    score, champions_score = duel.challenger.score, duel.champion.score
    figures = (
        f"({duel.metric} {score:.4g} against {champions_score:.4g} of version {champion} on the same origins{where})"
    )
    if not rounded(score) < rounded(champions_score) * (1 - settings.register_.margin):
        return Decision(name, True, False, f"{name} does not beat the champion {figures}; it stays challenger")
    findings = judge(duel, settings.register_.evidence)
    evidence = {found.rule: f"{'passed' if found.passed else 'failed'}: {found.figures}" for found in findings}
    failed = [f"{found.rule}: {found.figures}" for found in findings if not found.passed]
    if failed:
        reason = f"{name} scores better than the champion {figures}, and stays challenger for want of evidence "
        return Decision(name, True, False, f"{reason}({'; '.join(failed)})", evidence)
    reason = f"{name} beats the champion {figures}{_decided_by(duel.metric, name)}"
    if settings.register_.shadow == "challenger":
        reason += f"; its verified forecasts decide within {settings.register_.shadow_days} days"
        return Decision(name, True, False, reason, evidence, trial=True)
    return Decision(name, True, True, reason, evidence)


def _decided_by(metric: str, best: str) -> str:
    """Name the stations without which another candidate would be best."""
    stations = deciding_stations(pd.read_csv(EVALUATION / "by_station.csv", dtype={STATION: str}), metric, best)
    shown = ", ".join(stations[:3]) + (f" and {len(stations) - 3} more" if len(stations) > 3 else "")
    return f"; without station {shown} it would not be the best" if stations else ""


def duel_with_champion(settings: Settings, name: str, model: Path, spec: Path) -> tuple[Duel, str]:
    """Let a candidate and the champion forecast the test origins of the stations that both know.

    Args:
        settings: of the workspace.
        name: of the candidate.
        model: the champion's folder.
        spec: that of its windows.

    Returns:
        The duel, and words about where it was held, if not everywhere or not on what is new to the champion.

    Raises:
        IncomparableError: the champion forecasts something else, or cannot forecast from these origins.
    """
    test, champion = read_test_origins(), Forecaster.load(model, spec)
    _refuse_incomparable(settings, test.panel.spec, champion.spec)
    clean = long_frame.read_frame(CLEAN)
    absent = [feature for feature in champion.spec.features if feature not in clean.columns]
    if absent:
        raise IncomparableError(f"it needs {absent[0]}, which the data no longer hold")
    common = [station for station in test.panel.spec.stations if station in champion.spec.stations]
    tested = np.isin(np.asarray(test.panel.spec.stations)[test.starts[:, 0]], common)
    if not tested.any():
        raise IncomparableError("it knows none of the present stations")
    compared, first = test.part(tested), clean[TIME].min()
    clean = clean[clean[STATION].isin(common)]
    metric = settings.evaluate.metric
    champions, challenger = (  # the champion first, which is the one that may be unable to forecast from here
        Side.of(METRICS[metric], _compared(forecaster, whose, clean, compared, common))
        for forecaster, whose in ((champion, "its"), (Forecaster.load(MODELS / name), "the challenger's"))
    )
    duel = Duel(
        metric=metric,
        challenger=challenger,
        champion=champions,
        station=_rows(compared, common)[compared.starts[:, 0]],
        origin=compared.starts[:, 1].astype(np.int64),
        stations=common,
        horizon=test.panel.spec.horizon_steps,
    )
    everywhere = len(common) == len(test.panel.spec.stations)
    where = "" if everywhere else f", at the {len(common)} stations that both know"
    return duel, where + _seen(spec, compared, first)


def _seen(spec: Path, test: TestOrigins, first: pd.Timestamp) -> str:
    """Say which share of the origins the champion has learnt from, which makes it look better than it is."""
    until = read_seen_until(spec)
    if until is None:
        return ""
    steps = (pd.Timestamp(until) - first) / step_of(test.panel.spec.frequency)
    share = float(np.mean(test.starts[:, 1] + test.panel.spec.lookback_steps <= steps))
    return f", of which the champion has seen {share:.0%} in training" if share > 0 else ""


def _compared(
    forecaster: Forecaster, whose: str, clean: pd.DataFrame, test: TestOrigins, common: Sequence[str]
) -> Iterator[Comparison]:
    """Forecast from the test origins of some stations, whose rows alone are in `clean`; some origins at a time."""
    earlier = test.panel.spec.lookback_steps - forecaster.spec.lookback_steps
    if (test.starts[:, 1] + earlier < 0).any():
        raise IncomparableError(f"{whose} lookback is longer than the data before the first test origin")
    features = forecaster.spec.features
    forecast, row = forecaster.on_grid(as_given(to_grid(clean, features), features)), _rows(test, common)
    for part in test.parts():
        forecasts = forecast(np.stack([row[part.starts[:, 0]], part.starts[:, 1] + earlier], axis=1))
        if where := first_not_finite(part, forecasts):
            raise IncomparableError(f"{whose} forecast for {where} is not finite")
        yield replace(part.compare(forecasts), levels=forecaster.spec.quantiles)  # a champion may have others


def _rows(test: TestOrigins, common: Sequence[str]) -> Starts:
    """Give the row of each of the panel's stations among those that both know, -1 if it is none: (stations,)."""
    row = {station: number for number, station in enumerate(common)}
    return np.array([row.get(station, -1) for station in test.panel.spec.stations], np.int32)


def _refuse_incomparable(settings: Settings, spec: WindowSpec, champion: WindowSpec) -> None:
    for label, present, champions in (
        ("targets", spec.targets, champion.targets),
        ("horizon", spec.horizon_steps, champion.horizon_steps),
        ("alert", spec.alert, champion.alert),
        ("frequency", spec.frequency, champion.frequency),
    ):
        if present != champions:
            raise IncomparableError(
                f"its {label} is {champions}, not {present}: give register.name a new name for the new kind"
            )
    if settings.evaluate.metric == "crps" and spec.quantiles != champion.quantiles:
        raise IncomparableError(f"its quantiles are {champion.quantiles}, not {spec.quantiles}")


class IncomparableError(TidegateError):
    """The champion cannot be scored on the present test origins."""


def tags_of(decision: Decision) -> dict[str, str]:
    """Describe a decision as tags of its version."""
    parts = {"candidate": decision.candidate, "registered": str(decision.registered)}
    parts |= {"promoted": str(decision.promoted), "reason": decision.reason, "trial": str(decision.trial)}
    tags = {DECISION + key: value for key, value in parts.items()}
    return tags | {EVIDENCE + rule: figures for rule, figures in decision.evidence.items()}


def stored_decision(version: Any) -> Decision:
    """Give the decision that was made when this version was registered: the same identity is not judged twice.

    A version that was champion and is not any more stays demoted.
    """
    stored = {k.removeprefix(DECISION): v for k, v in version.tags.items() if k.startswith(DECISION)}
    evidence = {k.removeprefix(EVIDENCE): v for k, v in sorted(version.tags.items()) if k.startswith(EVIDENCE)}
    promoted, trial = (stored.get(name) == "True" for name in ("promoted", "trial"))
    decision = Decision(stored["candidate"], True, promoted, stored["reason"], evidence, trial)
    champion = registry.champion(version.name)
    if not decision.promoted or COMPLETE not in version.tags or (champion and champion.version == version.version):
        return decision
    holder = f"version {champion.version}" if champion else "none"
    return Decision(
        stored["candidate"], True, False, f"it was champion once, and has been registered before; now {holder} is"
    )
