"""The pipeline as a whole: what both the command and the flows ask of it."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import models
from models import baseline_of
from tidegate import console, settings, waiting
from tidegate.calendar import calendar, step_of
from tidegate.settings import Settings
from tidegate.sharing import Spread, in_turn
from tidegate.sources import open_source

if TYPE_CHECKING:
    from tidegate.dag import Around
    from tidegate.elsewhere import Elsewhere, Parcel
    from tidegate.forecasts import Span

# DVC is imported where the graph is asked for: a stage that runs as a process of its own has no use for it.


def load_settings() -> Settings:
    """Read params.yaml, every section of it, before anything starts.

    Raises:
        SettingsError: a key or value in it is refused.
    """
    loaded = settings.load()
    step_of(loaded.dataset.frequency)
    open_source(loaded.dataset)
    calendar(pd.DatetimeIndex([pd.Timestamp(0, tz="UTC")]), loaded.window.calendar, loaded.dataset.time_zone)
    models.check(loaded.models, loaded.window, loaded.train)
    baseline_of(loaded.models, loaded.window)
    return loaded


def perform(words: list[str], **options: Any) -> None:
    """Run a stage by its verb and arguments ("train", "gru"), with its line."""
    verb, *arguments = words
    with console.stage_line("@".join(words)) as line:
        stage = import_module(f"tidegate.stages.{verb}")
        line.result = stage.run(load_settings(), line, *arguments, **options)


def ingest(anew: bool = False, as_of: pd.Timestamp | None = None) -> None:
    """Bring new rows into data/, or begin it anew, or rebuild it as of a moment, and let DVC take note of it."""
    from tidegate import dag
    from tidegate.stages.ingest import note_data

    with waiting.alone("tidegate ingest"):
        dag.track_data(lambda: perform(["ingest"], anew=anew, as_of=as_of))
        note_data()


def forecast(as_of: str | None = None, span: "Span | None" = None, spread: Spread = in_turn, groups: int = 1) -> Path:
    """Issue forecasts, with their line, groups of stations side by side; give the folder that keeps them."""
    from tidegate import forecasts

    with waiting.alone("tidegate forecast"), console.stage_line("forecast") as line:
        issued = forecasts.issue(load_settings(), line, as_of, span, spread, groups)
        line.result = issued.sentence
    return issued.folder


def is_current() -> bool:
    """Say whether the source has nothing new and no stage is stale."""
    from tidegate import dag
    from tidegate.stages import ingest as stage

    return stage.is_current(load_settings()) and not dag.stale()


def reproduce(around: "Around", elsewhere: "Elsewhere | None" = None) -> None:
    """Bring every stage of dvc.yaml up to date, each stale one's work through `around`, or `elsewhere`."""
    from tidegate import dag

    dag.reproduce(perform, around, elsewhere)


def take_over(stage: str, parcel: "Parcel", around: "Around") -> None:
    """Run one stage for a run in another clone."""
    from tidegate import dag

    dag.take_over(stage, parcel, perform, around)
