"""Source `http_json`: a JSON service over HTTP, with requests for a span of time, or page by page.

A piece is a span, of one station if the URL names one. The spans form a grid that begins at `start`, so an ingest that
stops half-way continues with the first one it lacks. A page is a chunk. Keys come from the environment alone, as
${NAME} in the URL or in a header, and are never shown, logged or stored. Rows in which every variable is missing are
left out: a service may fill its answer with empty rows up to now, and these must not count as the newest measurement.
"""

import math
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import pandas as pd

from tidegate.errors import SettingsError, SourceError, TidegateError
from tidegate.measurements.frame import conform
from tidegate.measurements.grid import step_of
from tidegate.sources import Piece
from tidegate.sources.cells import read_json_numbers, read_json_times
from tidegate.sources.http_json.options import PLACEHOLDER, SPAN, TIME_FORMATS, Options
from tidegate.sources.http_json.pages import Pages, quoted_cell
from tidegate.sources.http_json.service import Service
from tidegate.workspace.columns import ARRIVED, STATION, TIME
from tidegate.workspace.dataset import Dataset
from tidegate.workspace.params import digest, require_known, utc
from tidegate.workspace.paths import PARAMS

NOT_A_NUMBER = "is not a number: correct dataset.options.values"


class Source:
    """Rows of one service."""

    def __init__(self, options: Options, dataset: Dataset) -> None:
        """Check what can be checked without the service; no secret is read yet."""
        for variable in options.values:
            require_known(variable, dataset.variables, "a variable in dataset.options.values")
        self.options, self.variables = options, list(dataset.variables)
        self.zone = options.time_zone or dataset.naive_zone
        self.step = step_of(dataset.frequency)
        self.paths = {name: options.values.get(name, name) for name in self.variables}

    def series(self) -> dict[str, Any]:
        """Name what makes the rows one series: not how they are requested, and of headers only the names."""
        request_options = {"end", "span_days", "requests_per_minute", "timeout_seconds", "retries", "backoff_seconds"}
        options = self.options.model_dump(mode="json", exclude=request_options)
        options |= {"headers": sorted(self.options.headers), "time_zone": self.zone}
        return {**options, "variables": self.variables}

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
            SettingsError: an environment variable is not set, or no step has ended since `start`.
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
        """Give one frame per page."""
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
        except TidegateError as error:  # whose message may quote an answer or an address
            raise type(error)(service.masked(str(error))) from None

    def _url(self, service: Service, station: str | None, span: tuple[pd.Timestamp, pd.Timestamp]) -> str:
        since, until = (moment.tz_convert(self.zone).to_pydatetime() for moment in span)
        if self.options.span_format == "date":
            until -= timedelta(microseconds=1)
        span_format = self.options.span_format
        write = TIME_FORMATS.get(span_format, lambda time: time.strftime(span_format))
        values = self.options.attributes[station] if station is not None else {}
        values = {**values, "since": write(since), "until": write(until)}
        quoted = {key: quote(value, safe="") for key, value in values.items()}
        quoted["variables"] = ",".join(quote(path, safe="") for path in self.paths.values())
        return service.address(lambda url: PLACEHOLDER.sub(lambda match: quoted[match[1]], url))

    def _rows(self, page: str, columns: dict[str, list[Any]], station: str | None) -> pd.DataFrame:
        """Make a long frame of a page."""
        only = station if station is not None else next(iter(self.options.stations), None)
        cells = columns.get(STATION, [only] * len(columns[TIME]))
        stations = [str(name) if isinstance(name, str | int) else "" for name in cells]
        if "" in stations:
            record = stations.index("") + 1
            raise SourceError(f"{page}: record {record} names no station: correct dataset.options.station_at.")
        frame: dict[str, Any] = {STATION: stations}
        frame |= {name: self._times(page, columns, name) for name in (TIME, ARRIVED) if name in columns}
        for variable in self.variables:
            frame[variable], unreadable = read_json_numbers(columns[variable])
            if unreadable.any():
                row = int(unreadable.argmax())
                cell = f"{variable} of station {stations[row]} at {columns[TIME][row]}"
                raise SourceError(f"{page}: {cell} is {quoted_cell(columns[variable][row])}, which {NOT_A_NUMBER}.")
        return conform(pd.DataFrame(frame), self.variables)

    def _times(self, page: str, columns: dict[str, list[Any]], name: str) -> pd.Series:
        cells = columns[name]
        times, unreadable, clock_change = read_json_times(cells, self.options.time_format, self.zone)
        if name == ARRIVED:
            unreadable &= pd.Series([cell is not None for cell in cells], dtype="bool")
        refused = unreadable | clock_change
        if refused.any():
            row = int(refused.argmax())
            what = "is not a time that can be read: correct dataset.options.time and time_format"
            if clock_change[row]:
                what = f"stands twice, or not at all, on the clock of {self.zone}: ask the service for times in UTC"
            raise SourceError(f"{page}: {quoted_cell(cells[row])} {what}.")
        return times
