"""What the commands do, where that is more than one stage; what is typed stands in cli.py.

Modules are imported by the command that needs them, and no sooner.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from tidegate import console
from tidegate.artifacts import CLASSIFIER, PARAMS


def stage(words: list[str]) -> None:
    """Run one stage by its verb and arguments."""
    from tidegate import pipeline

    pipeline.perform(words)


def ingest(anew: bool) -> None:
    """Bring new rows from the source into data/."""
    from tidegate import pipeline

    pipeline.ingest(anew)


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
