"""Where rows come from: one file a source, one line in the table.

A source module has `Options` (its section of params.yaml) and `Source(options, dataset)`. A source gives its rows in
pieces, and a piece its rows in chunks, so that memory does not grow with the data's length, and an ingest that stops
half-way goes on with the first piece that it has not whole.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import pandas as pd

from tidegate.workspace.params import parse, require_known
from tidegate.workspace.settings import Dataset

SOURCES = {
    "simulated": "tidegate.sources.simulated",
    "files": "tidegate.sources.files",
    "sql": "tidegate.sources.sql",
    "http_json": "tidegate.sources.http_json",
}
CHUNK_ROWS = 250_000


@dataclass(frozen=True)
class Piece:
    """Rows that are read together: a file, a month of a table, a station's month.

    `read` gives long frames (see `frame.conform`; with a column `arrived` where the source knows when it had a row) in
    the order in which the rows arrived, each of about CHUNK_ROWS rows at most. `notes` counts, while they are read,
    what the user should hear of them: "times that do not exist in Europe/Berlin, taken as winter time" → 3.
    """

    name: str  # says what it holds: another content, another name
    read: Callable[[], Iterator[pd.DataFrame]]
    notes: Counter[str] = field(default_factory=Counter)
    lasting: bool = False  # whether its name tells its content for good, as a file's digest does: once read is enough


class Source(Protocol):
    """A place that rows can be read from."""

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series: when it changes, stored rows do not belong with new ones."""

    def fingerprint(self) -> str:
        """Give text that changes when the source has something new."""

    def end(self) -> pd.Timestamp | None:
        """Give the time before which all its rows lie, if the source has one."""

    def pieces(self, since: pd.Timestamp | None) -> Iterator[Piece]:
        """Give the rows in pieces, in the order in which they arrived; those before `since` may be left out."""


def open_source(dataset: Dataset) -> Source:
    """Make the source that params.yaml names.

    Raises:
        SettingsError: the source or one of its options is unknown.
    """
    require_known(dataset.source, SOURCES, "dataset.source")
    module = import_module(SOURCES[dataset.source])
    options = parse(module.Options, dataset.options, "dataset.options")
    source: Source = module.Source(options, dataset)
    return source


def read_all(source: Source, since: pd.Timestamp | None = None) -> pd.DataFrame:
    """Read all of a source that is known to be small."""
    chunks = [chunk for piece in source.pieces(since) for chunk in piece.read()]
    return pd.concat(chunks, ignore_index=True)
