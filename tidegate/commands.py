"""What the commands do, where that is more than one stage; what is typed stands in cli.py.

Modules are imported by the command that needs them, and no sooner.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate import console
from tidegate.artifacts import CLASSIFIER, PARAMS, QUARANTINE
from tidegate.errors import UserError

if TYPE_CHECKING:
    pass


def stage(words: list[str]) -> None:
    """Run one stage by its verb and arguments."""
    from tidegate import pipeline

    if words[0] == "validate":
        _in_groups(lambda: pipeline.perform(words))
    else:
        pipeline.perform(words)


def _in_groups(work: Callable[[], None]) -> None:
    """Do work whose groups of stations the runner of params.yaml shares out, if it names one."""
    from tidegate import pipeline

    if pipeline.load_settings().runner == "none":
        work()
        return
    with _flow("fanout") as flow:
        flow.shared_out(work)


def ingest(anew: bool, as_of: str | None) -> None:
    """Bring new rows from the source into data/, or rebuild it as of a moment."""
    from tidegate import pipeline
    from tidegate.parsing import typed_time

    if anew and as_of:
        raise UserError("Both --anew and --as-of are given: leave one out.")
    _in_groups(lambda: pipeline.ingest(anew, typed_time(as_of) if as_of else None))


def tune(name: str, trials: int, vary: list[str], workers: int, write: bool) -> None:
    """Search a candidate's settings as a flow, and write the best back if asked to."""
    from tidegate import pipeline, tuning

    settings = pipeline.load_settings()
    space = tuning.space_of(settings, name, vary)
    with _flow("tuning") as flow:
        flow.search(name, trials, space, workers)
    found = tuning.found(settings, name, space)
    console.say(f"{len(found.trials)} trials came to their end, {found.pruned} were stopped early. The best:")
    console.say(f"validation error {found.trials[0].value:.5f}  {found.best}")
    if write:
        tuning.write_back(name, found.best)
        console.say(f"Written into {PARAMS}: tidegate run trains with it.")
    else:
        console.say("To use it, give the same command with --write.")


def backtest(names: list[str], refit_every: int, workers: int) -> None:
    """Backtest candidates as a flow, and show them by fold."""
    from tidegate import backtest, pipeline, summary
    from tidegate.parsing import choose

    settings = pipeline.load_settings()
    for name in names:
        choose(name, settings.models, "the candidate")
    with _flow("backtesting") as flow, console.stage_line("backtest") as line:
        flow.backtesting(names, refit_every, workers)
        rows = backtest.read()
        line.result = f"{len(rows)} trainings, a fold and a candidate each"
    console.show(summary.by_fold(rows, settings))


def forecast(as_of: str | None, span: tuple[str, str] | None, workers: int) -> None:
    """Issue forecasts, as a flow if several processes are to share the stations, and say where they are."""
    from tidegate import pipeline

    if workers == 1:
        folder = pipeline.forecast(as_of, span)
    else:
        with _flow("forecasting") as flow:
            folder = flow.hindcasting(as_of, span, workers)
    console.say(f"They are kept in {folder}/.")


def classify(train: Path, test: Path) -> None:
    """Train and score a classifier of whole sequences, and show it beside its rivals."""
    from tidegate import classification, pipeline, summary

    settings = pipeline.load_settings()
    with console.stage_line("classify") as line:
        rows = classification.run(settings, train, test, line)
        line.result = f"{test.name}: accuracy {rows['accuracy'].iloc[0]:.3f}"
    console.show(summary.of_classes(rows))
    console.say(f"The nets and the test sequences' probabilities are in {CLASSIFIER}/.")


def init(
    source: str, table: str | None, station: str | None, zone: str | None, layout: str, yes: bool, force: bool
) -> None:
    """Look at a source, show what was found, and write the section `dataset` of params.yaml."""
    from tidegate import proposal, proposed, settings, summary

    loaded = settings.load()
    if loaded.dataset.source != "simulated" and not force:
        raise UserError(f"{PARAMS} describes a data set already ({loaded.dataset.source}): --force replaces it.")
    wide = {"auto": None, "wide": True, "long": False}[layout]
    with console.stage_line("init") as line:
        found = proposal.propose(source, table, zone, wide, loaded, station)
        line.result = f"{found.rows:,} rows of {found.stations} stations looked at"
    console.show(summary.of_proposal(found))
    for said in proposed.remarks(found):
        console.say(said)
    if not (yes or console.agreed(f"Write the section dataset of {PARAMS}?")):
        console.say("Nothing was written.")
        return
    for said in proposed.write(found):
        console.say(said)
    console.say(f"Written into {PARAMS}: look it over, then make run.")


def quarantine_list() -> None:
    """Show what is held back, by rule, station and variable, and what has been released."""
    from tidegate import pipeline, quarantine, summary

    settings, rows = pipeline.load_settings(), quarantine.summary()
    console.show(summary.of_quarantine(rows, f"In quarantine: {rows['values'].sum():,} values; times in UTC"))
    for decision in settings.validate_.releases:
        said = ", ".join(f"{key} {value}" for key, value in decision.model_dump(exclude_none=True).items())
        console.say(f"Released: {said}")


def quarantine_show(station: str) -> None:
    """Show the values of one station that are held back."""
    from tidegate import quarantine, summary

    rows = quarantine.of_station(station)
    more = f", the first {quarantine.SHOWN}" if len(rows) > quarantine.SHOWN else ""
    console.show(summary.of_quarantine(rows, f"{len(rows):,} values{more}; times in UTC", quarantine.SHOWN))
    console.say(f"All of them are in {QUARANTINE}.")


def quarantine_release(rules: list[str], because: str, **where: str | None) -> None:
    """Record the decision to take values back in."""
    from tidegate import pipeline, quarantine
    from tidegate.parsing import typed_time

    pipeline.load_settings()
    for end in filter(None, (where["since"], where["until"])):
        typed_time(end)
    count = quarantine.release(rules, because, **where)
    console.say(f"{count:,} values are released, in validate.releases of {PARAMS}: tidegate run takes them back in.")


def run() -> None:
    """Bring everything up to date as a flow, and show what came of it."""
    from tidegate import pipeline, waiting

    settings = pipeline.load_settings()
    with waiting.alone("tidegate run"):
        if pipeline.is_current():
            console.say("Everything is up to date: the source has nothing new, and no stage is stale.")
            return
        with _flow("retraining") as flow:
            flow.retraining()

    from tidegate import summary

    console.show(summary.table(settings))
    console.say(summary.verdict())
    console.say("To look at it: make up (runs, figures and the registry in MLflow; flows and schedules in Prefect).")


def up(prefect_port: int, mlflow_port: int) -> None:
    """Serve everything until it is interrupted."""
    from tidegate import servers

    console.say("Starting the servers …")
    with servers.everything(prefect_port, mlflow_port) as (prefect, mlflow):
        console.say(f"Prefect  {prefect}   flows, schedules, deployments")
        console.say(f"MLflow   {mlflow}   runs, figures, the registry")
        console.say("Ready. Ctrl-C stops everything.")
        while True:
            time.sleep(3600)


@contextmanager
def _flow(name: str) -> Iterator[Any]:
    """Give a module of flows/ with a Prefect server to run it; at the end nothing is left to be sent."""
    from tidegate import servers

    with servers.prefect_api() as wait:
        module = import_module(f"flows.{name}")  # while the server starts
        wait()
        try:
            yield module
        finally:
            import_module("flows.tasks").drain()
