"""A dump of a MySQL or MariaDB database, which the server writes."""

import re
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter

from alembic.util import CommandError
from alembic_guardrails.dump.base import Dump, Rows, is_empty, table_rows
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.own_tables import OWN_TABLES
from alembic_guardrails.schema.mysql import COUNTER, DEFINER, without_database
from sqlalchemy import Connection, text

# What MySQL and MariaDB are told around the statements, for tables in any order and rules of old.
BEFORE = (
    "SET @alembic_keys = @@foreign_key_checks, foreign_key_checks = 0",
    "SET @alembic_mode = @@sql_mode, sql_mode = ''",
)

MODE_OF_ROWS = "NO_AUTO_VALUE_ON_ZERO"

AFTER = ("SET foreign_key_checks = @alembic_keys, sql_mode = @alembic_mode",)

OBJECTS = """
SELECT table_type, table_name, '', 0 FROM information_schema.tables WHERE table_schema = database()
UNION SELECT routine_type, routine_name, '', 0 FROM information_schema.routines
WHERE routine_schema = database()
UNION SELECT 'TRIGGER', trigger_name, concat(' on table ', event_object_table), action_order
FROM information_schema.triggers WHERE trigger_schema = database()
UNION SELECT 'EVENT', event_name, '', 0 FROM information_schema.events
WHERE event_schema = database() ORDER BY 4, 2
"""

KINDS = ("SEQUENCE", "TABLE", "FUNCTION", "PROCEDURE", "VIEW", "TRIGGER", "EVENT")


def dump(connection: Connection, ignore_list: IgnoreList, with_rows: bool) -> Dump:
    """Ask for each CREATE statement; views come after those that they read."""
    connection.exec_driver_sql("SET SESSION sql_mode = ''")
    quote = connection.dialect.identifier_preparer.quote_identifier
    database = quote(str(connection.scalar(text("SELECT database()"))))
    found: dict[str, list[tuple[str, str, str]]] = {kind: [] for kind in KINDS}
    for kind, name, place, _ in connection.execute(text(OBJECTS)).all():
        kind = "TABLE" if kind in ("BASE TABLE", "SYSTEM VERSIONED") else kind
        if name in OWN_TABLES or ignore_list.matches(f"{kind.lower()} {name}{place}"):
            continue
        shown = connection.execute(text(f"SHOW CREATE {kind} {quote(name)}")).mappings().one()
        statement = next(
            str(it) for key, it in shown.items() if re.match("Create|SQL Original", key)
        )
        statement = re.sub(DEFINER, "", without_database(statement, kind, database))
        found[kind].append((name, statement, str(shown.get("sql_mode", ""))))
    found["VIEW"] = in_order(found["VIEW"], quote)

    definition = Dump([("", statement) for statement in BEFORE], [*BEFORE])
    mode = ""
    for kind in KINDS:
        for name, statement, wanted in found[kind]:
            if wanted != mode:
                definition.create.append(("", f"SET sql_mode = '{wanted}'"))
                mode = wanted
            if kind == "TABLE" and not with_rows:
                statement = re.sub(COUNTER, "", statement)
            definition.create.append((f"{kind.lower()} {name}", statement))
        if kind == "TABLE" and with_rows and (rows := mysql_content(connection, ignore_list)):
            definition.create += rows
            mode = MODE_OF_ROWS
    definition.create += [("", statement) for statement in AFTER]
    for kind in reversed(KINDS):
        if kind != "TRIGGER":  # they go with their tables
            definition.drop += [f"DROP {kind} {quote(name)}" for name, *_ in found[kind][::-1]]
    definition.drop += AFTER
    return definition


def mysql_content(connection: Connection, ignore_list: IgnoreList) -> list[tuple[str, str]]:
    """The statements that insert rows, before there are triggers, and set sequences."""
    rows = [
        (it.table, insert) for it in mysql_rows(connection, ignore_list) for insert in it.inserts()
    ]
    if rows:
        zone = "SET @alembic_zone = @@time_zone"
        before = [("", f"SET sql_mode = '{MODE_OF_ROWS}'"), ("", zone), ("", TIME_ZONE)]
        rows = [*before, *rows, ("", "SET time_zone = @alembic_zone")]
    counters = read_counters(connection, ignore_list)
    return rows + [(name, statement) for name, _, statement in counters if statement]


def in_order(
    views: list[tuple[str, str, str]], quote: Callable[[str], str]
) -> list[tuple[str, str, str]]:
    """Put each view after those that it reads from."""
    by_name = {view[0]: view for view in views}
    read = {
        name: rf"\b(?:from|join)\s[\s(]*{re.escape(quote(name))}|,\s*{re.escape(quote(name))}\s"
        for name in by_name
    }
    names = {
        name: [it for it in by_name if it != name and re.search(read[it], view[1], re.IGNORECASE)]
        for name, view in by_name.items()
    }
    return [by_name[name] for name in TopologicalSorter(names).static_order()]


COLUMNS = text("""
SELECT t.table_type, t.table_name, c.column_name, c.data_type FROM information_schema.tables t
JOIN information_schema.columns c ON c.table_schema = t.table_schema AND c.table_name = t.table_name
WHERE t.table_schema = database() AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
AND c.extra NOT LIKE '% GENERATED%' ORDER BY t.table_name, c.ordinal_position
""")

COUNTED = text("""
SELECT table_type, table_name FROM information_schema.tables
WHERE table_schema = database() AND table_type IN ('BASE TABLE', 'SEQUENCE') ORDER BY table_name
""")

BITS = "IF({0} IS NULL, 'NULL', CONCAT('X''', HEX({0}), ''''))"

WORDS = "QUOTE(CAST({0} AS CHAR))"

# How the server writes the literals of a type.
LITERALS = {
    **dict.fromkeys(
        ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"),
        "IFNULL(CAST({0} AS CHAR), 'NULL')",
    ),
    **dict.fromkeys(("float", "double"), "IFNULL(CAST({0} + 0e0 AS CHAR), 'NULL')"),
    **dict.fromkeys(("bit",), "IFNULL(CAST({0} + 0 AS CHAR), 'NULL')"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), BITS),
    **dict.fromkeys(("date", "time", "datetime", "timestamp", "uuid", "inet4", "inet6"), WORDS),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext"), "QUOTE({0})"),
    **dict.fromkeys(("longtext", "enum", "set", "json"), "QUOTE({0})"),
}

# What these literals are written with, and so have to be read with.
TIME_ZONE = "SET time_zone = '+00:00'"


def mysql_rows(connection: Connection, ignore_list: IgnoreList) -> Iterator[Rows]:
    """Read each table that has rows."""
    connection.exec_driver_sql("SET SESSION sql_mode = ''")
    connection.exec_driver_sql(TIME_ZONE)
    quote = connection.dialect.identifier_preparer.quote_identifier
    tables: dict[str, dict[str, str]] = {}
    versioned = set()
    for kind, table, column, type_ in connection.execute(COLUMNS).all():
        tables.setdefault(table, {})[column] = type_.lower()
        versioned |= {table} if kind == "SYSTEM VERSIONED" else set()
    for table, columns in tables.items():
        if (
            table in OWN_TABLES
            or ignore_list.matches(f"table {table}")
            or is_empty(connection, table)
        ):
            continue
        if table in versioned:
            raise CommandError(f"Table {table} has rows, and a history of them, which is not SQL")
        for column, type_ in columns.items():
            if type_ not in LITERALS:
                raise CommandError(
                    f"Table {table} has rows, and a column that cannot be written as SQL: {column}"
                    f" is of type {type_}"
                )
        literals = {it: LITERALS[type_].format(quote(it)) for it, type_ in columns.items()}
        yield table_rows(connection, table, literals)


def read_counters(
    connection: Connection, ignore_list: IgnoreList
) -> Iterator[tuple[str, str, str]]:
    """The next numbers of tables, which their definitions say, and of sequences."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    for kind, table in connection.execute(COUNTED).all():
        name = quote(table)
        if (
            table in OWN_TABLES
            or ignore_list.matches(f"table {table}")
            or ignore_list.matches(f"sequence {table}")
        ):
            continue
        if kind == "SEQUENCE":
            query = f"SELECT next_not_cached_value, start_value FROM {name}"  # noqa: S608
            following, start = connection.exec_driver_sql(query).one()
            if following != start:
                statement = f"DO SETVAL({name}, {following}, 0)"
                yield f"position of sequence {table}", str(following), statement
        else:
            shown = str(connection.exec_driver_sql(f"SHOW CREATE TABLE {name}").one()[1])
            _, found, rest = shown.rpartition("AUTO_INCREMENT=")
            if found and rest[:1].isdigit():
                yield f"next number of table {table}", rest.split()[0], ""


def read_rows(connection: Connection, ignore_list: IgnoreList) -> Iterator[tuple[str, list[str]]]:
    """Read each table that has rows: its name in words, and the values of each row as SQL."""
    for rows in mysql_rows(connection, ignore_list):
        yield rows.table, rows.values
