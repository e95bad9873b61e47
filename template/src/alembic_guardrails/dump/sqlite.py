"""A dump of a SQLite database."""

from collections.abc import Iterator

from alembic.util import CommandError
from alembic_guardrails.dump.base import Dump, Rows, is_empty, table_rows
from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.own_tables import OWN_TABLES
from sqlalchemy import Connection, text

STATEMENTS = """
SELECT type, name, iif(name = tbl_name, '',
    (SELECT ' on ' || type || ' ' || name FROM sqlite_master WHERE name = thing.tbl_name)), sql
FROM sqlite_master thing WHERE sql <> '' AND name NOT GLOB 'sqlite_*'
AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY rowid
"""


def dump(connection: Connection, ignore_list: IgnoreList, with_rows: bool) -> Dump:
    """Take the statements that SQLite keeps; rows come before there are triggers."""
    definition = Dump()
    quote = connection.dialect.identifier_preparer.quote_identifier
    for kind, name, place, statement in connection.execute(text(STATEMENTS)).all():
        if name in OWN_TABLES or ignore_list.matches(f"{kind} {name}{place}"):
            continue
        definition.create.append((f"{kind} {name}", statement))
        if kind in ("table", "view"):
            definition.drop.insert(0, f"DROP {kind.upper()} {quote(name)}")
    if with_rows and (rows := sqlite_content(connection, ignore_list)):
        tables = [it for it in definition.create if it[0].startswith("table ")]
        rest = [it for it in definition.create if it not in tables]
        definition.create = [*tables, *rows, *rest]
    return definition


def sqlite_content(connection: Connection, ignore_list: IgnoreList) -> list[tuple[str, str]]:
    """The statements that insert rows and set counters."""
    rows = [
        (it.table, insert) for it in sqlite_rows(connection, ignore_list) for insert in it.inserts()
    ]
    counters = [(name, it) for name, _, it in read_counters(connection, ignore_list)]
    # Inserting has counted already.
    return rows + ([("", "DELETE FROM sqlite_sequence")] if counters else []) + counters


COLUMNS = text("""
SELECT l.name, l.type, x.name FROM pragma_table_list l, pragma_table_xinfo(l.name) x
WHERE l.schema = 'main' AND l.type IN ('table', 'virtual') AND l.name NOT GLOB 'sqlite_*'
AND x.hidden = 0 ORDER BY l.name, x.cid
""")

HAS_COUNTERS = text("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")

SQLITE_COUNTERS = text("SELECT name, seq FROM sqlite_sequence ORDER BY name")


def sqlite_rows(connection: Connection, ignore_list: IgnoreList) -> Iterator[Rows]:
    """Read each table that has rows."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    tables: dict[tuple[str, str], dict[str, str]] = {}
    for table, kind, column in connection.execute(COLUMNS).all():
        tables.setdefault((table, kind), {})[column] = f"quote({quote(column)})"
    for (table, kind), columns in tables.items():
        if (
            table in OWN_TABLES
            or ignore_list.matches(f"table {table}")
            or is_empty(connection, table)
        ):
            continue
        if kind == "virtual":
            raise CommandError(f"Table {table} has rows that SQL cannot keep: it is a virtual one")
        yield table_rows(connection, table, columns)


def read_counters(
    connection: Connection, ignore_list: IgnoreList
) -> Iterator[tuple[str, str, str]]:
    """The last numbers of tables with AUTOINCREMENT."""
    if connection.scalar(HAS_COUNTERS):
        for table, number in connection.execute(SQLITE_COUNTERS).all():
            if not ignore_list.matches(f"table {table}"):
                name = table.replace("'", "''")
                insert = "INSERT INTO sqlite_sequence (name, seq) VALUES"
                yield f"last number of table {table}", str(number), f"{insert} ('{name}', {number})"


def read_rows(connection: Connection, ignore_list: IgnoreList) -> Iterator[tuple[str, list[str]]]:
    """Read each table that has rows: its name in words, and the values of each row as SQL."""
    for rows in sqlite_rows(connection, ignore_list):
        yield rows.table, rows.values
