"""The tables of a database as SQLAlchemy reads them, and what it does not tell of them."""

import re
import warnings
from collections.abc import Collection
from functools import partial
from typing import Any

from alembic_guardrails.autogenerate.sqlite import reflect_actions
from alembic_guardrails.dialects import module_for
from alembic_guardrails.types import OtherType
from sqlalchemy import Column, Connection, DateTime, MetaData, text
from sqlalchemy.schema import sort_tables_and_constraints

TYPES = {
    "postgresql": """
        SELECT nspname, relname, attname, format_type(atttypid, atttypmod) FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
        WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'f')
    """,
    "mysql": """
        SELECT table_schema, table_name, column_name, column_type FROM information_schema.columns
    """,
    "sqlite": """
        SELECT NULL, m.name, c.name, c.type
        FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c WHERE m.type = 'table'
    """,
}
TYPES["mariadb"] = TYPES["mysql"]


def read_tables(
    connection: Connection, tables: Collection[tuple[str | None, str]]
) -> tuple[MetaData, dict[str, list[str]]]:
    """Read tables; return with them, by their keys, what other tables their foreign keys are to."""
    reflect_actions(connection)
    metadata = MetaData()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about types that SQLAlchemy does not know
        for schema in {schema for schema, _ in tables}:
            # Of a list of names, it would leave out those that another schema has too.
            names = {name for of, name in tables if of == schema}
            only = partial(is_among, names)
            metadata.reflect(connection, schema, only=only, resolve_fks=False)
    for column in columns_of(metadata):
        # SQLite takes any arguments for any type: a precision is no time zone.
        if isinstance(column.type, DateTime) and not isinstance(column.type.timezone, bool):
            column.type = type(column.type)()
    name_types(connection, metadata)
    module_for("adopt", connection.dialect.name).complete(connection, metadata)
    left_out = leave_out_foreign_keys(metadata)
    sort: Any = sort_tables_and_constraints  # has no types
    ordered = sort(metadata.tables.values())
    *_, (_, in_cycles) = ordered
    for constraint in in_cycles:
        constraint.use_alter = True
    return metadata, left_out


def is_among(names: Collection[str], name: str, metadata: MetaData) -> bool:
    """Whether a table is to be read."""
    return name in names


def columns_of(metadata: MetaData) -> list[Column[Any]]:
    """The columns of all tables."""
    return [column for table in metadata.tables.values() for column in table.c]


def leave_out_foreign_keys(metadata: MetaData) -> dict[str, list[str]]:
    """Forget foreign keys to tables that were not read; return the keys of the tables."""
    left_out: dict[str, list[str]] = {}
    for key, table in metadata.tables.items():
        for constraint in [*table.foreign_key_constraints]:
            target = ".".join(filter(None, constraint.elements[0].target_tokens[:2]))
            if target not in metadata.tables:
                left_out.setdefault(key, []).append(target)
                table.constraints.remove(constraint)
                for element in constraint.elements:
                    table.foreign_keys.discard(element)
                    element.parent.foreign_keys.discard(element)
    return left_out


def name_types(connection: Connection, metadata: MetaData) -> None:
    """Name the types that SQLAlchemy does not know."""
    backend = connection.dialect.name
    # SQLite takes what it does not know for a number, and stores whatever it gets.
    vague = {"null", "NUMERIC"} if backend == "sqlite" else {"null"}
    unknown = [it for it in columns_of(metadata) if it.type.__visit_name__ in vague]
    if not unknown:
        return
    default = connection.dialect.default_schema_name
    declared: dict[tuple[str | None, str, str], str] = {}
    for schema, table, column, type_ in connection.execute(text(TYPES[backend])).all():
        declared[schema if schema != default else None, table, column] = str(type_)
    for it in unknown:
        spec = declared.get((it.table.schema, it.table.name, it.name), "")
        if not re.match(r"(?:numeric|decimal)\b", spec, re.IGNORECASE):
            it.type = OtherType(spec)
