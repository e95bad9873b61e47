"""What SQLAlchemy does not tell of SQLite's tables."""

import re
from typing import Any

from alembic_guardrails.adopt import Database, TableName
from alembic_guardrails.schema import sqlite as schema
from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    text,
)

# Tables whose rows are in other tables, or anywhere.
WITHOUT_MODEL = text(
    "SELECT name, type || ' table' FROM pragma_table_list WHERE type IN ('shadow', 'virtual')"
)


class SQLite(Database):
    """A SQLite file."""

    # SQLite takes a type that it does not know for a number, and stores whatever it gets.
    unknown_types = ("NUMERIC",)

    def find_without_model(self, connection: Connection) -> dict[TableName, str]:
        """Find virtual tables, and the tables in which they keep their rows."""
        return {(None, name): kind for name, kind in connection.execute(WITHOUT_MODEL).all()}

    def complete(self, connection: Connection, metadata: MetaData) -> None:
        """Read what SQLAlchemy's patterns do not find in the statements that SQLite keeps."""
        known = dict(schema.read(connection))
        for table in metadata.tables.values():
            for column in table.c:
                name = f"column {column.name.lower()} of table {table.name}"
                complete_column(column, known.get(name, ""))
            if counts_on(table, known):
                table.dialect_options["sqlite"]["autoincrement"] = True


def complete_column(column: Column[Any], definition: str) -> None:
    """Add what the column's definition says; in it only strings keep their case."""
    collation = re.search(r' collate "?(\w+)', definition)
    if collation and isinstance(column.type, String):
        column.type.collation = collation[1]


def counts_on(table: Table, known: dict[str, str]) -> bool:
    """Whether the table has AUTOINCREMENT, and so never uses a number twice."""
    place = f" on table {table.name}"
    return any(
        name.endswith(place) and definition.endswith(" autoincrement")
        for name, definition in known.items()
    )


DATABASE = SQLite()
