"""Tuning: a search for a candidate's settings, one Prefect task per trial."""

from collections.abc import Mapping
from typing import Any

from prefect import flow

from flows.fanout import parallel_workers
from flows.tasks import named_by_time
from tidegate.experiments import tuning
from tidegate.pipeline import drive
from tidegate.pipeline.console import say


@flow(name="tuning", flow_run_name=named_by_time("tuning"), validate_parameters=False)
def search(name: str, trials: int, space: Mapping[str, Any], workers: int = 1) -> None:
    """Search until `trials` trials have finished; a later call continues the search.

    Args:
        name: A candidate of params.yaml.
        trials: Number of trials, those of earlier calls included.
        space: By dotted key: a list of choices, or the two ends of a range.
        workers: Number of parallel processes, unless TIDEGATE_DASK names a cluster.
    """
    with parallel_workers(workers) as parallel_map:
        tuning.search(
            drive.checked_settings(), name, trials, space,
            lambda number, outcome: say(f"trial {number:<4} {outcome}"), parallel_map, workers,
        )  # fmt: skip
