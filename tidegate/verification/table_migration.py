"""Bring a table of forecasts that an older release made up to date, with its rows, within the writer's transaction.

The key of such a table lacks `revision`. PostgreSQL changes a key in place. SQLite cannot: there a new table takes the
rows, and then the old one's name.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Column, Connection, Engine, MetaData, Table, inspect, text
from sqlalchemy.schema import CreateColumn

from tidegate.workspace.columns import REVISION

WAIT_SECONDS = 60  # for another writer of a SQLite file


@contextmanager
def sole_writer(engine: Engine, name: str) -> Iterator[Connection]:
    """Open a transaction that no other writer of the table shares; what fails in it leaves everything as it was."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # Python's own transactions begin only with the first insert, after the table was looked at.
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {1000 * WAIT_SECONDS}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
            return
        with connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})
            yield connection


def add_columns(connection: Connection, table: Table, names: Sequence[str]) -> None:
    """Add the columns that an older release did not have; a row of then is revision 0, and revision joins the key."""
    stored = {column["name"] for column in inspect(connection).get_columns(table.name)}
    absent = [table.columns[name] for name in names if name in table.columns and name not in stored]
    for column in absent:
        described = CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {_quoted(connection, table.name)} ADD COLUMN {described}")
    if REVISION in {column.name for column in absent}:
        _revision_joins_key(connection, table.name)


def _revision_joins_key(connection: Connection, name: str) -> None:
    key = inspect(connection).get_pk_constraint(name)
    columns = key["constrained_columns"]
    if not columns or REVISION in columns:  # a table of the user's own, without a key
        return
    if connection.dialect.name == "sqlite":
        _made_anew(connection, name, [*columns, REVISION])
        return
    table, quoted = _quoted(connection, name), ", ".join(_quoted(connection, each) for each in [*columns, REVISION])
    connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {_quoted(connection, str(key['name']))}")
    connection.exec_driver_sql(f"ALTER TABLE {table} ADD PRIMARY KEY ({quoted})")


def _made_anew(connection: Connection, name: str, key: Sequence[str]) -> None:
    """Give a SQLite table another key, with its rows, indexes and triggers."""
    old = Table(name, MetaData(), autoload_with=connection)
    columns = [
        Column(c.name, c.type, primary_key=c.name in key, nullable=c.nullable, server_default=c.server_default)
        for c in old.columns
    ]
    new = Table(f"{name}_with_{REVISION}", MetaData(), *columns)
    new.create(connection)
    connection.execute(new.insert().from_select([c.name for c in old.columns], old.select()))
    beside = "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL"
    statements = connection.exec_driver_sql(beside, (name,)).scalars().all()
    old.drop(connection)
    # Else SQLite refuses the name while a view refers to the table that has just been dropped.
    connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")
    connection.exec_driver_sql(f"ALTER TABLE {_quoted(connection, new.name)} RENAME TO {_quoted(connection, name)}")
    connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")
    for statement in statements:
        connection.exec_driver_sql(statement)


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)
