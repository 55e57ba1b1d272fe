"""Tuning: a search for a candidate's settings, a piece for each trial."""

from collections.abc import Mapping
from typing import Any

from prefect import flow

from flows.fanout import parallel_workers
from tidegate.experiments import tuning
from tidegate.pipeline import drive
from tidegate.pipeline.console import say


@flow(name="tuning", validate_parameters=False)
def search(name: str, trials: int, space: Mapping[str, Any], workers: int = 1) -> None:
    """Search until there are so many finished trials; a later call goes on.

    Args:
        name: A candidate of params.yaml.
        trials: Trials in all, those of earlier calls included.
        space: Choices, or the two ends of a range, by dotted key.
        workers: Processes that work side by side, unless TIDEGATE_DASK names a cluster.
    """
    with parallel_workers(workers) as spread:
        tuning.search(
            drive.checked_settings(), name, trials, space,
            lambda number, outcome: say(f"trial {number:<4} {outcome}"), spread, workers,
        )  # fmt: skip
