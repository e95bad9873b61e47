"""What SQLAlchemy does not tell of SQLite's tables."""

import re
from typing import Any

from alembic_guardrails._alembic import add_index
from alembic_guardrails.schema import sqlite as schema
from sqlalchemy import (
    Column,
    Computed,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    inspect,
    text,
)

INDEXES = text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql <> ''")

INDEX = re.compile(
    r"""CREATE\s+(UNIQUE\s+)?INDEX\b.*?\sON\s+(?:"[^"]*"|`[^`]*`|\[[^]]*\]|\w+)\s*\((.*)\)
    (?:\s*WHERE\s+(.*))?""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)

KEYS = (PrimaryKeyConstraint, UniqueConstraint)


def complete(connection: Connection, metadata: MetaData) -> None:
    """Read what SQLAlchemy's patterns do not find in the statements that SQLite keeps."""
    known = dict(schema.read(connection))
    counting = {
        name.rpartition(" on table ")[2]
        for name, definition in known.items()
        if definition.endswith(" autoincrement")
    }
    inspector = inspect(connection)
    for table in metadata.tables.values():
        for column in table.c:
            definition = known.get(f"column {column.name.lower()} of table {table.name}", "")
            complete_column(column, definition)
        for index in inspector.get_indexes(table.name, include_auto_indexes=True):
            keys = [it for it in table.constraints if isinstance(it, KEYS)]
            columns = [name for name in index["column_names"] if name]
            known_keys = [it.columns.keys() for it in keys]
            if str(index["name"]).startswith("sqlite_autoindex") and columns not in known_keys:
                table.append_constraint(UniqueConstraint(*columns))
        if table.name in counting:
            table.dialect_options["sqlite"]["autoincrement"] = True
    for name, table_name, sql in connection.execute(INDEXES).all():
        owner = metadata.tables.get(table_name)
        found = INDEX.fullmatch(sql)
        if owner is not None and found and all(it.name != name for it in owner.indexes):
            where: dict[str, Any] = {"sqlite_where": text(found[3])} if found[3] else {}
            elements = text(found[2])
            add_index(name, elements, owner, unique=bool(found[1]), **where)


def complete_column(column: Column[Any], definition: str) -> None:
    """Add to a column what is in its definition, of which strings alone keep their case."""
    collation = re.search(r' collate "?(\w+)', definition)
    if collation and isinstance(column.type, String):
        column.type.collation = collation[1]
    computed = re.search(r"\bas \((.*)\)", definition)
    default = column.server_default
    if computed and isinstance(default, Computed) and not str(default.sqltext):
        column.server_default = Computed(computed[1], persisted=default.persisted)
