"""Put a model into the registry as a new version, with all that its forecasts need and what is known of it."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import models
from models.conformal import CalibratedModel
from tidegate.errors import GateClosed
from tidegate.evaluation.reference import write_reference
from tidegate.forecasting.fallback import Fallback
from tidegate.forecasting.forecaster import Forecaster
from tidegate.forecasting.model_card import model_card
from tidegate.forecasting.promotion import COMPLETE, Decision, tags_of
from tidegate.forecasting.recent import example
from tidegate.measurements.frame import read_frame
from tidegate.tracking import champion_log, registry
from tidegate.windows.left_out import named
from tidegate.windows.panel import Panel, Starts, evenly_spaced
from tidegate.windows.store import SPEC, read_left_out, read_windows
from tidegate.workspace.columns import STATION
from tidegate.workspace.identity import uncommitted_changes
from tidegate.workspace.paths import CHANGES, CLEAN, MODELS, WINDOWS
from tidegate.workspace.processes import BECAUSE
from tidegate.workspace.settings import Settings

CHECKED_WINDOWS = 512
MOST_DIFFERENCE = 1e-5  # between forecasts in NumPy and in Keras, in training deviations


def register_version(
    settings: Settings, run_id: str, identity_tags: Mapping[str, str], decision: Decision
) -> registry.ModelVersion:
    """Register the candidate of a decision, as a version of the registered model that the settings name.

    Raises:
        GateClosed: its forecasts are not those of the net that was trained.
    """
    model, (panel, starts) = MODELS / decision.candidate, read_windows()
    forecaster = Forecaster.load(model)
    require_forecasts_of_keras(decision.candidate, forecaster.model, panel, starts["test"])
    forecaster.fallback = Fallback.measured(panel, np.concatenate([starts["train"], starts["validation"]]))
    clean = read_frame(CLEAN)
    shown = example(clean[clean[STATION].isin(panel.spec.stations)], forecaster)
    with TemporaryDirectory() as folder:
        files = {"model": model, "spec": WINDOWS / SPEC, "baseline": forecaster.fallback.save(Path(folder))}
        files["reference"] = write_reference(Path(folder), decision.candidate)
        if identity_tags.get("tidegate.dirty") == "true":
            files["changes"] = Path(folder) / CHANGES
            files["changes"].write_text(uncommitted_changes(), encoding="utf-8")
        tags = {**identity_tags, **tags_of(decision), **_circumstances()}
        describe = partial(model_card, settings, decision, run_id, identity_tags)
        return registry.register(settings.register_.name, run_id, files, shown, tags, describe)


def require_forecasts_of_keras(name: str, model: CalibratedModel, panel: Panel, starts: Starts) -> None:
    """Require that a net, which is served without Keras, forecasts what Keras does, from windows spread over `starts`.

    Raises:
        GateClosed: it does not.
    """
    chosen = evenly_spaced(starts, CHECKED_WINDOWS)
    difference = models.difference_from_keras(model, panel, chosen)
    if not difference <= MOST_DIFFERENCE:
        raise GateClosed(
            f"The registration gate is closed: what {name} forecasts in NumPy and in Keras differs by up to "
            f"{difference:.2g} training deviations, and {MOST_DIFFERENCE:g} are allowed: as large weights magnify "
            "rounding errors, lower train.learning_rate or train.clip_norm, and train it again."
        )


def set_aliases(version: registry.ModelVersion, decision: Decision, shadow: str) -> None:
    """Set the aliases as decided, each with its reason in the champion log.

    Args:
        version: that is registered.
        decision: about it.
        shadow: `register.shadow`: with "former", the champion whose place it takes goes on in its shadow.
    """
    name, number, by = version.name, str(version.version), "the stage register"
    champion_log.move(name, registry.CHALLENGER, number, decision.reason, by)
    if decision.trial:
        champion_log.move(name, registry.SHADOW, number, decision.reason, by)
    if decision.promoted:
        entry = champion_log.move(name, registry.CHAMPION, number, decision.reason, by)
        if shadow == "former" and entry.before:
            because = f"version {number} has taken its place; their verified forecasts are compared"
            champion_log.move(name, registry.SHADOW, entry.before, because, by)
    registry.set_tag(version, COMPLETE, "true")


def _circumstances() -> dict[str, str]:
    """Say as tags why this was run, and which stations the model does not know."""
    because, left_out = os.environ.get(BECAUSE), read_left_out()
    tags = {"tidegate.because": because} if because else {}
    return tags | ({"tidegate.left_out": named(left_out)} if left_out else {})
