"""What raw SQL revisions do: run statements, and keep tables and rows that are older than them."""

import re
from collections.abc import Iterable, Iterator

from alembic import op
from alembic.util import CommandError
from alembic_guardrails.errors import IrreversibleError
from alembic_guardrails.guard.journal import is_behind
from sqlalchemy import DDL, Connection, inspect, text

DROP_TABLE = re.compile(r"DROP TABLE (.+)")


def run_sql(statements: Iterable[str]) -> None:
    """Run each statement as it is written."""
    for statement in statements:
        op.execute(DDL(statement.replace("%", "%%")))  # type: ignore[no-untyped-call]


def dropped_tables(drops: Iterable[str]) -> Iterator[str]:
    """Return the names of the tables that statements drop, as the statements write them."""
    return (match[1] for match in map(DROP_TABLE.match, drops) if match)


def find_table_names(connection: Connection) -> set[str]:
    """Return the names of all tables; on PostgreSQL also with the name of their schema."""
    inspector = inspect(connection)
    names = set(inspector.get_table_names())
    if connection.dialect.name == "postgresql":
        for schema in inspector.get_schema_names():
            names |= {f"{schema}.{name}" for name in inspector.get_table_names(schema)}
    return names


def require_missing_tables(drops: Iterable[str]) -> None:
    """Raise unless none of the tables that these statements drop exists."""
    if op.get_context().as_sql:
        return
    connection = op.get_bind()
    # An interrupted run has created some tables, where nothing is rolled back.
    if is_behind(connection):
        return
    existing = find_table_names(connection)
    created = {re.sub('^public[.]|["`]', "", name) for name in dropped_tables(drops)}
    if found := existing & created:
        raise CommandError(
            f"The database already has the table {min(found)}, which this revision would create. "
            "Run `migrations adopt` to record that the database was there before."
        )


def require_empty_tables(drops: Iterable[str]) -> None:
    """Raise unless the tables that these statements drop have no rows."""
    context = op.get_context()
    if context.as_sql:
        raise IrreversibleError(
            "Whether the tables are empty is known only with a database. Run the downgrade without"
            " --sql."
        )
    if context.dialect.name == "postgresql":
        # Raise an error where a policy would hide rows.
        op.execute("SET LOCAL row_security = off")
    for table in dropped_tables(drops):
        query = f"SELECT 1 FROM {table} LIMIT 1".replace(":", "\\:")  # noqa: S608
        if op.get_bind().execute(text(query)).first():
            raise IrreversibleError(
                f"The table {table} has rows, and some may be older than the migrations, so nothing"
                " is dropped. Delete the rows first if you do not need them."
            )
