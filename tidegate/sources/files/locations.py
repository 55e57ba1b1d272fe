"""Where files lie: here, by paths and globs, or elsewhere, by URLs that fsspec opens.

What is elsewhere is copied to a temporary file before it is read. Credentials come from the environment alone.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

from tidegate.errors import FULL, SourceError, in_a_line, without_secrets
from tidegate.sources.files.compression import archive_members, open_compressed, readable, suffixes
from tidegate.workspace.params import require_known

PACKAGES = {
    "http": "aiohttp",
    "https": "aiohttp",
    "s3": "s3fs",
    "gs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}
MARKS = ("ETag", "etag", "generation", "md5Hash", "Content-MD5", "Digest")  # of content, as file systems name them
DATES = ("Last-Modified", "LastModified", "last_modified", "mtime", "updated")
CHECK = "correct dataset.options.paths in params.yaml"
PASSWORD = re.compile(r"https?://[^/\s]*@|\w+://[^/\s:@]*:(?!\d+/)\S*@", re.IGNORECASE)
WORDS = r"(access|account|api)?[-_]?key|key[-_]?id|\w*token|\w*secret|password|passwd|signature|sig|credentials?"
SECRET_QUERY = re.compile(rf"[?&]([\w-]*[-_])?({WORDS})=", re.IGNORECASE)
SECRET_OPTION = re.compile(r"key|secret|passw|token|credential|connection_string|auth|sas", re.IGNORECASE)


def holds_a_secret(url: str) -> bool:
    """Say whether a URL has a password or a key in it."""
    return bool(PASSWORD.search(url) or SECRET_QUERY.search(url))


def names_a_secret(options: Any) -> bool:
    """Say whether a section has a key for a secret, or a URL with one, at any depth."""
    if not isinstance(options, Mapping):
        return holds_a_secret(str(options))
    return any(SECRET_OPTION.search(str(key)) or names_a_secret(value) for key, value in options.items())


class FileLocation:
    """A file, here or elsewhere; `path` is what sentences call it."""

    def __init__(self, path: str, here: Path | None = None, away: Any = None, info: Mapping[str, Any] | None = None):
        """Give the path of a file that is here, or the file system and what it tells of one that is away."""
        self.path, self._here, self._away, self._info = path, here, away, dict(info or {})

    def version(self) -> str:
        """Give text that changes with the content: told by the file system, or a digest."""
        told = [str(self._info[mark]) for mark in MARKS if self._info.get(mark)][:1]
        dates = [str(self._info[date]) for date in DATES if self._info.get(date)][:1]
        if not told and dates and self._info.get("size") is not None:
            told = [*dates, str(self._info["size"])]
        if told:
            return hashlib.sha256(" ".join(told).encode()).hexdigest()[:16]
        with self.fetched() as path, readable(self.path):
            state = path.stat()
            return _digest(path.resolve(), (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))

    @contextmanager
    def fetched(self) -> Iterator[Path]:
        """Have the file here for the length of a block."""
        if self._here is not None:
            yield self._here
            return
        with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
            here = Path(folder) / "file"
            with reachable(self.path):
                self._away.get_file(self._info["name"], str(here))
            self._here = here
            try:
                yield here
            finally:
                self._here = None

    @contextmanager
    def unpacked(self) -> Iterator[Sequence[str | None]]:
        """Have a zip archive here for the length of a block and list its members; none is listed of any other file."""
        if suffixes(self.path)[1] != ".zip":
            yield [None]
            return
        with self.fetched() as path:
            with readable(self.path):
                found = archive_members(path, self.path)
            yield found

    @contextmanager
    def opened(self, member: str | None = None) -> Iterator[Callable[[], IO[bytes]]]:
        """Give what opens the file, or a member of it, as often as it is to be read, without its compression."""
        with self.fetched() as path, readable(self.path):
            yield lambda: open_compressed(path, self.path, member)


@cache
def _digest(path: Path, state: tuple[int, ...]) -> str:
    """Digest a file's content, once for as long as it stays as it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """Say in one sentence that something elsewhere cannot be had."""
    try:
        yield
    except Exception as error:  # each file system has errors of its own
        if isinstance(error, OSError) and error.errno in FULL:  # this machine's own
            raise
        cause = error.__cause__ if isinstance(error, FileNotFoundError) else error
        # fsspec calls every answer of a web server, and none at all, a file that is not there.
        if cause is None or getattr(cause, "status", None) in (404, 410) or not _is_network(error, cause):
            raise SourceError(f"No file is at {url}: {CHECK}.") from None
        reason = without_secrets(in_a_line(cause)) or type(cause).__name__
        raise SourceError(
            f"{url} cannot be reached ({reason}): correct dataset.options.paths, or the credentials in the environment."
        ) from None


def _is_network(error: Exception, cause: BaseException) -> bool:
    return not isinstance(error, FileNotFoundError) or hasattr(cause, "status") or isinstance(cause, OSError)


def find_files(pattern: str, storage: Mapping[str, Any]) -> list[FileLocation]:
    """Find the files that a path, a glob or a URL names, by name.

    Raises:
        SourceError: there are none, or they cannot be reached.
    """
    protocol, mark, _ = pattern.partition("://")
    found = _elsewhere(pattern, protocol.lower(), storage) if mark else _here(pattern)
    if not found:
        raise SourceError(f"No file is at {pattern}: {CHECK}.")
    return sorted(found, key=lambda place: place.path)


def _here(pattern: str) -> list[FileLocation]:
    anchor = Path(pattern).anchor
    try:
        found = sorted(path for path in Path(anchor).glob(pattern.removeprefix(anchor)) if path.is_file())
    except (ValueError, IndexError, NotImplementedError):
        raise SourceError(f"{pattern!r} is no pattern of files: {CHECK}.") from None
    return [FileLocation(str(path), here=path) for path in found]


def _elsewhere(url: str, protocol: str, storage: Mapping[str, Any]) -> list[FileLocation]:
    require_known(protocol, PACKAGES, "the protocol in dataset.options.paths")
    import fsspec  # type: ignore[import-untyped]  # not needed for files that are here

    options = dict(storage)
    try:
        if PACKAGES[protocol] == "aiohttp":
            options["client_kwargs"] = {**_patience(), **options.get("client_kwargs", {})}
        away = fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False, **options)
    except ImportError:
        package = PACKAGES[protocol]
        raise SourceError(f"{url} cannot be opened without the package {package}: pip install {package}.") from None
    except (TypeError, ValueError) as error:
        raise SourceError(f"dataset.options.storage is not for {protocol} ({in_a_line(error)}): correct it.") from None
    with reachable(url):
        if "*" not in url:
            info = {"name": url, **away.info(url)}
            return [FileLocation(url, away=away, info=info)] if info.get("type") != "directory" else []
        found = away.glob(url, detail=True)
        files = {name: info for name, info in found.items() if info.get("type") == "file"}
        return [
            FileLocation(str(away.unstrip_protocol(name)), away=away, info={**info, "name": name})
            for name, info in files.items()
        ]


def _patience() -> dict[str, Any]:
    """Let a long download take its time; an account comes from ~/.netrc, a proxy from HTTPS_PROXY."""
    import aiohttp

    return {"trust_env": True, "timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)}
