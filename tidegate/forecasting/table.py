"""Store issued forecasts in a table of a SQL database, in addition to the files.

The database's address comes only from the environment (it may hold a password), and is never logged or stored.
"""

import os
from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import DDL, Column, DateTime, Double, Engine, MetaData, String, Table, create_engine, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from tidegate.errors import DataError, ServiceError, UserError, one_line
from tidegate.workspace.columns import REASON

ADDRESS = "TIDEGATE_FORECASTS_URL"
# By dialect: the inserts that can skip rows whose keys are already stored.
INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
ROWS_PER_INSERT = 5000


def store_forecasts(name: str, keys: Sequence[str], rows: pd.DataFrame) -> str | None:
    """Add rows to the table, each once: a row whose keys are already stored is not changed.

    Args:
        name: the table's name; the table is created at first use.
        keys: the columns that identify a row.
        rows: a long frame.

    Returns:
        The database's address without its password; None if the environment names no database.

    Raises:
        UserError: the address is not valid, or its database is not supported.
        DataError: the table exists with other columns.
        ServiceError: the database refuses or does not answer.
    """
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
        _add(engine, name, keys, rows)
    except SQLAlchemyError as error:
        raise ServiceError(f"The database at {_shown(engine)} refuses: {_brief(error)}.") from None
    finally:
        engine.dispose()
    return _shown(engine)


def _add(engine: Engine, name: str, keys: Sequence[str], rows: pd.DataFrame) -> None:
    types: dict[str, Any] = {"f": Double(), "M": DateTime(timezone=True)}  # by NumPy's kind of the column
    columns = [
        Column(str(column), types.get(rows[column].dtype.kind, String()), primary_key=column in keys) for column in rows
    ]
    table = Table(name, MetaData(), *columns)
    table.create(engine, checkfirst=True)
    stored = {column["name"] for column in inspect(engine).get_columns(name)}
    if REASON in rows and REASON not in stored:  # a table of a release that gave no reasons
        quoted = engine.dialect.identifier_preparer.quote(name)
        with engine.begin() as connection:
            connection.execute(DDL(f"ALTER TABLE {quoted} ADD COLUMN {REASON} VARCHAR"))
        stored.add(REASON)
    if absent := [column for column in rows if column not in stored]:
        raise DataError(f"The table {name} has no column {absent[0]}: name another one in forecast.table.")
    add = INSERTS[engine.dialect.name](table).on_conflict_do_nothing()
    with engine.begin() as connection:
        for first in range(0, len(rows), ROWS_PER_INSERT):
            part = rows.iloc[first : first + ROWS_PER_INSERT].astype(object)
            values: Any = part.where(part.notna(), None).to_dict("records")
            connection.execute(add, values)


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _brief(error: Exception) -> str:
    """Describe an error in one line, without the SQL statement and its values."""
    return one_line(getattr(error, "orig", None) or error)
