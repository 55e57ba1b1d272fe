"""x"""

from dataclasses import asdict
from typing import Any

import pandas as pd

from tidegate.forecasting.forecaster import Forecaster
from tidegate.forecasting.promotion import COMPLETE, DECISION, Decision, decide, decision_of
from tidegate.measurements import frame as long_frame
from tidegate.tracking import registry, runs
from tidegate.windows.store import SPEC
from tidegate.workspace.columns import STATION, TIME
from tidegate.workspace.paths import CLEAN, EVALUATION, MODELS, REGISTRATION, WINDOWS, read_json, write_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings


def run(settings: Settings, progress: Progress) -> str:
    """Put the best candidate before the gate; give one line of what was decided."""
    scores = read_json(EVALUATION / "metrics.json")
    metric = settings.evaluate.metric
    name = min(scores, key=lambda candidate: scores[candidate][metric])
    run_id = runs.run_of(settings, name)
    whose = runs.identity_tags(run_id)  # as it was when the model was trained
    found = registry.find_version(settings.register_.name, whose)
    if found is not None:
        decision = decision_of(found)  # this identity has been before the gate
    else:
        progress(1, 3, f"{name} against the baseline and the champion")
        decision = decide(settings, name, scores)
        if decision.registered:
            progress(2, 3, f"registering {name}")
            found = _register(settings, run_id, whose, decision)
    if found is not None and COMPLETE not in found.tags:
        _point_aliases(found, decision)
    version = int(found.version) if found is not None else None
    write_json(REGISTRATION, {**asdict(decision), "model": settings.register_.name, "version": version})
    label = f"{settings.register_.name} version {version}: " if version else ""
    return f"{label}{decision.reason}"


def _register(settings: Settings, run_id: str, whose: dict[str, str], decision: Decision) -> Any:
    tags = {**whose, **{DECISION + key: str(value) for key, value in asdict(decision).items()}}
    model, spec = MODELS / decision.candidate, WINDOWS / SPEC
    return registry.register(settings.register_.name, run_id, model, spec, _example(Forecaster.load(model)), tags)


def _point_aliases(version: Any, decision: Decision) -> None:
    registry.set_alias(version, registry.CHALLENGER)
    if decision.promoted:
        registry.set_alias(version, registry.CHAMPION)
    registry.set_tag(version, COMPLETE, "true")


def _example(forecaster: Forecaster) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take the newest lookback of the clean data, and what is forecast from it, as the version's example."""
    clean = long_frame.read_frame(CLEAN)
    span = forecaster.spec.lookback * pd.Timedelta(forecaster.spec.frequency)
    recent = clean[clean[TIME] > clean[TIME].max() - span]
    recent = recent[[STATION, TIME, *forecaster.spec.features]]
    # A station that is silent now cannot be forecast, and is no example.
    heard = recent[list(forecaster.spec.targets)].notna().any(axis=1).groupby(recent[STATION]).transform("any")
    recent = recent[heard].reset_index(drop=True)
    return recent, forecaster.forecast(recent)
