"""A table of a database that is changed: what is checked before, what is done, what is compared.

SQLite converts a value to another type if that is possible, and else keeps it:
https://www.sqlite.org/datatype3.html#type_affinity. Alembic's CAST makes 0 of a word, and of a date
its year.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal, InvalidOperation
from typing import Any

from alembic.util import CommandError
from alembic_guardrails.rebuild.copy import (
    Copy,
    StoredObject,
    check_free,
    check_strings,
    compile_error,
    counts_columns,
    digest,
    find_broken_keys,
    find_dependents,
    index_columns,
    probe,
    read_objects,
    read_temporary,
)
from alembic_guardrails.rebuild.definition import (
    UnreadableError,
    fold,
    normalise,
    parse_table,
    read_tokens,
    same,
)
from alembic_guardrails.schema import execute_verbatim
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, NoSuchTableError

COLUMNS = text("SELECT name FROM pragma_table_xinfo(:name) ORDER BY cid")

TABLE_TYPE = text("SELECT type FROM pragma_table_list WHERE schema = 'main' AND name = :name")

# The same as PRAGMA foreign_keys, and a query, which `plan` does not take for the revision's own.
ENFORCES_KEYS = text("SELECT foreign_keys FROM pragma_foreign_keys")

# Versions before have errors in DROP COLUMN: https://www.sqlite.org/changes.html#version_3_35_5
SAFE_DROP = (3, 35, 5)

# Has `pragma_table_list`: https://www.sqlite.org/changes.html#version_3_37_0
TABLE_LIST = (3, 37)

# Has `legacy_alter_table`: https://www.sqlite.org/changes.html#version_3_26_0
LEGACY_RENAME = (3, 26)

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


class DifferentError(Exception):
    """SQLite has made something else of a table than was asked for."""


@contextmanager
def savepoint(connection: Connection, name: str) -> Iterator[None]:
    """Undo what the block did if it fails. Outside of a transaction, this is one."""
    execute_verbatim(connection, f"SAVEPOINT {name}")
    try:
        yield
    except BaseException:
        # An error in here would hide the first one.
        with suppress(Exception):
            execute_verbatim(connection, f"ROLLBACK TO {name}")
            execute_verbatim(connection, f"RELEASE {name}")
        raise
    execute_verbatim(connection, f"RELEASE {name}")


class ChangedTable:
    """A table: `table` is its definition as it is, `text` as it is to be.

    `added` has the columns to add and their definitions, `dropped` those to drop, `retyped` the
    folded names of those whose values SQLite converts. `is_plain` is whether nothing else changes.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        """Read the table.

        Raises:
            CommandError: It cannot be changed safely.
            NoSuchTableError: It does not exist.
        """
        self.connection = connection
        self.quote = connection.dialect.identifier_preparer.quote_identifier
        self.version = connection.dialect.server_version_info or ()
        self.name = name
        # Foreign keys of other tables that no longer refer to a key of this one.
        self.broken_keys: set[tuple[str, ...]] = set()
        self.read()
        self.check()

    def refusal(self, reason: str) -> CommandError:
        """Return the error that the table cannot be changed."""
        return CommandError(f"Table {self.name} cannot be changed: {reason}.")

    def execute(self, statement: str) -> None:
        """Execute a statement."""
        execute_verbatim(self.connection, statement)

    def read(self) -> None:
        """Read what is in the database, and forget what was to be done.

        Raises:
            CommandError: The table is virtual, or its definition is not understood.
            NoSuchTableError: The table does not exist.
        """
        self.objects = read_objects(self.connection)
        name = fold(self.name)
        found = [one for one in self.objects if one.type == "table" and fold(one.name) == name]
        if not found:
            raise NoSuchTableError(self.name)
        self.stored = found[0]
        self.name = self.stored.name
        if normalise(self.stored.sql)[1] == "virtual":
            raise self.refusal("it is virtual, so drop it and create it again")
        self.text = self.stored.sql
        try:
            self.table = parse_table(self.text)
        except UnreadableError as error:
            raise self.refusal(
                f"it is not understood, so execute SQL of your own ({error})"
            ) from error
        self.dependents = find_dependents(self.objects, self.name)
        self.own = [
            one
            for one in self.objects
            if one.type in ("index", "trigger") and fold(one.table) == name
        ]
        self.added: list[tuple[str, str]] = []
        self.dropped: list[str] = []
        self.retyped: set[str] = set()
        self.is_plain = True

    def check(self) -> None:
        """Check that the definition is understood, and that nothing stands in the way.

        Raises:
            CommandError: It is not, or something does.
        """
        names = self.connection.scalars(COLUMNS, {"name": self.name}).all()
        if [*names] != [column.name for column in self.table.columns]:
            raise self.refusal("its definition is not understood, so execute SQL of your own")
        query = {"name": self.name}
        if self.version >= TABLE_LIST and self.connection.scalar(TABLE_TYPE, query) == "shadow":
            raise self.refusal("it is a part of a virtual table, so leave it alone")
        if temporary := read_temporary(self.connection, self.name):
            raise self.refusal(f"the temporary {temporary[0].label} names it, so drop that first")
        if self.connection.scalar(ENFORCES_KEYS):
            raise self.refusal("foreign keys are enforced on this connection, so turn them off")
        if self.version < LEGACY_RENAME:
            raise self.refusal("this needs SQLite 3.26")

    # New names of columns.

    def rename(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Rename columns, all at once; SQLite renames them in all that names them.

        Raises:
            CommandError: SQLite refuses it, or something would have another meaning.
        """
        folded = {fold(old): fold(new) for old, new in pairs}
        taken = {*self.table.folded_names} - folded.keys()
        for old, new in pairs:
            if fold(new) in taken:
                raise self.refusal(f"it has a column {new} already, so {old} cannot be called so")
            if fold(new) not in folded:
                check_strings([self.stored, *self.own, *self.dependents], new)
            self.check_virtual(old)
        broken = probe(self.connection, self.dependents)
        before = self.objects
        steps = [*pairs]
        if {*folded.values()} & folded.keys() and len(pairs) > 1:
            between = [f"guardrails_{number}" for number in range(len(pairs))]
            steps = [(old, name) for (old, _), name in zip(pairs, between, strict=True)]
            steps += [(name, new) for (_, new), name in zip(pairs, between, strict=True)]
        for old, new in steps:
            self.rename_column(old, new)
        self.read()
        self.check_renamed(before, folded)
        self.check_dependents(broken)

    def rename_column(self, old: str, new: str) -> None:
        """Rename a column.

        Raises:
            CommandError: SQLite refuses it.
        """
        # SQLite writes a name with quotes wherever it stands if it gets it with quotes.
        plain = self.connection.dialect.identifier_preparer.quote(new)
        name = self.quote(new) if compile_error(self.connection, f"SELECT 1 AS {plain}") else plain
        names = f"{self.quote(old)} TO {name}"
        try:
            self.execute(f"ALTER TABLE {self.quote(self.name)} RENAME COLUMN {names}")
        except DBAPIError as error:
            reason = f"SQLite cannot rename column {old} to {new}, {error.orig}"
            raise self.refusal(reason) from error

    def check_renamed(self, before: Sequence[StoredObject], names: dict[str, str]) -> None:
        """Check that all objects are as before, but for these names.

        Raises:
            CommandError: They are not.
        """
        after = {one.label: normalise(one.sql) for one in self.objects}
        for one in before:
            old, new = normalise(one.sql), after.pop(one.label, [])
            pairs = [*zip(old, new, strict=False)]
            if len(old) != len(new) or any(a != b and names.get(a) != b for a, b in pairs):
                raise self.refusal(f"{one.label} would be another one, so drop it first")
        if after:
            raise self.refusal(f"{next(iter(after))} would be there afterwards")

    # Other changes.

    def apply(self, *, always: bool) -> None:
        """Give the table the definition that it is to have; with `always`, also if it has it.

        Raises:
            CommandError: Something would be lost.
        """
        if same(self.text, self.stored.sql) and not always:
            return
        lost = [index for name in self.dropped for index in self.check_dropped(name)]
        for name, _ in self.added:
            check_strings([self.stored, *self.own], name)
        for name in [*self.retyped]:
            self.check_retyped(name)
        self.check_row_number()
        self.check_places()
        broken = probe(self.connection, self.dependents)
        keys = find_broken_keys(self.connection, self.name)
        if always or lost or not (self.is_plain and self.alter()):
            own = [one for one in self.own if one not in lost]
            after, added = parse_table(self.text), [name for name, _ in self.added]
            Copy(self.connection, self.table, after, added).run(own, self.retyped)
        before, expected = [one for one in self.objects if one not in lost], self.text
        self.read()
        self.check_objects(before, expected)
        self.check_dependents(broken)
        self.broken_keys |= find_broken_keys(self.connection, self.name) - keys

    def check_dropped(self, name: str) -> list[StoredObject]:
        """Check that nothing else needs a column; return the indexes that go with it.

        Raises:
            CommandError: Something does.
        """
        check_free(self.dependents, name)
        self.check_virtual(name)
        lost = []
        for index in self.own:
            used = index_columns(index, self.table.folded_names) if index.type == "index" else set()
            if used == {fold(name)}:
                lost.append(index)
            elif fold(name) in used:
                raise self.refusal(
                    f'index {index.name} needs column {name}, so write op.drop_index("{index.name}"'
                    f', "{self.name}") before'
                )
        return lost

    def check_virtual(self, column: str) -> None:
        """Check that no virtual table, such as one for full-text search, reads a column.

        SQLite notices only when the virtual table is read:
        https://www.sqlite.org/fts5.html#external_content_tables

        Raises:
            CommandError: One does.
        """
        for one in self.objects:
            is_virtual = one.type == "table" and normalise(one.sql)[1] == "virtual"
            if is_virtual and {fold(self.name), fold(column)} <= one.names:
                raise self.refusal(
                    f"the virtual table {one.name} reads column {column}, so drop it in the"
                    " revision first, and create it again after"
                )

    def check_row_number(self) -> None:
        """Check that a column that becomes the number of the row has one in each row.

        Raises:
            CommandError: It has NULL, which SQLite would replace.
        """
        number = parse_table(self.text).row_number
        column = self.table.column(number) if number != self.table.row_number else None
        if column is None or column.clause("AS"):
            return
        name, table = self.quote(column.name), self.quote(self.name)
        query = f"SELECT count(*) FROM {table} WHERE {name} IS NULL"  # noqa: S608
        if rows := execute_verbatim(self.connection, query).scalar():
            raise self.refusal(
                f"column {column.name} would number the rows and is NULL in {rows} of them, so give"
                " these a number first, in the same revision"
            )

    def check_places(self) -> None:
        """Check that nothing takes columns by their place, if one takes the place of another.

        SQLite notices only that columns are too few or too many.

        Raises:
            CommandError: Something does.
        """
        before = self.table.folded_names
        added = {fold(name) for name, _ in self.added}
        after = ["" if name in added else name for name in parse_table(self.text).folded_names]
        is_longer = after[: len(before)] == before
        is_shorter = after == [name for name in before if name in after]
        if is_longer or is_shorter:
            return
        for one in self.dependents:
            if counts_columns(read_tokens(one.sql), self.name):
                raise self.refusal(
                    f"{one.label} takes columns by their place, where other columns would be, so"
                    " name them there, or drop it in the revision first and create it again after"
                )

    def check_retyped(self, folded: str) -> None:
        """Check that the values of a column can have its new type.

        Raises:
            CommandError: They cannot.
        """
        before, after = self.table.column(folded), parse_table(self.text).column(folded)
        if before is None or after is None:
            return
        kinds = [affinity(one.type, is_strict=self.table.is_strict) for one in (before, after)]
        if kinds[0] == kinds[1] or kinds[1] == "BLOB" or before.clause("AS"):
            self.retyped.discard(folded)
            return
        label = f"Column {before.name} of table {self.name}"
        table, column = self.quote(self.name), self.quote(before.name)
        check_values(self.connection, table, column, after.type, label)

    def alter(self) -> bool:
        """Have SQLite itself drop and add columns; say whether that did what was asked for.

        https://www.sqlite.org/lang_altertable.html says what it refuses.
        """
        if self.dropped and (self.version < SAFE_DROP or self.table.has_comments):
            return False
        table = self.quote(self.name)
        drops = [f"ALTER TABLE {table} DROP COLUMN {self.quote(name)}" for name in self.dropped]
        adds = [f"ALTER TABLE {table} ADD COLUMN {definition}" for _, definition in self.added]
        dropped = {*map(fold, self.dropped)}
        columns = [name for name in self.table.stored_columns if fold(name) not in dropped]
        # Adding a column touches no row, so it takes no time in a table with many.
        before = digest(self.connection, self.table, columns) if drops else b""
        try:
            with savepoint(self.connection, "guardrails_alter"):
                for statement in (*drops, *adds):
                    self.execute(statement)
                objects = read_objects(self.connection)
                sql = next(one.sql for one in objects if one.label == self.stored.label)
                after = digest(self.connection, parse_table(sql), columns) if drops else b""
                if not same(sql, self.text) or before != after:
                    raise DifferentError
        except (DBAPIError, DifferentError):
            return False
        self.text = sql
        return True

    def check_objects(self, before: Collection[StoredObject], expected: str) -> None:
        """Check that the table is as expected, and everything else as before.

        Raises:
            CommandError: It is not.
        """
        wanted = {one.label: one.sql for one in before} | {self.stored.label: expected}
        found = {one.label: one.sql for one in self.objects}
        for label in wanted.keys() | found.keys():
            if wanted.get(label) != found.get(label):
                raise self.refusal(
                    f"{label} would be another one afterwards, which is an error of "
                    "alembic_guardrails, so report it"
                )

    def check_dependents(self, broken: dict[str, str]) -> None:
        """Check that each view and trigger works if it did before.

        Raises:
            CommandError: One does not.
        """
        for label, answer in probe(self.connection, self.dependents).items():
            if answer and not broken.get(label):
                raise self.refusal(
                    f"{label} would no longer work ({answer}), so drop it in the revision first, "
                    "and create it again after"
                )


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
