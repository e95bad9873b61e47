"""What SQLAlchemy does not tell of PostgreSQL's tables."""

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from alembic_guardrails.adopt.reflect import columns_of
from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    Constraint,
    DefaultClause,
    FetchedValue,
    MetaData,
    Table,
    inspect,
    text,
)

# Sequences that belong to a column, which Alembic takes for granted.
SEQUENCES = text("""
    SELECT c.oid::regclass::text, attname FROM pg_class c
    JOIN pg_depend ON objid = c.oid AND classid = 'pg_class'::regclass
    JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
    WHERE relkind = 'S' AND refclassid = 'pg_class'::regclass
""")

NEXTVAL = re.compile(r"nextval\('(.+?)'::regclass\)")

CONSTRAINTS = text("""
    SELECT nspname, c.relname, conname, condeferrable, condeferred, amname,
        pg_get_expr(indpred, indrelid),
        ARRAY(SELECT pg_get_indexdef(conindid, n, true) FROM generate_series(1, indnkeyatts) n),
        ARRAY(SELECT oprname::text FROM unnest(conexclop) WITH ORDINALITY o (id, place)
            JOIN pg_operator ON pg_operator.oid = id ORDER BY place)
    FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_index ON indexrelid = conindid JOIN pg_class i ON i.oid = conindid
    JOIN pg_am ON pg_am.oid = i.relam
    WHERE contype = 'x' OR contype IN ('p', 'u') AND condeferrable
""")

DIMENSIONS = text("""
    SELECT nspname, relname, attname, attndims FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
    WHERE attndims > 1 AND NOT attisdropped
""")


def complete(connection: Connection, metadata: MetaData) -> None:
    """Add what PostgreSQL knows of defaults, of arrays and of constraints."""
    default_schema = connection.dialect.default_schema_name
    owners: dict[str, str] = {}
    for name, column_name in connection.execute(SEQUENCES).all():
        owners[name] = column_name
    for column in columns_of(metadata):
        complete_default(column, owners)
    tables = {
        (table.schema or default_schema, table.name): table for table in metadata.tables.values()
    }
    for schema, table_name, column_name, dimensions in connection.execute(DIMENSIONS).all():
        table = tables.get((schema, table_name))
        if table is not None and isinstance(table.c[column_name].type, ARRAY):
            table.c[column_name].type.dimensions = dimensions
    for schema, table_name, *details in connection.execute(CONSTRAINTS).all():
        if (table := tables.get((schema, table_name))) is not None:
            complete_constraint(table, *details)
    inspector = inspect(connection)
    for schema in {table.schema for table in metadata.tables.values()}:
        for (_, table_name), found in inspector.get_multi_indexes(schema).items():
            if (table := tables.get((schema or default_schema, table_name))) is not None:
                complete_indexes(table, found)


def complete_indexes(table: Table, found: Iterable[Any]) -> None:
    """Add the order of what indexes have beside columns, which the tables themselves lack."""
    indexes = {index.name: index for index in table.indexes}
    for details in found:
        orders = details.get("column_sorting", {})
        if (index := indexes.get(details["name"])) is None:
            continue
        parts: list[Any] = [*index.expressions]
        for place, words in enumerate(details.get("expressions", ())):
            if words in orders and words not in table.c:
                order = " ".join(orders[words]).replace("_", " ").upper()
                parts[place] = text(f"{words} {order}")
        index.expressions = parts


def complete_default(column: Column[Any], owners: dict[str, str]) -> None:
    """Write the default of a sequence as Alembic does, which would else try it out."""
    if not isinstance(column.server_default, DefaultClause):
        return
    default = str(column.server_default.arg)
    if not (match := NEXTVAL.match(default)):
        return
    is_counted = column.type.__visit_name__ in ("INTEGER", "BIGINT")
    if owners.get(match[1].replace("''", "'")) != column.name or not is_counted:
        column.server_default = DefaultClause(text(default.replace("::regclass", "")))
    elif column.primary_key and len(column.table.primary_key) == 1:
        column.server_default = None  # a key of its own counts by itself
    else:
        column.server_default = FetchedValue()


def complete_constraint(
    table: Table,
    name: str,
    deferrable: bool,
    deferred: bool,
    method: str,
    condition: str | None,
    elements: list[str],
    operators: list[str],
) -> None:
    """Add a constraint that excludes, or say of another one when it is checked."""
    constraint: Constraint | None = next((it for it in table.constraints if it.name == name), None)
    if operators:
        parts = [*zip(elements, operators, strict=True)]
        constraint = import_module("sqlalchemy.dialects.postgresql").ExcludeConstraint(
            *((text(element), operator) for element, operator in parts),
            name=name,
            info={"parts": parts},
            using=method,
            where=condition and text(condition),
        )
        table.append_constraint(constraint)
    if isinstance(constraint, Constraint) and deferrable:
        constraint.deferrable = True
        constraint.initially = "DEFERRED" if deferred else None
