"""Independent parts of a stage: done one after another, or in parallel if the driver of the pipeline provides it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from tidegate.errors import DataError
from tidegate.workspace.identity import folder_digest

# Takes a function of this package, and the argument of each part by the part's name; gives the results in this order.
ParallelMap = Callable[[Callable[[Any], Any], Mapping[str, Any]], list[Any]]


def serial_map(work: Callable[[Any], Any], parts: Mapping[str, Any]) -> list[Any]:
    """Do the parts one after another, in this process."""
    return [work(argument) for argument in parts.values()]


_parallel_map: ContextVar[ParallelMap] = ContextVar("driver", default=serial_map)


def map_parts(work: Callable[[Any], Any], parts: Mapping[str, Any]) -> list[Any]:
    """Do the parts of a stage: one after another, unless the driver has set another map."""
    return _parallel_map.get()(work, parts)


@contextmanager
def map_parts_with(parallel_map: ParallelMap) -> Iterator[None]:
    """Let `map_parts` use this map within the block."""
    token = _parallel_map.set(parallel_map)
    try:
        yield
    finally:
        _parallel_map.reset(token)


def require_same_files(folder: Path, digest: str, pattern: str = "*") -> None:
    """Check on a worker that it reads the same files as the process that started the run.

    `digest` is what `identity.folder_digest` gave there.

    Raises:
        DataError: the files differ.
    """
    if folder_digest(folder, pattern) != digest:
        raise DataError(
            f"{folder.absolute()} on this worker is not what the run reads: start the worker in the run's workspace, "
            "or in a clone that has pulled the same data."
        )
