"""How a text file is laid out: its comments, its delimiter, whether it has a header, and lines of units.

What the reader of files finds by itself (its encoding, a usual delimiter, the decimal mark) is left to it. Guesses from
the first lines; pure functions of text.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.sources.files.delimited import DELIMITERS
from tidegate.sources.files.options import WHITESPACE

LOOKED_AT = 300  # lines
COMMENTS = ("#", "%", "!", "//")
MOST_UNIT_LINES = 2
REGULAR = 0.9  # share of the lines, or cells, that must agree
NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?|(?i:nan|na|null|none|inf|-+)?")
DATE = re.compile(r"\d{1,4}[-/. ]([A-Za-z]{3,9}|\d{1,2})[-/. ]\d{1,4}\b.*|[A-Za-z]{3,9} \d{1,2},? \d{4}.*")
CLOCK = re.compile(r"\d{1,2}[:.]\d{2}([:.]\d{2})?(\s*[AaPp][Mm])?")


@dataclass
class TextLayout:
    """The options of files that a text needs, and the units that a line below the header names."""

    options: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)  # by column
    names_invented: bool = False  # there is no header


def layout_of(text: str, delimiter: str | None = None) -> TextLayout:
    """Guess the layout from the beginning of a file; `delimiter` is what the user has set."""
    numbered = [(number, line) for number, line in enumerate(text.splitlines()[:LOOKED_AT]) if line.strip()]
    layout = TextLayout({"delimiter": delimiter} if delimiter else {})
    if not numbered:
        return layout
    first = numbered[0][1]
    comment = next((mark for mark in COMMENTS if first.startswith(mark)), None)
    rows = [(number, line) for number, line in numbered if comment is None or not line.startswith(comment)]
    if not rows:
        return layout
    if comment:
        layout.options["comment"] = comment
    delimiter = delimiter or delimiter_of([line for _, line in rows])
    if delimiter == WHITESPACE:
        layout.options["delimiter"] = WHITESPACE
    cells = [(number, split(line, delimiter)) for number, line in rows]
    count = Counter(len(row) for _, row in cells[-max(1, len(cells) * 4 // 5) :]).most_common(1)[0][0]
    begin = next(position for position, (_, row) in enumerate(cells) if len(row) == count)
    if begin and count > 1:
        layout.options["skip_lines"] = cells[begin][0]
    table = [row for _, row in cells[begin:] if len(row) == count]
    if len(table) > 1:
        commented = [line.lstrip(comment) for _, line in numbered if comment and line.startswith(comment)]
        _add_header(layout, table, [split(line.strip(), delimiter) for line in commented])
    return layout


def _add_header(layout: TextLayout, table: list[list[str]], comments: list[list[str]]) -> None:
    """Tell whether the first row names the columns, and how many rows of units follow it."""
    below = table[1 + MOST_UNIT_LINES :] or table[1:]
    kinds = [_kind([row[column] for row in below]) for column in range(len(table[0]))]
    typed = [column for column, kind in enumerate(kinds) if kind]
    if not typed:
        return
    if all(_kind([table[0][column]]) == kinds[column] for column in typed):  # the first row is like the others
        named = [row for row in comments if len(row) == len(table[0]) and not any(map(_kind_of_cell, row))]
        layout.options["header"] = named[-1] if named else [f"column_{n}" for n in range(1, len(kinds) + 1)]
        layout.names_invented = not named
        return
    for row in table[1 : 1 + MOST_UNIT_LINES]:
        if (
            any(re.search(r"\d", row[column]) and _kind_of_cell(row[column]) for column in typed)
            or len(table) < 3 + MOST_UNIT_LINES
        ):
            break
        layout.options["skip_after_header"] = layout.options.get("skip_after_header", 0) + 1
        layout.units = layout.units or dict(zip(table[0], (cell.strip("[]() ") for cell in row), strict=True))


def delimiter_of(lines: Sequence[str]) -> str:
    """Give the delimiter that splits most lines into equally many cells that each hold one thing; else whitespace."""
    body = lines[len(lines) // 5 :]
    fitting = []
    for delimiter in DELIMITERS:
        rows = [split(line, delimiter) for line in body]
        count, times = Counter(map(len, rows)).most_common(1)[0]
        if count < 2 or times < REGULAR * len(rows):
            continue
        cells = [cell.strip() for row in rows for cell in row]
        if sum(map(_is_one_thing, cells)) >= REGULAR * len(cells):
            fitting.append((count, -DELIMITERS.index(delimiter), delimiter))
    if fitting:
        return max(fitting)[2]
    blanks = Counter(len(line.split()) for line in body).most_common(1)[0]
    return WHITESPACE if blanks[0] > 1 and blanks[1] >= REGULAR * len(body) else ","


def split(line: str, delimiter: str) -> list[str]:
    """Split a line into its cells."""
    if delimiter == WHITESPACE:
        return line.split()
    return next(csv.reader([line], delimiter=delimiter)) if '"' in line else line.split(delimiter)


def _is_one_thing(cell: str) -> bool:
    """Say whether a cell is a number, a time, or words: not several numbers that blanks part."""
    return sum(NUMBER.fullmatch(word) is not None for word in cell.split()) < 2 or DATE.fullmatch(cell) is not None


def _kind(cells: Sequence[str]) -> str:
    """Say what cells hold: numbers, times, or nothing that could not be a name as well."""
    kinds = Counter(_kind_of_cell(cell) for cell in cells if cell.strip())
    if not kinds:
        return ""
    kind, count = kinds.most_common(1)[0]
    return kind if count >= REGULAR * kinds.total() else ""


def _kind_of_cell(cell: str) -> str:
    text = cell.strip().strip('"')
    if text and NUMBER.fullmatch(text):
        return "number"
    return "time" if DATE.fullmatch(text) or CLOCK.fullmatch(text) else ""
