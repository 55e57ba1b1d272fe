"""CSV and Parquet files: one station a file, or a column that names the station.

Every refusal names the file and, in a CSV, the line.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field, field_validator

from tidegate.errors import SourceError
from tidegate.frame import STATION, TIME, conform
from tidegate.parsing import Section
from tidegate.settings import Zone
from tidegate.tables import column_of, numbers, opened, read_table, refuse

TIME_PARTS = ("year", "month", "day", "hour", "minute")
PLAUSIBLE_YEARS = (1800, 2200)
UNREADABLE_TIME = "is not a time that can be read: correct it, or set ingest.options.time_format"
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class Options(Section):
    """The section `ingest.options` for `source: files`."""

    paths: str | Names  # files or globs, relative to the workspace
    station: str | None = None  # the column that names the station; without one, the file's name does
    time: str | Names  # one column, or those of year, month, day and, if there, hour and minute
    time_format: str | None = None
    time_zone: Zone = "UTC"  # of times that carry none
    missing: tuple[str, ...] = ("", "NA", "NaN", "nan", "null")
    columns: Mapping[str, str] = Field(default_factory=dict)  # variable: column, where their names differ

    @field_validator("time")
    @classmethod
    def _known_parts(cls, time: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not isinstance(time, str) and not 3 <= len(time) <= len(TIME_PARTS):
            raise ValueError("give one column, or the columns of year, month, day and, if there, hour and minute")
        return time


class Source:
    """Rows of all files that the paths name, file by file in the order of their names."""

    def __init__(self, options: Options, variables: Sequence[str]) -> None:
        """Remember where to look; nothing is opened yet."""
        self.options, self.variables = options, list(variables)

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series."""
        return {**self.options.model_dump(mode="json"), "variables": self.variables}

    def fingerprint(self) -> str:
        """Change with any byte of any file."""
        whole = hashlib.sha256()
        for path in self._paths():
            with opened(path) as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
            whole.update(path.name.encode())
        return whole.hexdigest()

    def end(self) -> None:
        """Give nothing: files may hold any time."""

    def read(self, since: pd.Timestamp | None) -> pd.DataFrame:
        """Read all files, whatever `since` is: a file added late may hold a station's whole past."""
        frames = [self._read_file(path) for path in self._paths()]
        return conform(pd.concat(frames, ignore_index=True), self.variables)

    def _paths(self) -> list[Path]:
        patterns = [self.options.paths] if isinstance(self.options.paths, str) else self.options.paths
        found: list[Path] = []
        for pattern in patterns:
            matches = _matches(pattern)
            if not matches:
                raise SourceError(f"No file is at {pattern}: correct ingest.options.paths in params.yaml.")
            found += [path for path in matches if path not in found]
        if self.options.station is None:
            _refuse_namesakes(found)
        return found

    def _read_file(self, path: Path) -> pd.DataFrame:
        raw = read_table(path)
        if self.options.station is None:
            station = pd.Series(path.stem, index=raw.index, dtype="str")
        else:
            station = column_of(raw, self.options.station, path)
            blank = station.isna() | (station.astype("str").str.strip() == "")
            if blank.any():
                refuse(path, blank, station.astype("str"), "names no station: name it, or remove the row")
            station = station.astype("str").str.strip()
        columns = {STATION: station, TIME: self._times(raw, station, path)}
        for name in self.variables:
            column = self.options.columns.get(name, name)
            columns[name] = numbers(column_of(raw, column, path), self.options.missing, column, path)
        return pd.DataFrame(columns)

    def _times(self, raw: pd.DataFrame, station: pd.Series, path: Path) -> pd.Series:
        if isinstance(self.options.time, str):
            text = column_of(raw, self.options.time, path)
            times = _parsed(text, self.options.time_format, path)
        else:
            text = pd.Series("", index=raw.index, dtype="str")
            parts = {}
            for part, column in zip(TIME_PARTS, self.options.time, strict=False):
                values = column_of(raw, column, path)
                text = (text + " " + values.astype("str")).str.strip()
                parts[part] = pd.to_numeric(values, errors="coerce")
            times = pd.to_datetime(pd.DataFrame(parts), errors="coerce")
            for part, count in (("hour", 24), ("minute", 60)):  # pandas would roll hour 99 into another day
                if part in parts:
                    times = times.where(parts[part].isin(range(count)))
        implausible = times.isna() | ~times.dt.year.between(*PLAUSIBLE_YEARS)
        if implausible.any():
            refuse(path, implausible, text, UNREADABLE_TIME)
        if times.dt.tz is not None:
            return times.dt.tz_convert("UTC")
        local = [self._localized(times[rows.index]) for _, rows in times.groupby(station)]
        utc = pd.concat(local).reindex(times.index)
        if utc.isna().any():
            refuse(
                path,
                utc.isna(),
                text,
                f"does not exist or is ambiguous in {self.options.time_zone} "
                "(the clock was changed): give the times in UTC",
            )
        return utc

    def _localized(self, times: pd.Series) -> pd.Series:
        zone = self.options.time_zone
        try:  # an hour that stands twice in a row is first summer, then winter time
            local = times.dt.tz_localize(zone, ambiguous="infer", nonexistent="NaT")
        except ValueError:
            local = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        return local.dt.tz_convert("UTC")


def _matches(pattern: str) -> list[Path]:
    anchor = Path(pattern).anchor
    try:
        return sorted(path for path in Path(anchor).glob(pattern.removeprefix(anchor)) if path.is_file())
    except (ValueError, IndexError, NotImplementedError):
        raise SourceError(f"{pattern!r} is no pattern of files: correct ingest.options.paths in params.yaml.") from None


def _refuse_namesakes(paths: Sequence[Path]) -> None:
    """Refuse two files of one name, where the file's name is the station's."""
    seen: dict[str, Path] = {}
    for path in paths:
        if path.stem in seen:
            raise SourceError(
                f"{seen[path.stem]} and {path} would both be station {path.stem}: rename one, or name a station column."
            )
        seen[path.stem] = path


def _parsed(text: pd.Series, time_format: str | None, path: Path) -> pd.Series:
    """Read times; NaT where one cannot be read."""
    if pd.api.types.is_numeric_dtype(text):
        raise SourceError(f"{path}: column {text.name!r} holds numbers, not times: write them as dates.")
    try:
        return pd.to_datetime(text, format=time_format, errors="coerce")
    except ValueError:  # offsets that differ from row to row, as where summer and winter time alternate
        try:
            return pd.to_datetime(text, format=time_format, errors="coerce", utc=True)
        except ValueError as error:
            raise SourceError(f"{path}: ingest.options.time_format is not one ({error}): correct it.") from None
