"""The options of files in params.yaml."""

import codecs
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from tidegate.sources.files.locations import holds_a_secret, names_a_secret
from tidegate.workspace.field_types import Moment, Whole, Zone
from tidegate.workspace.params import Section

TIME_PARTS = ("year", "month", "day", "hour", "minute")  # of a list of columns, in this order
WHITESPACE = "whitespace"  # as a delimiter: runs of blanks and tabs
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Mark = Annotated[str, Field(min_length=1, max_length=1)]


class TimeColumns(Section):
    """The columns that make up a time together: a date, or its parts; then the time of day, or its parts."""

    date: str | None = None  # read in time_format
    year: str | None = None  # with month and day, or with day_of_year
    month: str | None = None  # 1 to 12
    day: str | None = None  # of the month
    day_of_year: str | None = None  # 1 to 366
    clock: str | None = None  # 18:00, 18.00.00, 6:00 PM, 1800; 24:00 is the next day's 0:00
    hour: str | None = None  # 0 to 23, or 1 to 24
    minute: str | None = None  # 0 to 59
    second: str | None = None  # 0 to 59

    @model_validator(mode="after")
    def _one_date(self) -> "TimeColumns":
        of_year = (self.month and self.day) or self.day_of_year
        if bool(self.date) == bool(self.year and of_year):
            raise ValueError("give date, or year with month and day, or year with day_of_year")
        if self.clock and self.hour:
            raise ValueError("give clock or hour, not both")
        return self

    @property
    def named(self) -> dict[str, str]:
        """Give the column of each part that there is."""
        return {part: column for part, column in self.model_dump().items() if column}


Time = str | Names | TimeColumns | None


class Options(Section):
    """The section `dataset.options` for `source: files`."""

    paths: str | Names  # files, globs or URLs (http, https, s3, gs, az); relative to the workspace
    storage: dict[str, Any] = Field(default_factory=dict)  # of the object store: endpoint_url, anon; never a key
    members: str | None = None  # those of zip archives that match it, such as *.csv; by default all
    delimiter: Mark | Literal["whitespace"] | None = None  # this and the next two are detected if they are not set
    decimal: Literal[".", ","] | None = None  # of numbers; found out if it is not set
    encoding: str | None = None  # found out if it is not set
    header: Names | None = None  # the names of the columns, if files have no header line
    comment: Annotated[str, Field(min_length=1)] | None = None  # lines that begin with it are left out
    skip_lines: Whole = 0  # before the header
    skip_after_header: Whole = 0  # lines of units or types

    station: str | None = None  # the column that names the station; without one, the file's name does
    wide: str | None = None  # the variable in all columns besides the times, one column per station
    stations: Names | None = None  # those columns, if there are others too
    columns: Mapping[str, str] = Field(default_factory=dict)  # variable: column, where their names differ
    missing: tuple[str, ...] = ("", "NA", "NaN", "nan", "null")  # what stands for a missing value

    time: Time = None  # a column; those of year, month, day, hour, minute; or by part
    time_format: str | None = None  # a format of strftime, or unix, unix_ms, ISO8601
    start: Moment | None = None  # without columns of time: the first row's, each of the next a step of frequency later
    time_zone: Zone | None = None  # of times without a zone; by default dataset.time_zone
    labels: Literal["begin", "end"] = "begin"  # whether a time names the begin or the end of its interval
    clock_change: Literal["refuse", "infer"] = "refuse"  # local times that are ambiguous or do not exist
    arrived: str | None = None  # the column of the times when the rows arrived
    arrived_format: str | None = None  # without it, time_format

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, raw: Any) -> Any:  # before all else: other errors quote the options
        options = raw if isinstance(raw, Mapping) else {}
        paths = options.get("paths")
        for path in paths if isinstance(paths, list | tuple) else [paths]:
            if holds_a_secret(str(path)):
                raise ValueError("a URL in paths has a password or a key in it: put it in the environment instead")
        if names_a_secret(options.get("storage")):
            raise ValueError("storage holds what looks like a key or a password: put it in the environment instead")
        return raw

    @field_validator("time")
    @classmethod
    def _known_parts(cls, time: Time) -> Time:
        if isinstance(time, tuple) and not 3 <= len(time) <= len(TIME_PARTS):
            raise ValueError(
                "give one column, the columns of year, month, day and, if there, hour and minute, or columns by "
                "part, such as {date: Date, clock: Time}"
            )
        return time

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        try:
            codecs.lookup(encoding or "utf-8")
        except LookupError:
            raise ValueError("there is no such encoding; give a name such as utf-8 or cp1252") from None
        return encoding

    @model_validator(mode="after")
    def _one_layout(self) -> "Options":
        if self.wide is None and self.stations is not None:
            raise ValueError("stations lists columns of a wide file: give wide, too, the variable that they hold")
        if self.wide is not None and (self.station is not None or self.columns):
            raise ValueError("in a wide file each column is a station: leave out station and columns, or wide")
        return self

    @model_validator(mode="after")
    def _time_or_start(self) -> "Options":
        if (self.time is None) == (self.start is None):
            raise ValueError("give time, the column or columns of it, or start, the time of the first row")
        return self

    @property
    def times(self) -> tuple[str, ...]:
        """Name the columns of the time."""
        if isinstance(self.time, TimeColumns):
            return tuple(self.time.named.values())
        return (self.time,) if isinstance(self.time, str) else self.time or ()
