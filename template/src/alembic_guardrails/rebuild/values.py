"""Whether the values of a column can have another type without loss.

SQLite converts a value that is stored if that is possible, and else keeps it:
https://www.sqlite.org/datatype3.html#type_affinity. Alembic's CAST makes 0 of a word, and of a
date its year.
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from alembic.util import CommandError
from alembic_guardrails.schema.base import execute_verbatim
from sqlalchemy import Connection

# Parts of the name of a type, and the affinity that they give; the first that is found counts.
AFFINITIES = {
    "INT": "INTEGER",
    "CHAR": "TEXT",
    "CLOB": "TEXT",
    "TEXT": "TEXT",
    "BLOB": "BLOB",
    "REAL": "REAL",
    "FLOA": "REAL",
    "DOUB": "REAL",
}

# Types of numbers that have the affinity of all the others.
WHOLE = ("BOOL",)
NUMBERS = ("NUMERIC", "DECIMAL", "NUMBER")

SCRATCH = "guardrails_values"


def affinity(type_: str, *, is_strict: bool = False) -> str:
    """Return to what SQLite converts the values of a column with this type."""
    name = type_.upper()
    if is_strict and name == "ANY":
        return "BLOB"
    default = "NUMERIC" if name else "BLOB"
    return next((result for part, result in AFFINITIES.items() if part in name), default)


def check_values(connection: Connection, table: str, column: str, after: str, label: str) -> None:
    """Check that a column's values can have another type without loss.

    `table` and `column` are quoted, `after` is the type, and `label` names the column in messages.

    Raises:
        CommandError: A value would be changed, or is none of the new type.
    """
    for statement in (
        f"CREATE TEMP TABLE {SCRATCH} (old, new {after})",
        f"INSERT INTO {SCRATCH} SELECT {column}, {column} FROM "  # noqa: S608
        f"(SELECT DISTINCT {column} COLLATE BINARY AS {column} FROM {table})",
    ):
        execute_verbatim(connection, statement)
    try:
        for old, new in read_pairs(connection):
            problem = "would be changed" if is_lossy(old, new) else find_problem(new, after)
            if problem:
                raise CommandError(
                    f"{label} cannot get the type {after}: the value {shorten(old)} {problem}, so "
                    "change such values first, in the same revision."
                )
    finally:
        execute_verbatim(connection, f"DROP TABLE temp.{SCRATCH}")


def read_pairs(connection: Connection) -> Iterator[tuple[Any, Any]]:
    """Yield each value before and after."""
    # Text that is no UTF-8 cannot be read as text.
    parts = ", ".join(
        f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END, typeof({name})"
        for name in ("old", "new")
    )
    same = "typeof(new) IN ('integer', 'null') AND typeof(new) = typeof(old) AND new IS old"
    query = f"SELECT {parts} FROM {SCRATCH} WHERE NOT ({same})"  # noqa: S608
    rows = execute_verbatim(connection, query)
    for old, old_kind, new, new_kind in rows.all():
        yield decode(old, old_kind), decode(new, new_kind)


def decode(value: Any, kind: str) -> Any:
    """Return a value of Python for one of SQLite, whose text was read as bytes."""
    return value.decode("utf-8", "surrogateescape") if kind == "text" else value


def is_lossy(old: Any, new: Any) -> bool:
    """Whether a value of SQLite is another one after a conversion."""
    if type(old) is type(new):
        return bool(old != new)
    if isinstance(old, bytes) or isinstance(new, bytes) or old is None or new is None:
        return True
    numbers = [read_number(value) for value in (old, new)]
    return numbers[0] is None or numbers[0] != numbers[1]


def read_number(value: Any) -> Decimal | None:
    """Return the number that a value is or says; nothing if it is none."""
    try:
        return Decimal(repr(value) if isinstance(value, float) else str(value).strip())
    except InvalidOperation:
        return None


def find_problem(value: Any, type_: str) -> str:
    """Return what is wrong with a value in a column with this type."""
    name = type_.upper()
    kind = affinity(type_)
    is_whole = kind == "INTEGER" or name.startswith(WHOLE)
    is_number = is_whole or kind == "REAL" or name.startswith(NUMBERS)
    if is_number and isinstance(value, str | bytes):
        return "is no number"
    return "is no whole number" if is_whole and isinstance(value, float) else ""


def shorten(value: Any) -> str:
    """Return a value for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
