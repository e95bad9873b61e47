"""What revisions call beside `alembic.op`."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from alembic import op
from alembic.util import CommandError
from alembic_guardrails._alembic import is_in_callers_transaction
from alembic_guardrails.guard.batches import change_in_batches
from alembic_guardrails.guard.concurrently import find_index, is_like, outside_of_transactions
from alembic_guardrails.guard.journal import TABLE as JOURNAL
from sqlalchemy import DDL, ColumnElement, Delete, Update, func, inspect, select, text


def backfill(
    statement: Update | Delete, key: ColumnElement[Any], *, size: int = 1000, pause: float = 0
) -> None:
    """Change rows in batches by a unique key: each is committed, then come as many seconds' pause.

    The WHERE has to be false for rows that are done: a run that was killed goes on with the others.
    SQLite and a caller's transaction change all rows at once, as does the SQL of `--sql`.

    Raises CommandError without a WHERE, and on PostgreSQL if the revision does anything else.
    """
    if statement.whereclause is None:
        raise CommandError("a backfill needs a WHERE that is false for the rows that are done")
    context = op.get_context()
    if context.dialect.name == "sqlite" or is_in_callers_transaction(context):
        op.execute(statement)
        return
    is_postgresql = context.dialect.name == "postgresql"
    with outside_of_transactions(context) if is_postgresql else context.autocommit_block():
        if context.as_sql:
            op.execute(statement)
        else:
            change_in_batches(op.get_bind(), statement, key, size, pause)


def create_index_concurrently(
    name: str, table: str, columns: Sequence[Any], *, schema: str | None = None, **options: Any
) -> None:
    """Build an index while its table is read and written; takes what `op.create_index` takes.

    PostgreSQL does it outside of a transaction: the revision can do nothing else, and what an
    interrupted build left is dropped first. InnoDB does it anyway, SQLite cannot.

    Raises CommandError if the revision does anything else, or has a caller's transaction.
    """
    context = op.get_context()
    if context.dialect.name != "postgresql":
        op.create_index(name, table, columns, schema=schema, **options)
        return
    options |= {"schema": schema, "postgresql_concurrently": True}
    with outside_of_transactions(context):
        is_valid, *found = (None,) if context.as_sql else find_index(name, table, schema)
        if is_valid is False:
            op.drop_index(name, table, schema=schema, postgresql_concurrently=True)
        if not is_valid:
            op.create_index(name, table, columns, **options)
        elif not is_like(found, columns, unique=options.get("unique", False)):
            raise CommandError(f"{table} has another index already whose name is {name}")


def drop_index_concurrently(name: str, table: str, *, schema: str | None = None) -> None:
    """Drop an index in the same manner, if it is there.

    Raises CommandError if the revision does anything else, or has a caller's transaction.
    """
    context = op.get_context()
    if context.dialect.name != "postgresql":
        op.drop_index(name, table, schema=schema)
        return
    with outside_of_transactions(context):
        op.drop_index(name, table, schema=schema, if_exists=True, postgresql_concurrently=True)


DROP_TABLE = re.compile(r"DROP TABLE (.+)")


class RowsError(CommandError, NotImplementedError):
    """There is no way back while there are rows."""


def run_sql(statements: Iterable[str]) -> None:
    """Run SQL as it is: in it, neither a colon nor a per cent sign begins a parameter."""
    for statement in statements:
        op.execute(DDL(statement.replace("%", "%%")))  # type: ignore[no-untyped-call]


def expect_no_tables(drops: Iterable[str]) -> None:
    """Raise CommandError if a table that one of these statements drops is there, and from before.

    An interrupted run has made some where nothing is rolled back; the journal knows.
    """
    if op.get_context().as_sql:
        return
    connection = op.get_bind()
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    if connection.dialect.name == "postgresql":
        for schema in inspector.get_schema_names():
            there |= {f"{schema}.{name}" for name in inspector.get_table_names(schema)}
    if JOURNAL.name in there and connection.scalar(select(func.max(JOURNAL.c.done))):
        return
    matches = filter(None, map(DROP_TABLE.match, drops))
    if found := there & {re.sub('^public[.]|["`]', "", match[1]) for match in matches}:
        raise CommandError(
            f"the database has {min(found)} already, as it was found: `migrations adopt` "
            "tells Alembic so"
        )


def expect_no_rows(drops: Iterable[str]) -> None:
    """Raise RowsError if a table that one of these statements drops has rows."""
    if op.get_context().as_sql:
        raise RowsError("only a database can tell whether the tables are empty")
    if op.get_context().dialect.name == "postgresql":
        op.execute("SET LOCAL row_security = off")  # an error, where policies would hide rows
    for statement in drops:
        if match := DROP_TABLE.match(statement):
            table = match[1]
            query = f"SELECT 1 FROM {table} LIMIT 1".replace(":", "\\:")  # noqa: S608
            if op.get_bind().execute(text(query)).first():
                raise RowsError(
                    f"{table} has rows, some perhaps older than the migrations: nothing is dropped"
                )
