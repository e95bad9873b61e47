"""What SQLAlchemy does not tell of PostgreSQL's tables."""

import re
from collections.abc import Collection
from glob import escape
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from alembic.util import CommandError
from alembic_guardrails.adopt import Database, TableName
from alembic_guardrails.ignore import IgnoreList
from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    Constraint,
    DefaultClause,
    FetchedValue,
    Inspector,
    MetaData,
    Table,
    inspect,
    text,
)

PARTITIONS = text("""
    SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relispartition
""")

# Tables, views and types that belong to an extension; a table's own type and arrays go with them.
IN_EXTENSIONS = text("""
    SELECT pg_describe_object(classid, objid, 0), extname
    FROM pg_depend JOIN pg_extension e ON refobjid = e.oid
    LEFT JOIN pg_type t ON t.oid = objid AND classid = 'pg_type'::regclass
    WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND (
        classid = 'pg_class'::regclass
        OR t.oid IS NOT NULL AND typelem = 0 AND (
            typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = typrelid AND relkind = 'c')
        )
    )
    ORDER BY 2, 1
""")

# Functions and views, and the relations that they cannot be created without.
NEEDS = text("""
    SELECT DISTINCT pg_describe_object(class, id, 0),
        pg_describe_object('pg_class'::regclass, c.oid, 0)
    FROM (
        SELECT classid AS class, objid AS id, refclassid, refobjid FROM pg_depend
        WHERE classid = 'pg_proc'::regclass
        UNION ALL
        SELECT 'pg_class'::regclass, ev_class, refclassid, refobjid
        FROM pg_depend JOIN pg_rewrite w ON classid = 'pg_rewrite'::regclass AND objid = w.oid
    ) needing
    JOIN pg_class c ON refclassid IN ('pg_class'::regclass, 'pg_type'::regclass)
        AND refobjid IN (c.oid, c.reltype) AND (class, id) <> ('pg_class'::regclass, c.oid)
""")

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

# Tables that inherit from others, which partitions do in their own way.
CHILDREN = text("""
    SELECT nspname, c.relname, p.relname FROM pg_inherits
    JOIN pg_class c ON c.oid = inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class p ON p.oid = inhparent
    WHERE NOT c.relispartition ORDER BY 1, 2, inhseqno
""")

# Modules that teach SQLAlchemy the types of extensions when they are imported.
TYPE_MODULES = ("geoalchemy2", "pgvector.sqlalchemy")


class PostgreSQL(Database):
    """A PostgreSQL database, in which tables have schemas."""

    outside_schema = "owners, privileges, publications, subscriptions, passwords for other servers"

    def check_connection(self, connection: Connection) -> None:
        """Check that `public` is the default schema."""
        if inspect(connection).default_schema_name != "public":
            raise CommandError(
                "The URL, the user or the database sets a search_path, so that tables cannot be"
                " told apart by their schemas: leave it as PostgreSQL has it, with `public` first."
            )

    def check_names(self, tables: Collection[TableName]) -> None:
        """Accept names that differ in case alone."""

    def list_schemas(self, inspector: Inspector) -> list[str | None]:
        """List the schemas that are not PostgreSQL's own."""
        return [
            None if name == "public" else name
            for name in inspector.get_schema_names()
            if not name.startswith("pg_") and name != "information_schema"
        ]

    def find_without_model(self, connection: Connection) -> dict[TableName, str]:
        """Find the partitions, which hold rows of other tables."""
        rows = connection.execute(PARTITIONS).all()
        return {
            (None if schema == "public" else schema, name): "a partition" for schema, name in rows
        }

    def find_in_extensions(self, connection: Connection) -> dict[str, str]:
        """Find the tables, views and types that belong to an extension."""
        connection.execute(text("SET LOCAL search_path TO public"))
        return {
            item.replace('"', ""): f"part of the extension {extension}"
            for item, extension in connection.execute(IN_EXTENSIONS).all()
        }

    def find_dependents(self, connection: Connection, left_out: Collection[str]) -> dict[str, str]:
        """Find functions and views that need a relation that is left out, directly or not."""
        connection.execute(text("SET LOCAL search_path TO public"))
        needs = connection.execute(NEEDS).all()
        connection.commit()
        dependents: dict[str, str] = {}
        is_growing = True
        while is_growing:  # views read other views
            missing = IgnoreList(tuple(map(escape, [*left_out, *dependents])))
            found = {
                item.replace('"', ""): f"it needs {needed}"
                for item, needed in needs
                if missing.matches(needed) and not missing.matches(item)
            }
            is_growing = bool(found)
            dependents |= found
        return dependents

    def import_types(self) -> None:
        """Import the packages for types of extensions that are installed."""
        for module in TYPE_MODULES:
            if find_spec(module.partition(".")[0]):
                import_module(module)

    def complete(self, connection: Connection, metadata: MetaData) -> None:
        """Add what PostgreSQL knows of defaults, of arrays and of constraints."""
        complete_defaults(connection, metadata)
        default_schema = connection.dialect.default_schema_name
        tables = {
            (table.schema or default_schema, table.name): table
            for table in metadata.tables.values()
        }
        for schema, name, column, dimensions in connection.execute(DIMENSIONS).all():
            table = tables.get((schema, name))
            if table is not None and isinstance(table.c[column].type, ARRAY):
                table.c[column].type.dimensions = dimensions
        for schema, name, *details in connection.execute(CONSTRAINTS).all():
            if (table := tables.get((schema, name))) is not None:
                complete_constraint(table, *details)
        inspector = inspect(connection)
        for schema in {table.schema for table in metadata.tables.values()}:
            for (_, name), indexes in inspector.get_multi_indexes(schema).items():
                if (table := tables.get((schema or default_schema, name))) is not None:
                    complete_indexes(table, indexes)

    def find_gaps(self, connection: Connection, metadata: MetaData) -> list[str]:
        """Find tables that inherit from others, for which SQLAlchemy has no option."""
        default_schema = connection.dialect.default_schema_name
        tables = {
            (table.schema or default_schema, table.name) for table in metadata.tables.values()
        }
        return [
            f"table {name} inherits from table {parent}: a query of {parent} has its rows, too"
            for schema, name, parent in connection.execute(CHILDREN).all()
            if (schema, name) in tables
        ]


def complete_defaults(connection: Connection, metadata: MetaData) -> None:
    """Complete the defaults of all columns that take their values from sequences."""
    owners: dict[str, str] = {}
    for sequence, column_name in connection.execute(SEQUENCES).all():
        owners[sequence] = column_name
    for table in metadata.tables.values():
        for column in table.c:
            complete_default(column, owners)


def complete_indexes(table: Table, reflected: Collection[Any]) -> None:
    """Add the order of expressions in indexes, which the reflected tables lack."""
    names = {details["name"] for details in reflected}
    # GeoAlchemy2 adds one to each table that it sees.
    table.indexes -= {index for index in table.indexes if index.name not in names}
    indexes = {index.name: index for index in table.indexes}
    for details in reflected:
        orders = details.get("column_sorting", {})
        if (index := indexes.get(details["name"])) is None:
            continue
        parts: list[Any] = [*index.expressions]
        for place, expression in enumerate(details.get("expressions", ())):
            if expression in orders and expression not in table.c:
                order = " ".join(orders[expression]).replace("_", " ").upper()
                parts[place] = text(f"{expression} {order}")
        index.expressions = parts


def complete_default(column: Column[Any], owners: dict[str, str]) -> None:
    """Write the default of a sequence as Alembic does, which would otherwise evaluate it."""
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
    """Add an exclusion constraint, or the time at which another constraint is checked."""
    named: dict[Any, Constraint] = {key.name: key for key in table.constraints}
    constraint = named.get(name)
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
    if constraint is not None and deferrable:
        constraint.deferrable = True
        constraint.initially = "DEFERRED" if deferred else None


DATABASE = PostgreSQL()
