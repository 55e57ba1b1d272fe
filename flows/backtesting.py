"""Backtesting: rolling origins with refit, one Prefect task per fold and candidate."""

from prefect import flow

from flows.fanout import parallel_workers
from flows.tasks import named_by_time
from tidegate.experiments import backtest
from tidegate.pipeline import drive


@flow(name="backtesting", flow_run_name=named_by_time("backtesting"), validate_parameters=False)
def backtesting(names: list[str] | None = None, refit_every: int = 720, workers: int = 1) -> None:
    """Score the candidates in every fold, and write artifacts/backtest.csv.

    Args:
        names: Candidates of params.yaml; all of them by default.
        refit_every: Number of origins after which each candidate is trained again.
        workers: Number of parallel processes, unless TIDEGATE_DASK names a cluster.
    """
    with parallel_workers(workers) as parallel_map:
        backtest.run(drive.checked_settings(), names or [], refit_every, parallel_map)
