"""The command `tidegate`: `run` for everything, `up` for the servers, and one verb a stage.

A stage's modules are imported when that stage runs, and no sooner.
"""

import re
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tidegate import console
from tidegate.artifacts import PARAMS
from tidegate.errors import TidegateError, UserError

app = typer.Typer(
    help="Forecasts for networks of stations, through gates that are closed by default.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    app(prog_name="tidegate")


@app.command()
def run() -> None:
    """Ingest what is new, and bring every stage of dvc.yaml up to date, as a Prefect flow.

    \b
    Examples:
      tidegate run                                    with a server of its own
      PREFECT_API_URL=http://host:4200/api tidegate run    with yours
    """
    _guarded("run", _run)


@app.command()
def up(
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's server.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's server.")] = 5000,
) -> None:
    """Start Prefect's and MLflow's servers and serve the deployments, until Ctrl-C.

    \b
    Examples:
      tidegate up
      tidegate up --prefect-port 4300 --mlflow-port 5100
    """
    _guarded("up", lambda: _up(prefect_port, mlflow_port))


@app.command()
def ingest(
    anew: Annotated[bool, typer.Option("--anew", help="Begin data/ anew, from the source alone.")] = False,
) -> None:
    """Bring new rows from the source into data/, and let DVC take note of them.

    \b
    Examples:
      tidegate ingest
      tidegate ingest --anew      after a wrong row has been taken out of the source
    """
    _guarded("ingest", lambda: _ingest(anew))


@app.command()
def validate() -> None:
    """Validate data/: quarantine bad cells, stop when there are too many.

    \b
    Example:
      tidegate validate && open artifacts/data_docs/stations.html
    """
    _stage("validate")


@app.command()
def window() -> None:
    """Cut the clean data into windows, split by time, and prove that nothing leaks.

    \b
    Example:
      tidegate window && cat artifacts/windows/proof.json
    """
    _stage("window")


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="A candidate: a section under models in params.yaml.")],
) -> None:
    """Train one candidate.

    \b
    Example:
      tidegate train gru
    """
    _stage("train", name)


@app.command()
def tune(
    name: Annotated[str, typer.Argument(help="A candidate: a section under models in params.yaml.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those of earlier calls included.")] = 30,
    vary: Annotated[list[str] | None, typer.Option(help="key=choice,choice or key=lowest..highest.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the best values into params.yaml.")] = False,
) -> None:
    """Search a candidate's settings by their error on the validation windows; a second call goes on.

    \b
    Examples:
      tidegate tune gru --trials 30
      tidegate tune gru --vary units=64,128,256 --vary train.learning_rate=0.0003..0.01
      tidegate tune gru --write
    """
    _guarded(f"tune-{name}", lambda: _tune(name, trials, vary or [], write))


@app.command()
def backtest(
    names: Annotated[list[str] | None, typer.Argument(help="Candidates; all of them by default.")] = None,
    refit_every: Annotated[int, typer.Option(min=1, help="Origins after which each is trained anew.")] = 720,
    workers: Annotated[int, typer.Option(min=1, help="Processes that work side by side.")] = 1,
) -> None:
    """Forecast the test span from rolling origins, every candidate trained anew every so many.

    \b
    Examples:
      tidegate backtest linear gru --refit-every 720
      tidegate backtest --refit-every 168 --workers 4
    """
    _guarded("backtest", lambda: _backtest(names or [], refit_every, workers))


@app.command()
def forecast(
    as_of: Annotated[str | None, typer.Option(help="Forecast as then, with nothing measured later.")] = None,
    backfill: Annotated[tuple[str, str] | None, typer.Option(help="Forecast from every step of a span.")] = None,
) -> None:
    """Forecast every station with the champion, from what data/ holds; what was issued before stands.

    \b
    Examples:
      tidegate ingest && tidegate forecast
      tidegate forecast --as-of 2025-12-24T18:00
      tidegate forecast --backfill 2025-12-01 2025-12-31
    """
    _guarded("forecast", lambda: _forecast(as_of, backfill))


@app.command()
def classify(
    train: Annotated[Path, typer.Argument(help="Sequences to learn from, in the .ts format, one label each.")],
    test: Annotated[Path, typer.Argument(help="Sequences to score on.")],
) -> None:
    """Tell whole sequences apart, of any length, and compare with the nearest neighbour and the class prior.

    \b
    Example:
      tidegate classify Vowels_TRAIN.ts Vowels_TEST.ts
    """
    _guarded("classify", lambda: _classify(train, test))


@app.command()
def diagnose() -> None:
    """Measure how much of the gradient reaches each step of the lookback, in every recurrent candidate.

    \b
    Example:
      tidegate diagnose && cat artifacts/diagnosis/gradient_flow.csv
    """
    _stage("diagnose")


@app.command()
def evaluate() -> None:
    """Forecast every test origin with every candidate, and compare them.

    \b
    Example:
      tidegate evaluate && dvc metrics show
    """
    _stage("evaluate")


@app.command()
def register() -> None:
    """Put the best candidate before the registry's gate.

    \b
    Example:
      tidegate register && cat artifacts/registration.json
    """
    _stage("register")


def _stage(*words: str) -> None:
    from tidegate import pipeline

    _guarded("-".join(words), lambda: pipeline.perform(list(words)))


def _ingest(anew: bool) -> None:
    from tidegate import pipeline

    pipeline.ingest(anew)


def _tune(name: str, trials: int, vary: list[str], write: bool) -> None:
    from tidegate import pipeline, tuning
    from tidegate.parsing import choose

    settings = pipeline.load_settings()
    choose(name, settings.models, "the candidate")
    space = tuning.parse_space(vary)
    found = tuning.search(
        settings, name, trials, space, lambda number, outcome: console.say(f"trial {number:<4} {outcome}")
    )
    console.say(f"{len(found.trials)} trials came to their end, {found.pruned} were stopped early. The best:")
    console.say(f"validation error {found.trials[0].value:.5f}  {found.best}")
    if write:
        tuning.write_back(name, found.best)
        console.say(f"Written into {PARAMS}: tidegate run trains with it.")
    else:
        console.say("To use it, give the same command with --write.")


def _backtest(names: list[str], refit_every: int, workers: int) -> None:
    from tidegate import backtest, pipeline, servers, summary
    from tidegate.parsing import choose

    settings = pipeline.load_settings()
    for name in names:
        choose(name, settings.models, "the candidate")
    with servers.prefect_api() as wait:
        from flows.backtesting import side_by_side
        from flows.tasks import drain

        wait()
        try:
            with console.stage_line("backtest") as line:
                side_by_side(workers)(names, refit_every)
                rows = backtest.read()
                line.result = f"{len(rows)} trainings, a fold and a candidate each"
        finally:
            drain()

    console.show(summary.by_fold(rows, settings))


def _forecast(as_of: str | None, span: tuple[str, str] | None) -> None:
    from tidegate import pipeline

    if as_of and span:
        raise UserError("--as-of and --backfill are both given: leave one out.")
    folder = pipeline.forecast(as_of, span)
    console.say(f"They are kept in {folder}/.")


def _classify(train: Path, test: Path) -> None:
    from tidegate import classification, pipeline, summary
    from tidegate.artifacts import CLASSIFIER

    settings = pipeline.load_settings()
    with console.stage_line("classify") as line:
        rows = classification.run(settings, train, test, line)
        line.result = f"{test.name}: accuracy {rows['accuracy'].iloc[0]:.3f}"
    console.show(summary.of_classes(rows))
    console.say(f"The nets and the test sequences' probabilities are in {CLASSIFIER}/.")


def _run() -> None:
    from tidegate import pipeline, servers, waiting

    settings = pipeline.load_settings()
    with waiting.alone("tidegate run"):
        if pipeline.is_current():
            console.say("Everything is up to date: the source has nothing new, and no stage is stale.")
            return
        with servers.prefect_api() as wait:
            from flows.retraining import retraining  # imported while the server starts
            from flows.tasks import drain

            wait()
            try:
                retraining()
            finally:
                drain()

    from tidegate import summary

    console.show(summary.table(settings))
    console.say(summary.verdict())
    console.say("To look at it: make up (runs, figures and the registry in MLflow; flows and schedules in Prefect).")


def _up(prefect_port: int, mlflow_port: int) -> None:
    from tidegate import servers

    console.say("Starting the servers …")
    with servers.everything(prefect_port, mlflow_port) as (prefect, mlflow):
        console.say(f"Prefect  {prefect}   flows, schedules, deployments")
        console.say(f"MLflow   {mlflow}   runs, figures, the registry")
        console.say("Ready. Ctrl-C stops everything.")
        while True:
            time.sleep(3600)


def _guarded(name: str, work: Callable[[], None]) -> None:
    """Run with the chatter in a log file; say an error in one sentence, and exit with its code."""
    if not PARAMS.exists():  # before a log folder is made where it does not belong
        console.complain(f"{PARAMS} is not here: run tidegate in the root of a workspace.")
        sys.exit(UserError.exit_code)
    console.quiet(re.sub(r"\W+", "-", name))
    for sign in (signal.SIGINT, signal.SIGTERM):  # a service manager's stop is an orderly one too
        signal.signal(sign, signal.default_int_handler)
    try:
        work()
    except TidegateError as error:
        traceback.print_exc()
        console.complain(str(error))
        if error.exit_code == TidegateError.exit_code:
            console.complain(f"The log is {console.terminal.log}.")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.say("Stopped.")
        sys.exit(INTERRUPTED)
    except Exception as error:
        traceback.print_exc()
        reason = " ".join(str(error).split())
        console.complain(f"A fault in {name}: {type(error).__name__}: {reason}.")
        console.complain(f"The log is {console.terminal.log}.")
        sys.exit(TidegateError.exit_code)
