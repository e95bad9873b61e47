"""The whole schema of a database as text: what Alembic compares, and all that it does not.

Owners and privileges, the order of columns, the versions of extensions, and the tables that
migrations keep for themselves are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from alembic_guardrails.dialects import module_for
from sqlalchemy import Connection, CursorResult

KIND_OF_VIEW = re.compile(r"(?:materialized )?view ")


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


def snapshot(connection: Connection) -> dict[str, str]:
    """Read the schema of a database: the definition of each object, by its kind and name.

    Call it in a transaction of its own, and end the transaction afterwards.
    """
    reader: SchemaReader = module_for("schema", connection.dialect.name)
    return dict(sorted(reader.read(connection)))


def reword_views(
    connection: Connection, schema: dict[str, str], built: dict[str, str]
) -> dict[str, str]:
    """Return a schema with its views as they read after they were restored to `connection`.

    `built` is the schema of `connection`; views that read alike in both stay as they are.
    """
    reader: SchemaReader = module_for("schema", connection.dialect.name)
    return {
        name: reader.reword_view(connection, definition)
        if KIND_OF_VIEW.match(name) and built.get(name, definition) != definition
        else definition
        for name, definition in schema.items()
    }
