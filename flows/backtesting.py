"""Backtesting: rolling origins with refit, a task for each fold of each candidate, side by side in processes."""

from typing import Any

from prefect import flow, task
from prefect.task_runners import ProcessPoolTaskRunner

from tidegate import backtest, pipeline
from tidegate.backtest import Fold


@task(name="fold", task_run_name="{name}-{fold.number}", persist_result=False)
def measured(fold: Fold, name: str) -> dict[str, Any]:
    """Measure one candidate in one fold; a process of its own reads the settings itself."""
    return backtest.measure(pipeline.load_settings(), fold, name)


def _processes(workers: int) -> Any:
    return ProcessPoolTaskRunner(max_workers=workers)


@flow(name="backtesting", validate_parameters=False, task_runner=_processes(1))
def backtesting(names: list[str] | None = None, refit_every: int = 720) -> None:
    """Measure the candidates in every fold, and write artifacts/backtest.csv.

    Args:
        names: Candidates of params.yaml; all of them by default.
        refit_every: Origins after which each is trained anew.
    """
    settings = pipeline.load_settings()
    futures = [
        measured.submit(fold, name)
        for fold in backtest.folds(settings, refit_every)
        for name in names or settings.models
    ]
    backtest.write([future.result() for future in futures])


def side_by_side(workers: int) -> Any:
    """Give the flow with so many processes."""
    return backtesting.with_options(task_runner=_processes(workers))
