"""A JSON interface over HTTP that is asked for a span of time, or page by page.

A piece is a span, and a station where the URL names one: spans lie on a grid that begins at `start`, so an ingest that
stops half-way goes on with the first one it lacks. A page is a chunk. Keys come from the environment alone, as ${NAME}
in the URL or in a header, and are never said, logged or stored. Rows in which every variable is missing are left out:
what a service fills up to now must not pass for the newest measurement.
"""

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pandas as pd

from tidegate.errors import SettingsError, SourceError, TidegateError
from tidegate.measurements.frame import conform
from tidegate.measurements.grid import step_of
from tidegate.sources import Piece
from tidegate.sources.http_json.options import PLACEHOLDER, SPAN, WRITTEN, Options
from tidegate.sources.http_json.pages import Pages, quoted_cell
from tidegate.sources.http_json.service import Service
from tidegate.workspace.columns import ARRIVED, STATION, TIME
from tidegate.workspace.params import digest, require_known, utc
from tidegate.workspace.paths import PARAMS
from tidegate.workspace.settings import Dataset

SECONDS = {"unix": 1.0, "unix_ms": 1e-3}
PLAUSIBLE_YEARS = (1800, 2200)
NOT_A_NUMBER = "is not a number: correct dataset.options.values"


class Source:
    """Rows of one interface."""

    def __init__(self, options: Options, dataset: Dataset) -> None:
        """Check what can be checked without the service; no secret is asked for yet."""
        for variable in options.values:
            require_known(variable, dataset.variables, "a variable in dataset.options.values")
        self.options, self.variables = options, list(dataset.variables)
        self.zone = options.time_zone or dataset.clock
        self.step = step_of(dataset.frequency)
        self.paths = {name: options.values.get(name, name) for name in self.variables}

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series: not how they are asked for, and of headers the names alone."""
        manner = {"end", "span_days", "requests_per_minute", "timeout_seconds", "retries", "backoff_seconds"}
        named = self.options.model_dump(mode="json", exclude=manner)
        named |= {"headers": sorted(self.options.headers), "time_zone": self.zone}
        return {**named, "variables": self.variables}

    def fingerprint(self) -> str:
        """Change when a step has ended, and with the options."""
        options = self.options.model_dump(mode="json", exclude={"headers"})
        return digest([self.end().isoformat(), options, self.series()])

    def end(self) -> pd.Timestamp:
        """Give the end of the newest step that is over, or the end that is set."""
        end = self.options.end
        return pd.Timestamp.now(tz="UTC").floor(self.step) if end == "now" else utc(end)

    def pieces(self, since: pd.Timestamp | None) -> Iterator[Piece]:
        """Give the rows span by span, and station by station; spans that end before `since` are left out.

        Raises:
            SettingsError: a variable of the environment is not set, or the time has not come yet.
        """
        service, end = Service(self.options), self.end()
        stations: list[str | None] = list(self.options.stations) if self.options.names_station else [None]
        for first, last in self._spans(end):
            if since is not None and last <= since:
                continue
            for station in stations:
                notes = Counter[str]()
                read = partial(self._read, service, station, (first, last), end, notes)
                yield Piece(f"{station or 'all stations'} {first.isoformat()}/{last.isoformat()}", read, notes)

    def _spans(self, end: pd.Timestamp) -> Iterator[tuple[pd.Timestamp, pd.Timestamp]]:
        start = utc(self.options.start)
        if start >= end:
            raise SettingsError(
                f"{PARAMS}: dataset.options.start is {self.options.start}, and no step has ended since."
            )
        width = pd.Timedelta(days=self.options.span_days) if SPAN & self.options.placeholders else end - start
        for number in range(math.ceil((end - start) / width)):
            yield start + number * width, min(start + (number + 1) * width, end)

    def _read(
        self,
        service: Service,
        station: str | None,
        span: tuple[pd.Timestamp, pd.Timestamp],
        end: pd.Timestamp,
        notes: Counter[str],
    ) -> Iterator[pd.DataFrame]:
        """Give a frame a page."""
        notes.clear()
        pages = Pages(self.options, self.paths, service, notes)
        try:
            for page, columns in pages.read(self._url(service, station, span)):
                rows = self._rows(page, columns, station)
                rows = rows[rows[TIME].between(utc(self.options.start), end, inclusive="left")]
                rows = rows[rows[self.variables].notna().any(axis=1)]
                if not self.options.names_station and self.options.stations:
                    rows = rows[rows[STATION].isin(list(self.options.stations))]
                if len(rows):
                    yield rows.reset_index(drop=True)
        except TidegateError as error:  # whatever a sentence quotes of an answer or an address
            raise type(error)(service.masked(str(error))) from None

    def _url(self, service: Service, station: str | None, span: tuple[pd.Timestamp, pd.Timestamp]) -> str:
        since, until = (moment.tz_convert(self.zone).to_pydatetime() for moment in span)
        if self.options.span_format == "date":
            until -= timedelta(microseconds=1)
        how = self.options.span_format
        write = WRITTEN.get(how, lambda time: time.strftime(how))
        values = self.options.attributes[station] if station is not None else {}
        values = {**values, "since": write(since), "until": write(until)}
        quoted = {key: quote(value, safe="") for key, value in values.items()}
        quoted["variables"] = ",".join(quote(path, safe="") for path in self.paths.values())
        return service.address(lambda url: PLACEHOLDER.sub(lambda found: quoted[found[1]], url))

    def _rows(self, page: str, columns: dict[str, list[Any]], station: str | None) -> pd.DataFrame:
        """Read a page's times and numbers."""
        only = station if station is not None else next(iter(self.options.stations), None)
        stations = columns.get(STATION, [only] * len(columns[TIME]))
        made: dict[str, Any] = {STATION: [str(name) if isinstance(name, str | int) else "" for name in stations]}
        for number, name in enumerate(made[STATION], start=1):
            if not name:
                raise SourceError(f"{page}: record {number} names no station: correct dataset.options.station_at.")
        for column in (TIME, ARRIVED):
            if column in columns:
                times = [self._moment(page, cell, column == ARRIVED) for cell in columns[column]]
                made[column] = pd.Series(times, dtype="datetime64[us, UTC]")
        for variable in self.variables:
            cells = columns[variable]
            made[variable] = [_number(cell) for cell in cells]
            for row, number in enumerate(made[variable]):
                if number is None:
                    of = f"{variable} of station {made[STATION][row]} at {columns[TIME][row]}"
                    raise SourceError(f"{page}: {of} is {quoted_cell(cells[row])}, which {NOT_A_NUMBER}.")
        return conform(pd.DataFrame(made), self.variables)

    def _moment(self, page: str, cell: Any, may_lack: bool) -> datetime | None:
        if cell is None and may_lack:
            return None
        what = "is not a time that can be read: correct dataset.options.time and time_format"
        try:
            if (unit := SECONDS.get(self.options.time_format)) is not None:
                seconds = _number(cell)
                time = datetime.fromtimestamp((math.nan if seconds is None else seconds) * unit, UTC)
            else:
                time = datetime.fromisoformat(cell.strip())
            if time.tzinfo is None:
                time, other = (time.replace(tzinfo=ZoneInfo(self.zone), fold=fold) for fold in (0, 1))
                if time.utcoffset() != other.utcoffset():
                    what = f"stands twice, or not at all, on the clock of {self.zone}: ask the service for times in UTC"
                    raise ValueError
            if PLAUSIBLE_YEARS[0] <= time.year <= PLAUSIBLE_YEARS[1]:
                return time.astimezone(UTC)
        except (ValueError, OverflowError, OSError, AttributeError):
            pass
        raise SourceError(f"{page}: {quoted_cell(cell)} {what}.")


def _number(cell: Any) -> float | None:
    """Read a number, also one in quotes; NaN for null, None for what is none."""
    if cell is None:
        return math.nan
    if isinstance(cell, bool) or not isinstance(cell, int | float | str) or "_" in str(cell):
        return None
    try:
        return float(cell)
    except (ValueError, OverflowError):
        return None
