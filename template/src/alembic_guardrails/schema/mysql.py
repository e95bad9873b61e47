"""The schema of a MySQL or MariaDB database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from alembic_guardrails.revisions import OWN_TABLES
from alembic_guardrails.schema import StoredObject, as_text, execute_verbatim
from sqlalchemy import Connection, text

# Triggers of a table run in the order in which they were created.
OBJECTS = text("""
SELECT table_type, table_name, '', 0 FROM information_schema.tables WHERE table_schema = database()
UNION SELECT routine_type, routine_name, '', 0 FROM information_schema.routines
WHERE routine_schema = database()
UNION SELECT 'TRIGGER', trigger_name, concat(' on table ', event_object_table), action_order
FROM information_schema.triggers WHERE trigger_schema = database()
UNION SELECT 'EVENT', event_name, '', 0 FROM information_schema.events
WHERE event_schema = database() ORDER BY 4, 2
""")

KINDS = {"BASE TABLE": "table", "SYSTEM VERSIONED": "table"}

# The names that servers make up for foreign keys and checks.
MADE_UP = re.compile(r".+_(?:chk|ibfk)_\d+|CONSTRAINT_\d+|\d+")

# The first column of a key. A key without a name has its name; a number makes it unique.
FIRST_COLUMN = re.compile(r"[^(]*\(`((?:[^`]|``)+)`")

DEFINER = re.compile(r" DEFINER=(?:`[^`]*`@`[^`]*`|`[^`]*`)")

# When an event begins depends on when it was created.
TIMES = r" (?:STARTS|AT) '[-: \d]+'"

# A collation belongs to one character set. MySQL writes the set only where the statement had it.
IMPLIED_SET = r" CHARACTER SET \w+(?= COLLATE )"

# The kinds whose statements the server writes itself, with the name of the database in them.
WRITTEN_BY_SERVER = ("table", "trigger", "view")


def quote_name(name: str) -> str:
    """Quote a name in backticks, which every sql_mode takes."""
    return "`" + name.replace("`", "``") + "`"


@contextmanager
def default_mode(connection: Connection) -> Iterator[None]:
    """Have the server write statements in one way, whatever the session or the server is set to."""
    query = "SELECT @@sql_mode, @@sql_quote_show_create"
    mode, quotes = connection.exec_driver_sql(query).one()
    connection.exec_driver_sql("SET SESSION sql_mode = '', sql_quote_show_create = 1")
    try:
        yield
    finally:
        connection.exec_driver_sql(
            f"SET SESSION sql_mode = '{as_text(mode)}', sql_quote_show_create = {quotes}"
        )


def list_objects(connection: Connection) -> list[tuple[str, str, str]]:
    """Return the kind, the name and the parent of each object; triggers in their order."""
    rows = connection.execute(OBJECTS).all()
    return [(KINDS.get(kind, kind.lower()), name, parent) for kind, name, parent, _ in rows]


def read_objects(connection: Connection) -> list[StoredObject]:
    """Read each object but Alembic's tables; its statement names no definer and no database."""
    with default_mode(connection):
        database = str(connection.scalar(text("SELECT database()")))
        return [
            read_object(connection, database, kind, name, parent)
            for kind, name, parent in list_objects(connection)
            if name not in OWN_TABLES
        ]


def read_object(
    connection: Connection, database: str, kind: str, name: str, parent: str
) -> StoredObject:
    """Ask for the CREATE statement of an object."""
    statement = f"SHOW CREATE {kind.upper()} {quote_name(name)}"
    shown = execute_verbatim(connection, statement).mappings().one()
    create = next(
        str(value) for key, value in shown.items() if re.match("Create|SQL Original", key)
    )
    if kind in WRITTEN_BY_SERVER:
        create = outside_texts(rf"(?<![.`]){re.escape(quote_name(database))}\.", create)
    if kind != "table":
        create = DEFINER.sub("", create, count=1)
    return StoredObject(kind, name, parent, create, str(shown.get("sql_mode", "")))


def outside_texts(pattern: str, statement: str) -> str:
    """Take what a pattern matches out of a statement, but not out of the texts in it."""
    pattern = rf"('(?:[^'\\]|\\.|'')*')|{pattern}"
    return re.sub(pattern, lambda match: match[1] or "", statement, flags=re.DOTALL)


def without_counter(statement: str) -> str:
    """Take the next number of a table, which depends on its rows, out of its CREATE statement."""
    if "AUTO_INCREMENT=" not in statement:  # as in most, and a search takes longer
        return statement
    return outside_texts(r" AUTO_INCREMENT=\d+", statement)


def read(connection: Connection) -> Iterator[tuple[str, str]]:
    """Read the statements that the server writes, line by line where one creates a table."""
    for stored in read_objects(connection):
        if stored.kind == "table":
            yield from table_parts(stored.name, stored.statement)
        else:
            yield stored.full_name, outside_texts(TIMES, stored.statement)


def table_parts(table: str, statement: str) -> Iterator[tuple[str, str]]:
    """Split a CREATE TABLE statement into options, columns, keys and constraints."""
    statement = outside_texts(IMPLIED_SET, without_counter(statement))
    parts, _, options = statement.partition("(\n")[2].partition("\n) ")
    yield f"table {table}", options
    for line in parts.split("\n"):
        part = line.strip().removesuffix(",")
        words, name, _ = part.split("`", 2)
        if not words:
            yield f"column {name} of table {table}", part
        elif words.endswith("("):
            yield f"{words.lower().rstrip('( ')} on table {table}", part
        else:
            kind = "constraint" if words == "CONSTRAINT " else "index"
            yield f"{kind} {name} on table {table}", part


def reword_view(connection: Connection, definition: str) -> str:
    """Return the definition as it is: the server keeps it so."""
    return definition


def makes_up(name: str, definition: str) -> bool:
    """Whether the server gives this name to a constraint that a statement leaves unnamed."""
    column = FIRST_COLUMN.match(definition)
    is_of_column = column and re.fullmatch(rf"{re.escape(column[1])}(?:_\d+)?", name)
    return bool(MADE_UP.fullmatch(name) or is_of_column)
