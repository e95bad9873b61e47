"""What autogenerate needs to know of SQLite."""

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from alembic.operations.ops import (
    AlterColumnOp,
    CreateUniqueConstraintOp,
    DropConstraintOp,
    MigrateOperation,
)
from alembic_guardrails.autogenerate import read_together
from sqlalchemy import INTEGER, Column, Connection, inspect, text

# The types that columns were declared with, as the statements spell them; of one table, or of all.
TYPES = text("""
    SELECT NULL, m.name, c.name, c.type
    FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c
    WHERE m.type = 'table' AND m.name = coalesce(:table, m.name)
""")

# What PRAGMA foreign_key_list says of each table.
FOREIGN_KEYS = text("""
    SELECT m.name, k.* FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) k
    WHERE m.type = 'table'
""")

# In the definition of a column as `schema/sqlite.py` writes it.
COMPUTED = re.compile(r"\bas \((.*)\)")

# SQLAlchemy reads nothing of SQLite's indexes but columns, so that there is nothing to compare.
INDEX_COMPARISON = None


def has_unnamed(connection: Connection, table: str, operation: MigrateOperation) -> bool:
    """Whether SQLite has the UNIQUE that an operation is about, although it gives it no name."""
    if connection.dialect.name != "sqlite":
        return False
    if isinstance(operation, DropConstraintOp) and operation.constraint_type == "unique":
        operation = operation.reverse()
    return isinstance(operation, CreateUniqueConstraintOp) and has_unnamed_unique(
        connection, table, sorted(map(str, operation.columns))
    )


def is_row_number(connection: Connection, table: str, operation: AlterColumnOp) -> bool:
    """Whether a column is the number of the row in SQLite, which is never NULL."""
    return (
        connection.dialect.name == "sqlite"
        and isinstance(operation.existing_type, INTEGER)
        and inspect(connection).get_pk_constraint(table)["constrained_columns"]
        == [operation.column_name]
    )


def has_unnamed_unique(connection: Connection, table: str, columns: list[str]) -> bool:
    """Whether a table has a UNIQUE without a name on these columns, and none with a name."""
    inspector = inspect(connection)
    is_automatic = any(
        str(index["name"]).startswith("sqlite_autoindex")
        and sorted(map(str, index["column_names"])) == columns
        for index in inspector.get_indexes(table, include_auto_indexes=True)
    )
    return is_automatic and not any(
        constraint["name"] and sorted(constraint["column_names"]) == columns
        for constraint in inspector.get_unique_constraints(table)
    )


def extend_reflection(connection: Connection) -> None:
    """Have SQLAlchemy read ON DELETE and ON UPDATE of foreign keys that stand at a column.

    On SQLite it reads them only of foreign keys that stand at the table, so that Alembic would see
    a change where there is none.
    """
    dialect: Any = connection.dialect
    if "get_foreign_keys" in vars(dialect):
        return
    read = dialect.get_foreign_keys

    def get_foreign_keys(connection: Connection, table: str, *args: Any, **kwargs: Any) -> Any:
        keys = read(connection, table, *args, **kwargs)
        rows = kwargs.get("info_cache", {}).get("foreign_keys_of_tables", {}).get(table)
        if keys and rows is None:
            quoted = dialect.identifier_preparer.quote_identifier(table)
            rows = connection.exec_driver_sql(f"PRAGMA foreign_key_list({quoted})").all()
        actions = actions_of(rows or ())
        for key in keys:
            for name, action in actions.get(tuple(key["constrained_columns"]), {}).items():
                key["options"].setdefault(name, action)
        return keys

    def read_rows(connection: Connection, _: object) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for table, *row in connection.execute(FOREIGN_KEYS):
            found.setdefault(table, []).append(row)
        return found

    dialect.get_foreign_keys = get_foreign_keys
    dialect.get_multi_foreign_keys = read_together(
        dialect.get_multi_foreign_keys, "foreign_keys_of_tables", read_rows
    )


def actions_of(rows: Iterable[Any]) -> dict[tuple[str, ...], dict[str, str]]:
    """Return the actions of foreign keys, by their columns, from SQLite's list of them."""
    actions: dict[tuple[str, ...], dict[str, str]] = {}
    for _, parts in groupby(rows, lambda row: row[0]):
        columns, words = zip(*((row[3], row[5:7]) for row in parts), strict=True)
        found = zip(("onupdate", "ondelete"), words[0], strict=True)
        actions[columns] = {name: word for name, word in found if word != "NO ACTION"}
    return actions


def has_expression(connection: Connection, column: Column[Any], sql: str) -> bool:
    """Whether a computed column of SQLite has this expression, however both are spelt.

    SQLAlchemy reads none where GENERATED ALWAYS is left out, so that the statement is read.
    """
    from alembic_guardrails.schema import sqlite as schema

    place = f"column {column.name.lower()} of table {column.table.name}"
    computed = COMPUTED.search(dict(schema.read(connection)).get(place, ""))
    return computed is None or computed[1] == schema.render(schema.parse(sql))
