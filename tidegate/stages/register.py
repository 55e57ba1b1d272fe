"""Register: put the best candidate into the registry, and make it champion if it beats the present one.

Reads artifacts/evaluation, artifacts/models, artifacts/windows, artifacts/clean.parquet and the registry. Writes
artifacts/registration.json: the decision and its reason. A candidate that beats the baseline is registered
(@challenger); one that also beats the champion on the same origins is promoted (@champion). Nothing is promoted after a
tie, or if the champion cannot be scored. A candidate that is not registered is no error: the champion stays. In an
experiment of DVC nothing is registered, and no alias moves. Stops if MLflow does not answer.
"""

import os
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tidegate.forecasting.experiment import write_remark
from tidegate.forecasting.fallback import Fallback
from tidegate.forecasting.forecaster import Forecaster
from tidegate.forecasting.promotion import COMPLETE, Decision, decide, described, stored_decision, tags_of
from tidegate.forecasting.recent import example
from tidegate.forecasting.reference import write_reference
from tidegate.measurements.frame import read_frame
from tidegate.tracking import champion_log, registry, runs
from tidegate.windows.left_out import named
from tidegate.windows.store import SPEC, read_left_out, read_windows
from tidegate.workspace.columns import STATION
from tidegate.workspace.identity import uncommitted_changes
from tidegate.workspace.paths import (
    CHANGES,
    CLEAN,
    EVALUATION,
    EXPERIMENT,
    MODELS,
    REGISTRATION,
    WINDOWS,
    read_json,
    write_json,
)
from tidegate.workspace.processes import BECAUSE
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings


def run(settings: Settings, progress: Progress) -> str:
    """Decide about the best candidate, and register it if it passes; give one line with the decision."""
    scores = read_json(EVALUATION / "metrics.json")
    metric = settings.evaluate.metric
    name = min(scores, key=lambda candidate: scores[candidate][metric])
    run_id = runs.ensure_run(settings, name)
    identity_tags = runs.identity_tags(run_id)  # from the time of the training
    version = registry.find_version(settings.register_.name, identity_tags)
    if version is not None:
        decision = stored_decision(version)
    else:
        progress(1, 3, f"{name} against the baseline and the champion")
        decision = decide(settings, name, scores)
        if decision.registered and not EXPERIMENT:
            progress(2, 3, f"registering {name}")
            version = _register(settings, run_id, identity_tags, decision)
    if EXPERIMENT:
        return write_remark(EXPERIMENT, decision, version)
    if version is not None and COMPLETE not in version.tags:
        _set_aliases(version, decision)
    number = int(version.version) if version is not None else None
    write_json(REGISTRATION, {**asdict(decision), "model": settings.register_.name, "version": number})
    label = f"{settings.register_.name} version {number}: " if number else ""
    return f"{label}{decision.reason}"


def _register(settings: Settings, run_id: str, identity_tags: dict[str, str], decision: Decision) -> Any:
    tags = {**identity_tags, **tags_of(decision)}
    if because := os.environ.get(BECAUSE):
        tags["tidegate.because"] = because
    if left_out := read_left_out():
        tags["tidegate.left_out"] = named(left_out)
    model, (panel, starts) = MODELS / decision.candidate, read_windows()
    fallback = Fallback.measured(panel, np.concatenate([starts["train"], starts["validation"]]))
    forecaster = Forecaster.load(model)
    forecaster.fallback = fallback
    with TemporaryDirectory() as folder:
        files = {"model": model, "spec": WINDOWS / SPEC, "baseline": fallback.save(Path(folder))}
        files["reference"] = write_reference(Path(folder), decision.candidate)
        if identity_tags.get("tidegate.dirty") == "true":
            files["changes"] = Path(folder) / CHANGES
            files["changes"].write_text(uncommitted_changes(), encoding="utf-8")
        clean = read_frame(CLEAN)
        shown = example(clean[clean[STATION].isin(panel.spec.stations)], forecaster)
        return registry.register(settings.register_.name, run_id, files, shown, tags, described(decision))


def _set_aliases(version: Any, decision: Decision) -> None:
    aliases = [registry.CHALLENGER] + ([registry.CHAMPION] if decision.promoted else [])
    for alias in aliases:
        champion_log.move(version.name, alias, str(version.version), decision.reason, "the stage register")
    registry.set_tag(version, COMPLETE, "true")
