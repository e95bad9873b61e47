"""Whether the views, triggers and virtual tables of a database work.

SQLite itself refuses a DROP COLUMN that a view reads, but no DROP TABLE, no column that a trigger
writes, and nothing that a virtual table reads:
https://www.sqlite.org/fts5.html#external_content_tables
"""

from collections.abc import Iterator
from secrets import token_hex
from typing import NamedTuple

from alembic_guardrails.rebuild.copy import StoredObject, probe, read_objects
from alembic_guardrails.rebuild.definition import fold, normalise
from alembic_guardrails.schema import execute_verbatim
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


class Answer(NamedTuple):
    """What SQLite says to an object: no error if it works. Its key stays when it is renamed."""

    one: StoredObject
    key: str
    error: str


def ask(connection: Connection) -> Iterator[Answer]:
    """Yield what SQLite says to each view, trigger and virtual table of a database."""
    objects = read_objects(connection)
    errors = probe(connection, [one for one in objects if one.type == "view"])
    broken = {fold(one.name) for one in objects if errors.get(one.label)}
    # The columns of a view that does not work cannot be read.
    triggers = [one for one in objects if one.type == "trigger" and fold(one.table) not in broken]
    errors |= probe(connection, triggers)
    for one in objects:
        if one.label in errors:
            yield Answer(one, one.label, errors[one.label])
        elif one.type == "table" and (parts := normalise(one.sql))[1] == "virtual":
            key = " ".join(parts[parts.index("using") :])
            yield Answer(one, key, read_error(connection, one.name))


def read_error(connection: Connection, table: str) -> str:
    """Return why a virtual table cannot be read; nothing if it can."""
    name = connection.dialect.identifier_preparer.quote_identifier(table)
    # EXPLAIN does not ask the module of the table. The mark is as in `compile_error`.
    query = f"SELECT * FROM {name} LIMIT 1 /* {token_hex(8)} */"  # noqa: S608
    try:
        execute_verbatim(connection, query).all()
    except DBAPIError as error:
        return str(error.orig)
    return ""
