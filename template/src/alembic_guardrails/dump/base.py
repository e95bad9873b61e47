"""What a dump is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection


@dataclass
class Dump:
    """Statements that build a schema, by the thing that they are about, and those that drop it."""

    create: list[tuple[str, str]] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)


AT_ONCE = 100  # rows that one statement inserts


@dataclass
class Rows:
    """The rows of a table: its name and columns, quoted, and the values of each as SQL."""

    table: str
    name: str
    columns: str
    values: list[str]

    def inserts(self) -> Iterator[str]:
        """The statements that insert them."""
        for start in range(0, len(self.values), AT_ONCE):
            values = ",\n".join(f"({it})" for it in self.values[start : start + AT_ONCE])
            yield f"INSERT INTO {self.name} ({self.columns}) VALUES\n{values}"


def table_rows(connection: Connection, table: str, columns: Mapping[str, str]) -> Rows:
    """Read a table; SQL says how the database writes each column as a literal."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    name = quote(table)
    query = f"SELECT {', '.join(columns.values())} FROM {name}"  # noqa: S608
    values = [", ".join(map(as_text, row)) for row in connection.exec_driver_sql(query)]
    return Rows(f"rows of table {table}", name, ", ".join(map(quote, columns)), values)


def as_text(value: object) -> str:
    """A literal that the database wrote; some drivers give bytes."""
    return value.decode() if isinstance(value, (bytes, bytearray)) else str(value)


def is_empty(connection: Connection, table: str) -> bool:
    """Whether a table has no row."""
    name = connection.dialect.identifier_preparer.quote_identifier(table)
    query = f"SELECT 1 FROM {name} LIMIT 1"  # noqa: S608
    return connection.exec_driver_sql(query).first() is None
