"""What SQLAlchemy does not tell of SQLite's tables."""

import re
from typing import Any

from alembic_guardrails._alembic import add_index
from alembic_guardrails.adopt import Database, TableName
from alembic_guardrails.autogenerate.sqlite import COMPUTED
from alembic_guardrails.schema import sqlite as schema
from sqlalchemy import (
    Column,
    Computed,
    Connection,
    DateTime,
    Inspector,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    inspect,
    text,
)

# Tables whose rows are in other tables, or anywhere.
WITHOUT_MODEL = text(
    "SELECT name, type || ' table' FROM pragma_table_list WHERE type IN ('shadow', 'virtual')"
)

INDEXES = text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql <> ''")

INDEX = re.compile(
    r"""CREATE\s+(UNIQUE\s+)?INDEX\b.*?\sON\s+(?:"[^"]*"|`[^`]*`|\[[^]]*\]|\w+)\s*\((.*)\)
    (?:\s*WHERE\s+(.*))?""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


class SQLite(Database):
    """A SQLite file."""

    # SQLite takes a type that it does not know for a number, and stores whatever it gets.
    unknown_types = ("null", "NUMERIC")

    def find_without_model(self, connection: Connection) -> dict[TableName, str]:
        """Find virtual tables, and the tables in which they keep their rows."""
        return {(None, name): kind for name, kind in connection.execute(WITHOUT_MODEL).all()}

    def complete(self, connection: Connection, metadata: MetaData) -> None:
        """Read what SQLAlchemy's patterns do not find in the statements that SQLite keeps."""
        known = dict(schema.read(connection))
        inspector = inspect(connection)
        for table in metadata.tables.values():
            for column in table.c:
                name = f"column {column.name.lower()} of table {table.name}"
                complete_column(column, known.get(name, ""))
            add_unnamed_keys(table, inspector)
            if counts_on(table, known):
                table.dialect_options["sqlite"]["autoincrement"] = True
        for name, table_name, sql in connection.execute(INDEXES).all():
            owner = metadata.tables.get(table_name)
            if owner is not None and all(index.name != name for index in owner.indexes):
                complete_index(owner, name, sql)


def complete_column(column: Column[Any], definition: str) -> None:
    """Add what the column's definition says; in it only strings keep their case."""
    # SQLite takes any arguments for any type: a precision is no time zone.
    if isinstance(column.type, DateTime) and not isinstance(column.type.timezone, bool):
        column.type = type(column.type)()
    collation = re.search(r' collate "?(\w+)', definition)
    if collation and isinstance(column.type, String):
        column.type.collation = collation[1]
    computed = COMPUTED.search(definition)
    default = column.server_default
    if computed and isinstance(default, Computed) and not str(default.sqltext):
        column.computed = Computed(computed[1], persisted=default.persisted)
        column.server_default = column.computed


def add_unnamed_keys(table: Table, inspector: Inspector) -> None:
    """Add each UNIQUE that SQLAlchemy does not read, but that SQLite has an index for."""
    kinds = (PrimaryKeyConstraint, UniqueConstraint)
    for index in inspector.get_indexes(table.name, include_auto_indexes=True):
        keys = [key.columns.keys() for key in table.constraints if isinstance(key, kinds)]
        columns = [name for name in index["column_names"] if name]
        if str(index["name"]).startswith("sqlite_autoindex") and columns not in keys:
            table.append_constraint(UniqueConstraint(*columns))


def counts_on(table: Table, known: dict[str, str]) -> bool:
    """Whether the table has AUTOINCREMENT, and so never uses a number twice."""
    place = f" on table {table.name}"
    return any(
        name.endswith(place) and definition.endswith(" autoincrement")
        for name, definition in known.items()
    )


def complete_index(table: Table, name: str, sql: str) -> None:
    """Add an index on expressions, which SQLAlchemy leaves out."""
    if found := INDEX.fullmatch(sql):
        where: dict[str, Any] = {"sqlite_where": text(found[3])} if found[3] else {}
        add_index(name, text(found[2]), table, unique=bool(found[1]), **where)


DATABASE = SQLite()
