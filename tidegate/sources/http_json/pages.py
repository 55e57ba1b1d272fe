"""The pages of a JSON service: the columns of an answer, and the address of its next page."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from tidegate.errors import SourceError
from tidegate.sources.http_json.options import Options
from tidegate.sources.http_json.service import LONGEST_QUOTED, Service
from tidegate.workspace.columns import ARRIVED, STATION, TIME

MAX_NAMED_KEYS = 20  # in a message


class Absent(LookupError):
    """An answer holds nothing at a path."""


def value_at(part: Any, path: str) -> Any:
    """Give what a dotted path leads to; keys may have dots, a number is an index of a list, below null is null.

    Raises:
        Absent: the path leads to nothing; the message names what is there instead.
    """
    if not path or part is None:
        return part
    if isinstance(part, list):
        index, _, rest = path.partition(".")
        if index.isdecimal() and int(index) < len(part):
            return value_at(part[int(index)], rest)
        raise Absent(f"a list of {len(part)} is there")
    if not isinstance(part, Mapping):
        raise Absent(f"{quoted_cell(part)} is there")
    words = path.split(".")
    for width in range(len(words), 0, -1):
        if (key := ".".join(words[:width])) in part:
            return value_at(part[key], ".".join(words[width:]))
    keys = list(part)
    more = ", …" if len(keys) > MAX_NAMED_KEYS else ""
    raise Absent(f"it has {', '.join(keys[:MAX_NAMED_KEYS]) or 'no keys'}{more}")


class Pages:
    """The answers to one request and those that follow it."""

    def __init__(self, options: Options, paths: Mapping[str, str], service: Service, notes: Counter[str]) -> None:
        """Set the path of each column within an answer; `paths` are those of the variables."""
        self.options, self.service, self.notes = options, service, notes
        key_paths = {STATION: options.station_at, TIME: options.time, ARRIVED: options.arrived}
        self.paths = {name: path for name, path in key_paths.items() if path is not None} | dict(paths)

    def read(self, url: str) -> Iterator[tuple[str, dict[str, list[Any]]]]:
        """Give the address of each page, and its cells by column."""
        parameter, number = self.options.page_parameter, self.options.first_page
        base, before, seen = url, None, set[str]()
        following: str | None = _with_parameter(base, parameter, number) if parameter else url
        with self.service.client() as client:
            while following is not None:
                if following in seen:
                    raise SourceError(f"{following} is named as its own next page: its pages would never end.")
                seen.add(following)
                answer = self.service.answer(client, following)
                columns = self._columns(following, answer)
                if parameter and columns[TIME] and columns == before:
                    raise SourceError(
                        f"{following} answers as the page before it did: correct dataset.options.page_parameter."
                    )
                yield following, columns
                number, before = number + 1, columns
                if parameter:
                    following = _with_parameter(base, parameter, number) if columns[TIME] else None
                else:
                    following = self._next(base, following, answer)

    def _next(self, base: str, url: str, answer: Any) -> str | None:
        cursor, path = self.options.cursor, self.options.next
        where = cursor.at if cursor else path
        if where is None:
            return None
        try:
            link = value_at(answer, where)
        except Absent:
            self.notes[f"answers without {where}, taken as last pages"] += 1
            return None
        if link is None or link == "" or link is False:
            return None
        if cursor and isinstance(link, str | int):
            return _with_parameter(base, cursor.parameter, link)
        try:
            page, following = httpx.URL(url), httpx.URL(url).join(link)
        except (httpx.InvalidURL, TypeError):
            raise SourceError(
                f"{url} has at {where} no next page but {quoted_cell(link)}: correct dataset.options."
            ) from None
        if (page.scheme, page.host, page.port) != (following.scheme, following.host, following.port):
            elsewhere = f"at {following.scheme}://{following.netloc.decode()}, which is not asked"
            raise SourceError(f"{url} names a next page {elsewhere}: page by number or by cursor.")
        return str(following)

    def _columns(self, url: str, answer: Any) -> dict[str, list[Any]]:
        path, option = self.options.columns_at, "columns_at"
        if path is None:
            path, option = self.options.records, "records"
        content = self._value_at(url, answer, path, option)
        if content is None:
            return {name: [] for name in self.paths}
        return self._from_records(url, content) if option == "records" else self._from_arrays(url, content)

    def _from_records(self, url: str, records: Any) -> dict[str, list[Any]]:
        if not isinstance(records, list):
            is_object = isinstance(records, Mapping)
            keys = f" but an object of {', '.join(list(records)[:MAX_NAMED_KEYS])}" if is_object else ""
            where = self.options.records or "its top"
            raise SourceError(f"{url} has at {where} no list of records{keys}: correct dataset.options.records.")
        columns: dict[str, list[Any]] = {}
        for name, path in self.paths.items():
            cells = [_value_or_absent(record, path) for record in records]
            absent = [cell for cell in cells if isinstance(cell, Absent)]
            # A record may lack a missing value; a path that every record lacks is misspelt.
            if absent and (name in (STATION, TIME) or len(absent) == len(cells)):
                raise self._refusal(url, path, absent[0], self._option(name))
            columns[name] = [None if isinstance(cell, Absent) else cell for cell in cells]
        return columns

    def _from_arrays(self, url: str, content: Any) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {}
        for name, path in self.paths.items():
            cells = self._value_at(url, content, path, self._option(name))
            if not isinstance(cells, list):
                raise SourceError(f"{url} has at {path} no array: correct dataset.options.{self._option(name)}.")
            columns[name] = cells
            if len(cells) != len(columns.get(TIME, cells)):
                lengths = f"{len(cells)} values of {path} for {len(columns[TIME])} times"
                raise SourceError(f"{url} answers with {lengths}: no value's time can be told.")
        if len(columns.get(STATION, columns[TIME])) != len(columns[TIME]):
            lengths = f"{len(columns[STATION])} stations for {len(columns[TIME])} times"
            raise SourceError(f"{url} answers with {lengths}: no value's station can be told.")
        return columns

    def _option(self, name: str) -> str:
        return {STATION: "station_at", TIME: "time", ARRIVED: "arrived"}.get(name, "values")

    def _value_at(self, url: str, part: Any, path: str, option: str) -> Any:
        try:
            return value_at(part, path)
        except Absent as absent:
            raise self._refusal(url, path, absent, option) from None

    def _refusal(self, url: str, path: str, absent: Absent, option: str) -> SourceError:
        return SourceError(f"{url} answers without {path!r} ({absent}): correct dataset.options.{option}.")


def _value_or_absent(record: Any, path: str) -> Any:
    try:
        return value_at(record, path)
    except Absent as absent:
        return absent


def _with_parameter(url: str, parameter: str, value: str | int) -> str:
    """Add a parameter to the query of a URL."""
    return f"{url}{'&' if '?' in url else '?'}{quote(parameter, safe='')}={quote(str(value), safe='')}"


def quoted_cell(cell: Any) -> str:
    """Quote a whole cell, or describe it: text cut short could show a part of a key that is not masked."""
    if isinstance(cell, dict | list):
        return "an object" if isinstance(cell, dict) else "a list"
    return repr(cell) if len(str(cell)) <= LONGEST_QUOTED else f"a text of {len(str(cell))} characters"
