"""The commands that dvc.yaml calls, one per stage."""

from typing import Annotated

import typer

from tidegate.cli.app import Result, app, guarded


@app.command()
@guarded
def validate() -> Result:
    """Put bad values of data/ into quarantine. Where there are too many, stop.

    \b
    Example:
      tidegate validate && open artifacts/data_docs/index.html
    """
    from tidegate.cli.servers import run_with_runner
    from tidegate.pipeline import drive

    return run_with_runner(lambda: drive.run_stage(["validate"]))


@app.command()
@guarded
def window() -> Result:
    """Cut the clean data into windows, split by time. It is proven that nothing leaks between the splits.

    \b
    Example:
      tidegate window && cat artifacts/windows/proof.json
    """
    from tidegate.pipeline import drive

    return drive.run_stage(["window"])


@app.command()
@guarded
def train(
    name: Annotated[str, typer.Argument(help="A candidate: a section under models in params.yaml.")],
) -> Result:
    """Train one candidate.

    \b
    Example:
      tidegate train gru
    """
    from tidegate.pipeline import drive

    return drive.run_stage(["train", name])


@app.command()
@guarded
def diagnose() -> Result:
    """Measure how far back the gradient reaches, in each net.

    \b
    Example:
      tidegate diagnose && cat artifacts/diagnosis/gradient_flow.csv
    """
    from tidegate.pipeline import drive

    return drive.run_stage(["diagnose"])


@app.command()
@guarded
def evaluate() -> Result:
    """Compare the candidates on every test origin.

    \b
    Example:
      tidegate evaluate && dvc metrics show
    """
    from tidegate.pipeline import drive

    return drive.run_stage(["evaluate"])


@app.command()
@guarded
def register() -> Result:
    """Register the best candidate, if it passes the gate. If it has earned it, it becomes champion.

    \b
    Example:
      tidegate register && cat artifacts/registration.json
    """
    from tidegate.pipeline import drive

    return drive.run_stage(["register"])
