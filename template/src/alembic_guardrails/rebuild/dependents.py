"""What else in a database depends on a table: views, triggers, indexes, and foreign keys."""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from secrets import token_hex
from typing import NamedTuple

from alembic.util import CommandError
from alembic_guardrails.rebuild.definition import column_of, fold, name_of, read_tokens
from alembic_guardrails.schema.base import execute_verbatim
from alembic_guardrails.statements import Token
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

OBJECTS = text("""
SELECT type, name, tbl_name, sql FROM sqlite_master
WHERE sql <> '' AND name NOT GLOB 'sqlite_*' ORDER BY rowid
""")

TEMPORARY = text("SELECT type, name, tbl_name, sql FROM sqlite_temp_master WHERE sql <> ''")

COLUMNS = text("SELECT name FROM pragma_table_xinfo(:name) WHERE hidden = 0")

FOREIGN_KEYS = text("""
SELECT m.name, k.id, k."from", k."to" FROM sqlite_master m, pragma_foreign_key_list(m.name) k
WHERE m.type = 'table' AND lower(k."table") = lower(:table) ORDER BY m.name, k.id, k.seq
""")

PRIMARY_KEY = text("SELECT name FROM pragma_table_xinfo(:table) WHERE pk > 0 ORDER BY pk")

UNIQUE_INDEXES = text("""
SELECT l.name, i.name FROM pragma_index_list(:table) l, pragma_index_info(l.name) i
WHERE l."unique" AND NOT l.partial ORDER BY l.name
""")

# What stands before the name of a table, and behind that of a trigger's table.
BEFORE_TABLE = ("FROM", "INTO", "JOIN", "REFERENCES", "TABLE", "UPDATE")
BEHIND_TABLE = ("BEGIN", "FOR", "WHEN")

EVENTS = ("DELETE", "INSERT", "UPDATE")


class StoredObject(NamedTuple):
    """A table, index, view or trigger, with the statement that creates it."""

    type: str
    name: str
    table: str
    sql: str

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.type} {self.name}"

    @property
    def names(self) -> set[str]:
        """All names in the statement, folded; a string can be one."""
        return {fold(name_of(token)) for token in read_tokens(self.sql)}


def read_objects(connection: Connection) -> list[StoredObject]:
    """Read all objects, in the order in which they were created."""
    return [StoredObject(*row) for row in connection.execute(OBJECTS).all()]


def read_temporary(connection: Connection, table: str) -> list[StoredObject]:
    """Read the temporary objects that have a name in common with a table, or name it."""
    found = [StoredObject(*row) for row in connection.execute(TEMPORARY).all()]
    return [one for one in found if fold(table) in one.names]


def find_dependents(objects: Iterable[StoredObject], table: str) -> list[StoredObject]:
    """Return the views and triggers that name a table, or a view that does."""
    names = {fold(table)}
    left = [one for one in objects if one.type in ("view", "trigger")]
    found: list[StoredObject] = []
    while new := [one for one in left if one.names & names]:
        found += new
        names |= {fold(one.name) for one in new if one.type == "view"}
        left = [one for one in left if one not in new]
    return found


def check_free(dependents: Iterable[StoredObject], column: str) -> None:
    """Check that no view and no trigger names a column in a way that means something else later.

    Without the column, a name without a table could be found elsewhere, or be taken for a string:
    https://www.sqlite.org/quirks.html#double_quoted_string_literals_are_accepted

    Raises:
        CommandError: One does.
    """
    for one in dependents:
        if any(True for _ in find_bare(read_tokens(one.sql), column)):
            kind = one.type.upper()
            raise CommandError(
                f"Column {column} cannot be dropped, because {one.label} names it: execute "
                f'`DROP {kind} "{one.name}"` in the revision first, and create it again after.'
            )


def find_bare(parts: tuple[Token, ...], column: str) -> Iterator[Token]:
    """Yield where SQL names a column without its table."""
    for place, token in enumerate(parts):
        before = parts[place - 1].word if place else ""
        behind = parts[place + 1].word if place + 1 < len(parts) else ""
        is_table = before in BEFORE_TABLE or (before == "ON" and behind in BEHIND_TABLE)
        is_named = column_of(token) == fold(column)
        if is_named and not is_table and before not in ("AS", ".") and behind not in ("(", "."):
            yield token


def check_strings(objects: Iterable[StoredObject], column: str) -> None:
    """Check that nothing has a string in double quotes that would become the name of a column.

    Raises:
        CommandError: Something does.
    """
    for one in objects:
        for token in find_bare(read_tokens(one.sql), column):
            if token.text.startswith('"'):
                raise CommandError(
                    f"A column cannot be called {column}, because {one.label} has the string "
                    f"{token.text}, which SQLite would take for it: write '{column}' there."
                )


def probe(connection: Connection, objects: Iterable[StoredObject]) -> dict[str, str]:
    """Return what SQLite says to each view, and to the triggers of a table: nothing if all is well.

    EXPLAIN compiles a statement, with the triggers that it fires, and does not run it.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    answers: dict[str, str] = {}
    for one in objects:
        if one.type == "view":
            query = f"SELECT * FROM {quote(one.name)}"  # noqa: S608
            answers[one.label] = compile_error(connection, query)
        elif one.type == "trigger":
            event = next(token.word for token in read_tokens(one.sql) if token.word in EVENTS)
            statement = statement_for(connection, event, one.table)
            answers[one.label] = compile_error(connection, statement)
    return answers


def statement_for(connection: Connection, event: str, table: str) -> str:
    """Return a statement that fires the triggers of a table for an event."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    name = quote(table)
    if event == "DELETE":
        return f"DELETE FROM {name}"  # noqa: S608
    if event == "INSERT":
        return f"INSERT INTO {name} DEFAULT VALUES"
    columns = map(quote, connection.scalars(COLUMNS, {"name": table}).all())
    assignments = ", ".join(f"{column} = {column}" for column in columns)
    return f"UPDATE {name} SET {assignments}"  # noqa: S608


def compile_error(connection: Connection, statement: str) -> str:
    """Return why SQLite cannot compile a statement; nothing if it can."""
    # Python keeps compiled statements by their text, and crashes where one no longer compiles.
    mark = token_hex(8)
    try:
        execute_verbatim(connection, f"EXPLAIN {statement} /* {mark} */").close()
    except DBAPIError as error:
        return str(error.orig)
    return ""


def find_broken_keys(connection: Connection, table: str) -> set[tuple[str, ...]]:
    """Return the foreign keys to a table that refer to columns that are no key of it.

    SQLite refuses to change the rows of such tables:
    https://www.sqlite.org/foreignkeys.html#fk_indexes
    """
    primary_key = [fold(name) for name in connection.scalars(PRIMARY_KEY, {"table": table})]
    rows = connection.execute(UNIQUE_INDEXES, {"table": table}).all()
    keys = [
        sorted(fold(column or "") for _, column in group)
        for _, group in groupby(rows, lambda row: row[0])
    ]
    keys.append(sorted(primary_key))
    broken = set()
    found = connection.execute(FOREIGN_KEYS, {"table": table}).all()
    for (child, _), group in groupby(found, lambda row: row[:2]):
        pairs = [(column, referred) for _, _, column, referred in group]
        target = [fold(referred) for _, referred in pairs if referred is not None] or primary_key
        if sorted(target) not in keys or len(target) != len(pairs):
            broken.add((child, *(column for column, _ in pairs)))
    return broken


def index_columns(index: StoredObject, columns: Collection[str]) -> set[str]:
    """Return which of a table's columns, by their folded names, an index names."""
    parts = read_tokens(index.sql)
    first = next(place for place, token in enumerate(parts) if token.text == "(")
    return {column for column in columns if any(find_bare(parts[first:], column))}
