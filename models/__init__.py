"""The forecasting models: each family has a file and a line in FAMILIES; each candidate has a section of params.yaml.

The module of a family has a class `Options` (its section of params.yaml) and a class `Family`, which is a `Model`; see
interface.py. A section may hold `train`, with the settings in which the candidate's recipe differs from the shared one.
No module here imports Keras before a net is built, so checking params.yaml stays fast.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

# Set before Keras is imported anywhere, so that a user's own Keras configuration file does not choose the engine.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Before TensorFlow is used anywhere: products of a net's size are no faster with a second thread, and with a single one
# the bits do not depend on the cores, which compute parts of a batch instead (models/nets/engine.py).
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

from models.conformal import CalibratedModel
from models.interface import History, Model, ModelOptions, Training
from tidegate.errors import SettingsError
from tidegate.windows.panel import Panel, Starts
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.params import parse, require_known
from tidegate.workspace.paths import PARAMS, read_json, write_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Train, Window

FAMILIES = {  # dvc.yaml assumes that a family has the name of its file
    "autoregressive": "models.autoregressive",
    "lecture": "models.lecture",
    "naive": "models.naive",
    "recurrent": "models.recurrent",
}

BASELINES = {"values": {"family": "naive", "method": "seasonal"}, "alerts": {"family": "naive", "method": "prior"}}
SHARED_KEYS = ("family", "train")  # keys that a section of any family may have


def make(name: str, section: Mapping[str, Any], spec: WindowSpec) -> Model:
    """Make an untrained candidate from its section of params.yaml.

    Raises:
        SettingsError: the family or an option is unknown, or a value is out of range.
    """
    module, options = _checked(name, section)
    model: Model = module.Family(options, spec)
    return model


def recipe(name: str, section: Mapping[str, Any], train: Train) -> Train:
    """Return the recipe of a candidate: the shared one, changed by the `train` of its section.

    Raises:
        SettingsError: a key is unknown, or a value is out of range.
    """
    changes = section.get("train", {})
    if not isinstance(changes, Mapping):
        raise SettingsError(f"{PARAMS}: models.{name}.train is {changes!r}: give a section of keys and values.")
    return parse(Train, {**train.model_dump(), **changes}, f"models.{name}.train")


def fit(
    name: str, section: Mapping[str, Any], training: Training, progress: Progress, checkpoint: Path | None = None
) -> tuple[CalibratedModel, History]:
    """Train a candidate and calibrate it on the validation windows; return it and its learning curve.

    `training.recipe` is the shared recipe; it is changed here by the `train` of the candidate's section.
    """
    spec = training.panel.spec
    model = CalibratedModel(make(name, section, spec), spec)
    training = replace(training, recipe=recipe(name, section, training.recipe))
    history = model.model.fit(training, progress, checkpoint)
    model.calibrate(training.panel, _calibration_windows(model.model, training))
    return model, history


def _calibration_windows(model: Model, training: Training) -> Starts:
    """Give the validation windows; of a model that learns nothing from them, the training windows too."""
    if getattr(model, "learns", True):
        return training.validation
    return np.concatenate([training.train, training.validation])


def training_device(model: CalibratedModel, replicas: int = 1) -> dict[str, str]:
    """Describe the device and the kernel that a model was trained with; empty for a model that is not a net."""
    net = getattr(model.model, "net", None)
    if net is None:
        return {}
    from models.nets import device

    return device.describe(net, replicas)


def difference_from_keras(model: CalibratedModel, panel: Panel, starts: Starts) -> float:
    """Compare a net's forecasts in NumPy with those that Keras makes of the same windows; 0 for any other model.

    Returns the largest difference, in training deviations; of a forecast beyond 1, as a share of it, since that is how
    exact its numbers are.
    """
    net = model.model
    if not hasattr(net, "predict_with_keras"):
        return 0.0
    found, expected = net.predict(panel, starts), net.predict_with_keras(panel, starts)
    pairs = [(found.point, expected.point)]
    if found.quantiles is not None:
        pairs.append((found.quantiles, expected.quantiles))
    return float(np.max([(np.abs(one - other) / np.maximum(np.abs(other), 1)).max() for one, other in pairs]))


def space_of(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """Return the search space of a candidate's options: a list of choices, or the two ends of a range, for each."""
    module, _ = _checked(name, section)
    return dict(getattr(module, "SPACE", {}))


def check(sections: Mapping[str, Mapping[str, Any]], window: Window, train: Train) -> None:
    """Check every candidate's section before any training starts.

    Raises:
        SettingsError: as in `make` and `recipe`, or a section is not compatible with the windows.
    """
    for name, section in sections.items():
        _, options = _checked(name, section)
        recipe(name, section, train)
        refusal = options.refusal(window)
        if refusal:
            key, reason = refusal
            raise SettingsError(f"{PARAMS}: models.{name}.{key} {reason}.")


def baseline_of(sections: Mapping[str, Mapping[str, Any]], window: Window) -> str:
    """Return the name of the baseline: the candidate that skill is measured against.

    Raises:
        SettingsError: there is no such candidate.
    """
    baseline = BASELINES["alerts" if window.alert else "values"]
    for name, section in sections.items():
        if {k: v for k, v in section.items() if k != "train"} == baseline:
            return name
    keys = ", ".join(f"{key}: {value}" for key, value in baseline.items())
    raise SettingsError(f"{PARAMS}: no candidate under models has {keys}: add one to compare with.")


def save(model: CalibratedModel, section: Mapping[str, Any], spec: WindowSpec, folder: Path) -> None:
    """Write a trained model, and the section and window specification that are needed to load it."""
    write_json(folder / "model.json", {"section": dict(section), "spec": spec.as_json()})
    model.save(folder)


def load(folder: Path) -> tuple[CalibratedModel, WindowSpec]:
    """Read a model that `save` wrote, and its window specification."""
    raw = read_json(folder / "model.json")
    spec = WindowSpec.from_json(raw["spec"])
    model = CalibratedModel(make(folder.name, raw["section"], spec), spec)
    model.restore(folder)
    return model, spec


def _checked(name: str, section: Mapping[str, Any]) -> tuple[Any, ModelOptions]:
    where = f"models.{name}"
    require_known(str(section.get("family")), FAMILIES, f"{where}.family")
    module = import_module(FAMILIES[section["family"]])
    options = {key: value for key, value in section.items() if key not in SHARED_KEYS}
    return module, parse(module.Options, options, where)
