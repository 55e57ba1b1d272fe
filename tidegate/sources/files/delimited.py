"""Text with a delimiter: its encoding, delimiter and decimal mark are found out, and every line is accounted for.

What pandas would let pass is refused here, with its line: a row with too few fields, a header that comes again, and a
file that is UTF-8 in one part and something else in another.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO, TextIOWrapper
from itertools import chain, islice
from typing import IO, Any

import pandas as pd

from tidegate.errors import SourceError, in_a_line
from tidegate.sources.files.encoding import encoding_of
from tidegate.sources.files.tables import no_rows

DELIMITERS = ("\t", ";", "|", ",")  # of several that split the header into as many parts, the first
SAMPLE = 200  # records in which the decimal mark is looked for
LONGEST = 1000  # lines of one record, in quotes
DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")
DECIMAL_POINT = re.compile(r"[-+]?\d*\.\d+")
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
Record = tuple[int, str, int]  # the number of its first line, its text, its number of fields


@dataclass(frozen=True)
class Layout:
    """How the text is laid out; what is None is found out."""

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    header: tuple[str, ...] | None = None  # of files that have no header line
    known: tuple[str, ...] = ()  # columns that it should have


class DelimitedText:
    """A CSV file and its like; its cells are text, so that what they hold is decided where a line can be named."""

    place = "line"

    def __init__(self, file: str, opened: Callable[[], IO[bytes]], layout: Layout) -> None:
        """Find out how it is laid out; it is read once for its encoding alone."""
        self.file, self._opened = file, opened
        self.encoding = encoding_of(file, opened, layout.encoding)
        with self._lines() as lines:
            first = next((line for line in lines if line.strip()), "")
        if not first:
            raise SourceError(f"{file} is empty: remove it from dataset.options.paths or fill it.")
        self.delimiter = layout.delimiter or _delimiter(first, layout)
        with self._lines() as lines:
            sample = [text for _, text, _ in islice(_records(lines, file, self.delimiter), SAMPLE)]
        cells = [_cells(text, self.delimiter) for text in sample or [first]]
        self.columns = list(layout.header or cells[0])
        self._header = None if layout.header else (sample or [first])[0].rstrip("\n")
        if len(sample) < 2 and self._header is not None:
            raise no_rows(file)
        self.decimal = layout.decimal or _decimal(cells, self.delimiter)

    def chunks(self, wanted: Sequence[str], size: int) -> Iterator[pd.DataFrame]:
        """Give some columns as text, `size` rows at a time."""
        with self._lines() as lines:
            records = _records(lines, self.file, self.delimiter)
            if self._header is not None:
                next(records)
            while batch := list(islice(records, size)):
                self._refuse_other_columns(batch)
                numbers, texts, _ = zip(*batch, strict=True)
                yield self._parsed(numbers, texts, wanted)

    @contextmanager
    def _lines(self) -> Iterator[Iterator[str]]:
        with self._opened() as stream, TextIOWrapper(stream, encoding=self.encoding) as text:
            first = text.readline().removeprefix("\ufeff")  # an encoding that was given does not look for it
            yield chain([first] if first else [], text)

    def _refuse_other_columns(self, records: Sequence[Record]) -> None:
        expected = len(self.columns)
        for number, text, fields in records:
            if fields != expected:
                against = "dataset.options.header" if self._header is None else "the header"
                raise SourceError(
                    f"{self.file}, line {number}: it has {fields} fields and {against} has {expected}: "
                    "correct it, or split the file where its columns change."
                )
            if text.rstrip("\n") == self._header:
                raise SourceError(f"{self.file}, line {number}: the header comes a second time: remove it.")

    def _parsed(self, numbers: Sequence[int], texts: Sequence[str], wanted: Sequence[str]) -> pd.DataFrame:
        at = [self.columns.index(name) for name in wanted]
        as_text: dict[str, Any] = {"dtype": "str", "na_filter": False, "skip_blank_lines": False, "header": None}
        names = range(len(self.columns))
        try:
            rows = pd.read_csv(
                StringIO("".join(texts)), sep=self.delimiter, names=names, usecols=at, index_col=False, **as_text
            )[at]
        except ValueError as error:
            reason = in_a_line(error).removeprefix("Error tokenizing data. C error: ")
            raise SourceError(f"{self.file} is not a readable CSV file ({reason}): correct it.") from None
        if len(rows) != len(numbers):
            raise SourceError(
                f"{self.file}, lines {numbers[0]} to {numbers[-1]}: quotes stand within a cell: correct them."
            )
        rows.columns, rows.index = pd.Index(wanted), pd.Index(numbers)
        return rows


def _records(lines: Iterator[str], file: str, mark: str) -> Iterator[Record]:
    """Give each record, without blank ones; line breaks in quotes do not end one."""
    number, blank = 0, mark + " \t\n"
    for line in lines:
        number += 1
        if '"' not in line:
            if line.strip(blank):
                yield number, line, line.count(mark) + 1
        elif fields := _simply_quoted(line, mark):
            yield number, line, fields
        else:
            begin, (text, fields, taken) = number, _quoted(line, lines, mark, f"{file}, line {number}")
            number += taken - 1
            yield begin, text, fields


def _simply_quoted(line: str, mark: str) -> int:
    """Count the fields of a line in which quotes stand around whole fields only; nothing for others."""
    parts = line.split('"')  # outside and inside quotes in turn
    if len(parts) % 2 and all(not part or part[-1] == mark for part in parts[:-1:2]):
        return sum(part.count(mark) for part in parts[::2]) + 1
    return 0


def _quoted(line: str, lines: Iterator[str], mark: str, place: str) -> tuple[str, int, int]:
    """Read a record that has quotes; give its text, its number of fields and of lines."""
    taken: list[str] = []
    closed = True

    def parts() -> Iterator[str]:
        nonlocal closed
        for part in chain([line], lines):
            taken.append(part)
            yield part
            if len(taken) > LONGEST:
                break
        closed = False  # more is asked for

    try:
        fields = len(next(csv.reader(parts(), delimiter=mark)))
    except csv.Error:  # a field without end
        closed = False
    if not closed:
        raise SourceError(f"{place}: a quote is opened and not closed: correct it.")
    return "".join(taken), fields, len(taken)


def _cells(text: str, mark: str) -> list[str]:
    if '"' not in text:
        return text.rstrip("\n").split(mark)
    return next(csv.reader(text.splitlines(keepends=True), delimiter=mark))


def _delimiter(header: str, layout: Layout) -> str:
    def likely(mark: str) -> tuple[bool, int, int]:
        parts = len(_cells(header, mark))
        fits = parts == len(layout.header) if layout.header else set(layout.known) <= set(_cells(header, mark))
        return fits, parts, -DELIMITERS.index(mark)

    found = max(DELIMITERS, key=likely)
    return found if found in header else ","


def _decimal(records: Iterable[list[str]], delimiter: str) -> str:
    """Tell the decimal mark from the first records: a comma only where it can be nothing else."""
    cells = [cell.strip() for record in records for cell in record]
    if delimiter == "," or any(DECIMAL_POINT.fullmatch(cell) for cell in cells):
        return "."
    commas = [cell for cell in cells if DECIMAL_COMMA.fullmatch(cell)]
    return "," if any(not THOUSANDS.fullmatch(cell) for cell in commas) else "."
