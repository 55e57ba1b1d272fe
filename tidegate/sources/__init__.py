"""Sources of rows: each is a module, and one line of the table SOURCES.

A source module has `Options` (its section of params.yaml) and `Source(options, dataset)`. A source gives its rows in
pieces, and a piece its rows in chunks. So memory does not grow with the length of the data, and an ingest that stops
half-way continues with the first piece that it has not read completely.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import pandas as pd

from tidegate.workspace.dataset import Dataset
from tidegate.workspace.params import parse, require_known

SOURCES = {
    "simulated": "tidegate.sources.simulated",
    "files": "tidegate.sources.files",
    "sql": "tidegate.sources.sql",
    "http_json": "tidegate.sources.http_json",
}
CHUNK_ROWS = 250_000


@dataclass(frozen=True)
class Piece:
    """Rows of a source that are read together: a file, a month of a table, a month of one station.

    `read` gives long frames (see `frame.conform`; with a column `arrived` if the source knows when it received a row)
    in the order in which the rows arrived, each of at most about CHUNK_ROWS rows. While they are read, `notes` counts
    what the user should know about them: "times that do not exist in Europe/Berlin, taken as winter time" → 3.
    """

    name: str  # identifies the content: other content has another name
    read: Callable[[], Iterator[pd.DataFrame]]
    notes: Counter[str] = field(default_factory=Counter)
    is_immutable: bool = False  # whether a piece of this name never changes, so that reading it once is enough


class Source(Protocol):
    """What every source offers."""

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series: when it changes, the stored rows and new ones do not belong together."""

    def fingerprint(self) -> str:
        """Give text that changes when the source has new rows."""

    def end(self) -> pd.Timestamp | None:
        """Give the time before which all rows are, if the source has one."""

    def pieces(self, since: pd.Timestamp | None) -> Iterator[Piece]:
        """Give the rows in pieces, in the order in which they arrived; those before `since` may be left out."""


def open_source(dataset: Dataset) -> Source:
    """Create the source that params.yaml names.

    Raises:
        SettingsError: the source or one of its options is unknown.
    """
    require_known(dataset.source, SOURCES, "dataset.source")
    module = import_module(SOURCES[dataset.source])
    options = parse(module.Options, dataset.options, "dataset.options")
    source: Source = module.Source(options, dataset)
    return source


def read_all(source: Source, since: pd.Timestamp | None = None) -> pd.DataFrame:
    """Read all rows of a source at once; for small sources."""
    chunks = [chunk for piece in source.pieces(since) for chunk in piece.read()]
    return pd.concat(chunks, ignore_index=True)
