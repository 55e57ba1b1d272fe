"""Files: CSV and its like, and Parquet, here or at a URL; long (a row a station and time) or wide (a column a station).

In a long file, a column names the station, or the file's name does. Every refusal names the file and, in text, the
line.
"""

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from tidegate.errors import SettingsError, SourceError
from tidegate.measurements.grid import step_of
from tidegate.sources import CHUNK_ROWS, Piece
from tidegate.sources.files.compression import stem
from tidegate.sources.files.locations import FileLocation, find_files
from tidegate.sources.files.options import Options
from tidegate.sources.files.rows import FileRows
from tidegate.workspace.settings import Dataset


class Source:
    """Rows of all files that the paths name, file by file in the order of their names."""

    def __init__(self, options: Options, dataset: Dataset) -> None:
        """Remember where to look; nothing is opened yet.

        Raises:
            SettingsError: the files hold one variable, and another or several are asked for.
        """
        self.options, self.dataset = options, dataset
        if options.wide is not None and list(dataset.variables) != [options.wide]:
            raise SettingsError(
                f"params.yaml: dataset.options.wide is {options.wide!r}, so dataset.variables is to hold "
                f"that variable alone; it holds {', '.join(dataset.variables)}."
            )
        step_of(dataset.frequency)

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series; reading them otherwise makes another of it."""
        named = self.options.model_dump(mode="json", exclude={"storage"})
        zone = self.options.time_zone or self.dataset.clock
        step = self.dataset.frequency if self.options.labels == "end" else None
        return {**named, "time_zone": zone, "step": step, "variables": list(self.dataset.variables)}

    def fingerprint(self) -> str:
        """Change with any byte of any file."""
        names = "\n".join(f"{place.path}@{place.version()}" for place in self._places())
        return hashlib.sha256(names.encode()).hexdigest()

    def end(self) -> None:
        """Give nothing: files may hold any time."""

    def pieces(self, since: pd.Timestamp | None) -> Iterator[Piece]:
        """Give a piece a file, whatever `since` is: a file added late may hold a station's whole past."""
        named: dict[str, str] = {}
        given: list[FileRows] = []
        for place in self._places():
            with place.unpacked() as members:
                for member in members:
                    label = place.path if len(members) == 1 else f"{place.path}/{member}"
                    self._refuse_namesake(label, named)
                    given.append(FileRows(self.options, self.dataset, place, member, label))
                    read = partial(given[-1].chunks, CHUNK_ROWS)
                    yield Piece(f"{label}@{place.version()}", read, given[-1].notes, lasting=True)
        self._refuse_unfound(given)

    def _refuse_unfound(self, given: list[FileRows]) -> None:
        """Refuse a listed station that no file has, once all files have been read."""
        read = [rows.stations for rows in given if rows.stations is not None]
        if len(read) == len(given):
            for name in self.options.stations or ():
                if not any(name in stations for stations in read):
                    raise SourceError(f"No file has a column {name!r}: correct dataset.options.stations.")

    def _places(self) -> list[FileLocation]:
        patterns = [self.options.paths] if isinstance(self.options.paths, str) else self.options.paths
        found: dict[str, FileLocation] = {}
        for pattern in patterns:
            for place in find_files(pattern, self.options.storage):
                found.setdefault(place.path, place)
        named: dict[str, str] = {}
        for path in found:
            self._refuse_namesake(path, named)
        return list(found.values())

    def _refuse_namesake(self, path: str, named: dict[str, str]) -> None:
        """Refuse two files of one name, where the file's name is the station's."""
        if self.options.station is not None or self.options.wide is not None:
            return
        station = stem(path)
        if station in named:
            raise SourceError(
                f"{named[station]} and {path} would both be station {station}: rename one, or name a station column."
            )
        named[station] = path
