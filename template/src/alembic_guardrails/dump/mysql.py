"""A dump of a MySQL or MariaDB database, which the server writes."""

import re
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter

from alembic.util import CommandError
from alembic_guardrails.dump import (
    Counter,
    Dump,
    TableRows,
    has_rows,
    is_wanted,
    select_rows,
)
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.schema import StoredObject, as_text, execute_verbatim
from alembic_guardrails.schema.mysql import (
    default_mode,
    quote_name,
    read_objects,
    without_counter,
)
from sqlalchemy import Connection, text

# With these, tables can be created in any order, and so can those with defaults of old rules.
BEFORE = (
    "SET @alembic_keys = @@foreign_key_checks, foreign_key_checks = 0",
    "SET @alembic_mode = @@sql_mode, sql_mode = ''",
)

AFTER = ("SET foreign_key_checks = @alembic_keys, sql_mode = @alembic_mode",)

# The order in which objects can be created; rows are inserted before there are triggers.
WITH_ROWS = ("sequence", "table")
WITHOUT_ROWS = ("function", "procedure", "view", "trigger", "event")

# A 0 stays a 0 where a column counts by itself.
MODE_OF_ROWS = "NO_AUTO_VALUE_ON_ZERO"

# Rows are read and inserted in one time zone.
TIME_ZONE = "SET time_zone = '+00:00'"

COLUMNS = text("""
SELECT t.table_type, t.table_name, c.column_name, c.data_type FROM information_schema.tables t
JOIN information_schema.columns c ON c.table_schema = t.table_schema AND c.table_name = t.table_name
WHERE t.table_schema = database() AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
AND c.extra NOT LIKE '% GENERATED%' ORDER BY t.table_name, c.ordinal_position
""")

BYTES = "IF({0} IS NULL, 'NULL', CONCAT('X''', HEX({0}), ''''))"

CHARACTERS = "QUOTE(CAST({0} AS CHAR))"

# SQL that writes the values of a type as literals.
LITERALS = {
    **dict.fromkeys(
        ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"),
        "IFNULL(CAST({0} AS CHAR), 'NULL')",
    ),
    **dict.fromkeys(("float", "double"), "IFNULL(CAST({0} + 0e0 AS CHAR), 'NULL')"),
    **dict.fromkeys(("bit",), "IFNULL(CAST({0} + 0 AS CHAR), 'NULL')"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), BYTES),
    **dict.fromkeys(
        ("date", "time", "datetime", "timestamp", "uuid", "inet4", "inet6"), CHARACTERS
    ),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext"), "QUOTE({0})"),
    **dict.fromkeys(("longtext", "enum", "set", "json"), "QUOTE({0})"),
}


def dump(connection: Connection, ignore_list: IgnoreList, *, with_rows: bool) -> Dump:
    """Dump the objects in an order in which they can be created."""
    objects = [
        stored for stored in read_objects(connection) if not ignore_list.matches(stored.full_name)
    ]
    rows = content(connection, ignore_list) if with_rows else []
    return assemble(objects, rows, with_counters=with_rows)


def assemble(
    objects: Sequence[StoredObject], rows: Sequence[tuple[str, str]], *, with_counters: bool
) -> Dump:
    """Put objects and rows into the order in which they can be created."""
    result = Dump([("", statement) for statement in BEFORE], [*BEFORE])
    mode = ""
    ordered = [stored for kind in WITH_ROWS for stored in objects if stored.kind == kind]
    for stored in ordered:
        counted = stored.kind != "table" or with_counters
        statement = stored.statement if counted else without_counter(stored.statement)
        result.create.append((f"{stored.kind} {stored.name}", statement))
    if rows:
        result.create += rows
        mode = MODE_OF_ROWS
    for kind in WITHOUT_ROWS:
        of_kind = [stored for stored in objects if stored.kind == kind]
        for stored in sort_views(of_kind) if kind == "view" else of_kind:
            if stored.sql_mode != mode:
                mode = stored.sql_mode
                result.create.append(("", f"SET sql_mode = '{mode}'"))
            result.create.append((f"{kind} {stored.name}", stored.statement))
            ordered.append(stored)
    result.create += [("", statement) for statement in AFTER]
    result.drop += [
        f"DROP {stored.kind.upper()} {quote_name(stored.name)}"
        for stored in reversed(ordered)
        if stored.kind != "trigger"  # a trigger goes with its table
    ]
    result.drop += AFTER
    return result


def sort_views(views: Sequence[StoredObject]) -> list[StoredObject]:
    """Put each view behind the views that it reads."""
    by_name = {view.name: view for view in views}
    readers = {name: reads(name) for name in by_name}
    graph = {
        view.name: [
            name for name in by_name if name != view.name and readers[name].search(view.statement)
        ]
        for view in views
    }
    return [by_name[name] for name in TopologicalSorter(graph).static_order()]


def reads(name: str) -> re.Pattern[str]:
    """Return what a statement matches that selects from a view."""
    quoted = re.escape(quote_name(name))
    return re.compile(rf"\b(?:from|join)\s[\s(]*{quoted}|,\s*{quoted}\s", re.IGNORECASE)


def content(connection: Connection, ignore_list: IgnoreList) -> list[tuple[str, str]]:
    """Return the statements that insert rows and set sequences."""
    inserts = [
        insert for table in select_tables(connection, ignore_list) for insert in table.inserts()
    ]
    positions = [
        (label, statement)
        for label, _, statement in read_counters(connection, ignore_list)
        if statement
    ]
    if not inserts and not positions:
        return []
    return [
        ("", f"SET sql_mode = '{MODE_OF_ROWS}'"),
        ("", "SET @alembic_zone = @@time_zone"),
        ("", TIME_ZONE),
        *inserts,
        ("", "SET time_zone = @alembic_zone"),
        *positions,
    ]


def select_tables(connection: Connection, ignore_list: IgnoreList) -> Iterator[TableRows]:
    """Read each table that has rows.

    Raises:
        CommandError: A table has rows that cannot be written as SQL.
    """
    tables: dict[tuple[str, str], dict[str, str]] = {}
    for kind, table, column, type_ in connection.execute(COLUMNS).all():
        tables.setdefault((kind, table), {})[column] = as_text(type_).lower()
    zone = as_text(connection.exec_driver_sql("SELECT @@time_zone").scalar())
    connection.exec_driver_sql(TIME_ZONE)
    try:
        with default_mode(connection):
            for (kind, table), types in tables.items():
                if is_wanted(ignore_list, table) and has_rows(connection, quote_name(table)):
                    literals = table_literals(kind, table, types)
                    yield select_rows(connection, table, quote_name(table), literals)
    finally:
        connection.exec_driver_sql(f"SET time_zone = '{zone}'")


def table_literals(kind: str, table: str, types: dict[str, str]) -> dict[str, str]:
    """Return, by the quoted name of each column, SQL that writes the column as a literal.

    Raises:
        CommandError: The table has a history of its rows, or a type that has no literals.
    """
    if kind == "SYSTEM VERSIONED":
        raise CommandError(
            f"Table {table} has rows and their history, which cannot be written as SQL"
        )
    for column, type_ in types.items():
        if type_ not in LITERALS:
            raise CommandError(
                f"Table {table} has rows, and a column that cannot be written as SQL: {column} is"
                f" of type {type_}"
            )
    return {
        quote_name(column): LITERALS[type_].format(quote_name(column))
        for column, type_ in types.items()
    }


def read_counters(connection: Connection, ignore_list: IgnoreList) -> Iterator[Counter]:
    """Read the next numbers of tables, which their statements set, and of sequences."""
    for stored in read_objects(connection):
        if stored.kind not in WITH_ROWS or ignore_list.matches(stored.full_name):
            continue
        if stored.kind == "sequence":
            name = quote_name(stored.name)
            query = f"SELECT next_not_cached_value, start_value FROM {name}"  # noqa: S608
            position, start = execute_verbatim(connection, query).one()
            if position != start:
                statement = f"DO SETVAL({name}, {position}, 0)"
                yield Counter(f"position of sequence {stored.name}", str(position), statement)
        elif number := next_number(stored.statement):
            yield Counter(f"next number of table {stored.name}", number, "")


def next_number(statement: str) -> str:
    """Return the next number of a table, from its CREATE statement; empty if there is none."""
    options = statement.rpartition("\n)")[2]
    found = re.search(r" AUTO_INCREMENT=(\d+)", options)
    return found[1] if found else ""


def read_rows(connection: Connection, ignore_list: IgnoreList) -> Iterator[tuple[str, list[str]]]:
    """Read the tables that have rows: the label of each, and each row as SQL."""
    for table in select_tables(connection, ignore_list):
        yield table.label, table.rows
