"""A dump of a SQLite database."""

from collections.abc import Iterator

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
from alembic_guardrails.schema.sqlite import read_header, read_objects
from sqlalchemy import Connection, text

# Tables that a virtual table makes for itself.
SHADOW_TABLES = text("SELECT name FROM pragma_table_list WHERE type = 'shadow'")

COLUMNS = text("""
SELECT l.name, l.type, x.name FROM pragma_table_list l, pragma_table_xinfo(l.name) x
WHERE l.schema = 'main' AND l.type IN ('table', 'virtual') AND l.name NOT GLOB 'sqlite_*'
AND x.hidden = 0 ORDER BY l.name, x.cid
""")

# quote() writes an infinite number as a name.
LITERAL = """
iif(typeof({0}) = 'real' AND abs({0}) = 9e999, iif({0} > 0, '9e999', '-9e999'), quote({0}))
"""

HAS_COUNTERS = text("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")

COUNTERS = text("SELECT name, seq FROM sqlite_sequence ORDER BY name")


def dump(connection: Connection, ignore_list: IgnoreList, *, with_rows: bool) -> Dump:
    """Dump the statements that SQLite keeps; rows are inserted before there are triggers."""
    result = Dump()
    quote = connection.dialect.identifier_preparer.quote_identifier
    shadow_tables = set(connection.scalars(SHADOW_TABLES))
    for stored in read_objects(connection):
        if stored.name in shadow_tables or ignore_list.matches(stored.full_name):
            continue
        result.create.append((f"{stored.kind} {stored.name}", stored.statement))
        if stored.kind in ("table", "view"):
            result.drop.insert(0, f"DROP {stored.kind.upper()} {quote(stored.name)}")
    for setting, value in read_header(connection):
        if not ignore_list.matches(f"setting {setting}"):
            result.create.append((f"setting {setting}", f"PRAGMA {setting} = {value}"))
            result.drop.append(f"PRAGMA {setting} = 0")
    if with_rows and (rows := content(connection, ignore_list)):
        tables = [entry for entry in result.create if entry[0].startswith("table ")]
        rest = [entry for entry in result.create if not entry[0].startswith("table ")]
        result.create = [*tables, *rows, *rest]
    return result


def content(connection: Connection, ignore_list: IgnoreList) -> list[tuple[str, str]]:
    """Return the statements that insert rows and set counters."""
    tables = select_tables(connection, ignore_list)
    inserts = [insert for table in tables for insert in table.inserts()]
    counters = [
        (label, statement) for label, _, statement in read_counters(connection, ignore_list)
    ]
    if counters:  # inserting rows has counted
        counters.insert(0, ("", "DELETE FROM sqlite_sequence"))
    return inserts + counters


def select_tables(connection: Connection, ignore_list: IgnoreList) -> Iterator[TableRows]:
    """Read each table that has rows.

    Raises:
        CommandError: A virtual table has rows.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    tables: dict[tuple[str, str], dict[str, str]] = {}
    for table, kind, column in connection.execute(COLUMNS).all():
        tables.setdefault((table, kind), {})[quote(column)] = LITERAL.format(quote(column))
    for (table, kind), literals in tables.items():
        if not is_wanted(ignore_list, table) or not has_rows(connection, quote(table)):
            continue
        if kind == "virtual":
            raise CommandError(
                f"Table {table} has rows that cannot be written as SQL: the table is virtual"
            )
        yield select_rows(connection, table, quote(table), literals)


def read_counters(connection: Connection, ignore_list: IgnoreList) -> Iterator[Counter]:
    """Read the last numbers of tables with AUTOINCREMENT."""
    if not connection.scalar(HAS_COUNTERS):
        return
    for table, number in connection.execute(COUNTERS).all():
        if not ignore_list.matches(f"table {table}"):
            name = table.replace("'", "''")
            insert = f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{name}', {number})"  # noqa: S608
            yield Counter(f"last number of table {table}", str(number), insert)


def read_rows(connection: Connection, ignore_list: IgnoreList) -> Iterator[tuple[str, list[str]]]:
    """Read the tables that have rows: the label of each, and each row as SQL."""
    for table in select_tables(connection, ignore_list):
        yield table.label, table.rows
