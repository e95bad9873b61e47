"""Adopt a database that is older than the code: models, a baseline revision, and a stamp.

Only services that answered `existing_database` with yes have this package. Nothing else in
`alembic_guardrails` imports it. The module of each database extends the class `Database`.
"""

from collections.abc import Collection, Mapping
from typing import TypeAlias

from alembic.util import CommandError
from alembic_guardrails.dialects import module_for
from sqlalchemy import Connection, Inspector, MetaData

# A table's schema and its name; the schema is None if it is the default one.
TableName: TypeAlias = "tuple[str | None, str]"


class Database:
    """What differs between databases; the methods here do what suits most of them."""

    # What is beside a schema, and so in no revision: words for the report.
    outside_schema = ""
    # SQLAlchemy's names of types that it also takes for one that it does not know.
    unknown_types: Collection[str] = ()

    def check_connection(self, connection: Connection) -> None:
        """Check that the tables of this connection can be told apart.

        Raises:
            CommandError: A setting of the connection prevents that.
        """

    def check_names(self, tables: Collection[TableName]) -> None:
        """Check that SQLAlchemy can tell the tables apart.

        Raises:
            CommandError: The names of two tables differ in case alone.
        """
        names = sorted(name for _, name in tables)
        lowered = [name.lower() for name in names]
        if clashing := [name for name in names if lowered.count(name.lower()) > 1]:
            raise CommandError(
                f"Tables {', '.join(clashing)} differ in case alone, so that SQLAlchemy cannot tell"
                " them apart: rename one of them."
            )

    def list_schemas(self, inspector: Inspector) -> list[str | None]:
        """List the schemas that can hold tables of the service; None is the default one."""
        return [None]

    def find_without_model(self, connection: Connection) -> dict[TableName, str]:
        """Find what SQLAlchemy lists as a table and no model can be of; say what each is."""
        return {}

    def find_in_extensions(self, connection: Connection) -> dict[str, str]:
        """Find the tables and types that an extension creates; say which one."""
        return {}

    def find_dependents(
        self, connection: Connection, left_out: Collection[str]
    ) -> Mapping[str, str]:
        """Find what cannot be built without that which is left out; say why."""
        return {}

    def import_types(self) -> None:
        """Import installed packages that know more types than SQLAlchemy does."""

    def complete(self, connection: Connection, metadata: MetaData) -> None:
        """Add to reflected tables what SQLAlchemy does not read of them."""

    def find_gaps(self, connection: Connection, metadata: MetaData) -> list[str]:
        """Find what models cannot express, beside that which Alembic finds; a sentence each."""
        return []


def database_for(connection: Connection) -> Database:
    """Return what is known of the database behind a connection."""
    database: Database = module_for("adopt", connection.dialect.name).DATABASE
    return database


def describe(table: TableName, kind: str = "table") -> str:
    """Name a table as `migrations drift` does, without quotes."""
    return f"{kind} " + ".".join(part for part in table if part)
