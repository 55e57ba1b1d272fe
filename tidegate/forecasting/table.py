"""Issued forecasts in a table of a SQL database, beside the files; the only file that imports SQLAlchemy.

The database's address comes from the environment alone (it may hold a password), and is never logged or stored.
"""

import os
from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Column, DateTime, Double, Engine, MetaData, String, Table, create_engine, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from tidegate.errors import DataError, ServiceError, UserError, in_a_line

ADDRESS = "TIDEGATE_FORECASTS_URL"
# By dialect: those whose insert can leave out what is there.
INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
ROWS = 5000  # at a time


def store_forecasts(name: str, keys: Sequence[str], rows: pd.DataFrame) -> str | None:
    """Add rows to the table, each once: a row whose keys are there is left as it is.

    Args:
        name: of the table; it is made at first use.
        keys: the columns that name a row.
        rows: a long frame.

    Returns:
        The database, for a line to say, without a password; None if the environment names none.

    Raises:
        UserError: the address is none, or of a database that is not supported.
        DataError: the table is there with other columns.
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
    kinds: dict[str, Any] = {"f": Double(), "M": DateTime(timezone=True)}
    columns = [
        Column(str(column), kinds.get(rows[column].dtype.kind, String()), primary_key=column in keys) for column in rows
    ]
    table = Table(name, MetaData(), *columns)
    table.create(engine, checkfirst=True)
    there = {column["name"] for column in inspect(engine).get_columns(name)}
    if absent := [column for column in rows if column not in there]:
        raise DataError(f"The table {name} has no column {absent[0]}: name another one in forecast.table.")
    add = INSERTS[engine.dialect.name](table).on_conflict_do_nothing()
    with engine.begin() as connection:
        for first in range(0, len(rows), ROWS):
            part = rows.iloc[first : first + ROWS].astype(object)
            values: Any = part.where(part.notna(), None).to_dict("records")
            connection.execute(add, values)


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _brief(error: Exception) -> str:
    """Say an error in a line, without the statement and its values."""
    return in_a_line(getattr(error, "orig", None) or error)
