"""The pipeline as a whole: what both the command and the flows ask of it."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import models
from models import baseline_of
from tidegate.measurements.grid import step_of
from tidegate.pipeline import console, lock
from tidegate.sources import open_source
from tidegate.windows.calendar import calendar_values
from tidegate.workspace.parallel import ParallelMap, serial_map
from tidegate.workspace.settings import Settings, load_settings

if TYPE_CHECKING:
    from tidegate.forecasting.issue import Span
    from tidegate.pipeline.dag import StageWrapper
    from tidegate.pipeline.remote import RemoteRunner, StageInputs

# DVC is imported where the graph is asked for: a stage that runs as a process of its own has no use for it.


def checked_settings() -> Settings:
    """Read params.yaml, every section of it, before anything starts.

    Raises:
        SettingsError: a key or value in it is refused.
    """
    loaded = load_settings()
    step_of(loaded.dataset.frequency)
    open_source(loaded.dataset)
    calendar_values(pd.DatetimeIndex([pd.Timestamp(0, tz="UTC")]), loaded.window.calendar, loaded.dataset.time_zone)
    models.check(loaded.models, loaded.window, loaded.train)
    baseline_of(loaded.models, loaded.window)
    return loaded


def run_stage(words: list[str], **options: Any) -> None:
    """Run a stage by its verb and arguments ("train", "gru"), with its line."""
    verb, *arguments = words
    with console.stage_line("@".join(words)) as line:
        stage = import_module(f"tidegate.stages.{verb}")
        line.result = stage.run(checked_settings(), line, *arguments, **options)


def ingest(anew: bool = False, as_of: pd.Timestamp | None = None) -> None:
    """Bring new rows into data/, or begin it anew, or rebuild it as of a moment, and let DVC take note of it."""
    from tidegate.measurements.rewrite import note_data
    from tidegate.pipeline import dag

    with lock.workspace_lock("tidegate ingest"):
        dag.track_data(lambda: run_stage(["ingest"], anew=anew, as_of=as_of))
        note_data()


def forecast(
    as_of: str | None = None, span: "Span | None" = None, spread: ParallelMap = serial_map, groups: int = 1
) -> Path:
    """Issue forecasts, with their line, groups of stations side by side; give the folder that keeps them."""
    from tidegate.forecasting.issue import issue_forecasts

    with lock.workspace_lock("tidegate forecast"), console.stage_line("forecast") as line:
        issued = issue_forecasts(checked_settings(), line, as_of, span, spread, groups)
        line.result = issued.sentence
    return issued.folder


def is_current() -> bool:
    """Say whether the source has nothing new and no stage is stale."""
    from tidegate.pipeline import dag
    from tidegate.sources import plan

    settings = checked_settings()
    return plan.is_current(settings, open_source(settings.dataset)) and not dag.stale_stages()


def reproduce(around: "StageWrapper", elsewhere: "RemoteRunner | None" = None) -> None:
    """Bring every stage of dvc.yaml up to date, each stale one's work through `around`, or `elsewhere`."""
    from tidegate.pipeline import dag

    dag.reproduce(run_stage, around, elsewhere)


def run_for_another(stage: str, parcel: "StageInputs", around: "StageWrapper") -> None:
    """Run one stage for a run in another clone."""
    from tidegate.pipeline import dag

    dag.run_for_another(stage, parcel, run_stage, around)
