"""What the readers of all databases have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, CursorResult


class SchemaReader(Protocol):
    """What the module of each database in this package offers."""

    def read(self, connection: Connection, /) -> Iterator[tuple[str, str]]:
        """Read the whole schema: the name of each object, with its kind, and its definition."""

    def reword_view(self, connection: Connection, definition: str, /) -> str:
        """Return the definition of a view as it reads after it was restored to `connection`."""

    def makes_up(self, name: str, definition: str, /) -> bool:
        """Whether the database gives this name to a constraint that a statement leaves unnamed."""


@dataclass(frozen=True)
class StoredObject:
    """An object for which the database keeps a CREATE statement.

    `parent` is ` on table <name>` for a trigger or an index, else empty. `sql_mode` is the mode in
    which MySQL and MariaDB run a routine, a trigger or an event.
    """

    kind: str
    name: str
    parent: str
    statement: str
    sql_mode: str = ""

    @property
    def full_name(self) -> str:
        """The name as `migrations drift` prints it and `ignore.txt` lists it."""
        return f"{self.kind} {self.name}{self.parent}"


def execute_verbatim(connection: Connection, statement: str) -> CursorResult[*tuple[Any, ...]]:
    """Execute a statement that has no parameters, whatever signs are in the names that it uses."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def as_text(value: object) -> str:
    """Return what the database wrote as text; some drivers return bytes."""
    return value.decode() if isinstance(value, (bytes, bytearray)) else str(value)
