"""Requests to a service over HTTP: no more per minute than allowed, and retried after errors that may pass.

Keys come from the environment alone, and are never shown, logged or stored.
"""

import json
import logging
import math
import os
import random
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote, quote_plus

import httpx

from tidegate.errors import ServiceError, SettingsError, SourceError, one_line, without_secrets
from tidegate.sources.http_json.options import SECRET_QUERY, VARIABLE, Options
from tidegate.workspace.paths import PARAMS

HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
LONGEST_BACKOFF, LONGEST_WAIT = 60.0, 600.0  # seconds; if the service asks for a longer wait, the ingest stops
TEMPORARY_ERRORS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)
LONGEST_QUOTED = 120  # characters of an answer in a message


class Service:
    """Sends requests within the rate limit, retries them, and masks keys in messages."""

    def __init__(self, options: Options) -> None:
        """Read the keys from the environment."""
        self.options, self._free_at = options, -math.inf
        names = VARIABLE.findall(" ".join([options.url, *options.headers.values()]))
        self._environment = {name: _from_environment(name) for name in names}
        self._headers = {name: self._header(name, value) for name, value in options.headers.items()}
        # The longest first, because one may be part of another.
        secrets = {form for value in self._environment.values() for form in _encoded_forms(value)}
        pattern = "|".join(map(re.escape, sorted(secrets, key=len, reverse=True)))
        self._secrets = re.compile(pattern, re.IGNORECASE)
        logging.getLogger("httpx").addFilter(_is_warning)  # below, it logs each URL with the key in it
        logging.getLogger("httpcore").setLevel(logging.WARNING)

    def masked(self, text: str) -> str:
        """Hide the values from the environment, and what looks like a key in the query of an address."""
        text = self._secrets.sub("***", text) if self._environment else text
        return SECRET_QUERY.sub(r"\1***", without_secrets(text))

    def address(self, fill: Callable[[str], str]) -> str:
        """Give the URL, filled in by `fill`, with the environment variables, which are quoted within the query."""
        base, separator, query = self.options.url.partition("?")
        environment = self._environment
        base = VARIABLE.sub(lambda match: environment[match[1]], fill(base))
        url = base + separator + VARIABLE.sub(lambda match: quote(environment[match[1]], safe=""), fill(query))
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            parsed = httpx.URL("")
        if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
            raise SettingsError(
                f"{PARAMS}: dataset.options.url {self.options.url} makes no address of http or https without a user: "
                "correct it, or the environment variables in it."
            )
        return url

    def client(self) -> httpx.Client:
        """Open connections for a block; redirects are not followed: they would send the headers elsewhere."""
        seconds = self.options.timeout_seconds
        return httpx.Client(verify=certificates(), headers=self._headers, timeout=seconds, follow_redirects=False)

    def answer(self, client: httpx.Client, url: str) -> Any:
        """Send a request, and retry it until there is an answer.

        Raises:
            SourceError: the service refuses, or its answer is not JSON.
            ServiceError: there is no answer after all retries.
        """
        tries = self.options.retries + 1
        for attempt in range(1, tries + 1):
            self._wait_for_rate_limit()
            try:
                response = client.get(url)
            except TEMPORARY_ERRORS as error:
                failure, wait_seconds = f"does not answer ({one_line(error) or type(error).__name__})", 0.0
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise SourceError(f"{url} cannot be read ({one_line(error)}): correct dataset.options.") from None
            else:
                if response.is_success:
                    return self._content(url, response)
                failure, wait_seconds = self._failure(url, response), _retry_after_seconds(response)
            if wait_seconds > LONGEST_WAIT:
                raise ServiceError(
                    f"{url} {failure} and asks to wait {wait_seconds:.0f} seconds: ingest again after that."
                )
            if attempt < tries:
                backoff = self.options.backoff_seconds * 2 ** min(attempt - 1, 30)
                sleep(max(wait_seconds, min(backoff, LONGEST_BACKOFF) * random.uniform(0.5, 1.0)))  # noqa: S311
        times = "once" if tries == 1 else f"{tries} times"
        raise ServiceError(f"{url} {failure}; it was tried {times}: ingest again later, and it goes on from there.")

    def _wait_for_rate_limit(self) -> None:
        if self.options.requests_per_minute is None:
            return
        if (wait := self._free_at - monotonic()) > 0:
            sleep(wait)
        self._free_at = monotonic() + 60 / self.options.requests_per_minute

    def _content(self, url: str, response: httpx.Response) -> Any:
        if response.status_code == httpx.codes.NO_CONTENT:
            return None
        try:
            return response.json()
        except (ValueError, RecursionError):
            begin = self._first_words(response) or "it is empty"
            raise SourceError(f"{url} answers with what is not JSON ({begin}): correct dataset.options.url.") from None

    def _failure(self, url: str, response: httpx.Response) -> str:
        """Describe an answer without rows, if a retry may help.

        Raises:
            SourceError: a retry will not help.
        """
        status = f"{response.status_code} {response.reason_phrase}".strip()
        begin = self._first_words(response)
        failure = f"answers {status}" + (f" ({begin})" if begin else "")
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            return failure
        if response.is_redirect:
            failure = f"answers {status}, a redirect to {response.headers['location']}"
        raise SourceError(f"{url} {failure}: correct dataset.options, or the key in the environment.")

    def _first_words(self, response: httpx.Response) -> str:
        """Give the first words of an answer, masked before they are cut, so that no part of a key is left."""
        words = " ".join(self.masked(response.text).split())
        return words if len(words) <= LONGEST_QUOTED else f"{words[:LONGEST_QUOTED]}…"

    def _header(self, name: str, text: str) -> str:
        value = VARIABLE.sub(lambda match: self._environment[match[1]], text).strip()
        if not (value.isascii() and value.isprintable() and HEADER.fullmatch(name)):  # the error of httpx would show it
            raise SettingsError(f"{PARAMS}: dataset.options.headers: {name} has characters that a header cannot have.")
        return value


@cache
def certificates() -> ssl.SSLContext:
    """Create the context that checks certificates, once: it is slow."""
    return httpx.create_ssl_context()


def _from_environment(name: str) -> str:
    if not os.environ.get(name):
        raise SettingsError(
            f"{PARAMS}: dataset.options has ${{{name}}}, an environment variable that is not set: set it."
        )
    return os.environ[name]


def _encoded_forms(secret: str) -> set[str]:
    """Give a secret unchanged, and as URLs, JSON and Python encode it."""
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    }


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _retry_after_seconds(response: httpx.Response) -> float:
    """Give the seconds to wait by the header Retry-After, which may also be a date; 0 without it."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
