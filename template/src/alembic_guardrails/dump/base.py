"""What a dump is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from alembic_guardrails.ignore import IgnoreList
from alembic_guardrails.own_tables import OWN_TABLES
from alembic_guardrails.schema.base import as_text, execute_verbatim
from sqlalchemy import Connection

ROWS_PER_INSERT = 100


@dataclass
class Dump:
    """Statements that create a schema, each with the name of its object, and those that drop it.

    Statements that are about no object, such as `SET`, stand with an empty name.
    """

    create: list[tuple[str, str]] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)


class Counter(NamedTuple):
    """Where a sequence or an automatic key is, and the statement that puts it there.

    The statement is empty where inserting rows, or the rest of the dump, does that.
    """

    label: str
    value: str
    statement: str


class Dumper(Protocol):
    """What the module of each database in this package offers."""

    def dump(self, connection: Connection, ignore_list: IgnoreList, /, *, with_rows: bool) -> Dump:
        """Dump what the list does not match."""

    def read_rows(
        self, connection: Connection, ignore_list: IgnoreList, /
    ) -> Iterator[tuple[str, list[str]]]:
        """Read the tables that have rows: the label of each, and each row in one notation."""

    def read_counters(
        self, connection: Connection, ignore_list: IgnoreList, /
    ) -> Iterator[Counter]:
        """Read where sequences and automatic keys are."""


@dataclass(frozen=True)
class TableRows:
    """The rows of a table as SQL: its quoted name and columns, and the values of each row.

    `label` is `rows of table <name>`.
    """

    label: str
    table: str
    columns: str
    rows: list[str]

    def inserts(self) -> Iterator[tuple[str, str]]:
        """Return the INSERT statements, as a dump has them."""
        for start in range(0, len(self.rows), ROWS_PER_INSERT):
            rows = ",\n".join(f"({row})" for row in self.rows[start : start + ROWS_PER_INSERT])
            yield self.label, f"INSERT INTO {self.table} ({self.columns}) VALUES\n{rows}"


def is_wanted(ignore_list: IgnoreList, table: str) -> bool:
    """Whether the rows of a table are dumped: not those of Alembic's, nor of ignored tables."""
    return table not in OWN_TABLES and not ignore_list.matches(f"table {table}")


def has_rows(connection: Connection, quoted_table: str) -> bool:
    """Whether a table has rows."""
    query = f"SELECT 1 FROM {quoted_table} LIMIT 1"  # noqa: S608
    return execute_verbatim(connection, query).first() is not None


def select_rows(
    connection: Connection, table: str, quoted_table: str, columns: Mapping[str, str]
) -> TableRows:
    """Read a table; `columns` has, by its quoted name, SQL that writes a column as a literal."""
    query = f"SELECT {', '.join(columns.values())} FROM {quoted_table}"  # noqa: S608
    rows = [", ".join(map(as_text, row)) for row in execute_verbatim(connection, query)]
    return TableRows(f"rows of table {table}", quoted_table, ", ".join(columns), rows)
