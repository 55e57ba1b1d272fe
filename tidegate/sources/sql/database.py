"""A SQL database that is only read; each of its errors becomes one sentence.

A password comes from the environment alone, and is never shown, logged or stored.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pandas as pd
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    NullPool,
    create_engine,
    inspect,
    literal_column,
    make_url,
    select,
    table,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from tidegate.errors import SettingsError, SourceError, without_secrets
from tidegate.workspace.paths import PARAMS

VARIABLE = re.compile(r"\$\{(\w+)\}")
WHOLE_PASSWORD = re.compile(r"(?<=:)\$\{(\w+)\}(?=@)")
PASSWORD = re.compile(r"://[^:/@]*:([^@]*)@")
ARGUMENT = re.compile(r"[?&]([^=&]*)=([^&]*)")
SECRET = re.compile(r"(?:password|passwd|pwd|secret|token)\w*(?:=|%3D)", re.IGNORECASE)  # also PWD=… within a value
EXAMPLE = "write postgresql+psycopg2://user:${PASSWORD}@host/database or sqlite:///file.db"
PACKAGES = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]", "MySQLdb": "mysqlclient"}
DIALECTS = ("postgresql", "sqlite", "mysql", "mariadb", "mssql", "oracle")
LIBPQ = ("postgresql", "postgresql+psycopg2", "postgresql+psycopg")
# In seconds: so that an absent server, or one lost while rows are read, is an error instead of an endless wait.
CONNECT_ARGS = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
ON_CONNECT = {"postgresql": "SET LOCAL TIME ZONE 'UTC'", "sqlite": "PRAGMA query_only = ON"}


def refuse_password(url: str) -> None:
    """Refuse an address that contains a password.

    Raises:
        SettingsError: it does.
    """
    secrets = [text for name, text in ARGUMENT.findall(url) if SECRET.search(f"{name}={text}")]
    if any(VARIABLE.sub("", text) for text in [*PASSWORD.findall(url), *secrets]):
        raise SettingsError(
            f"{PARAMS}: dataset.options.url holds a password: "
            "put it into an environment variable and write ${NAME} there."
        )


def is_address(text: str) -> bool:
    """Say whether text is the address of a database, and not of a file."""
    scheme = text.partition("://")[0].partition("+")[0]
    return "://" in text and scheme in DIALECTS


def first_rows(address: str, name: str, count: int) -> pd.DataFrame:
    """Read the first rows of a table, unchanged.

    Raises:
        SourceError: there is no such table.
    """
    refuse_password(address)
    schema, _, table_name = name.rpartition(".")
    with Database(address, f"table {name}").connected() as connection:
        if not inspect(connection).has_table(table_name, schema=schema or None):
            known = ", ".join(inspect(connection).get_table_names(schema=schema or None)) or "none"
            raise SourceError(f"There is no table {name} in that database; its tables: {known}.")
        query: Any = select(literal_column("*")).select_from(table(table_name, schema=schema or None)).limit(count)
        return pd.read_sql_query(query, connection)


class Database:
    """A database at an address, in which ${NAME} is an environment variable."""

    def __init__(self, address: str, source_name: str) -> None:
        """Set the address; `source_name` is the table or the query in messages."""
        self._address, self._source_name = address, source_name

    @cached_property
    def public_url(self) -> str:
        """Give the address without user and password."""
        return without_secrets(self._engine.url.set(query={}).render_as_string(hide_password=True))

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Open a connection that only reads, for the length of a block.

        Raises:
            SettingsError: the address is not one of a database, or a variable in it is not set.
            SourceError: the driver or the file is absent, or the database does not answer, or refuses.
        """
        url = self._engine.url
        file = url.database if url.get_backend_name() == "sqlite" else None
        if file and not file.startswith("file:") and not Path(file).exists():  # SQLite would create it
            raise SourceError(f"There is no database at {self.public_url}: correct dataset.options.url.")
        try:
            connection = self._engine.connect()
        except (SQLAlchemyError, TypeError, ValueError, OSError) as error:
            raise SourceError(
                f"The database at {self.public_url} does not let us in ({self._reason(error)}): "
                "see that it runs, and that dataset.options.url and the environment variables in it are right."
            ) from None
        with connection:
            try:
                connection.execution_options(postgresql_readonly=True)
                if url.get_backend_name() in ON_CONNECT:
                    connection.exec_driver_sql(ON_CONNECT[url.get_backend_name()])
                yield connection
            except (SQLAlchemyError, ValueError, OverflowError) as error:  # the last two for times beyond Python's
                raise self._refusal(error) from None

    @cached_property
    def _engine(self) -> Engine:
        url = _expanded(self._address)
        defaults = CONNECT_ARGS if url.drivername in LIBPQ else {}
        arguments = {name: value for name, value in defaults.items() if name not in url.query}
        try:
            engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
        except NoSuchModuleError:
            raise SettingsError(
                f"{PARAMS}: dataset.options.url begins with {url.drivername}, which is unknown here: {EXAMPLE}."
            ) from None
        except ImportError as error:
            driver = (error.name or url.drivername).partition(".")[0]
            raise SourceError(
                f"The driver {driver} for {url.get_backend_name()} is not installed: "
                f"pip install {PACKAGES.get(driver, driver)}."
            ) from None
        if engine.dialect.is_async:
            raise SettingsError(f"{PARAMS}: dataset.options.url names an asynchronous driver: {EXAMPLE}.")
        return engine

    def _refusal(self, error: Exception) -> SourceError:
        reason = self._reason(error)
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return SourceError(
                f"The connection to the database at {self.public_url} was lost while {self._source_name} was read "
                f"({reason}): ingest again, and it goes on from there."
            )
        return SourceError(
            f"The database at {self.public_url} does not give the rows of {self._source_name} ({reason}): "
            "correct it, and ingest again."
        )

    def _reason(self, error: BaseException) -> str:
        """Give the reason of an error in one line, without the SQL statement and without secrets."""
        lines = str(getattr(error, "orig", None) or error).strip().splitlines()
        reason = without_secrets(" ".join(lines[0].split()).rstrip(".") if lines else type(error).__name__)
        url = self._engine.url
        secrets = {str(text) for name, text in url.query.items() if SECRET.search(f"{name}={text}")}
        for secret in {str(url.password or ""), *secrets} - {""}:
            for form in (secret, quote(secret, safe=""), quote_plus(secret)):
                reason = reason.replace(form, "***")
        return reason


def _expanded(address: str) -> URL:
    """Insert the environment variables into the address; one that is the whole password may hold any character."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise SettingsError(
                f"{PARAMS}: dataset.options.url names the environment variable {match[1]}, which is not set: set it."
            )
        return os.environ[match[1]]

    address = WHOLE_PASSWORD.sub(lambda match: quote(value(match), safe=""), address)
    try:
        return make_url(VARIABLE.sub(value, address))
    except (ArgumentError, ValueError):
        raise SettingsError(f"{PARAMS}: dataset.options.url is no address of a database: {EXAMPLE}.") from None
