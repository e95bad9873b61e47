"""What SQL of a revision's own does to tables, as operations of Alembic.

It is an allow-list: statements of which every token is understood. What another one does is not
known, and neither are the tables that it names.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from alembic.operations import MigrateOperation, ops
from alembic_guardrails.autogenerate import escape_parameters
from alembic_guardrails.statements import Statement, Token, after_parentheses, split_at_commas
from sqlalchemy import (
    CheckConstraint,
    Column,
    Constraint,
    Dialect,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

Key = tuple[str | None, str]

# Names of types that SQLAlchemy's dialects do not list, because databases report others.
ALIASES = {
    "bool": "boolean",
    "boolean": "tinyint",
    "char": "character",
    "decimal": "numeric",
    "float8": "double precision",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "varchar": "character varying",
}
SERIAL = {"bigserial": "bigint", "serial": "integer", "smallserial": "smallint"}
TYPE = re.compile(
    r"([A-Za-z_]\w*(?: [A-Za-z_]\w*)*?)(?: ?\( ?(\d+(?: ?, ?\d+)*) ?\))?((?: [A-Za-z]+)*)"
)

# What ends the type or the default of a column.
CLAUSES = {
    *[
        "AUTOINCREMENT",
        "AUTO_INCREMENT",
        "CHECK",
        "COLLATE",
        "CONSTRAINT",
        "DEFAULT",
        "NOT",
        "NULL",
    ],
    *["PRIMARY", "REFERENCES", "UNIQUE"],
}
CONSTRAINTS = {"CHECK", "CONSTRAINT", "FOREIGN", "PRIMARY", "UNIQUE"}

# What runs any statements.
PROGRAMS = {"CALL", "DO", "EXECUTE"}

# What makes a table out of another one.
OTHER_TABLES = {"AS", "INHERITS", "LIKE", "OF", "SELECT"}

ACTIONS = ("NO ACTION", "CASCADE", "RESTRICT", "SET NULL", "SET DEFAULT")

# What ALTER TABLE does without a change of columns, keys and indexes.
HARMLESS = {"CLUSTER", "DISABLE", "ENABLE", "FORCE", "OWNER", "REPLICA", "VALIDATE"}


class NotUnderstoodError(Exception):
    """A statement has something in it that this module does not read."""


class Reader:
    """Reads the tokens of a statement one after the other."""

    def __init__(self, parts: tuple[Token, ...], dialect: Dialect) -> None:
        self.parts = parts
        self.dialect = dialect
        self.place = 0

    @property
    def word(self) -> str:
        """The next token in capitals; nothing at the end."""
        return self.parts[self.place].word if self.place < len(self.parts) else ""

    @property
    def is_at_end(self) -> bool:
        """Whether there are no more tokens."""
        return self.place >= len(self.parts)

    def take(self, *words: str) -> bool:
        """Read these words if they are next; say whether they were."""
        found = tuple(token.word for token in self.parts[self.place : self.place + len(words)])
        self.place += len(words) if found == words else 0
        return found == words

    def require(self, *words: str) -> None:
        """Read these words.

        Raises:
            NotUnderstoodError: They are not next.
        """
        if not self.take(*words):
            raise NotUnderstoodError

    def name(self) -> str:
        """Read a name. PostgreSQL makes small letters of one without quotes."""
        if self.is_at_end or not (name := self.parts[self.place].identifier):
            raise NotUnderstoodError
        is_folded = self.dialect.name == "postgresql" and self.word
        self.place += 1
        return name.lower() if is_folded else name

    def table(self) -> Key:
        """Read the name of a table, with its schema."""
        name = self.name()
        schema = None
        while self.take("."):
            schema, name = name, self.name()
        return (None if schema == "public" else schema), name

    def group(self) -> tuple[Token, ...]:
        """Read what is in parentheses."""
        begin, self.place = self.place, after_parentheses(self.parts, self.place)
        if self.place == begin:
            raise NotUnderstoodError
        return self.parts[begin + 1 : self.place - 1]

    def names(self) -> list[str]:
        """Read names in parentheses, and nothing but names."""
        inner = [Reader(part, self.dialect) for part in split_at_commas(self.group())]
        names = [part.name() for part in inner]
        if not all(part.is_at_end for part in inner):
            raise NotUnderstoodError
        return names

    def until(self, words: set[str]) -> tuple[Token, ...]:
        """Read all up to one of these words, whatever is in parentheses."""
        begin = self.place
        while not self.is_at_end and self.word not in words:
            self.place = max(after_parentheses(self.parts, self.place), self.place + 1)
        return self.parts[begin : self.place]


def spell(parts: tuple[Token, ...]) -> str:
    """Write tokens as SQL, with a space where there is anything between them."""
    words = []
    for before, token in zip((None, *parts), parts, strict=False):
        words += [" "] if before and token.begin > before.end else []
        words.append(token.text)
    return "".join(words)


def read_operations(statement: Statement, dialect: Dialect) -> list[MigrateOperation]:
    """Return what a statement does to tables, as operations; none if it is not about tables.

    Raises:
        NotUnderstoodError: It may do something to tables that this module does not read.
    """
    reader = Reader(statement.tokens, dialect)
    for begin, read in READERS.items():
        if reader.take(*begin):
            operations = [*read(reader)]
            if not reader.is_at_end:
                raise NotUnderstoodError
            return operations
    if reader.word in PROGRAMS or statement.is_compound:
        raise NotUnderstoodError
    return []


def read_create_table(reader: Reader) -> Iterator[MigrateOperation]:
    """Read CREATE TABLE with columns and constraints; options behind them change neither."""
    if_not_exists = reader.take("IF", "NOT", "EXISTS")
    schema, name = reader.table()
    items: list[SchemaItem] = []
    for part in split_at_commas(reader.group()):
        inner = Reader(part, reader.dialect)
        items += [read_constraint(inner)] if inner.word in CONSTRAINTS else read_column(inner, name)
        if not inner.is_at_end:
            raise NotUnderstoodError
    if any(token.word in OTHER_TABLES for token in reader.until(set())):
        raise NotUnderstoodError
    operation = ops.CreateTableOp.from_table(Table(name, MetaData(), *items, schema=schema))
    operation.if_not_exists = if_not_exists
    yield operation


def read_column(reader: Reader, table: str) -> list[SchemaItem]:
    """Read a column, and the constraints that stand at it."""
    name = reader.name()
    type_ = spell(reader.until(CLAUSES)).lower()
    # In SQLite, what is in a key may be NULL.
    options: dict[str, Any] = {"nullable": True} if reader.dialect.name == "sqlite" else {}
    constraints: list[Constraint] = []
    if reader.dialect.name == "postgresql" and type_ in SERIAL:
        options["server_default"] = text(rf"nextval('{table}_{name}_seq'\:\:regclass)")
        type_ = SERIAL[type_]
    while not reader.is_at_end:
        if reader.take("NOT", "NULL"):
            options["nullable"] = False
        elif reader.take("DEFAULT"):
            begin = reader.place
            reader.take("NULL")
            reader.until(CLAUSES)
            sql = spell(reader.parts[begin : reader.place])
            options["server_default"] = text(escape_parameters(sql))
        elif reader.take("COLLATE"):
            reader.name()
        elif not any(map(reader.take, ("NULL", "AUTO_INCREMENT", "AUTOINCREMENT"))):
            constraints.append(read_constraint(reader, name))
            if isinstance(constraints[-1], PrimaryKeyConstraint):
                options.setdefault("nullable", False)
    return [Column(name, read_type(type_, reader.dialect), **options), *constraints]


def read_constraint(reader: Reader, column: str | None = None) -> Constraint:
    """Read a constraint of a table, or of a column."""
    name = reader.name() if reader.take("CONSTRAINT") else None
    if reader.take("CHECK"):
        return CheckConstraint(text(escape_parameters(spell(reader.group()))), name=name)
    if reader.take("PRIMARY", "KEY"):
        return PrimaryKeyConstraint(*([column] if column else reader.names()), name=name)
    if reader.take("UNIQUE"):
        return UniqueConstraint(*([column] if column else reader.names()), name=name)
    columns = [column] if column else []
    if not column:
        reader.require("FOREIGN", "KEY")
        columns = reader.names()
    reader.require("REFERENCES")
    schema, table = reader.table()
    if reader.word != "(":
        raise NotUnderstoodError  # it refers to the primary key, whatever that is
    targets = [".".join(filter(None, (schema, table, name))) for name in reader.names()]
    options: dict[str, Any] = {}
    while reader.take("ON"):
        event = "onupdate" if reader.take("UPDATE") else "ondelete"
        if event == "ondelete":
            reader.require("DELETE")
        options[event] = next((text for text in ACTIONS if reader.take(*text.split())), None)
    return ForeignKeyConstraint(columns, targets, name=name, **options)


def read_type(words: str, dialect: Dialect) -> TypeEngine[Any]:
    """Return the type that a dialect reads from a database for a type in SQL.

    Raises:
        NotUnderstoodError: It is none of SQLAlchemy's, or has options that are not read.
    """
    match = TYPE.fullmatch(words)
    if not match:
        raise NotUnderstoodError
    name, arguments = match[1] + match[3], match[2]
    known: dict[str, Any] = {str(key).lower(): type_ for key, type_ in names_of(dialect).items()}
    names = [name]
    while names[-1] in ALIASES:
        names.append(ALIASES[names[-1]])
    found = next((known[name] for name in names if name in known), None)
    is_about_time = name.startswith(("date", "time"))
    if found is None or (arguments and is_about_time):
        raise NotUnderstoodError
    if is_about_time and "with time zone" in names[-1]:
        return found(timezone=True)  # type: ignore[no-any-return]
    try:
        sizes = map(int, arguments.split(",") if arguments else ())
        return found(*sizes)  # type: ignore[no-any-return]
    except TypeError as error:
        raise NotUnderstoodError from error


def names_of(dialect: Dialect) -> dict[str, Any]:
    """Return the types of a dialect by the names that its database reports."""
    names: dict[str, Any] = getattr(dialect, "ischema_names", {})
    return names


def read_alter_table(reader: Reader) -> Iterator[MigrateOperation]:
    """Read ALTER TABLE that adds, drops and renames."""
    reader.take("IF", "EXISTS")
    reader.take("ONLY")
    schema, table = reader.table()
    for part in split_at_commas(reader.parts[reader.place :]):
        inner = Reader(part, reader.dialect)
        if inner.word in HARMLESS:
            continue
        yield from read_alteration(inner, table, schema)
        if not inner.is_at_end:
            raise NotUnderstoodError
    reader.until(set())


def read_alteration(reader: Reader, table: str, schema: str | None) -> Iterator[MigrateOperation]:
    """Read one change of a table."""
    if reader.take("ADD"):
        reader.take("COLUMN")
        reader.take("IF", "NOT", "EXISTS")
        items = read_column(reader, table)
        if len(items) > 1:
            raise NotUnderstoodError
        yield ops.AddColumnOp(table, items[0], schema=schema)  # type: ignore[arg-type]
    elif reader.take("DROP"):
        reader.take("COLUMN")
        if reader.word in {*CONSTRAINTS, "INDEX", "KEY"}:
            raise NotUnderstoodError
        reader.take("IF", "EXISTS")
        yield ops.DropColumnOp(table, reader.name(), schema=schema)
        reader.take("RESTRICT")
    elif reader.take("RENAME", "TO"):
        yield ops.RenameTableOp(table, reader.table()[1], schema=schema)
    elif reader.take("RENAME"):
        reader.take("COLUMN")
        old = reader.name()
        reader.require("TO")
        yield ops.AlterColumnOp(table, old, modify_name=reader.name(), schema=schema)
    else:
        raise NotUnderstoodError


def read_create_index(reader: Reader, *, is_unique: bool = False) -> Iterator[MigrateOperation]:
    """Read CREATE INDEX on columns."""
    reader.take("CONCURRENTLY")
    if_not_exists = reader.take("IF", "NOT", "EXISTS")
    name = reader.name()
    reader.require("ON")
    schema, table = reader.table()
    columns = reader.names()
    yield ops.CreateIndexOp(
        name, table, columns, schema=schema, unique=is_unique, if_not_exists=if_not_exists
    )


def read_drop_table(reader: Reader) -> Iterator[MigrateOperation]:
    """Read DROP TABLE."""
    reader.take("IF", "EXISTS")
    for part in split_at_commas(reader.until({"CASCADE", "RESTRICT"})):
        schema, name = Reader(part, reader.dialect).table()
        yield ops.DropTableOp(name, schema=schema)
    reader.place = len(reader.parts)


def read_drop_index(reader: Reader) -> Iterator[MigrateOperation]:
    """Read DROP INDEX, with the table where the database wants it."""
    reader.take("CONCURRENTLY")
    reader.take("IF", "EXISTS")
    for part in split_at_commas(reader.until({"CASCADE", "ON", "RESTRICT"})):
        yield ops.DropIndexOp(Reader(part, reader.dialect).table()[1])
    reader.place = len(reader.parts)


def read_rename_table(reader: Reader) -> Iterator[MigrateOperation]:
    """Read RENAME TABLE."""
    schema, name = reader.table()
    reader.require("TO")
    yield ops.RenameTableOp(name, reader.table()[1], schema=schema)


READERS: dict[tuple[str, ...], Callable[[Reader], Iterator[MigrateOperation]]] = {
    ("CREATE", "TABLE"): read_create_table,
    ("CREATE", "UNLOGGED", "TABLE"): read_create_table,
    ("ALTER", "TABLE"): read_alter_table,
    ("DROP", "TABLE"): read_drop_table,
    ("RENAME", "TABLE"): read_rename_table,
    ("DROP", "INDEX"): read_drop_index,
    ("CREATE", "INDEX"): read_create_index,
    ("CREATE", "UNIQUE", "INDEX"): partial(read_create_index, is_unique=True),
}
