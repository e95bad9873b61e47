"""What is in a database."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import escape
from typing import TypeAlias

from alembic.util import CommandError
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.own_tables import OWN_TABLES
from alembic_guardrails.revisions import CURRENT
from alembic_guardrails.schema import snapshot
from sqlalchemy import Connection, Inspector, inspect, text

TableName: TypeAlias = "tuple[str | None, str]"

# What is a table to SQLAlchemy, and has no model: rows of other tables, or machinery.
WITHOUT_MODEL = {
    "postgresql": "SELECT nspname, relname, 'a partition' FROM pg_class"
    " JOIN pg_namespace n ON n.oid = relnamespace WHERE relispartition",
    "sqlite": "SELECT NULL, name, type || ' table' FROM pragma_table_list"
    " WHERE type IN ('shadow', 'virtual')",
}

# Functions and views of PostgreSQL, and the relations that they cannot be made without.
NEEDS = text("""
SELECT DISTINCT pg_describe_object(class, id, 0), pg_describe_object('pg_class'::regclass, c.oid, 0)
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


@dataclass
class Found:
    """What is in a database: all its things, the tables that get models, and the rest."""

    things: dict[str, str]
    tables: list[TableName]
    without_model: dict[TableName, str]
    left_out: dict[str, str] = field(default_factory=dict)


def find(
    connection: Connection,
    ignore_list: IgnoreList,
    only_schemas: Collection[str] | None,
    only_tables: Collection[str] | None,
) -> Found:
    """Read what a database has; raise CommandError if it has a revision, or no tables."""
    expect_no_revision(connection)
    inspector = inspect(connection)
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql and inspector.default_schema_name != "public":
        raise CommandError(
            "The URL or the user sets a search_path: tables are told apart by schema only where it "
            "is PostgreSQL's own, with public first"
        )
    query = WITHOUT_MODEL.get(connection.dialect.name)
    rows = connection.execute(text(query)).all() if query else []
    without_model = {(None if at == "public" else at, name): why for at, name, why in rows}
    connection.commit()
    things = snapshot(connection)
    connection.commit()

    left_out: dict[str, str] = {}
    names: list[TableName] = []
    for schema in schemas(inspector) if is_postgresql else (None,):
        is_outside = only_schemas and not matches(schema or "public", only_schemas)
        if is_outside and schema:
            left_out[f"schema {schema}"] = "not among --schema"
            continue
        for kind, name in relations(inspector, schema):
            item = described((schema, name), kind)
            if is_outside:
                left_out[item] = "not among --schema"
            elif only_tables and not matches(item.removeprefix(f"{kind} "), only_tables):
                left_out[item] = "not among --table"
            elif kind == "table" and not ignore_list.matches(item):
                names.append((schema, name))
    if not names:
        raise CommandError(
            "There is no table to take over: a new schema begins with a model and `alembic revision"
            " --autogenerate`"
        )
    if not is_postgresql and len({name.lower() for _, name in names}) < len(names):
        raise CommandError("Tables whose names differ in case alone, SQLAlchemy cannot tell apart")
    if left_out or ignore_list.patterns:
        expect_no_keys_to_others(inspector, names)
    if left_out and is_postgresql:
        leave_out_what_needs_it(connection, left_out)
    tables = [name for name in names if name not in without_model]
    return Found(things, tables, without_model, left_out)


def expect_no_revision(connection: Connection) -> None:
    """Raise CommandError if Alembic knows the database already."""
    is_known = inspect(connection).has_table("alembic_version")
    revisions = connection.scalars(CURRENT).all() if is_known else ()
    connection.commit()
    if revisions:
        raise CommandError(
            f"The database is at revision {', '.join(revisions)} already: it has its migrations"
        )


def schemas(inspector: Inspector) -> Iterator[str | None]:
    """The schemas that are not PostgreSQL's own; None is the default one."""
    for name in inspector.get_schema_names():
        if not name.startswith("pg_") and name != "information_schema":
            yield None if name == "public" else name


def relations(inspector: Inspector, schema: str | None) -> Iterator[tuple[str, str]]:
    """The tables and the views in a schema, without Alembic's own."""
    for name in inspector.get_table_names(schema):
        if name not in OWN_TABLES:
            yield "table", name
    for name in inspector.get_view_names(schema):
        yield "view", name
    with suppress(NotImplementedError):
        for name in inspector.get_materialized_view_names(schema):
            yield "materialized view", name


def described(table: TableName, kind: str = "table") -> str:
    """Name a table as `drift` does, without quotes."""
    return f"{kind} " + ".".join(part for part in table if part)


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of some patterns fits a name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def leave_out_what_needs_it(connection: Connection, left_out: dict[str, str]) -> None:
    """Leave out functions and views as well that what is left out would be missing for."""
    connection.execute(text("SET LOCAL search_path TO public"))
    needs = connection.execute(NEEDS).all()
    connection.commit()
    before = 0
    while before < len(left_out):  # views read other views
        before = len(left_out)
        gone = IgnoreList(tuple(map(escape, left_out)))
        for item, needed in needs:
            if gone.matches(needed) and not gone.matches(item):
                left_out[item.replace('"', "")] = f"it needs {needed}"


def expect_no_keys_to_others(inspector: Inspector, names: list[TableName]) -> None:
    """Raise CommandError if a table refers to one that is left out."""
    for schema in dict.fromkeys(schema for schema, _ in names):
        for (_, name), keys in inspector.get_multi_foreign_keys(schema).items():
            for key in keys if (schema, name) in names else ():
                target = (key["referred_schema"], key["referred_table"])
                if target not in names:
                    table, other = (described(it) for it in ((schema, name), target))
                    raise CommandError(f"{table} refers to {other}: take both over, or neither")
