"""Tuning: search a candidate's settings by their error on the validation windows; the only file that imports Optuna.

A search is named by what it searches (data, windows, recipe, section, space), kept in .tidegate/tuning.db, and goes on
where it was left. The test windows are not looked at. Each trial is an MLflow run, a child of the search's own.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from ruamel.yaml import YAML

import models
from models.interface import Training
from tidegate.errors import SettingsError, TidegateError
from tidegate.tracking import runs
from tidegate.windows.panel import evenly_spaced as evenly
from tidegate.windows.store import read_windows
from tidegate.workspace import identity
from tidegate.workspace.parallel import ParallelMap, require_same_files, serial_map
from tidegate.workspace.params import digest, edit_params, require_known
from tidegate.workspace.paths import INGEST_STATE, PARAMS, WINDOWS
from tidegate.workspace.settings import Settings

STORE = INGEST_STATE.parent / "tuning.db"
VALIDATION_WINDOWS = 8192  # at most, evenly spread
PRUNER = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)  # earlier the median says nothing
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)  # a trial fails whose error is no number
LOG_RATIO = 10  # a range whose ends are this far apart is searched by its logarithm

Space = Mapping[str, Any]  # by dotted key: a list of choices, or the two ends of a range
OnTrialEnd = Callable[[int, str], None]


@dataclass(frozen=True)
class SearchResult:
    """What a search came to: trials, best first, and the best values by dotted key."""

    trials: list[FrozenTrial]
    best: dict[str, Any]
    pruned: int


@dataclass(frozen=True)
class Trial:
    """A trial, and what it must know of the others."""

    settings: Settings
    name: str
    number: int
    values: dict[str, Any]
    before: tuple[FrozenTrial, ...]  # that have ended
    windows: str  # digest


def parse_space(words: list[str]) -> dict[str, Any]:
    """Read `units=32,64,128` as choices and `train.learning_rate=0.0003..0.01` as a range.

    Raises:
        SettingsError: it is neither.
    """
    yaml, space = YAML(typ="safe"), {}
    for word in words:
        key, _, values = word.partition("=")
        low, dots, high = values.partition("..")
        try:
            space[key] = (float(low), float(high)) if dots else [yaml.load(value) for value in values.split(",")]
        except ValueError:
            space[key] = []
        if not key or not values or not space[key] or (dots and not space[key][0] < space[key][1]):
            raise SettingsError(f"{word!r} says no space: give key=choice,choice or key=lowest..highest.")
    return space


def search(
    settings: Settings,
    name: str,
    trials: int,
    space: Space,
    told: OnTrialEnd,
    spread: ParallelMap = serial_map,
    abreast: int = 1,
) -> None:
    """Search until there are so many finished trials, so many abreast; `told` is given each one's number and outcome.

    Trials abreast are drawn without knowing of each other's outcome: the search is the broader for it, and less sharp.

    Raises:
        SettingsError: the candidate has nothing to tune, or the space holds a value that its section refuses.
    """
    study, windows = _study(settings, name, space), identity.folder_digest(WINDOWS)
    parent = runs.begin_search(identity.identity_of(settings, name), study.study_name)
    while (left := trials - len(study.get_trials(states=ENDED))) > 0:
        before, pieces = study.get_trials(states=ENDED), {}
        for trial in [study.ask() for _ in range(min(left, abreast))]:
            values = {key: _suggest(trial, key, choices) for key, choices in space.items()}
            pieces[f"trial-{trial.number + 1}"] = Trial(settings, name, trial.number, values, tuple(before), windows)
        for own, (curve, error) in zip(pieces.values(), spread(_tried, pieces), strict=True):
            _tell(study, own.number, curve, error)
            ended = study.trials[own.number]
            outcome = "pruned" if error is None else f"{error:.5f}" if math.isfinite(error) else "no number"
            runs.record_trial(parent, own.number, ended.params, ended.value, curve, outcome)
            told(own.number + 1, f"{outcome}  {_words(ended.params)}")


def space_of(settings: Settings, name: str, words: list[str]) -> Space:
    """Give what is to be searched: what the words say, or the family's own.

    Raises:
        SettingsError: that is nothing, or a word says none, or the candidate is unknown.
    """
    require_known(name, settings.models, "the candidate")
    space = parse_space(words) or models.space_of(name, settings.models[name])
    if not space:
        raise SettingsError(f"{PARAMS}: models.{name} has nothing to tune: its family learns no settings.")
    return space


def search_result(settings: Settings, name: str, space: Space) -> SearchResult:
    """Give what a search has come to.

    Raises:
        TidegateError: no trial came to its end.
    """
    study = _study(settings, name, space)
    done = sorted(study.get_trials(states=(TrialState.COMPLETE,)), key=lambda trial: float(trial.value or 0.0))
    if not done:
        raise TidegateError("No trial came to its end: see the log.")
    best = {key: float(f"{v:.4g}") if isinstance(v, float) else v for key, v in done[0].params.items()}
    return SearchResult(done, best, len(study.get_trials(states=(TrialState.PRUNED,))))


def _tell(study: optuna.Study, number: int, curve: Mapping[int, float], error: float | None) -> None:
    """Let the search know what came of a trial."""
    trial = optuna.Trial(study, study.trials[number]._trial_id)
    for epoch, loss in curve.items():
        trial.report(loss, epoch)
    if error is None or not math.isfinite(error):
        study.tell(trial, state=TrialState.PRUNED if error is None else TrialState.FAIL)
    else:
        study.tell(trial, error)


def _tried(piece: Trial) -> tuple[dict[int, float], float | None]:
    """Do a trial, wherever that is: validation loss by epoch, and the error, or None if it was stopped early."""
    require_same_files(WINDOWS, piece.windows)
    # A search in memory, of what has ended and this one: whether to stop early needs no more.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    own = optuna.create_study(pruner=PRUNER)
    own.add_trials(list(piece.before))
    trial = own.ask()
    error: float | None = None
    with suppress(optuna.TrialPruned):
        error = _error(trial, piece.settings, piece.name, piece.values)
    return dict(own.trials[trial.number].intermediate_values), error


def with_values(section: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Give a section with other values, by dotted key."""
    changed = {key: dict(value) if isinstance(value, Mapping) else value for key, value in section.items()}
    _put(changed, values)
    return changed


def write_back(name: str, values: Mapping[str, Any]) -> None:
    """Write values into a candidate's section of params.yaml; comments and order stay."""
    with edit_params() as content:
        _put(content["models"][name], values)


def _put(section: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Set values by dotted key, within."""
    for key, value in values.items():
        *path, last = key.split(".")
        part = section
        for step in path:
            part = part.setdefault(step, {})
        part[last] = value


def _study(settings: Settings, name: str, space: Space) -> optuna.Study:
    """Open the search, or begin it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    STORE.parent.mkdir(exist_ok=True)
    what = digest([identity.parameters(settings, name), identity.data_hash(), dict(space), settings.train.seed])
    study = optuna.create_study(
        storage=f"sqlite:///{STORE}",
        study_name=f"{name}-{what}",
        load_if_exists=True,
        direction="minimize",
    )
    # Where a search goes on, its sampler must not draw the first values again.
    study.sampler = optuna.samplers.TPESampler(seed=settings.train.seed + len(study.trials))
    return study


def _suggest(trial: optuna.Trial, key: str, choices: Any) -> Any:
    if isinstance(choices, list):
        return trial.suggest_categorical(key, choices)
    low, high = choices
    return trial.suggest_float(key, low, high, log=low > 0 and high / low >= LOG_RATIO)


def _error(trial: optuna.Trial, settings: Settings, name: str, values: Mapping[str, Any]) -> float:
    """Train with these values; give the mean absolute error, of alerts the Brier score, on validation windows."""
    section = with_values(settings.models[name], values)
    panel, starts = read_windows()

    def watch(done: float, total: float, note: str = "", loss: float | None = None) -> None:
        if loss is not None:
            trial.report(loss, round(done))
            if trial.should_prune():
                raise optuna.TrialPruned

    models.check({name: section}, settings.window, settings.train)
    model = models.make(name, section, panel.spec)
    recipe = models.recipe(name, section, settings.train)
    model.fit(Training(panel, starts["train"], starts["validation"], recipe), watch)
    seen = evenly(starts["validation"], VALIDATION_WINDOWS)
    truth, observed = panel.future(seen)
    error = np.where(observed, model.predict(panel, seen).point - truth, np.nan)
    return float(np.nanmean(error**2 if panel.spec.alert else np.abs(error)))


def _words(values: Mapping[str, Any]) -> str:
    shown = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in values.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())
