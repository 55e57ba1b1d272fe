"""The commands that dvc.yaml calls, one per stage."""

from typing import Annotated

import typer

from tidegate.cli.app import app, guarded


@app.command()
@guarded
def validate() -> None:
    """Validate data/: put bad values into quarantine, and stop when there are too many.

    \b
    Example:
      tidegate validate && open artifacts/data_docs/index.html
    """
    from tidegate.cli.servers import run_with_runner
    from tidegate.pipeline import drive

    run_with_runner(lambda: drive.run_stage(["validate"]))


@app.command()
@guarded
def window() -> None:
    """Cut the clean data into windows, split by time, and prove that nothing leaks between the splits.

    \b
    Example:
      tidegate window && cat artifacts/windows/proof.json
    """
    from tidegate.pipeline import drive

    drive.run_stage(["window"])


@app.command()
@guarded
def train(
    name: Annotated[str, typer.Argument(help="A candidate: a section under models in params.yaml.")],
) -> None:
    """Train one candidate.

    \b
    Example:
      tidegate train gru
    """
    from tidegate.pipeline import drive

    drive.run_stage(["train", name])


@app.command()
@guarded
def diagnose() -> None:
    """Measure how much of the gradient reaches each step of the lookback, in every recurrent candidate.

    \b
    Example:
      tidegate diagnose && cat artifacts/diagnosis/gradient_flow.csv
    """
    from tidegate.pipeline import drive

    drive.run_stage(["diagnose"])


@app.command()
@guarded
def evaluate() -> None:
    """Forecast every test origin with every candidate, and compare them.

    \b
    Example:
      tidegate evaluate && dvc metrics show
    """
    from tidegate.pipeline import drive

    drive.run_stage(["evaluate"])


@app.command()
@guarded
def register() -> None:
    """Register the best candidate, and promote it to champion, if it passes the registry's gate.

    \b
    Example:
      tidegate register && cat artifacts/registration.json
    """
    from tidegate.pipeline import drive

    drive.run_stage(["register"])
