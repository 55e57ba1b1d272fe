"""The command `tidegate`: `run` for everything, `up` for the servers, and one verb a stage.

A stage's modules are imported when that stage runs, and no sooner.
"""

import contextlib
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from tidegate import commands, console
from tidegate.artifacts import PARAMS
from tidegate.errors import FULL, TidegateError, UserError

app = typer.Typer(
    help="Forecasts for networks of stations, through gates that are closed by default.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

quarantine = typer.Typer(help="See what the data gate holds back, and take it back in.", no_args_is_help=True)
app.add_typer(quarantine, name="quarantine")

INTERRUPTED = 130


class Layout(Enum):
    """How the rows of a source are laid out."""

    auto = "auto"
    long = "long"
    wide = "wide"


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
    _guarded("run", commands.run)


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
    _guarded("up", lambda: commands.up(prefect_port, mlflow_port))


@app.command()
def init(
    source: Annotated[str, typer.Argument(help="A path, glob, folder or URL of files, or a database's address.")],
    table: Annotated[str | None, typer.Option(help="The table of the database.")] = None,
    station: Annotated[str | None, typer.Option(help="The column that names the station.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Where the stations are: Europe/Berlin, say.")] = None,
    layout: Annotated[Layout, typer.Option(help="A row a station and time, or a column a station.")] = Layout.auto,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a data set that is described already.")] = False,
) -> None:
    """Look at measurements of your own, and write the section dataset of params.yaml.

    \b
    Examples:
      tidegate init "measurements/*.csv"
      tidegate init weather.csv --time-zone America/New_York --yes
      tidegate init 'postgresql+psycopg2://reader:${PASSWORD}@host/weather' --table hourly
    """
    _guarded("init", lambda: commands.init(source, table, station, time_zone, layout.value, yes, force))


@app.command()
def ingest(
    anew: Annotated[bool, typer.Option("--anew", help="Begin data/ anew, from the source alone.")] = False,
    as_of: Annotated[str | None, typer.Option(help="Rebuild data/ as it was known then.")] = None,
) -> None:
    """Bring new rows from the source into data/, and let DVC take note of them.

    \b
    Examples:
      tidegate ingest
      tidegate ingest --anew      after a wrong row has been taken out of the source
      tidegate ingest --as-of 2025-06-01T00:00    the next plain ingest undoes it
    """
    _guarded("ingest", lambda: commands.ingest(anew, as_of))


@app.command()
def validate() -> None:
    """Validate data/: quarantine bad cells, stop when there are too many.

    \b
    Example:
      tidegate validate && open artifacts/data_docs/index.html
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
    workers: Annotated[int, typer.Option(min=1, help="Trials at a time, each in a process of its own.")] = 1,
    write: Annotated[bool, typer.Option("--write", help="Write the best values into params.yaml.")] = False,
) -> None:
    """Search a candidate's settings by their error on the validation windows; a second call goes on.

    \b
    Examples:
      tidegate tune gru --trials 30
      tidegate tune gru --vary units=64,128,256 --vary train.learning_rate=0.0003..0.01
      tidegate tune gru --write
    """
    _guarded(f"tune-{name}", lambda: commands.tune(name, trials, vary or [], workers, write))


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
    _guarded("backtest", lambda: commands.backtest(names or [], refit_every, workers))


@app.command()
def forecast(
    as_of: Annotated[str | None, typer.Option(help="Forecast as then, with nothing measured later.")] = None,
    backfill: Annotated[tuple[str, str] | None, typer.Option(help="Forecast from every step of a span.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the stations.")] = 1,
) -> None:
    """Forecast every station with the champion, from what data/ holds; what was issued before stands.

    \b
    Examples:
      tidegate ingest && tidegate forecast
      tidegate forecast --as-of 2025-12-24T18:00
      tidegate forecast --backfill 2025-12-01 2025-12-31
      tidegate forecast --backfill 2020-01-01 2025-12-31 --workers 8
    """
    _guarded("forecast", lambda: commands.forecast(as_of, backfill, workers))


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
    _guarded("classify", lambda: commands.classify(train, test))


@quarantine.command("list")
def quarantine_list() -> None:
    """Show what the data gate holds back, by rule, station and variable, and what has been released.

    \b
    Example:
      tidegate quarantine list
    """
    _guarded("quarantine", commands.quarantine_list)


@quarantine.command("show")
def quarantine_show(station: Annotated[str, typer.Argument(help="A station.")]) -> None:
    """Show the values of one station that are held back, each with its rule.

    \b
    Example:
      tidegate quarantine show S04
    """
    _guarded("quarantine", lambda: commands.quarantine_show(station))


@quarantine.command("release")
def quarantine_release(
    rules: Annotated[list[str], typer.Argument(help="Rules: sentinel, range, relation, stuck or spike.")],
    because: Annotated[str, typer.Option(help="Why; it is recorded.")],
    station: Annotated[str | None, typer.Option(help="At this station alone.")] = None,
    variable: Annotated[str | None, typer.Option(help="Of this variable alone.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on, UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this time, UTC.")] = None,
) -> None:
    """Take values back in that rules hold back: an explicit decision, recorded in params.yaml.

    \b
    Examples:
      tidegate quarantine release spike --station S01 --because "a foehn, seen by the neighbours too"
      tidegate quarantine release stuck range --since 2025-03-01 --until 2025-03-02 --because "calibrated by hand"
    """
    where = {"station": station, "variable": variable, "since": since, "until": until}
    _guarded("quarantine", lambda: commands.quarantine_release(rules, because, **where))


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
    _guarded("-".join(words), lambda: commands.stage(list(words)))


def _guarded(name: str, work: Callable[[], None]) -> None:
    """Run with the chatter in a log file; say an error in one sentence, and exit with its code."""
    if not PARAMS.exists():  # before a log folder is made where it does not belong
        console.complain(f"{PARAMS} is not here: run tidegate in the root of a workspace.")
        sys.exit(UserError.exit_code)
    for sign in (signal.SIGINT, signal.SIGTERM):  # a service manager's stop is an orderly one too
        signal.signal(sign, signal.default_int_handler)
    try:
        console.quiet(re.sub(r"\W+", "-", name))
        work()
    except TidegateError as error:
        _log(error)
        console.complain(str(error))
        if error.exit_code == TidegateError.exit_code:
            console.complain(f"The log is {console.terminal.log}.")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.say("Stopped.")
        sys.exit(INTERRUPTED)
    except Exception as error:
        _log(error)
        if isinstance(error, OSError) and error.errno in FULL:
            where = f" ({error.filename})" if error.filename else ""
            console.complain(f"The disk is full{where}: make room and give the command again; it goes on from there.")
            os._exit(TidegateError.exit_code)  # an orderly exit would flush into the log, which is full too
        reason = " ".join(str(error).split())
        console.complain(f"A fault in {name}: {type(error).__name__}: {reason}.")
        console.complain(f"The log is {console.terminal.log}.")
        sys.exit(TidegateError.exit_code)


def _log(error: Exception) -> None:
    """Write where an error came from into the log, if that can be written."""
    with contextlib.suppress(OSError):
        traceback.print_exception(error)
        sys.stderr.flush()
