"""Backtesting: rolling origins with refit, a piece for each fold of each candidate."""

from prefect import flow

from flows.fanout import parallel_workers
from tidegate.experiments import backtest
from tidegate.pipeline import drive


@flow(name="backtesting", validate_parameters=False)
def backtesting(names: list[str] | None = None, refit_every: int = 720, workers: int = 1) -> None:
    """Measure the candidates in every fold, and write artifacts/backtest.csv.

    Args:
        names: Candidates of params.yaml; all of them by default.
        refit_every: Origins after which each is trained anew.
        workers: Processes that work side by side, unless TIDEGATE_DASK names a cluster.
    """
    with parallel_workers(workers) as spread:
        backtest.run(drive.checked_settings(), names or [], refit_every, spread)
