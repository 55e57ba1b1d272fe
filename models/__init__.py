"""What learns: one family a file, one line in the table, one section of params.yaml a candidate.

A family's module has `Options` (its section of params.yaml) and a class `Family` that is a `Model`. No module here
imports Keras before a net is built, so that checking params.yaml stays quick.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from tidegate.artifacts import read_json, write_json
from tidegate.errors import SettingsError
from tidegate.panel import Floats, Panel, Starts, WindowSpec
from tidegate.parsing import Section, choose, parse
from tidegate.report import Report
from tidegate.settings import Train

FAMILIES = {  # dvc.yaml takes the file of a family to bear its name
    "autoregressive": "models.autoregressive",
    "naive": "models.naive",
    "recurrent": "models.recurrent",
}

BASELINE = {"family": "naive", "method": "seasonal"}

History = list[dict[str, float]]  # one row an epoch


class Model(Protocol):
    """A forecaster of scaled windows. Made as `Family(options, spec)`."""

    def fit(self, panel: Panel, train: Starts, validation: Starts, recipe: Train, report: Report) -> History:
        """Learn from the training windows; give the learning curve, empty if there is none."""

    def predict(self, panel: Panel, starts: Starts) -> Floats:
        """Forecast each window: (windows, horizon, targets), scaled."""

    def save(self, folder: Path) -> None:
        """Write what was learnt into an existing folder, the same bytes for the same state."""

    def restore(self, folder: Path) -> None:
        """Read what `save` wrote."""


def make(name: str, section: Mapping[str, Any], spec: WindowSpec) -> Model:
    """Make an untrained candidate from its section of params.yaml.

    Raises:
        SettingsError: the family or one of its options is unknown or out of range.
    """
    module, options = _checked(name, section)
    model: Model = module.Family(options, spec)
    return model


def check(sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Check every candidate's section before any training starts.

    Raises:
        SettingsError: as `make`.
    """
    for name, section in sections.items():
        _checked(name, section)


def baseline_of(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Name the candidate that skill is measured against.

    Raises:
        SettingsError: there is none.
    """
    for name, section in sections.items():
        if dict(section) == BASELINE:
            return name
    wanted = ", ".join(f"{key}: {value}" for key, value in BASELINE.items())
    raise SettingsError(f"params.yaml: no candidate under models has {wanted}: add one to compare with.")


def save(model: Model, section: Mapping[str, Any], spec: WindowSpec, folder: Path) -> None:
    """Write a trained model and what it takes to make it again."""
    write_json(folder / "model.json", {"section": dict(section), "spec": spec.as_json()})
    model.save(folder)


def load(folder: Path) -> tuple[Model, WindowSpec]:
    """Read a model that `save` wrote."""
    raw = read_json(folder / "model.json")
    spec = WindowSpec.from_json(raw["spec"])
    model = make(folder.name, raw["section"], spec)
    model.restore(folder)
    return model, spec


def _checked(name: str, section: Mapping[str, Any]) -> tuple[Any, Section]:
    where = f"models.{name}"
    choose(str(section.get("family")), FAMILIES, f"{where}.family")
    module = import_module(FAMILIES[section["family"]])
    options = parse(module.Options, {key: value for key, value in section.items() if key != "family"}, where)
    return module, options
