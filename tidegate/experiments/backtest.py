"""Backtest: rolling origins, where every model is trained again every so many origins, on the data before them.

    fold 1   |<------ train ------>| gap |<- validation ->| gap |<- origins ->|
    fold 2   |<---------- train ---------->| gap |<- validation ->| gap |<- origins ->|

The folds cover the test span of params.yaml. In each, scaler, model and calibration use nothing after the fold's first
origin; the proof of the window stage checks this. The folds are independent, so they can run in parallel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

import models
from models.interface import Training
from tidegate.errors import SettingsError
from tidegate.evaluation import origins
from tidegate.measurements import frame as long_frame
from tidegate.windows.arrival import fit_rules
from tidegate.windows.clean import as_given
from tidegate.windows.leakage import prove_no_leakage
from tidegate.windows.left_out import require_enough, unlearnable, without
from tidegate.windows.scaler import fit_scaler, to_panel
from tidegate.windows.spec import spec_of
from tidegate.windows.splits import SPLITS, split_spans, starts_in
from tidegate.windows.window_grid import Grid, to_grid
from tidegate.workspace import identity
from tidegate.workspace.parallel import ParallelMap, require_same_files
from tidegate.workspace.paths import BACKTEST, CLEAN, atomic_output, require_file
from tidegate.workspace.progress import no_progress
from tidegate.workspace.settings import Settings


@dataclass(frozen=True)
class Fold:
    """A range of origins: from step `first` of the grid up to step `end`, exclusive."""

    number: int
    first: int
    end: int


def folds(settings: Settings, refit_every: int) -> list[Fold]:
    """Cut the test span into folds of `refit_every` origins; the last may be shorter.

    Raises:
        SettingsError: there are too few steps before the first fold to train on.
    """
    options, steps = settings.window, len(_grid(settings).times)
    first, end = split_spans(steps, options.validation_share, options.test_share, options.gap)["test"]
    last = end - options.horizon_steps + 1
    train_steps = _spans(settings, Fold(1, first, last), steps)["train"][1]
    if train_steps < options.lookback_steps + options.horizon_steps:
        raise SettingsError(
            f"The first fold would have {max(0, train_steps)} steps to train on, fewer than one window of "
            f"{options.lookback_steps} + {options.horizon_steps}: bring more data, or lower window.test_share."
        )
    begins = range(first, last, refit_every)
    return [Fold(number, begin, min(begin + refit_every, last)) for number, begin in enumerate(begins, 1)]


def run(settings: Settings, names: Sequence[str], refit_every: int, parallel_map: ParallelMap) -> None:
    """Score some or all candidates in every fold, and write the rows to artifacts/backtest.csv."""
    clean_digest = identity.folder_digest(CLEAN.parent, CLEAN.name)
    parts = {
        f"{name}-{fold.number}": (settings, fold, name, clean_digest)
        for fold in folds(settings, refit_every)
        for name in names or settings.models
    }
    with atomic_output(BACKTEST) as aside:
        pd.DataFrame(parallel_map(_measure_part, parts)).to_csv(aside, index=False, float_format="%.6g")


def _measure_part(part: tuple[Settings, Fold, str, str]) -> dict[str, Any]:
    settings, fold, name, clean_digest = part
    require_same_files(CLEAN.parent, clean_digest, CLEAN.name)
    return measure(settings, fold, name)


def measure(settings: Settings, fold: Fold, name: str) -> dict[str, Any]:
    """Train a candidate for a fold, and score it on the fold's origins; give one row of the backtest."""
    whole, least = _grid(settings), settings.window.min_observed_share
    every, spans = spec_of(settings, whole.stations), _spans(settings, fold, len(whole.times))
    left_out = unlearnable(whole, spans["train"][1], starts_in(whole, every, spans["train"], least), every)
    require_enough(left_out, len(whole.stations), settings.window.left_out_tolerance)
    grid = without(whole, left_out)
    spec = spec_of(settings, grid.stations)
    scaler, rules = fit_scaler(grid, spans["train"][1], spec), fit_rules(settings.dataset, grid, spans["train"][1])
    arrived = replace(grid, values=rules.passed(as_given(grid, spec.features).values, spec))
    panel = to_panel(arrived, scaler, spec, clean=grid)
    starts = {split: starts_in(arrived, spec, spans[split], least, grid) for split in SPLITS}
    prove_no_leakage(starts, spec, spans["train"][1], settings.window.gap, grid.times)
    section = settings.models[name]
    training = Training(panel, starts["train"], starts["validation"], settings.train)
    model, _ = models.fit(name, section, training, no_progress)
    test = origins.test_origins_of(panel, starts, scaler)
    compared = test.compare(test.in_units(model.predict(panel, test.starts)))
    scores = {key: metric(compared) for key, metric in test.metrics.items()}
    return {
        "model": name, "fold": fold.number, "from": grid.times[fold.first], "to": grid.times[fold.end - 1],
        "origins": len(test.starts), **scores,
    }  # fmt: skip


def read_backtest() -> pd.DataFrame:
    """Read the rows of the last backtest."""
    return pd.read_csv(require_file(BACKTEST), parse_dates=["from", "to"])


def _spans(settings: Settings, fold: Fold, steps: int) -> dict[str, tuple[int, int]]:
    """Give the spans of targets of a fold: training and validation end a gap before its first origin."""
    options = settings.window
    validation = fold.first - round(steps * options.validation_share)
    end = min(fold.end + options.horizon_steps - 1, steps)
    return {
        "train": (0, validation - options.gap),
        "validation": (validation, fold.first - options.gap),
        "test": (fold.first, end),
    }


def _grid(settings: Settings) -> Grid:
    return to_grid(long_frame.read_frame(require_file(CLEAN)), settings.dataset.features)
