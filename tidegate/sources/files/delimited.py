"""Delimited text: its encoding, delimiter and decimal mark are detected, and no line is lost.

Faults that pandas does not refuse are refused here, with their line: a row with too few fields, a repeated header, and
a file that is UTF-8 in one part and another encoding in another.
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

from tidegate.errors import SourceError, one_line
from tidegate.sources.files.encoding import encoding_of
from tidegate.sources.files.options import WHITESPACE
from tidegate.sources.files.tables import no_rows

DELIMITERS = ("\t", ";", "|", ",")  # of those that split the header into equally many fields, the first is taken
SAMPLE_RECORDS = 200  # in which the decimal mark is detected
MAX_RECORD_LINES = 1000  # of a record with line breaks in quotes
DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")
DECIMAL_POINT = re.compile(r"[-+]?\d*\.\d+")
DOTTED_CLOCK = re.compile(r"[0-2]?\d\.[0-5]\d")  # 18.00 may be a time of day
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
Record = tuple[int, str, int]  # the number of its first line, its text, its number of fields
Opener = Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Layout:
    """The layout of the text; what is None is detected."""

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    header: tuple[str, ...] | None = None  # of files that have no header line
    comment: str | None = None  # lines that begin with it are left out
    skip_lines: int = 0  # before the header
    skip_after_header: int = 0
    expected: tuple[str, ...] = ()  # columns that the file should have


class DelimitedText:
    """A CSV or similar file; its cells are text, and are converted where a refusal can name the line."""

    row_noun = "line"

    def __init__(self, file: str, open_file: Opener, layout: Layout) -> None:
        """Detect the layout; the file is read once for its encoding alone."""
        self.file, self._open_file, self._layout = file, open_file, layout
        self.encoding = encoding_of(file, open_file, layout.encoding)
        with self._lines() as lines:
            first = next((line for line in lines if line.strip()), "")
        if not first:
            raise SourceError(f"{file} is empty: remove it from dataset.options.paths or fill it.")
        # Runs of blanks are brought to tabs, line by line.
        given = "\t" if layout.delimiter == WHITESPACE else layout.delimiter
        self.delimiter = given or _detect_delimiter(first, layout)
        with self._lines() as lines:
            sample = [text for _, text, _ in islice(_records(lines, file, self.delimiter), SAMPLE_RECORDS)]
        cells = [_cells(text, self.delimiter) for text in sample or [first]]
        names = list(layout.header or cells[0])
        self._fields = len(names)
        self.columns = _without_empty_end(names)
        self._header = None if layout.header else (sample or [first])[0].rstrip("\n")
        if len(sample) < 2 + layout.skip_after_header and self._header is not None:
            raise no_rows(file)
        self.decimal = layout.decimal or _detect_decimal(cells, self.delimiter)

    def chunks(self, wanted: Sequence[str], size: int) -> Iterator[pd.DataFrame]:
        """Give the wanted columns as text, `size` rows at a time."""
        with self._lines() as lines:
            records = _records(lines, self.file, self.delimiter)
            for _ in range(self._layout.skip_after_header + (self._header is not None)):
                next(records, None)
            while batch := list(islice(records, size)):
                self._refuse_wrong_records(batch)
                numbers, texts, _ = zip(*batch, strict=True)
                yield self._parsed(numbers, texts, wanted)

    @contextmanager
    def _lines(self) -> Iterator[Iterator[str]]:
        with self._open_file() as stream, TextIOWrapper(stream, encoding=self.encoding) as text:
            first = text.readline().removeprefix("\ufeff")  # an encoding set in the options may leave the mark
            yield _prepared(chain([first] if first else [], text), self._layout)

    def _refuse_wrong_records(self, records: Sequence[Record]) -> None:
        """Refuse a record with another number of fields, and a repeated header."""
        for number, text, fields in records:
            if fields != self._fields:
                header = "dataset.options.header" if self._header is None else "the header"
                raise SourceError(
                    f"{self.file}, line {number}: it has {fields} fields and {header} has {self._fields}: "
                    "correct it, or split the file where its columns change."
                )
            if text.rstrip("\n") == self._header:
                raise SourceError(f"{self.file}, line {number}: the header comes a second time: remove it.")

    def _parsed(self, numbers: Sequence[int], texts: Sequence[str], wanted: Sequence[str]) -> pd.DataFrame:
        positions = [self.columns.index(name) for name in wanted]
        unnamed = list(range(len(self.columns), self._fields))
        as_text: dict[str, Any] = {"dtype": "str", "na_filter": False, "skip_blank_lines": False, "header": None}
        names, used = range(self._fields), positions + unnamed
        try:
            rows = pd.read_csv(
                StringIO("".join(texts)), sep=self.delimiter, names=names, usecols=used, index_col=False, **as_text
            )[used]
        except ValueError as error:
            reason = one_line(error).removeprefix("Error tokenizing data. C error: ")
            raise SourceError(f"{self.file} is not a readable CSV file ({reason}): correct it.") from None
        if len(rows) != len(numbers):
            raise SourceError(
                f"{self.file}, lines {numbers[0]} to {numbers[-1]}: quotes stand within a cell: correct them."
            )
        rows.index = pd.Index(numbers)
        filled = (rows[unnamed].apply(lambda cells: cells.str.strip()) != "").any(axis=1)
        if filled.any():
            raise SourceError(
                f"{self.file}, line {filled.idxmax()}: a cell stands in a column without a name: name the column."
            )
        return rows[positions].set_axis(list(wanted), axis=1)


def _without_empty_end(names: list[str]) -> list[str]:
    """Leave out the columns without names at the end, which spreadsheets add; their cells must be empty."""
    last = max((number for number, name in enumerate(names, start=1) if name.strip()), default=len(names))
    return names[:last]


def _prepared(lines: Iterator[str], layout: Layout) -> Iterator[str]:
    """Make lines blank that hold no row, so that the others keep their numbers; bring runs of blanks to tabs."""
    if layout.skip_lines or layout.comment:
        lines = (_no_row(line, number, layout) for number, line in enumerate(lines))
    if layout.delimiter != WHITESPACE:
        return lines
    return ("\t".join(line.split()) + "\n" for line in lines)


def _no_row(line: str, number: int, layout: Layout) -> str:
    left_out = number < layout.skip_lines or (layout.comment is not None and line.startswith(layout.comment))
    return "\n" if left_out else line


def _records(lines: Iterator[str], file: str, delimiter: str) -> Iterator[Record]:
    """Give each record that is not blank; line breaks in quotes do not end it."""
    number, blank = 0, delimiter + " \t\n"
    for line in lines:
        number += 1
        if '"' not in line:
            if line.strip(blank):
                yield number, line, line.count(delimiter) + 1
        elif fields := _count_quoted_fields(line, delimiter):
            yield number, line, fields
        else:
            begin, record = number, _read_quoted_record(line, lines, delimiter, f"{file}, line {number}")
            text, fields, line_count = record
            number += line_count - 1
            yield begin, text, fields


def _count_quoted_fields(line: str, delimiter: str) -> int:
    """Count the fields of a line whose quotes enclose whole fields; give 0 for any other line."""
    parts = line.split('"')  # outside and inside quotes in turn
    if len(parts) % 2 and all(not part or part[-1] == delimiter for part in parts[:-1:2]):
        return sum(part.count(delimiter) for part in parts[::2]) + 1
    return 0


def _read_quoted_record(line: str, lines: Iterator[str], delimiter: str, position: str) -> tuple[str, int, int]:
    """Read a record that has quotes; give its text, its number of fields and its number of lines."""
    record_lines: list[str] = []
    closed = True

    def read_lines() -> Iterator[str]:
        nonlocal closed
        for text in chain([line], lines):
            record_lines.append(text)
            yield text
            if len(record_lines) > MAX_RECORD_LINES:
                break
        closed = False  # the record needs another line, and there is none

    try:
        fields = len(next(csv.reader(read_lines(), delimiter=delimiter)))
    except csv.Error:  # the field is too long
        closed = False
    if not closed:
        raise SourceError(f"{position}: a quote is opened and not closed: correct it.")
    return "".join(record_lines), fields, len(record_lines)


def _cells(text: str, delimiter: str) -> list[str]:
    if '"' not in text:
        return text.rstrip("\n").split(delimiter)
    return next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))


def _detect_delimiter(header: str, layout: Layout) -> str:
    def likelihood(delimiter: str) -> tuple[bool, int, int]:
        names = _cells(header, delimiter)
        fits = len(names) == len(layout.header) if layout.header else set(layout.expected) <= set(names)
        return fits, len(names), -DELIMITERS.index(delimiter)

    delimiter = max(DELIMITERS, key=likelihood)
    return delimiter if delimiter in header else ","


def _detect_decimal(records: Iterable[list[str]], delimiter: str) -> str:
    """Detect the decimal mark in the first records: a comma only where it can be nothing else."""
    cells = [cell.strip() for record in records for cell in record]
    points = [cell for cell in cells if DECIMAL_POINT.fullmatch(cell) and not DOTTED_CLOCK.fullmatch(cell)]
    if delimiter == "," or points:
        return "."
    commas = [cell for cell in cells if DECIMAL_COMMA.fullmatch(cell)]
    return "," if any(not THOUSANDS.fullmatch(cell) for cell in commas) else "."
