"""A service that answers over HTTP: asked no faster than is allowed, and again where that may help.

Keys come from the environment alone, and are never said, logged or stored.
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

from tidegate.errors import ServiceError, SettingsError, SourceError, in_a_line, without_secrets
from tidegate.sources.http_json.options import SECRET_QUERY, VARIABLE, Options
from tidegate.workspace.paths import PARAMS

HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
LONGEST_BACKOFF, LONGEST_WAIT = 60.0, 600.0  # seconds; who is asked to wait longer is told, and can ingest later
MAY_PASS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)
LONGEST_QUOTED = 120  # characters of an answer


class Service:
    """Asks, no faster than is allowed and again where that may help, and knows what must not be said."""

    def __init__(self, options: Options) -> None:
        """Take the keys from the environment."""
        self.options, self._free_at = options, -math.inf
        names = VARIABLE.findall(" ".join([options.url, *options.headers.values()]))
        self._environment = {name: _from_environment(name) for name in names}
        self._headers = {name: self._header(name, told) for name, told in options.headers.items()}
        # The longest first, for one may be part of another.
        forms = sorted({form for told in self._environment.values() for form in _writings(told)}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, forms)), re.IGNORECASE)
        logging.getLogger("httpx").addFilter(_is_serious)  # it logs each URL, the key in it
        logging.getLogger("httpcore").setLevel(logging.WARNING)

    def masked(self, text: str) -> str:
        """Hide what came from the environment, and what looks like a key in the query of an address."""
        text = self._secrets.sub("***", text) if self._environment else text
        return SECRET_QUERY.sub(r"\1***", without_secrets(text))

    def address(self, fill: Callable[[str], str]) -> str:
        """Give the URL with what `fill` puts into it, and the environment's variables, quoted where the query is."""
        before, mark, query = self.options.url.partition("?")
        told = self._environment
        before = VARIABLE.sub(lambda found: told[found[1]], fill(before))
        url = before + mark + VARIABLE.sub(lambda found: quote(told[found[1]], safe=""), fill(query))
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
        """Open connections for a block; redirects are not followed, for they would take the headers elsewhere."""
        seconds = self.options.timeout_seconds
        return httpx.Client(verify=certificates(), headers=self._headers, timeout=seconds, follow_redirects=False)

    def answer(self, client: httpx.Client, url: str) -> Any:
        """Ask until there is an answer.

        Raises:
            SourceError: it is refused, or no JSON.
            ServiceError: there is none after all retries.
        """
        tries = self.options.retries + 1
        for tried in range(1, tries + 1):
            self._keep_pace()
            try:
                response = client.get(url)
            except MAY_PASS as error:
                said, asked = f"does not answer ({in_a_line(error) or type(error).__name__})", 0.0
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise SourceError(f"{url} cannot be read ({in_a_line(error)}): correct dataset.options.") from None
            else:
                if response.is_success:
                    return self._content(url, response)
                said, asked = self._said(url, response), _asked_to_wait(response)
            if asked > LONGEST_WAIT:
                raise ServiceError(f"{url} {said} and asks to wait {asked:.0f} seconds: ingest again after that.")
            if tried < tries:
                doubled = self.options.backoff_seconds * 2 ** min(tried - 1, 30)
                sleep(max(asked, min(doubled, LONGEST_BACKOFF) * random.uniform(0.5, 1.0)))  # noqa: S311
        times = "once" if tries == 1 else f"{tries} times"
        raise ServiceError(f"{url} {said}; it was tried {times}: ingest again later, and it goes on from there.")

    def _keep_pace(self) -> None:
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
            begin = self._begin(response) or "it is empty"
            raise SourceError(f"{url} answers with what is not JSON ({begin}): correct dataset.options.url.") from None

    def _said(self, url: str, response: httpx.Response) -> str:
        """Say what was answered instead of rows, if it may pass.

        Raises:
            SourceError: it will not.
        """
        status = f"{response.status_code} {response.reason_phrase}".strip()
        begin = self._begin(response)
        said = f"answers {status}" + (f" ({begin})" if begin else "")
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            return said
        if response.is_redirect:
            said = f"answers {status}, a redirect to {response.headers['location']}"
        raise SourceError(f"{url} {said}: correct dataset.options, or the key in the environment.")

    def _begin(self, response: httpx.Response) -> str:
        """Give the first words of an answer, in a line; masked before they are cut, lest half a key be left."""
        words = " ".join(self.masked(response.text).split())
        return words if len(words) <= LONGEST_QUOTED else f"{words[:LONGEST_QUOTED]}…"

    def _header(self, name: str, told: str) -> str:
        value = VARIABLE.sub(lambda found: self._environment[found[1]], told).strip()
        if not (value.isascii() and value.isprintable() and HEADER.fullmatch(name)):  # httpx would say it in full
            raise SettingsError(f"{PARAMS}: dataset.options.headers: {name} has characters that a header cannot have.")
        return value


@cache
def certificates() -> ssl.SSLContext:
    """Give what certificates are checked by; slow to make."""
    return httpx.create_ssl_context()


def _from_environment(name: str) -> str:
    if not os.environ.get(name):
        raise SettingsError(
            f"{PARAMS}: dataset.options has ${{{name}}}, an environment variable that is not set: set it."
        )
    return os.environ[name]


def _writings(secret: str) -> set[str]:
    """Give a secret as it stands, and as URLs, JSON and Python write it."""
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    }


def _is_serious(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _asked_to_wait(response: httpx.Response) -> float:
    """Give the seconds that Retry-After asks for, which may also be a date; 0 without it."""
    told = response.headers.get("retry-after", "").strip()
    if told.isdecimal():
        return float(told)
    try:
        until = parsedate_to_datetime(told)
    except ValueError:
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
