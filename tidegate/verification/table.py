"""Store issued forecasts, and how they did, in tables of a SQL database, in addition to the files.

The database's address comes only from the environment (it may hold a password), and is never logged or stored.
"""

import os
from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Double,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    inspect,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from tidegate.errors import DataError, ServiceError, UserError, one_line
from tidegate.verification import table_migration
from tidegate.verification.issued import ADDRESS, IDENTITY, KEYS
from tidegate.verification.verified import ADAPTED, DAY_KEYS, quantile_columns
from tidegate.workspace.columns import LATE_STEPS, REASON, REVISION

# By dialect: the inserts that can skip rows whose keys are already stored.
INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
ROWS_PER_INSERT = 5000
TABLE_KEYS = [*IDENTITY, *KEYS, REVISION]
ADDED_LATER = (REASON, LATE_STEPS, REVISION)  # columns that tables of older releases lack


def address() -> str | None:
    """Give the address of the database that the environment names, without its password; None without one."""
    given = os.environ.get(ADDRESS)
    try:
        return make_url(given).render_as_string(hide_password=True) if given else None
    except ArgumentError:
        return None  # refused where it is used


def store_forecasts(name: str, rows: pd.DataFrame) -> str | None:
    """Add rows to the table, each once: a row whose keys are already stored is not changed.

    Args:
        name: the table's name; the table is created at first use, and one of an older release is brought up to date.
        rows: a long frame.

    Returns:
        The database's address without its password; None if the environment names no database.

    Raises:
        UserError: the address is not valid, or its database is not supported.
        DataError: the table exists with other columns.
        ServiceError: the database refuses or does not answer.
    """
    added = (*ADDED_LATER, *quantile_columns(rows, ADAPTED))
    return _store(name, rows, TABLE_KEYS, added, replace=False)


def store_scores(name: str, days: pd.DataFrame) -> str | None:
    """Put the scores of days into the table; a day that is stored already is replaced. Else as `store_forecasts`."""
    return _store(name, days, [*IDENTITY, *DAY_KEYS], (), replace=True)


def _store(name: str, rows: pd.DataFrame, keys: list[str], added: Sequence[str], replace: bool) -> str | None:
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    try:
        engine = create_engine(address)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise UserError(f"{ADDRESS} is no address of a database that can be reached here: {_brief(error)}.") from None
    if engine.dialect.name not in INSERTS:
        raise UserError(f"{ADDRESS} names {engine.dialect.name}: give {' or '.join(INSERTS)}.")
    try:
        if len(rows):
            _write(engine, name, rows, keys, added, replace)
    except SQLAlchemyError as error:
        raise ServiceError(f"The database at {_shown(engine)} refuses: {_brief(error)}.") from None
    finally:
        engine.dispose()
    return _shown(engine)


def _write(engine: Engine, name: str, rows: pd.DataFrame, keys: list[str], added: Sequence[str], replace: bool) -> None:
    # By NumPy's kind of the column.
    types: dict[str, Any] = {"f": Double(), "M": DateTime(timezone=True), "i": BigInteger()}
    columns = [
        Column(
            str(column),
            types.get(rows[column].dtype.kind, String()),
            primary_key=column in keys,
            # An older release that writes to the same table knows no revision.
            server_default="0" if column == REVISION else None,
        )
        for column in rows
    ]
    table = Table(name, MetaData(), *columns)
    with table_migration.sole_writer(engine, name) as connection:
        table.create(connection, checkfirst=True)
        table_migration.add_columns(connection, table, added)
        stored = {column["name"] for column in inspect(connection).get_columns(name)}
        if absent := [column for column in rows if column not in stored]:
            raise DataError(f"The table {name} has no column {absent[0]}: name another table in params.yaml.")
        insert = INSERTS[engine.dialect.name](table)
        others = {column: insert.excluded[column] for column in rows if column not in keys}
        add = (
            insert.on_conflict_do_update(index_elements=keys, set_=others)
            if replace
            else insert.on_conflict_do_nothing()
        )
        _insert(connection, add, rows)


def _insert(connection: Connection, add: Any, rows: pd.DataFrame) -> None:
    for first in range(0, len(rows), ROWS_PER_INSERT):
        part = rows.iloc[first : first + ROWS_PER_INSERT].astype(object)
        values: Any = part.where(part.notna(), None).to_dict("records")
        connection.execute(add, values)


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _brief(error: Exception) -> str:
    """Describe an error in one line, without the SQL statement and its values."""
    return one_line(getattr(error, "orig", None) or error)
