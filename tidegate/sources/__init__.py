"""Where rows come from: one file a source, one line in the table.

A source module has `Options` (its section of params.yaml) and `Source(options, variables)`.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import pandas as pd

from tidegate.parsing import choose, parse
from tidegate.settings import Ingest

SOURCES = {
    "simulated": "tidegate.sources.simulated",
    "files": "tidegate.sources.files",
}


class Source(Protocol):
    """A place that rows can be read from."""

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series: when it changes, stored rows do not belong with new ones."""

    def fingerprint(self) -> str:
        """Give text that changes when the source has something new."""

    def end(self) -> pd.Timestamp | None:
        """Give the time before which all its rows lie, if the source has one."""

    def read(self, since: pd.Timestamp | None) -> pd.DataFrame:
        """Read rows as a long frame, in the order they arrived; those before `since` may be left out."""


def open_source(settings: Ingest, variables: Sequence[str]) -> Source:
    """Make the source that params.yaml names.

    Raises:
        SettingsError: the source or one of its options is unknown.
    """
    choose(settings.source, SOURCES, "ingest.source")
    module = import_module(SOURCES[settings.source])
    options = parse(module.Options, settings.options, "ingest.options")
    source: Source = module.Source(options, variables)
    return source
