"""Files as they are packed: .gz, .bz2 and .xz, and the members of a .zip."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tidegate.errors import FULL, SourceError, in_a_line

COMPRESSED: dict[str, Callable[[Any], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".parquet", ".pq")  # below that of a compression
JUNK = ("__MACOSX/", ".DS_Store")  # what some packers add


def archive_members(path: Path, name: str) -> list[str]:
    """List the files in a zip archive; sentences call it by its name."""
    with zipfile.ZipFile(path) as archive:
        names = [one.filename for one in archive.infolist() if not one.is_dir()]
    found = sorted(one for one in names if not any(part in one for part in JUNK))
    if not found:
        raise SourceError(f"{name} holds no files: remove it from dataset.options.paths.")
    return found


def open_compressed(path: Path, name: str, member: str | None) -> IO[bytes]:
    """Open a file, or a member of an archive, for what is in it without its compression."""
    stream: Any = path if member is None else _member(path, name, member)
    compression = suffixes(member or name)[1]
    if compression in COMPRESSED:
        return COMPRESSED[compression](stream)
    return stream.open("rb") if member is None else stream


def _member(path: Path, name: str, member: str) -> IO[bytes]:
    with zipfile.ZipFile(path) as archive:  # its file stays open for as long as the member's
        try:
            return archive.open(member)
        except (RuntimeError, NotImplementedError) as error:  # it has a password, or an uncommon compression
            raise SourceError(f"{name} cannot be unpacked ({in_a_line(error)}): pack it otherwise.") from None


def suffixes(path: str) -> tuple[str, str]:
    """Give the ending that tells what a file holds, and that of its compression, if any: (".csv", ".gz")."""
    name = PurePosixPath(_without_query(path).lower())
    compression = name.suffix if name.suffix in (*COMPRESSED, ".zip") else ""
    return PurePosixPath(name.stem if compression else name.name).suffix, compression


def stem(path: str) -> str:
    """Give a file's name without its folder, its ending and its compression's."""
    name = PurePosixPath(_without_query(path))
    inner = PurePosixPath(name.stem)
    return inner.stem if suffixes(path)[1] and inner.suffix.lower() in ENDINGS else name.stem


def _without_query(path: str) -> str:
    return path.partition("?")[0] if path.lower().startswith(("http://", "https://")) else path


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Say in one sentence that a file is not whole."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        reason = in_a_line(error) or "it ends too early"
        raise SourceError(f"{name} is not a whole compressed file ({reason}): correct it, or fetch it again.") from None
    except OSError as error:
        if error.errno in FULL:
            raise
        reason = error.strerror or in_a_line(error)
        raise SourceError(f"{name} cannot be opened ({reason}): correct it, or dataset.options.paths.") from None
