"""Work in pieces that need nothing of each other: in turn, or side by side wherever the driver has them done."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from tidegate.errors import DataError
from tidegate.workspace.identity import folder_digest

# Takes a function of this package, and what it is given for each piece, by its name; gives the results in that order.
ParallelMap = Callable[[Callable[[Any], Any], Mapping[str, Any]], list[Any]]


def serial_map(work: Callable[[Any], Any], pieces: Mapping[str, Any]) -> list[Any]:
    """Do the pieces one after the other, here."""
    return [work(given) for given in pieces.values()]


_driver: ContextVar[ParallelMap] = ContextVar("driver", default=serial_map)


def map_parts(work: Callable[[Any], Any], pieces: Mapping[str, Any]) -> list[Any]:
    """Do the pieces of a stage as the driver has it: in turn, unless it has said otherwise."""
    return _driver.get()(work, pieces)


@contextmanager
def map_parts_with(spread: ParallelMap) -> Iterator[None]:
    """Have stages do their pieces so."""
    token = _driver.set(spread)
    try:
        yield
    finally:
        _driver.reset(token)


def require_same_files(folder: Path, digest: str, pattern: str = "*") -> None:
    """See that a piece reads what the others do, on whatever machine: of which this is the `identity.folder_digest`.

    Raises:
        DataError: it is something else.
    """
    if folder_digest(folder, pattern) != digest:
        raise DataError(
            f"{folder.absolute()} on this worker is not what the run reads: start the worker in the run's workspace, "
            "or in a clone that has pulled the same data."
        )
