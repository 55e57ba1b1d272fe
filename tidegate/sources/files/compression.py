"""Compressed files: .gz, .bz2 and .xz, and the members of a .zip archive."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tidegate.errors import DISK_FULL, SourceError, one_line

COMPRESSED: dict[str, Callable[[Any], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".parquet", ".pq")  # before that of a compression
JUNK = ("__MACOSX/", ".DS_Store")  # that some archivers add


def archive_members(path: Path, name: str, pattern: str | None = None) -> list[str]:
    """List the files in a zip archive, or those whose names match a pattern; `name` is its name in messages."""
    with zipfile.ZipFile(path) as archive:
        files = [info.filename for info in archive.infolist() if not info.is_dir()]
    members = sorted(file for file in files if not any(part in file for part in JUNK))
    if not members:
        raise SourceError(f"{name} holds no files: remove it from dataset.options.paths.")
    if pattern is None:
        return members
    matching = [
        member for member in members if fnmatch(PurePosixPath(member).name, pattern) or fnmatch(member, pattern)
    ]
    if not matching:
        listed = ", ".join(members[:5])
        raise SourceError(
            f"{name} holds no file that matches {pattern}, only {listed}: correct dataset.options.members."
        )
    return matching


def open_compressed(path: Path, name: str, member: str | None) -> IO[bytes]:
    """Open a file, or a member of an archive, and decompress it."""
    stream: Any = path if member is None else _open_member(path, name, member)
    compression = suffixes(member or name)[1]
    if compression in COMPRESSED:
        return COMPRESSED[compression](stream)
    return stream.open("rb") if member is None else stream


def _open_member(path: Path, name: str, member: str) -> IO[bytes]:
    with zipfile.ZipFile(path) as archive:  # its file stays open as long as the member is open
        try:
            return archive.open(member)
        except (RuntimeError, NotImplementedError) as error:  # it has a password, or an uncommon compression
            raise SourceError(f"{name} cannot be unpacked ({one_line(error)}): pack it otherwise.") from None


def suffixes(path: str) -> tuple[str, str]:
    """Give the suffix of a file's format, and that of its compression, if any: (".csv", ".gz")."""
    name = PurePosixPath(_without_query(path).lower())
    compression = name.suffix if name.suffix in (*COMPRESSED, ".zip") else ""
    return PurePosixPath(name.stem if compression else name.name).suffix, compression


def stem(path: str) -> str:
    """Give a file's name without its folder, its suffix and that of its compression."""
    name = PurePosixPath(_without_query(path))
    inner = PurePosixPath(name.stem)
    return inner.stem if suffixes(path)[1] and inner.suffix.lower() in SUFFIXES else name.stem


def _without_query(path: str) -> str:
    return path.partition("?")[0] if path.lower().startswith(("http://", "https://")) else path


@contextmanager
def explain_read_errors(name: str) -> Iterator[None]:
    """Turn the errors of a file that is incomplete, or cannot be opened, into one sentence."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        reason = one_line(error) or "it ends too early"
        raise SourceError(f"{name} is not a whole compressed file ({reason}): correct it, or fetch it again.") from None
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        reason = error.strerror or one_line(error)
        raise SourceError(f"{name} cannot be opened ({reason}): correct it, or dataset.options.paths.") from None
