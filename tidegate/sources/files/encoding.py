"""In which encoding a whole file is text: UTF-8 or UTF-16 by their marks, UTF-8 if all of it is, else cp1252."""

import codecs
from collections.abc import Callable
from typing import IO

from tidegate.errors import SourceError

BLOCK = 1 << 20  # bytes
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
FALLBACK = "cp1252"


def encoding_of(file: str, opened: Callable[[], IO[bytes]], given: str | None) -> str:
    """Find the encoding in which the whole file can be read."""
    with opened() as stream:
        head = stream.read(1 << 16)
    name = given or next((name for mark, name in MARKS.items() if head.startswith(mark)), None)
    if name is None and b"\0" in head:
        raise SourceError(f"{file} is not a text file: give CSV or Parquet, or set dataset.options.encoding.")
    line = _first_unreadable(opened, name or "utf-8")
    if line is None:
        return name or "utf-8"
    if name is not None:
        raise SourceError(f"{file}, line {line}: it is not {name} text: correct it, or dataset.options.encoding.")
    if _has_utf8(opened):
        raise SourceError(
            f"{file}, line {line}: it is not UTF-8 text, and other lines are: save the whole file as UTF-8, "
            "or set dataset.options.encoding."
        )
    if (line := _first_unreadable(opened, FALLBACK)) is not None:
        raise SourceError(f"{file}, line {line}: it is neither UTF-8 nor {FALLBACK} text: save it as UTF-8.")
    return FALLBACK


def _first_unreadable(opened: Callable[[], IO[bytes]], encoding: str) -> int | None:
    """Give the first line that is not text of an encoding."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with opened() as stream:
        while True:
            block = stream.read(BLOCK)
            try:
                line += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                whole = error.object[: error.start]
                return line + whole.decode(encoding, errors="ignore").count("\n")
            if not block:
                return None


def _has_utf8(opened: Callable[[], IO[bytes]]) -> bool:
    """Say whether any character takes several bytes, as UTF-8 writes it."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
    with opened() as stream:
        return any(not decoder.decode(block).isascii() for block in iter(lambda: stream.read(BLOCK), b""))
