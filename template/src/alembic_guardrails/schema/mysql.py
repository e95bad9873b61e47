"""The schema of a MySQL or MariaDB database."""

import re
from collections.abc import Iterator

from alembic_guardrails.own_tables import OWN_TABLES
from sqlalchemy import Connection, text

MYSQL = """
SELECT table_type, table_name, '' FROM information_schema.tables WHERE table_schema = database()
UNION SELECT routine_type, routine_name, '' FROM information_schema.routines
WHERE routine_schema = database()
UNION SELECT 'TRIGGER', trigger_name, concat(' on table ', event_object_table)
FROM information_schema.triggers WHERE trigger_schema = database()
UNION SELECT 'EVENT', event_name, '' FROM information_schema.events WHERE event_schema = database()
"""

# What depends on who made something, where, and when, or on rows.
DEFINER = r" DEFINER=(?:`[^`]*`@`[^`]*`|`[^`]*`)"

COUNTER = r" AUTO_INCREMENT=\d+"

INCIDENTAL = (
    DEFINER,
    COUNTER,
    r" (?:STARTS|AT) '[-: \d]+'",
)


def without_database(statement: str, kind: str, database: str) -> str:
    """Take the name of the database out of a statement that the server has put it into.

    Texts keep it, and routines, which are as they were written.
    """
    if kind not in ("TABLE", "TRIGGER", "VIEW"):
        return statement
    pattern = rf"('(?:[^'\\]|\\.|'')*')|(?<![.`]){re.escape(database)}\."
    return re.sub(pattern, lambda match: match[1] or "", statement, flags=re.DOTALL)


def read(connection: Connection) -> Iterator[tuple[str, str]]:
    """Read what MySQL and MariaDB write themselves, line by line where it is a table."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    database = quote(str(connection.scalar(text("SELECT database()"))))
    for kind, name, place in connection.execute(text(MYSQL)).all():
        if name in OWN_TABLES:
            continue
        kind = "TABLE" if kind in ("BASE TABLE", "SYSTEM VERSIONED") else kind
        shown = connection.execute(text(f"SHOW CREATE {kind} {quote(name)}")).mappings().one()
        definition = next(
            str(value) for key, value in shown.items() if re.match("Create|SQL Original", key)
        )
        definition = without_database(definition, kind, database)
        for pattern in INCIDENTAL:
            definition = re.sub(pattern, "", definition)
        if kind != "TABLE":
            yield f"{kind.lower()} {name}{place}", definition
            continue
        items, _, options = definition.partition("(\n")[2].partition("\n) ")
        yield f"table {name}", options
        for line in items.split("\n"):
            item = line.strip().removesuffix(",")
            words, name_of_item, _ = item.split("`", 2)
            if not words:
                yield f"column {name_of_item} of table {name}", item
            elif words.endswith("("):
                yield f"{words.lower().rstrip('( ')} on table {name}", item
            else:
                part = "constraint" if words == "CONSTRAINT " else "index"
                yield f"{part} {name_of_item} on table {name}", item
