"""How a database words a type, a default and an index: it is asked, by a temporary table."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, cast
from weakref import WeakKeyDictionary

from alembic.runtime.migration import MigrationContext
from alembic_guardrails._alembic import different_index, equal_index
from sqlalchemy import Column, Connection, Index, MetaData, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

NAME = "alembic_guardrails_probe"

# What the database of a context said of columns, by the statement that makes their table.
DESCRIBED: WeakKeyDictionary[MigrationContext, dict[str, list[ReflectedColumn] | None]]
DESCRIBED = WeakKeyDictionary()


def describe_column(
    context: MigrationContext, type_: TypeEngine[Any], *, nullable: bool, server_default: Any = None
) -> ReflectedColumn | None:
    """Return what the database says of a new column; None if it does not make such a column.

    It is asked once about all columns of one definition.
    """
    table = probe(Column("value", type_, nullable=nullable, server_default=server_default))
    try:
        definition = str(CreateTable(table).compile(dialect=context.dialect))
    except SQLAlchemyError:
        return None
    known = DESCRIBED.setdefault(context, {})
    if definition not in known:
        known[definition] = describe_columns(cast(Connection, context.connection), table)
    described = known[definition]
    return described[0] if described else None


def probe(*columns: Column[Any]) -> Table:
    """Return a temporary table of these columns."""
    return Table(NAME, MetaData(), *columns, prefixes=["TEMPORARY"])


def describe_columns(connection: Connection, table: Table) -> list[ReflectedColumn] | None:
    """Return what the database says of the columns of a probe; None if it does not make it.

    A savepoint is rolled back, so that nothing of the temporary table stays.
    """
    savepoint = connection.begin_nested()
    try:
        connection.execute(CreateTable(table))
        described = inspect(connection).get_columns(NAME)
        if connection.dialect.name in ("mysql", "mariadb"):  # where no DDL rolls back
            connection.exec_driver_sql(f"DROP TEMPORARY TABLE {NAME}")
    except SQLAlchemyError:
        return None
    else:
        return described
    finally:
        if savepoint.is_active:
            savepoint.rollback()


# How indexes are made, by the names of their tables and their own.
Definitions = dict[tuple[str, str], str]


class IndexComparison(ABC):
    """Compares indexes by what a database says of them.

    `compare_texts` is Alembic's own comparison, for what the database cannot be asked.
    """

    def __init__(
        self, connection: Connection, compare_texts: Callable[[Index, Index], Any]
    ) -> None:
        self.connection = connection
        self.preparer = connection.dialect.identifier_preparer
        self.compare_texts = compare_texts
        self.known: dict[str | None, Definitions] = {}

    @abstractmethod
    def read(self, schema: str | None) -> Definitions:
        """Read how the indexes of all tables of a schema are made."""

    @abstractmethod
    def word(self, index: Index, table: str) -> list[str]:
        """Return how the database words an index of the table `NAME`, made like another table.

        There is more than one wording if it words its own wording anew.

        Raises:
            SQLAlchemyError: It does not take the index.
        """

    @abstractmethod
    def word_columns(self, names: list[str], is_unique: bool) -> str:
        """Return how the database words an index on nothing but columns, whose names are quoted."""

    def compare(self, model: Index, inspected: Index) -> Any:
        """Return how an index of the database compares with the model's."""
        old = self.find(inspected)
        names = self.columns_of(model)
        if names and old == self.word_columns(names, bool(model.unique)):
            return equal_index()
        try:
            # One that a downgrade drops is not there yet; of others, no model says what they are.
            table = self.preparer.format_table(inspected.table)  # type: ignore[arg-type]
            before = [old] if old else self.word(self.copy(inspected), table)
            after = self.word(self.copy(model), table)
        except SQLAlchemyError:
            return self.compare_texts(model, inspected)
        is_same = not set(before).isdisjoint(after)
        return equal_index() if is_same else different_index(f"{before[0]} to {after[0]}")

    def find(self, index: Index) -> str | None:
        """Return how an index of the database is made; None if there is nothing to compare with."""
        table: Any = index.table
        if table.schema not in self.known:
            self.known[table.schema] = self.read(table.schema)
        return self.known[table.schema].get((table.name, str(index.name)))

    def columns_of(self, index: Index) -> list[str]:
        """Return the columns of an index, quoted; none if there are expressions or options."""
        options = index.dialect_options[self.connection.dialect.name].values()
        if any(isinstance(option, ClauseElement) or option for option in options):
            return []
        columns = [part for part in index.expressions if isinstance(part, Column)]
        is_plain = len(columns) == len(index.expressions)
        return [self.preparer.quote(column.name) for column in columns] if is_plain else []

    def copy(self, model: Index) -> Index:
        """Return the index under another name, on a table of the name `NAME`."""
        owner: Any = model.table
        copied = owner.to_metadata(MetaData(), schema=None, name=NAME)
        columns = [copied.c[part.key] for part in model.expressions if isinstance(part, Column)]
        # That of Column(index=True) has another name on another table.
        if len(columns) == len(model.expressions):
            return Index(f"{NAME}_index", *columns, unique=model.unique, **model.kwargs)
        [index] = [index for index in copied.indexes if index.name == model.name]
        index.name = f"{NAME}_index"
        return index  # type: ignore[no-any-return]

    def create(self, index: Index) -> None:
        """Create an index on the temporary table."""
        self.connection.execute(CreateIndex(index))
