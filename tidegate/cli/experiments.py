"""The commands for experiments beside the pipeline: `tune`, `backtest` and `classify`."""

from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.app import Result, app, guarded
from tidegate.pipeline import console
from tidegate.workspace.paths import CLASSIFIER, PARAMS


@app.command()
@guarded
def tune(
    name: Annotated[str, typer.Argument(help="A candidate: a section under models in params.yaml.")],
    trials: Annotated[int, typer.Option(min=1, help="Number of trials, those of earlier calls included.")] = 30,
    vary: Annotated[list[str] | None, typer.Option(help="key=choice,choice or key=lowest..highest.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of trials in parallel, each in its own process.")] = 1,
    write: Annotated[bool, typer.Option("--write", help="Write the best values into params.yaml.")] = False,
) -> Result:
    """Search for a candidate's best settings. A second call continues the search.

    \b
    Examples:
      tidegate tune gru --trials 30
      tidegate tune gru --vary units=64,128,256 --vary train.learning_rate=0.0003..0.01
      tidegate tune gru --write
    """
    from tidegate.cli.servers import flow_module
    from tidegate.experiments import tuning
    from tidegate.pipeline import drive

    settings = drive.checked_settings()
    space = tuning.space_of(settings, name, vary or [])
    with flow_module("tuning") as flow:
        flow.search(name, trials, space, workers)
    result = tuning.search_result(settings, name, space)
    console.say(f"{len(result.trials)} trials finished, {result.pruned} were stopped early. The best:")
    console.say(f"validation error {result.trials[0].value:.5f}  {result.best}")
    if write:
        tuning.write_back(name, result.best)
        console.say(f"Written into {PARAMS}: tidegate run trains with these values.")
    else:
        console.say("To use these values, run the same command with --write.")
    return {"trials": len(result.trials), "validation_error": result.trials[0].value, "best": result.best}


@app.command()
@guarded
def backtest(
    names: Annotated[list[str] | None, typer.Argument(help="Candidates; all of them by default.")] = None,
    refit_every: Annotated[int, typer.Option(min=1, help="Number of origins after which each is trained again.")] = 720,
    workers: Annotated[int, typer.Option(min=1, help="Number of parallel processes.")] = 1,
) -> Result:
    """Score candidates from rolling origins. Each is trained again every so many origins.

    \b
    Examples:
      tidegate backtest linear gru --refit-every 720
      tidegate backtest --refit-every 168 --workers 4
    """
    from tidegate.cli import tables
    from tidegate.cli.servers import flow_module
    from tidegate.experiments.backtest import read_backtest
    from tidegate.pipeline import drive
    from tidegate.workspace.params import require_known

    settings = drive.checked_settings()
    for name in names or []:
        require_known(name, settings.models, "the candidate")
    with flow_module("backtesting") as flow, console.stage_line("backtest") as line:
        flow.backtesting(names or [], refit_every, workers)
        rows = read_backtest()
        line.result = f"{len(rows)} trainings, one per fold and candidate"
    console.show(tables.backtest_table(rows, settings))
    return rows


@app.command()
@guarded
def classify(
    train: Annotated[Path, typer.Argument(help="Sequences to train on, in the .ts format, one label each.")],
    test: Annotated[Path, typer.Argument(help="Sequences to score on, in the .ts format.")],
) -> Result:
    """Train and score a classifier of whole sequences.

    Beside it stand the nearest neighbour and the class prior.

    \b
    Example:
      tidegate classify Vowels_TRAIN.ts Vowels_TEST.ts
    """
    from tidegate.cli import tables
    from tidegate.experiments import classification
    from tidegate.pipeline import drive

    settings = drive.checked_settings()
    with console.stage_line("classify") as line:
        rows = classification.run(settings, train, test, line)
        line.result = f"{test.name}: accuracy {rows['accuracy'].iloc[0]:.3f}"
    console.show(tables.classifier_table(rows))
    console.say(f"The nets and the test sequences' probabilities are in {CLASSIFIER}/.")
    return rows.reset_index(names="classifier")
