"""Source `files`: CSV and similar text, and Parquet, local or at a URL.

A long file has one row per station and time, and a column, or the file's name, names the station; a wide file has one
column per station. Every refusal names the file and, in text, the line.
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
from tidegate.workspace.dataset import Dataset

# Options that came later: left at their defaults, they do not make the rows another series.
LATER = ("members", "comment", "skip_lines", "skip_after_header", "start")


class Source:
    """Rows of all files that the paths match, file by file in the order of their names."""

    def __init__(self, options: Options, dataset: Dataset) -> None:
        """Check the options; no file is opened yet.

        Raises:
            SettingsError: the files are wide, and dataset.variables is not their only variable.
        """
        self.options, self.dataset = options, dataset
        if options.wide is not None and list(dataset.variables) != [options.wide]:
            raise SettingsError(
                f"params.yaml: dataset.options.wide is {options.wide!r}, so dataset.variables is to hold "
                f"that variable alone; it holds {', '.join(dataset.variables)}."
            )
        step_of(dataset.frequency)

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series; with other options they are another series."""
        defaults = {name for name in LATER if getattr(self.options, name) == Options.model_fields[name].default}
        options = self.options.model_dump(mode="json", exclude={"storage", *defaults})
        zone = self.options.time_zone or self.dataset.naive_zone
        step = self.dataset.frequency if self.options.labels == "end" else None
        return {**options, "time_zone": zone, "step": step, "variables": list(self.dataset.variables)}

    def fingerprint(self) -> str:
        """Change with any byte of any file."""
        names = "\n".join(f"{location.path}@{location.version()}" for location in self._locations())
        return hashlib.sha256(names.encode()).hexdigest()

    def end(self) -> None:
        """Give None: files may hold any time."""

    def pieces(self, since: pd.Timestamp | None) -> Iterator[Piece]:
        """Give one piece per file, whatever `since` is: a file added late may hold a station's whole past."""
        paths_by_station: dict[str, str] = {}
        files: list[FileRows] = []
        for location in self._locations():
            with location.unpacked(self.options.members) as members:
                for member in members:
                    file = location.path if len(members) == 1 else f"{location.path}/{member}"
                    self._refuse_second_file(file, paths_by_station)
                    files.append(FileRows(self.options, self.dataset, location, member, file))
                    read = partial(files[-1].chunks, CHUNK_ROWS)
                    yield Piece(f"{file}@{location.version()}", read, files[-1].notes, is_immutable=True)
        self._refuse_unknown_stations(files)

    def _refuse_unknown_stations(self, files: list[FileRows]) -> None:
        """Refuse a listed station that no file has, once all files have been read."""
        stations_read = [file.stations for file in files if file.stations is not None]
        if len(stations_read) == len(files):
            for name in self.options.stations or ():
                if not any(name in stations for stations in stations_read):
                    raise SourceError(f"No file has a column {name!r}: correct dataset.options.stations.")

    def _locations(self) -> list[FileLocation]:
        patterns = [self.options.paths] if isinstance(self.options.paths, str) else self.options.paths
        locations: dict[str, FileLocation] = {}
        for pattern in patterns:
            for location in find_files(pattern, self.options.storage):
                locations.setdefault(location.path, location)
        paths_by_station: dict[str, str] = {}
        for path in locations:
            self._refuse_second_file(path, paths_by_station)
        return list(locations.values())

    def _refuse_second_file(self, path: str, paths_by_station: dict[str, str]) -> None:
        """Refuse a second file of the same name, if the names of files are those of the stations."""
        if self.options.station is not None or self.options.wide is not None:
            return
        station = stem(path)
        if station in paths_by_station:
            raise SourceError(
                f"{paths_by_station[station]} and {path} would both be station {station}: "
                "rename one, or name a station column."
            )
        paths_by_station[station] = path
