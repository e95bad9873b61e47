"""The tables of a database as SQLAlchemy reads them, and what it does not tell of them."""

import re
import warnings
from collections.abc import Collection
from functools import partial
from typing import Any

from alembic_guardrails.adopt.base import Database, TableName, database_for
from alembic_guardrails.autogenerate.mysql import reflect_expressions, reflect_other_columns
from alembic_guardrails.autogenerate.other_types import read_types
from alembic_guardrails.autogenerate.postgresql import reflect_collations
from alembic_guardrails.autogenerate.sqlite import reflect_actions
from alembic_guardrails.types import OtherType
from sqlalchemy import Column, Connection, MetaData
from sqlalchemy.schema import sort_tables_and_constraints

# A type that SQLite takes for a number, as SQLAlchemy does.
NUMERIC = re.compile(r"(?:numeric|decimal)\b", re.IGNORECASE)


def read_tables(
    connection: Connection, tables: Collection[TableName]
) -> tuple[MetaData, dict[str, list[str]]]:
    """Read tables, with all that models can say of them.

    Returns with them, by the keys of tables, the tables that their foreign keys refer to and that
    are not among them; these foreign keys are left out.
    """
    database = database_for(connection)
    database.import_types()
    reflect_actions(connection)
    reflect_expressions(connection)
    reflect_collations(connection)
    reflect_other_columns(connection)
    metadata = MetaData()
    with warnings.catch_warnings():
        # Of types and indexes that SQLAlchemy does not know; they are added here.
        warnings.simplefilter("ignore")
        for schema in {schema for schema, _ in tables}:
            # From a list of names, SQLAlchemy would leave out those that another schema has too.
            names = {name for table_schema, name in tables if table_schema == schema}
            only = partial(is_among, names)
            metadata.reflect(connection, schema, only=only, resolve_fks=False)
        name_types(connection, database, metadata)
        database.complete(connection, metadata)
    left_out = leave_out_foreign_keys(metadata)
    defer_cyclic_keys(metadata)
    return metadata, left_out


def is_among(names: Collection[str], name: str, metadata: MetaData) -> bool:
    """Whether a table is to be read."""
    return name in names


def list_columns(metadata: MetaData) -> list[Column[Any]]:
    """List the columns of all tables."""
    return [column for table in metadata.tables.values() for column in table.c]


def leave_out_foreign_keys(metadata: MetaData) -> dict[str, list[str]]:
    """Remove the foreign keys to tables that were not read; return what they refer to."""
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


def defer_cyclic_keys(metadata: MetaData) -> None:
    """Have foreign keys that form a cycle created after all tables."""
    sort: Any = sort_tables_and_constraints  # has no types
    ordered = sort(metadata.tables.values())
    *_, (_, in_cycles) = ordered
    for constraint in in_cycles:
        constraint.use_alter = True


def name_types(connection: Connection, database: Database, metadata: MetaData) -> None:
    """Name the types that SQLAlchemy does not know as the database does."""
    unknown = [
        column
        for column in list_columns(metadata)
        if column.type.__visit_name__ in database.unknown_types
    ]
    if not unknown:
        return
    declared = read_types(connection)
    for column in unknown:
        place = (column.table.schema, column.table.name, column.name)
        spec = declared.get(place, "")
        if not NUMERIC.match(spec):
            column.type = OtherType(spec)
