"""What learns: one family a file, one line in the table, one section of params.yaml a candidate.

A family's module has `Options` (its section of params.yaml) and a class `Family` that is a `Model`; see interface.py.
A section may hold `train`, where this candidate's recipe differs from the one that all share. No module here imports
Keras before a net is built, so that checking params.yaml stays quick.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

# Before any file imports Keras: not what a user's own Keras configuration says, but what the environment does.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from models.conformal import CalibratedModel
from models.interface import History, Model, ModelOptions, Training
from tidegate.errors import SettingsError
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.params import parse, require_known
from tidegate.workspace.paths import PARAMS, read_json, write_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Train, Window

FAMILIES = {  # dvc.yaml takes the file of a family to bear its name
    "autoregressive": "models.autoregressive",
    "lecture": "models.lecture",
    "naive": "models.naive",
    "recurrent": "models.recurrent",
}

BASELINES = {"values": {"family": "naive", "method": "seasonal"}, "alerts": {"family": "naive", "method": "prior"}}
OF_ALL = ("family", "train")  # keys of a section that are not a family's own


def make(name: str, section: Mapping[str, Any], spec: WindowSpec) -> Model:
    """Make an untrained candidate from its section of params.yaml.

    Raises:
        SettingsError: the family or one of its options is unknown or out of range.
    """
    module, options = _checked(name, section)
    model: Model = module.Family(options, spec)
    return model


def recipe(name: str, section: Mapping[str, Any], train: Train) -> Train:
    """Give the recipe of a candidate: the shared one, with what its own section says otherwise.

    Raises:
        SettingsError: a key is unknown, or a value out of range.
    """
    own = section.get("train", {})
    if not isinstance(own, Mapping):
        raise SettingsError(f"{PARAMS}: models.{name}.train is {own!r}: give a section of keys and values.")
    return parse(Train, {**train.model_dump(), **own}, f"models.{name}.train")


def fit(
    name: str, section: Mapping[str, Any], training: Training, progress: Progress, checkpoint: Path | None = None
) -> tuple[CalibratedModel, History]:
    """Train a candidate, and calibrate it on the validation windows; give it with its learning curve.

    `training.recipe` is the shared recipe; what the candidate's own section says otherwise is put into it here.
    """
    spec = training.panel.spec
    model = CalibratedModel(make(name, section, spec), spec)
    own_recipe = recipe(name, section, training.recipe)
    history = model.model.fit(replace(training, recipe=own_recipe), progress, checkpoint)
    model.calibrate(training.panel, training.validation)
    return model, history


def training_device(model: CalibratedModel, replicas: int = 1) -> dict[str, str]:
    """Say on what device a model has learnt, and by which kernels; nothing of one that is no net."""
    net = getattr(model.model, "net", None)
    if net is None:
        return {}
    from models.nets import device

    return device.describe(net, replicas)


def space_of(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is worth searching in a candidate's section: choices in a list, or the two ends of a range."""
    module, _ = _checked(name, section)
    return dict(getattr(module, "SPACE", {}))


def check(sections: Mapping[str, Mapping[str, Any]], window: Window, train: Train) -> None:
    """Check every candidate's section before any training starts.

    Raises:
        SettingsError: as `make` and `recipe`; or a section does not go with the windows.
    """
    for name, section in sections.items():
        _, options = _checked(name, section)
        recipe(name, section, train)
        refused = options.refusal(window)
        if refused:
            raise SettingsError(f"{PARAMS}: models.{name}.{refused[0]} {refused[1]}.")


def baseline_of(sections: Mapping[str, Mapping[str, Any]], window: Window) -> str:
    """Name the candidate that skill is measured against.

    Raises:
        SettingsError: there is none.
    """
    wanted = BASELINES["alerts" if window.alert else "values"]
    for name, section in sections.items():
        if {k: v for k, v in section.items() if k != "train"} == wanted:
            return name
    words = ", ".join(f"{key}: {value}" for key, value in wanted.items())
    raise SettingsError(f"{PARAMS}: no candidate under models has {words}: add one to compare with.")


def save(model: CalibratedModel, section: Mapping[str, Any], spec: WindowSpec, folder: Path) -> None:
    """Write a trained model and what it takes to make it again."""
    write_json(folder / "model.json", {"section": dict(section), "spec": spec.as_json()})
    model.save(folder)


def load(folder: Path) -> tuple[CalibratedModel, WindowSpec]:
    """Read a model that `save` wrote."""
    raw = read_json(folder / "model.json")
    spec = WindowSpec.from_json(raw["spec"])
    model = CalibratedModel(make(folder.name, raw["section"], spec), spec)
    model.restore(folder)
    return model, spec


def _checked(name: str, section: Mapping[str, Any]) -> tuple[Any, ModelOptions]:
    where = f"models.{name}"
    require_known(str(section.get("family")), FAMILIES, f"{where}.family")
    module = import_module(FAMILIES[section["family"]])
    own = {key: value for key, value in section.items() if key not in OF_ALL}
    return module, parse(module.Options, own, where)
