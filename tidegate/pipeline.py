"""The pipeline as a whole: what both the command and the flows ask of it."""

from collections.abc import Callable
from importlib import import_module

import models
from models import baseline_of
from tidegate import console, dag, settings
from tidegate.calendar import step_of
from tidegate.dag import Step, Work
from tidegate.settings import Settings
from tidegate.sources import open_source


def load_settings() -> Settings:
    """Read params.yaml, every section of it, before anything starts.

    Raises:
        SettingsError: a key or value in it is refused.
    """
    loaded = settings.load()
    step_of(loaded.validate_.frequency)
    open_source(loaded.ingest, list(loaded.validate_.variables))
    models.check(loaded.models)
    baseline_of(loaded.models)
    return loaded


def perform(words: list[str], **options: bool) -> None:
    """Run a stage by its verb and arguments ("train", "gru"), with its line."""
    verb, *arguments = words
    with console.stage_line("@".join(words)) as line:
        stage = import_module(f"tidegate.stages.{verb}")
        line.result = stage.run(load_settings(), line, *arguments, **options)


def ingest(anew: bool = False) -> None:
    """Bring new rows into data/, or begin it anew, and let DVC take note of it."""
    dag.track_data(lambda: perform(["ingest"], anew=anew) if anew else perform(["ingest"]))


def is_current() -> bool:
    """Say whether the source has nothing new and no stage is stale."""
    from tidegate.stages import ingest as stage

    return stage.is_current(load_settings()) and not dag.stale()


def reproduce(around: Callable[[Step, Work], None]) -> None:
    """Bring every stage of dvc.yaml up to date, each stale one's work through `around`."""
    dag.reproduce(perform, around)
