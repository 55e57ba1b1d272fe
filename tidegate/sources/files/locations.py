"""Where files are stored: on this machine, by paths and globs, or elsewhere, by URLs that fsspec opens.

A remote file is copied to a temporary file before it is read. Credentials come from the environment alone.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

from tidegate.errors import DISK_FULL, SourceError, one_line, without_secrets
from tidegate.sources.files.compression import archive_members, explain_read_errors, open_compressed, suffixes
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
VERSION_KEYS = ("ETag", "etag", "generation", "md5Hash", "Content-MD5", "Digest")  # as file systems name them
DATE_KEYS = ("Last-Modified", "LastModified", "last_modified", "mtime", "updated")
CHECK = "correct dataset.options.paths in params.yaml"
PASSWORD = re.compile(r"https?://[^/\s]*@|\w+://[^/\s:@]*:(?!\d+/)\S*@", re.IGNORECASE)
WORDS = r"(access|account|api)?[-_]?key|key[-_]?id|\w*token|\w*secret|password|passwd|signature|sig|credentials?"
SECRET_QUERY = re.compile(rf"[?&]([\w-]*[-_])?({WORDS})=", re.IGNORECASE)
SECRET_OPTION = re.compile(r"key|secret|passw|token|credential|connection_string|auth|sas", re.IGNORECASE)


def holds_a_secret(url: str) -> bool:
    """Say whether a URL has a password or a key in it."""
    return bool(PASSWORD.search(url) or SECRET_QUERY.search(url))


def names_a_secret(options: Any) -> bool:
    """Say whether a section has a key that names a secret, or a URL with one, at any depth."""
    if not isinstance(options, Mapping):
        return holds_a_secret(str(options))
    return any(SECRET_OPTION.search(str(key)) or names_a_secret(value) for key, value in options.items())


class FileLocation:
    """A file, local or remote; `path` is its name in messages."""

    def __init__(
        self, path: str, local: Path | None = None, file_system: Any = None, info: Mapping[str, Any] | None = None
    ):
        """Set the path of a local file, or of a remote one its file system and the details that this gives."""
        self.path, self._local, self._file_system, self._info = path, local, file_system, dict(info or {})

    def version(self) -> str:
        """Give text that changes with the content: as the file system tells it, or a digest."""
        parts = [str(self._info[key]) for key in VERSION_KEYS if self._info.get(key)][:1]
        dates = [str(self._info[key]) for key in DATE_KEYS if self._info.get(key)][:1]
        if not parts and dates and self._info.get("size") is not None:
            parts = [*dates, str(self._info["size"])]
        if parts:
            return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
        with self.fetched() as path, explain_read_errors(self.path):
            state = path.stat()
            return _digest(path.resolve(), (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))

    @contextmanager
    def fetched(self) -> Iterator[Path]:
        """Give the path of the file on this machine; a remote one is here for the length of a block."""
        if self._local is not None:
            yield self._local
            return
        with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
            copy = Path(folder) / "file"
            with explain_network_errors(self.path):
                self._file_system.get_file(self._info["name"], str(copy))
            self._local = copy
            try:
                yield copy
            finally:
                self._local = None

    @contextmanager
    def unpacked(self, pattern: str | None = None) -> Iterator[Sequence[str | None]]:
        """Fetch a zip archive for the length of a block and list its members, or those that match a pattern.

        For any other file, list None.

        Raises:
            SourceError: it holds none.
        """
        if suffixes(self.path)[1] != ".zip":
            yield [None]
            return
        with self.fetched() as path:
            with explain_read_errors(self.path):
                members = archive_members(path, self.path, pattern)
            yield members

    @contextmanager
    def opened(self, member: str | None = None) -> Iterator[Callable[[], IO[bytes]]]:
        """Give a function that opens the decompressed file, or a member of it, as often as it is called."""
        with self.fetched() as path, explain_read_errors(self.path):
            yield lambda: open_compressed(path, self.path, member)


@cache
def _digest(path: Path, state: tuple[int, ...]) -> str:
    """Digest a file's content, once for each state of the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def explain_network_errors(url: str) -> Iterator[None]:
    """Turn the errors of a remote file into one sentence."""
    try:
        yield
    except Exception as error:  # each file system has its own types of errors
        if isinstance(error, OSError) and error.errno in DISK_FULL:  # of this machine
            raise
        cause = error.__cause__ if isinstance(error, FileNotFoundError) else error
        # fsspec raises FileNotFoundError for every error of a web server, and where none answers.
        if cause is None or getattr(cause, "status", None) in (404, 410) or not _is_network(error, cause):
            raise SourceError(f"No file is at {url}: {CHECK}.") from None
        reason = without_secrets(one_line(cause)) or type(cause).__name__
        raise SourceError(
            f"{url} cannot be reached ({reason}): correct dataset.options.paths, or the credentials in the environment."
        ) from None


def _is_network(error: Exception, cause: BaseException) -> bool:
    return not isinstance(error, FileNotFoundError) or hasattr(cause, "status") or isinstance(cause, OSError)


def find_files(pattern: str, storage: Mapping[str, Any]) -> list[FileLocation]:
    """Find the files that match a path, a glob or a URL, sorted by name.

    Raises:
        SourceError: there are none, or they cannot be reached.
    """
    protocol, separator, _ = pattern.partition("://")
    locations = _find_remote(pattern, protocol.lower(), storage) if separator else _find_local(pattern)
    if not locations:
        raise SourceError(f"No file is at {pattern}: {CHECK}.")
    return sorted(locations, key=lambda location: location.path)


def _find_local(pattern: str) -> list[FileLocation]:
    anchor = Path(pattern).anchor
    try:
        paths = sorted(path for path in Path(anchor).glob(pattern.removeprefix(anchor)) if path.is_file())
    except (ValueError, IndexError, NotImplementedError):
        raise SourceError(f"{pattern!r} is no pattern of files: {CHECK}.") from None
    return [FileLocation(str(path), local=path) for path in paths]


def _find_remote(url: str, protocol: str, storage: Mapping[str, Any]) -> list[FileLocation]:
    require_known(protocol, PACKAGES, "the protocol in dataset.options.paths")
    import fsspec  # type: ignore[import-untyped]  # not needed for local files

    options = dict(storage)
    try:
        if PACKAGES[protocol] == "aiohttp":
            options["client_kwargs"] = {**_http_client_options(), **options.get("client_kwargs", {})}
        file_system = fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False, **options)
    except ImportError:
        package = PACKAGES[protocol]
        raise SourceError(f"{url} cannot be opened without the package {package}: pip install {package}.") from None
    except (TypeError, ValueError) as error:
        raise SourceError(f"dataset.options.storage is not for {protocol} ({one_line(error)}): correct it.") from None
    with explain_network_errors(url):
        if "*" not in url:
            info = {"name": url, **file_system.info(url)}
            return [FileLocation(url, file_system=file_system, info=info)] if info.get("type") != "directory" else []
        matches = file_system.glob(url, detail=True)
        files = {name: info for name, info in matches.items() if info.get("type") == "file"}
        return [
            FileLocation(str(file_system.unstrip_protocol(name)), file_system=file_system, info={**info, "name": name})
            for name, info in files.items()
        ]


def _http_client_options() -> dict[str, Any]:
    """Set no limit on a whole download; an account comes from ~/.netrc, a proxy from HTTPS_PROXY."""
    import aiohttp

    return {"trust_env": True, "timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)}
