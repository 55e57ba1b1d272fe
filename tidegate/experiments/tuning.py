"""Tuning: search a candidate's settings for the lowest validation error; the only file that imports Optuna.

A search is identified by its inputs (data, windows, training settings, the candidate's section, search space). It is
stored in .tidegate/tuning.db, and a later call continues it. The test windows are never used. Each trial is an MLflow
run, a child of the search's run.
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
from tidegate.evaluation.comparison import Comparison
from tidegate.evaluation.metrics import METRICS
from tidegate.tracking import runs
from tidegate.windows.panel import evenly_spaced
from tidegate.windows.store import read_windows
from tidegate.workspace import identity
from tidegate.workspace.parallel import ParallelMap, require_same_files, serial_map
from tidegate.workspace.params import digest, edit_params, require_known
from tidegate.workspace.paths import INGEST_STATE, PARAMS, WINDOWS
from tidegate.workspace.settings import Settings

STORE = INGEST_STATE.parent / "tuning.db"
VALIDATION_WINDOWS = 8192  # at most, evenly spaced
PRUNER = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)  # before that the median is not reliable
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)  # FAIL: the trial's error is not finite
LOG_RATIO = 10  # a range whose ends have at least this ratio is searched on a logarithmic scale

Space = Mapping[str, Any]  # by dotted key: a list of choices, or the two ends of a range
OnTrialEnd = Callable[[int, str], None]  # gets the trial's number, from 1, and its outcome


@dataclass(frozen=True)
class SearchResult:
    """The result of a search: its trials, best first, and the best values by dotted key."""

    trials: list[FrozenTrial]
    best: dict[str, Any]
    pruned: int  # number of trials that were stopped early


@dataclass(frozen=True)
class Trial:
    """A trial to run, with the earlier trials that decide whether it is stopped early."""

    settings: Settings
    name: str
    number: int
    values: dict[str, Any]
    ended: tuple[FrozenTrial, ...]
    windows_digest: str


def parse_space(words: list[str]) -> dict[str, Any]:
    """Read `units=32,64,128` as choices and `train.learning_rate=0.0003..0.01` as a range.

    Raises:
        SettingsError: a word is neither.
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
    on_trial_end: OnTrialEnd,
    parallel_map: ParallelMap = serial_map,
    parallel_trials: int = 1,
) -> None:
    """Search until `trials` trials have ended, running `parallel_trials` at a time.

    Parallel trials are drawn without each other's outcome: the search covers more of the space, but converges slower.

    Raises:
        SettingsError: the space holds a value that the candidate's section does not allow.
    """
    study, windows_digest = _study(settings, name, space), identity.folder_digest(WINDOWS)
    parent = runs.start_search(identity.identity_of(settings, name), study.study_name)
    while (left := trials - len(study.get_trials(states=ENDED))) > 0:
        ended, parts = tuple(study.get_trials(states=ENDED)), {}
        for trial in [study.ask() for _ in range(min(left, parallel_trials))]:
            values = {key: _suggest(trial, key, choices) for key, choices in space.items()}
            parts[f"trial-{trial.number + 1}"] = Trial(settings, name, trial.number, values, ended, windows_digest)
        for part, (curve, error) in zip(parts.values(), parallel_map(_run_trial, parts), strict=True):
            _store_outcome(study, part.number, curve, error)
            result = study.trials[part.number]
            outcome = "pruned" if error is None else f"{error:.5f}" if math.isfinite(error) else "no number"
            runs.record_trial(parent, part.number, result.params, result.value, curve, outcome)
            on_trial_end(part.number + 1, f"{outcome}  {_values_text(result.params)}")


def space_of(settings: Settings, name: str, words: list[str]) -> Space:
    """Give the search space: that of the words, or by default that of the candidate's family.

    Raises:
        SettingsError: the candidate is unknown or has nothing to tune, or a word describes no space.
    """
    require_known(name, settings.models, "the candidate")
    space = parse_space(words) or models.space_of(name, settings.models[name])
    if not space:
        raise SettingsError(f"{PARAMS}: models.{name} has nothing to tune: its family learns no settings.")
    return space


def search_result(settings: Settings, name: str, space: Space) -> SearchResult:
    """Give the result of a search.

    Raises:
        TidegateError: no trial was completed.
    """
    study = _study(settings, name, space)
    completed = sorted(study.get_trials(states=(TrialState.COMPLETE,)), key=lambda trial: float(trial.value or 0.0))
    if not completed:
        raise TidegateError("No trial was completed: see the log.")
    best = {key: float(f"{v:.4g}") if isinstance(v, float) else v for key, v in completed[0].params.items()}
    return SearchResult(completed, best, len(study.get_trials(states=(TrialState.PRUNED,))))


def _store_outcome(study: optuna.Study, number: int, curve: Mapping[int, float], error: float | None) -> None:
    """Store a trial's validation losses and its error in the search; None as the error: it was stopped early."""
    trial = optuna.Trial(study, study.trials[number]._trial_id)
    for epoch, loss in curve.items():
        trial.report(loss, epoch)
    if error is None or not math.isfinite(error):
        study.tell(trial, state=TrialState.PRUNED if error is None else TrialState.FAIL)
    else:
        study.tell(trial, error)


def _run_trial(part: Trial) -> tuple[dict[int, float], float | None]:
    """Run a trial; give its validation loss by epoch, and its error, or None if it was stopped early."""
    require_same_files(WINDOWS, part.windows_digest)
    # Pruning needs only the ended trials and this one: a study in memory also works on another machine.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(pruner=PRUNER)
    study.add_trials(list(part.ended))
    trial = study.ask()
    error: float | None = None
    with suppress(optuna.TrialPruned):
        error = _error(trial, part.settings, part.name, part.values)
    return dict(study.trials[trial.number].intermediate_values), error


def with_values(section: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Give a copy of a section with changed values, by dotted key."""
    changed = {key: dict(value) if isinstance(value, Mapping) else value for key, value in section.items()}
    _put(changed, values)
    return changed


def write_back(name: str, values: Mapping[str, Any]) -> None:
    """Write values into a candidate's section of params.yaml, keeping comments and order."""
    with edit_params() as content:
        _put(content["models"][name], values)


def _put(section: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Set values by dotted key, in place."""
    for key, value in values.items():
        *path, last = key.split(".")
        target = section
        for part in path:
            target = target.setdefault(part, {})
        target[last] = value


def _study(settings: Settings, name: str, space: Space) -> optuna.Study:
    """Open a search, or start it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    STORE.parent.mkdir(exist_ok=True)
    inputs = digest([identity.parameters(settings, name), identity.data_hash(), dict(space), settings.train.seed])
    study = optuna.create_study(
        storage=f"sqlite:///{STORE}",
        study_name=f"{name}-{inputs}",
        load_if_exists=True,
        direction="minimize",
    )
    # The sampler of a continued search must not draw the first values again.
    study.sampler = optuna.samplers.TPESampler(seed=settings.train.seed + len(study.trials))
    return study


def _suggest(trial: optuna.Trial, key: str, choices: Any) -> Any:
    if isinstance(choices, list):
        return trial.suggest_categorical(key, choices)
    low, high = choices
    return trial.suggest_float(key, low, high, log=low > 0 and high / low >= LOG_RATIO)


def _error(trial: optuna.Trial, settings: Settings, name: str, values: Mapping[str, Any]) -> float:
    """Train with these values; give the mean absolute error (of alerts the Brier score) on validation windows."""
    section = with_values(settings.models[name], values)
    panel, starts = read_windows()

    def prune_or_continue(done: float, total: float, note: str = "", loss: float | None = None) -> None:
        if loss is not None:
            trial.report(loss, round(done))
            if trial.should_prune():
                raise optuna.TrialPruned

    models.check({name: section}, settings.window, settings.train)
    model = models.make(name, section, panel.spec)
    recipe = models.recipe(name, section, settings.train)
    model.fit(Training(panel, starts["train"], starts["validation"], recipe), prune_or_continue)
    sample = evenly_spaced(starts["validation"], VALIDATION_WINDOWS)
    truth, observed = panel.future(sample)
    measured = np.where(observed, truth, np.nan).astype(np.float64)
    comparison = Comparison(model.predict(panel, sample).point, measured, np.ones_like(measured))
    return METRICS["brier" if panel.spec.alert else "mae"](comparison)


def _values_text(values: Mapping[str, Any]) -> str:
    texts = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in values.items()}
    return ", ".join(f"{key} {value}" for key, value in texts.items())
