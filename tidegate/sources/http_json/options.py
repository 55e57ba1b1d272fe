"""The options of a JSON service over HTTP in params.yaml."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tidegate.workspace.field_types import Moment, Real, Steps, Whole, Zone
from tidegate.workspace.params import Section, utc

VARIABLE = re.compile(r"\$\{(\w+)\}")  # of the environment
PLACEHOLDER = re.compile(r"(?<!\$)\{(\w+)\}")
SPAN = {"since", "until"}
ACCOUNT = re.compile(r"^[^/?#]*//[^/?#]*@")
KEYWORDS = "key|token|secret|password|passwd|pwd|credentials?|signature|sig|auth|authorization|cookie"  # of secrets
SECRET_HEADER = re.compile(rf"(?:{KEYWORDS})$", re.IGNORECASE)
SECRET_QUERY = re.compile(rf"([?&][^=&\s]*(?:{KEYWORDS})=)[^&\s{{]+(?=[&\s]|$)", re.IGNORECASE)  # not in ${NAME}
PRESETS: dict[str, dict[str, Any]] = {
    "open-meteo": {
        "url": "https://archive-api.open-meteo.com/v1/archive?latitude={latitude}&longitude={longitude}"
        "&start_date={since}&end_date={until}&hourly={variables}&timezone=UTC",
        "columns_at": "hourly",
        "time": "time",
        "time_zone": "UTC",
        "span_format": "date",
    },
}
TIME_FORMATS: dict[str, Callable[[datetime], str]] = {
    "iso": lambda time: f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    "date": lambda time: f"{time:%Y-%m-%d}",
    "unix": lambda time: f"{time.timestamp():.0f}",
    "unix_ms": lambda time: f"{time.timestamp() * 1000:.0f}",
}


class Cursor(Section):
    """Paging by a text in each answer that the next request sends back."""

    parameter: str  # of the next request's URL
    at: str  # the path to the text in the answer


class Options(Section):
    """The section `dataset.options` for `source: http_json`."""

    preset: Literal["open-meteo"] | None = None  # defaults for a known service
    url: str  # with {station}, {since}, {until}, {variables}, attributes of the station, and ${NAME} of the environment
    headers: dict[str, str] = Field(default_factory=dict)  # with ${NAME}
    stations: tuple[str, ...] | dict[str, dict[str, str | int | float]] = ()  # names, or name: {latitude: 52.5}
    start: Moment  # the first time to ask for
    end: Moment = "now"  # the last one
    span_days: Steps = 31  # of one request
    span_format: str = "iso"  # of {since} and {until}: iso, date (until is the last day), unix, unix_ms, or of strftime

    records: str = ""  # the path to the list of records; if empty, the answer is that list
    columns_at: str | None = None  # or the path to an object of arrays
    time: str  # a path within a record, or an array
    time_format: Literal["iso", "unix", "unix_ms"] = "iso"  # how times are written
    time_zone: Zone | None = None  # of times without a zone; by default dataset.time_zone
    values: dict[str, str] = Field(default_factory=dict)  # variable: path, if that is not the variable's name
    station_at: str | None = None  # the path to the station, if an answer holds several stations
    arrived: str | None = None  # the path to the time when a record arrived

    next: str | None = None  # the path to the next page's URL
    page_parameter: str | None = None  # or pages by number, up to an empty one
    first_page: Whole = 1  # its number
    cursor: Cursor | None = None  # or pages by a text in each answer

    requests_per_minute: Annotated[Real, Field(gt=0)] | None = None  # at most
    timeout_seconds: Annotated[Real, Field(gt=0)] = 30.0  # of one request
    retries: Whole = 5  # of a request that failed
    backoff_seconds: Annotated[Real, Field(gt=0)] = 1.0  # before the first retry; doubled before each further one

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, raw: Any) -> Any:  # refuses secrets before all else: other errors quote the options
        if not isinstance(raw, Mapping):
            return raw
        url, headers = str(raw.get("url")), raw.get("headers")
        if ACCOUNT.search(url):
            raise ValueError(
                "url has a user or a password in it: give a header Authorization instead, as Basic ${NAME}"
            )
        pairs = headers.items() if isinstance(headers, Mapping) else ()
        secrets = [name for name, value in pairs if SECRET_HEADER.search(str(name)) and not VARIABLE.search(str(value))]
        if secrets or SECRET_QUERY.search(url):
            raise ValueError("url or headers hold what looks like a key: write ${NAME}, and put it in the environment")
        return {**PRESETS.get(str(raw.get("preset")), {}), **raw}

    @model_validator(mode="after")
    def _consistent(self) -> "Options":
        if not self.url.lower().startswith(("http://", "https://", "${")):
            raise ValueError("url is to begin with https:// or http://")
        if self.columns_at is not None and self.records:
            raise ValueError("records and columns_at are both given; leave one out, or set columns_at: null")
        if self.span_format not in TIME_FORMATS and "%" not in self.span_format:
            raise ValueError(f"span_format is to be one of {', '.join(TIME_FORMATS)}, or as of strftime: %Y%m%d")
        if not self.start[:1].isdigit() or not (self.end == "now" or self.end[:1].isdigit()):
            raise ValueError("start is to be a time, and end a time or now")
        if self.end != "now" and utc(self.end) <= utc(self.start):
            raise ValueError("end is not after start")
        paging = [option for option in (self.next, self.page_parameter, self.cursor) if option is not None]
        if len(paging) > 1:
            raise ValueError("next, page_parameter and cursor are ways to page; give one of them")
        if not paging and not SPAN & self.placeholders:
            raise ValueError("url asks for no span of time and no pages: write {since} and {until} into it")
        return self

    @model_validator(mode="after")
    def _stations_in_url(self) -> "Options":
        if not self.stations and self.station_at is None:
            raise ValueError("give stations, or station_at, the path to a station's name within a record")
        if len(set(self.stations)) < len(self.stations):
            raise ValueError("a station is listed twice in stations")
        for name in self.placeholders - {*SPAN, "variables"}:
            lacking = [station for station, attributes in self.attributes.items() if name not in attributes]
            if lacking or not self.stations:
                reason = f"station {lacking[0]} does not have" if lacking else "no station has, since none is listed"
                raise ValueError(f"url has {{{name}}}, which {reason}: write {{station}}, or give it in stations")
        if len(self.stations) > 1 and not self.names_station and self.station_at is None:
            raise ValueError("url is the same for every station: write {station} into it, or give station_at")
        return self

    @property
    def placeholders(self) -> set[str]:
        """Name the placeholders in the URL."""
        return set(PLACEHOLDER.findall(self.url))

    @property
    def names_station(self) -> bool:
        """Say whether the URL requests one station."""
        return not self.placeholders <= {*SPAN, "variables"}

    @property
    def attributes(self) -> dict[str, dict[str, str]]:
        """The attributes of each station as text, its name among them."""
        stations = self.stations if isinstance(self.stations, dict) else {name: {} for name in self.stations}
        return {
            name: {"station": name, **{key: str(value) for key, value in attributes.items()}}
            for name, attributes in stations.items()
        }
