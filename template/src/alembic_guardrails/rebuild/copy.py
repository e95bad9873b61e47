"""SQLite's procedure for changes that ALTER TABLE cannot make, and what depends on a table.

All rows go to a new table: https://www.sqlite.org/lang_altertable.html#otheralter. The old table is
renamed, not the new one, so that the new one has the very text of its definition.
`legacy_alter_table` leaves alone what names the table.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import groupby, pairwise
from secrets import token_hex
from typing import NamedTuple

from alembic.util import CommandError
from alembic_guardrails.rebuild.definition import (
    TableDefinition,
    column_of,
    fold,
    name_of,
    read_tokens,
)
from alembic_guardrails.schema import execute_verbatim
from alembic_guardrails.statements import Token
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

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

# What can stand before an asterisk that means all columns.
BEFORE_ALL = ("SELECT", "ALL", "DISTINCT", ",", ".")

EVENTS = ("DELETE", "INSERT", "UPDATE")

# What can stand for the number of a row, unless a column is called so.
ROW_NUMBERS = ("rowid", "_rowid_", "oid")

INDEXES = text("""
SELECT l.name, i.name, i."desc", i.coll, i."key"
FROM pragma_index_list(:table) l, pragma_index_xinfo(l.name) i ORDER BY l.name, i.seqno
""")

BOOKS = text("""
SELECT name FROM sqlite_master WHERE name IN ('sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4')
""")


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


def counts_columns(parts: Sequence[Token], table: str) -> bool:
    """Whether SQL takes the columns of a table by their place, or all of them by an asterisk."""
    words = ["", "", "", *(token.word for token in parts), "", "", ""]
    for place, token in enumerate(parts, 3):
        before, behind = words[place - 3 : place], words[place + 1 : place + 4]
        if token.text == "*" and before[-1] in BEFORE_ALL and before != ["EXISTS", "(", "SELECT"]:
            return True
        if fold(name_of(token)) == fold(table):
            named = behind[2] if behind[0] == "AS" else behind[0]
            is_read = before[-1] == "IN" or before[::2] == ["IN", "."]
            if is_read or (before[-1] == "INTO" and named != "("):
                return True
    return False


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


class Records(NamedTuple):
    """What SQLite itself keeps of a table: its last number, what ANALYZE found, and its indexes."""

    rows: dict[str, Sequence[Sequence[object]]]
    indexes: dict[str, object]


class Copy:
    """Copies a table into one with another definition."""

    def __init__(
        self,
        connection: Connection,
        before: TableDefinition,
        after: TableDefinition,
        added: Collection[str],
    ) -> None:
        """Prepare to copy a table; the columns `added` are new, even if there was one so called."""
        self.connection = connection
        self.quote = connection.dialect.identifier_preparer.quote_identifier
        self.before = before
        self.after = after
        kept = {fold(name) for name in before.stored_columns} - {fold(name) for name in added}
        self.columns = [name for name in after.stored_columns if fold(name) in kept]
        self.number = find_row_number(before, after)

    def execute(self, statement: str) -> None:
        """Execute a statement."""
        execute_verbatim(self.connection, statement)

    def run(self, own: Sequence[StoredObject], retyped: Collection[str]) -> None:
        """Copy the table.

        Args:
            own: The indexes and triggers that the table has afterwards.
            retyped: The folded names of columns whose values SQLite converts.

        Raises:
            CommandError: The rows are not the same afterwards.
            DBAPIError: The rows violate a constraint that is new.
        """
        records = read_records(self.connection, self.before.name)
        old, number = self.move_away()
        self.create()
        self.insert(old, number)
        self.check_rows(old, number, retyped)
        self.execute(f"DROP TABLE {self.quote(old)}")
        for one in own:
            self.execute(one.sql)
        self.write_records(records)

    def move_away(self) -> tuple[str, str]:
        """Give the old table another name; return it, and what is its number of a row."""
        old = self.free_name()
        table, target = self.quote(self.before.name), self.quote(old)
        if not names_itself(self.before):
            with legacy(self.connection):
                self.execute(f"ALTER TABLE {table} RENAME TO {target}")
            return old, self.number
        # A constraint that names its table does not survive another name.
        number = f"{self.number} AS guardrails_number, " if self.number else ""
        names = ", ".join(map(self.quote, self.columns))
        self.execute(f"CREATE TABLE {target} AS SELECT {number}{names} FROM {table}")  # noqa: S608
        self.execute(f"DROP TABLE {table}")
        return old, "guardrails_number" if self.number else ""

    def create(self) -> None:
        """Create the new table.

        Raises:
            CommandError: SQLite does not take its definition.
        """
        try:
            self.execute(self.after.text)
        except OperationalError as error:
            raise CommandError(
                f"Table {self.before.name} cannot be changed: SQLite does not take its new "
                f"definition, {error.orig}: {self.after.text}"
            ) from error

    def free_name(self) -> str:
        """Return a name that nothing has."""
        query = text("SELECT lower(name) FROM sqlite_master")
        taken = {*self.connection.scalars(query)}
        name = f"_alembic_tmp_{self.before.name}"
        while fold(name) in taken:
            name += "_"
        return name

    def insert(self, old: str, number: str) -> None:
        """Copy the rows; no ON CONFLICT of a constraint makes one disappear."""
        names = [*map(self.quote, self.columns)]
        target = ", ".join([self.number, *names] if self.number else names)
        source = ", ".join([number, *names] if self.number else names)
        if not target:
            raise CommandError(f"No column of table {self.before.name} would stay.")
        self.execute(
            f"INSERT OR ABORT INTO {self.quote(self.after.name)} ({target})"  # noqa: S608
            f" SELECT {source} FROM {self.quote(old)}"
        )

    def check_rows(self, old: str, number: str, retyped: Collection[str]) -> None:
        """Check that all rows are there, with the values that they had.

        Raises:
            CommandError: They are not.
        """
        table, other = self.quote(self.after.name), self.quote(old)
        count = f"SELECT count(*) FROM {other}"  # noqa: S608
        rows = self.ask(count)
        if self.number:
            conditions = [f"n.{self.number} = o.{number}"]
            for name in self.columns:
                new, before = (f"{alias}.{self.quote(name)}" for alias in ("n", "o"))
                same_type = f"typeof({new}) = typeof({before})"
                same_value = f"{new} IS {before} COLLATE BINARY"
                same_number = f"CAST({new} AS NUMERIC) = CAST({before} AS NUMERIC)"
                conditions.append(
                    f"CASE WHEN {same_type} THEN {same_value} ELSE {same_number} END"
                    if fold(name) in retyped
                    else f"{same_type} AND {same_value}"
                )
            same = self.ask(
                f"SELECT count(*) FROM {other} o CROSS JOIN {table} n"  # noqa: S608
                f" ON {' AND '.join(conditions)}"
            )
        else:
            names = [self.quote(name) for name in self.columns if fold(name) not in retyped]
            values = ", ".join(f"typeof({name}), {name} COLLATE BINARY" for name in names) or "1"
            first, second = (
                f"SELECT {values} FROM {source}"  # noqa: S608
                for source in (other, table)
            )
            same = rows - self.ask(f"SELECT count(*) FROM ({first} EXCEPT {second})")  # noqa: S608
            same -= self.ask(f"SELECT count(*) FROM ({second} EXCEPT {first})")  # noqa: S608
        if not rows == same == self.ask(f"SELECT count(*) FROM {table}"):  # noqa: S608
            raise CommandError(
                f"Table {self.before.name} would have other rows after its change, which is an "
                "error of alembic_guardrails, so report it."
            )

    def write_records(self, before: Records) -> None:
        """Write what SQLite kept of the table; dropping a table drops that, too."""
        after = read_records(self.connection, self.after.name)
        # Without numbers of rows, the key of a table is an index with the name of the table.
        before.indexes[self.before.name] = self.before.primary_key
        after.indexes[self.before.name] = self.after.primary_key
        for book, rows in before.rows.items():
            is_count = book == "sqlite_sequence"
            if is_count and not (self.before.counts and self.after.counts):
                continue
            delete = text(f"DELETE FROM {book} WHERE lower({owner(book)}) = lower(:table)")  # noqa: S608
            self.connection.execute(delete, {"table": self.after.name})
            for row in rows:
                index = None if is_count else row[1]
                if before.indexes.get(str(index)) == after.indexes.get(str(index)):
                    marks = ", ".join("?" * len(row))
                    insert = f"INSERT INTO {book} VALUES ({marks})"  # noqa: S608
                    self.connection.exec_driver_sql(insert, tuple(row))

    def ask(self, query: str) -> int:
        """Return the number that a query selects."""
        return int(execute_verbatim(self.connection, query).scalar() or 0)


def find_row_number(before: TableDefinition, after: TableDefinition) -> str:
    """Return what is the number of a row in both definitions of a table; nothing if none is."""
    names = {*before.folded_names, *after.folded_names}
    free = next((name for name in ROW_NUMBERS if name not in names), "")
    if not (before.has_rowid and after.has_rowid):
        return ""
    # A column that becomes the number gives all rows another one.
    return free if after.row_number in ("", before.row_number) else ""


def names_itself(table: TableDefinition) -> bool:
    """Whether a constraint names a column with its table, as in `CHECK (book.pages > 0)`."""
    parts = read_tokens(table.text)
    return any(
        fold(first.identifier) == fold(table.name) and second.text == "."
        for first, second in pairwise(parts)
    )


@contextmanager
def legacy(connection: Connection) -> Iterator[None]:
    """Have a table renamed without changing what names it."""
    before = execute_verbatim(connection, "PRAGMA legacy_alter_table").scalar()
    execute_verbatim(connection, "PRAGMA legacy_alter_table = ON")
    try:
        yield
    finally:
        execute_verbatim(connection, f"PRAGMA legacy_alter_table = {before or 0}")


def read_records(connection: Connection, table: str) -> Records:
    """Read what SQLite keeps of a table."""
    rows: dict[str, Sequence[Sequence[object]]] = {}
    for book in connection.scalars(BOOKS).all():
        query = text(f"SELECT * FROM {book} WHERE lower({owner(book)}) = lower(:table)")  # noqa: S608
        rows[book] = [tuple(row) for row in connection.execute(query, {"table": table}).all()]
    found = connection.execute(INDEXES, {"table": table}).all()
    groups = groupby(found, lambda row: row[0])
    return Records(rows, {name: [tuple(row) for row in group] for name, group in groups})


def owner(book: str) -> str:
    """Return the column of a table of SQLite's that names the table a row is about."""
    return "name" if book == "sqlite_sequence" else "tbl"


def digest(connection: Connection, table: TableDefinition, columns: Sequence[str]) -> bytes:
    """Return a checksum of the rows of a table, their numbers and the types of their values."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    names = {*table.folded_names}
    free = next((name for name in ROW_NUMBERS if name not in names), "")
    number = free if table.has_rowid else ""
    order = number or ", ".join(map(quote, table.primary_key))
    values = [number] if number else []
    for name in map(quote, columns):
        # Text that is no UTF-8 cannot be read as text.
        blob = f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        values += [f"typeof({name})", blob]
    query = f"SELECT {', '.join(values)} FROM {quote(table.name)}"  # noqa: S608
    query += f" ORDER BY {order}" if order else ""
    result = blake2b()
    rows = execute_verbatim(connection, query)
    while part := rows.fetchmany(1000):
        result.update(repr([tuple(row) for row in part]).encode("utf-8", "surrogateescape"))
    return result.digest()
