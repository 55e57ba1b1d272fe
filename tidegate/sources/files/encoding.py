"""The encoding of a whole file: UTF-8 or UTF-16 by their marks, UTF-8 if all of it is, else cp1252."""

import codecs
from collections.abc import Callable
from typing import IO

from tidegate.errors import SourceError

BLOCK = 1 << 20  # bytes
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
FALLBACK = "cp1252"


def encoding_of(file: str, open_file: Callable[[], IO[bytes]], encoding: str | None) -> str:
    """Detect the encoding in which the whole file can be read; one set in the options is checked."""
    with open_file() as stream:
        head = stream.read(1 << 16)
    name = encoding or next((name for mark, name in MARKS.items() if head.startswith(mark)), None)
    if name is None and b"\0" in head:
        raise SourceError(f"{file} is not a text file: give CSV or Parquet, or set dataset.options.encoding.")
    line = _first_unreadable_line(open_file, name or "utf-8")
    if line is None:
        return name or "utf-8"
    if name is not None:
        raise SourceError(f"{file}, line {line}: it is not {name} text: correct it, or dataset.options.encoding.")
    if _has_utf8(open_file):
        raise SourceError(
            f"{file}, line {line}: it is not UTF-8 text, and other lines are: save the whole file as UTF-8, "
            "or set dataset.options.encoding."
        )
    if (line := _first_unreadable_line(open_file, FALLBACK)) is not None:
        raise SourceError(f"{file}, line {line}: it is neither UTF-8 nor {FALLBACK} text: save it as UTF-8.")
    return FALLBACK


def _first_unreadable_line(open_file: Callable[[], IO[bytes]], encoding: str) -> int | None:
    """Give the number of the first line that is not text of an encoding."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with open_file() as stream:
        while True:
            block = stream.read(BLOCK)
            try:
                line += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                before = error.object[: error.start]
                return line + before.decode(encoding, errors="ignore").count("\n")
            if not block:
                return None


def _has_utf8(open_file: Callable[[], IO[bytes]]) -> bool:
    """Say whether the file has any character of several bytes in UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
    with open_file() as stream:
        return any(not decoder.decode(block).isascii() for block in iter(lambda: stream.read(BLOCK), b""))
