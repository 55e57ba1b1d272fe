"""The operations on the whole pipeline that both the commands and the flows use."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

import models
from models import baseline_of
from tidegate.errors import ServiceError, TidegateError, UserError
from tidegate.evaluation import metrics
from tidegate.measurements.grid import step_of
from tidegate.pipeline import console, lock
from tidegate.quality.suite import with_defaults
from tidegate.sources import open_source
from tidegate.windows.calendar import calendar_values
from tidegate.workspace import clock
from tidegate.workspace.parallel import ParallelMap, serial_map
from tidegate.workspace.params import typed_time
from tidegate.workspace.paths import FORECAST_PAGE, LOCK, REGISTRATION, REPORT, read_json
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Settings, load_settings

if TYPE_CHECKING:
    from tidegate.forecasting.issue import IssuedForecasts, Span
    from tidegate.pipeline.dag import StageWrapper
    from tidegate.pipeline.remote import RemoteRunner, StageInputs
    from tidegate.pipeline.reproduce import Reproduced
    from tidegate.tracking.champion_log import Entry
    from tidegate.verification.watching import Watched

R = TypeVar("R")

# DVC is imported within the functions that need the graph: a stage in a process of its own does not need it.


def checked_settings() -> Settings:
    """Read params.yaml and check every section of it, before anything starts.

    Raises:
        SettingsError: a key or value is not allowed.
    """
    settings = load_settings()
    step_of(settings.dataset.frequency)
    open_source(settings.dataset)
    epoch = pd.DatetimeIndex([pd.Timestamp(0, tz="UTC")])
    calendar_values(epoch, settings.window.calendar, settings.dataset.time_zone)
    models.check(settings.models, settings.window, settings.train)
    baseline_of(settings.models, settings.window)
    metrics.check(settings)
    return settings.model_copy(update={"validate_": with_defaults(settings.validate_)})


def run_stage(words: list[str], **options: Any) -> dict[str, str]:
    """Run a stage, given its verb and arguments ("train", "gru"), and print its line; give its name and its result."""
    name = "@".join(words)
    with console.stage_line(name) as line:
        line.result = result_of(words, line, **options)
    return {"stage": name, "result": line.result}


def result_of(words: list[str], progress: Progress, **options: Any) -> str:
    """Run a stage, given its verb and arguments; give its line."""
    verb, *arguments = words
    result: str = import_module(f"tidegate.stages.{verb}").run(checked_settings(), progress, *arguments, **options)
    return result


def ingest(anew: bool = False, as_of: pd.Timestamp | None = None) -> dict[str, str]:
    """Bring new rows into data/, or rebuild it from the source alone or as of a time, and let DVC track the result."""
    with lock.workspace_lock("tidegate ingest"):
        return track_data(lambda: run_stage(["ingest"], anew=anew, as_of=as_of))


def track_data(update: Callable[[], R]) -> R:
    """Update data/, and let DVC track the result; give what the update gives."""
    from tidegate.measurements.rewrite import record_data_files
    from tidegate.pipeline import dag

    result = dag.track_data(update)
    record_data_files()
    return result


def forecast(
    as_of: str | None = None, span: "Span | None" = None, parallel_map: ParallelMap = serial_map, groups: int = 1
) -> "IssuedForecasts":
    """Issue forecasts, in parallel by groups of stations, and print a line."""
    from tidegate.forecasting.issue import issue_forecasts
    from tidegate.forecasting.shadow import forecast_beside

    with lock.workspace_lock("tidegate forecast"), console.stage_line("forecast") as line:
        settings = checked_settings()
        issued = issue_forecasts(settings, line, as_of, span, parallel_map, groups)
        beside = forecast_beside(settings, line, as_of, span)
        line.result = "; ".join(filter(None, [issued.sentence, beside]))
        if not (as_of or span) and (len(issued.rows) or not FORECAST_PAGE.exists()):
            from tidegate.reporting.forecasts import write_latest

            write_latest(settings, issued.folder)
    return issued


def report(stopped: str = "") -> Path:
    """Write the report, with why the run has stopped if it has; give its path."""
    from tidegate.pipeline.lineage import champions_chain
    from tidegate.pipeline.stale import find_stale
    from tidegate.reporting.report import write_report

    with lock.workspace_lock("tidegate report"):
        settings = checked_settings()
        stale = find_stale().names if LOCK.exists() else []
        return write_report(settings, champions_chain(settings), stopped, stale)


@contextmanager
def reported() -> Iterator[None]:
    """Write the report once the block has ended, well or not, and keep it with the version that was registered."""
    from tidegate.tracking import registry

    try:
        yield
    except TidegateError as error:
        with suppress(Exception):  # what has stopped the run is to be said, not what stops the report
            console.say(f"Report: {report(str(error))}")
        raise
    page, decision = report(), read_json(REGISTRATION) if REGISTRATION.exists() else {}
    if decision.get("version") is not None:
        try:
            registry.record_page(registry.get_version(decision["model"], str(decision["version"])), page)
        except ServiceError as error:  # the run itself is done
            console.say(f"The report is not kept with version {decision['version']}: {error}")


def plot(station: str, first: str | None, last: str | None, out: Path | None) -> Path:
    """Write a page of a station's measurements and forecasts in a span; give its path."""
    from tidegate.reporting.forecasts import write_plot

    begin, end = (typed_time(time) if time else None for time in (first, last))
    if begin and end and begin >= end:
        raise UserError("The span ends before it begins: --from is to be earlier than --to.")
    named = re.sub(r"[^\w.-]+", "-", station)
    return write_plot(checked_settings(), station, begin, end, out or REPORT.with_name(f"{named}.html"))


def verify(since: str | None = None) -> None:
    """Compare issued forecasts with what was measured since, and print a line."""
    from tidegate.verification.verify import verify as verify_forecasts

    with lock.workspace_lock("tidegate verify"), console.stage_line("verify") as line:
        line.result = verify_forecasts(checked_settings(), line, since).sentence


def watch() -> "Watched":
    """Settle a trial, look whether the champion has changed for the worse, print lines, and tell what is new."""
    from tidegate.verification import notify, trial, watching

    with lock.workspace_lock("tidegate watch"):
        settings = checked_settings()
        if said := trial.settle(settings):
            console.say(f"{said[0].upper()}{said[1:]}.")
        with console.stage_line("watch") as line:
            watched = watching.watch_champion(settings)
            line.result = watched.sentence
        if changes := watching.untold(watched):
            name, plain = f"version {watched.version}", [change.as_json() for change in changes]
            try:
                if notify.tell(f"Tidegate: {name} has changed for the worse", watched.markdown, plain):
                    watching.remember_told(watched, changes, clock.now())
            except ServiceError as error:  # the forecasts are watched nonetheless
                console.say(str(error))
    return watched


def reproduce_version(reference: str) -> "Reproduced":
    """Make a registered model again in a temporary folder, and print how it compares."""
    from tidegate.pipeline.reproduce import reproduce as make_again

    with console.stage_line("reproduce") as line:
        reproduced = make_again(checked_settings(), reference, line)
        line.result = reproduced.sentence
    return reproduced


def promote(version: str, because: str) -> dict[str, str]:
    """Make a version champion; give what has moved, and a sentence that says so."""
    from tidegate.forecasting import champions

    with lock.workspace_lock("tidegate promote"):
        settings = checked_settings()
        return _moved(settings.register_.name, champions.promote(settings, version, because))


def rollback(because: str | None) -> dict[str, str]:
    """Make the former champion champion again; give what has moved, and a sentence that says so."""
    from tidegate.forecasting import champions

    with lock.workspace_lock("tidegate rollback"):
        settings = checked_settings()
        return _moved(settings.register_.name, champions.rollback(settings, because))


def _moved(name: str, entry: "Entry") -> dict[str, str]:
    before = f", in the place of version {entry.before}" if entry.before else ""
    sentence = f"{name} version {entry.version} is champion{before}. Because: {entry.because}."
    parts = {"version": entry.version, "before": entry.before, "because": entry.because}
    return {"model": name, **{key: str(part or "") for key, part in parts.items()}, "sentence": sentence}


def is_current() -> bool:
    """Say whether the source has nothing new and no stage is stale."""
    from tidegate.pipeline.stale import find_stale
    from tidegate.sources import plan

    settings = checked_settings()
    return plan.is_current(settings, open_source(settings.dataset)) and not find_stale().names


def reproduce(wrap: "StageWrapper", remote: "RemoteRunner | None" = None) -> None:
    """Bring every stage of dvc.yaml up to date; stale stages run through `wrap`, or in the work pools of `remote`.

    Where stages have run before, a line first says which are stale and why, and how long it took last time.
    """
    from tidegate.pipeline import dag
    from tidegate.pipeline.beside import Beside, stages_at_once
    from tidegate.pipeline.stale import Stale, find_stale
    from tidegate.pipeline.timing import Timing

    stale = find_stale() if LOCK.exists() else Stale()
    timing = Timing(stale.may_run, stale.side_by_side, stages_at_once())
    if stale.reasons:
        seconds = timing.seconds_left()
        took = f"; about {console.in_words(seconds)}, by how long it took last time" if seconds else ""
        console.say(f"Stale: {', '.join(stale.reasons)}{took}")
    try:
        with console.time_left(timing.seconds_left), Beside(timing) as beside:
            dag.reproduce(run_stage, wrap, remote, beside)
    finally:
        timing.write()


def run_for_another(stage: str, inputs: "StageInputs", wrap: "StageWrapper") -> None:
    """Run one stage for a run in another clone."""
    from tidegate.pipeline import dag

    dag.run_for_another(stage, inputs, run_stage, wrap)
