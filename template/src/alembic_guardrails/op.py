"""Operations for revisions, beside those of `alembic.op`.

Every name in `__all__` stays from release to release.
"""

from collections.abc import Iterable as _Iterable
from collections.abc import Sequence as _Sequence
from typing import Any as _Any

from alembic import op as _op
from alembic_guardrails.guard import operations as _operations
from sqlalchemy import ColumnElement as _ColumnElement
from sqlalchemy import Delete as _Delete
from sqlalchemy import Update as _Update

__all__ = [
    "backfill",
    "create_index_concurrently",
    "drop_index_concurrently",
    "require_empty_tables",
    "require_missing_tables",
    "run_sql",
]


def backfill(
    statement: _Update | _Delete, key: _ColumnElement[_Any], *, size: int = 1000, pause: float = 0
) -> None:
    """Update or delete rows in batches, and commit each batch.

    The revision can be run again at any time: after an interruption it continues with the rows
    that are left. On PostgreSQL it can contain nothing else. SQLite, a connection in a caller's
    transaction, and offline mode (`--sql`) change all rows with one statement.

    For example, to fill a new column, 1,000 rows at a time::

        import sqlalchemy as sa
        from alembic_guardrails.op import backfill

        invoices = sa.table("invoices", sa.column("id"), sa.column("total"), sa.column("net"))


        def upgrade() -> None:
            missing = sa.update(invoices).where(invoices.c.total.is_(None))
            backfill(missing.values(total=invoices.c.net * 1.2), invoices.c.id)

    Args:
        statement: An `update()` or `delete()`, whose WHERE is false for rows that are done.
        key: A unique column of the table, in whose order the batches follow each other.
        size: The number of rows in a batch.
        pause: How long to wait after each batch, in seconds.

    Raises:
        CommandError: The statement has no WHERE, or, on PostgreSQL, the revision does anything
            else.
    """
    _operations.backfill(statement, key, size, pause)


def create_index_concurrently(
    name: str, table: str, columns: _Sequence[_Any], *, schema: str | None = None, **options: _Any
) -> None:
    """Create an index while other sessions read and write its table.

    PostgreSQL does this outside of a transaction, so the revision can contain nothing else. If the
    index exists already, it stays; an invalid index, which an interrupted build leaves, is dropped
    first. On other databases this is `alembic.op.create_index()`: InnoDB lets other sessions write
    anyway, and SQLite cannot.

    For example::

        from alembic_guardrails.op import create_index_concurrently, drop_index_concurrently


        def upgrade() -> None:
            create_index_concurrently("ix_invoices_due_at", "invoices", ["due_at"])


        def downgrade() -> None:
            drop_index_concurrently("ix_invoices_due_at", "invoices")

    Args:
        name: The name of the index.
        table: The name of the table.
        columns: Names of columns, or expressions such as `sqlalchemy.text("lower(name)")`.
        schema: The schema of the table.
        options: Keywords of `alembic.op.create_index()`, such as `unique=True`.

    Raises:
        CommandError: The revision does anything else, it runs in a caller's transaction, or the
            table has another index with this name.
    """
    context = _op.get_context()
    if context.dialect.name == "postgresql":
        _operations.create_index(context, name, table, columns, schema=schema, **options)
    else:
        _op.create_index(name, table, columns, schema=schema, **options)


def drop_index_concurrently(name: str, table: str, *, schema: str | None = None) -> None:
    """Drop an index while other sessions read and write its table.

    On PostgreSQL the revision can contain nothing else, and an index that does not exist is no
    error. On other databases this is `alembic.op.drop_index()`.

    For example::

        from alembic_guardrails.op import drop_index_concurrently


        def upgrade() -> None:
            drop_index_concurrently("ix_invoices_due_at", "invoices")

    Args:
        name: The name of the index.
        table: The name of the table.
        schema: The schema of the table.

    Raises:
        CommandError: The revision does anything else, or it runs in a caller's transaction.
    """
    context = _op.get_context()
    if context.dialect.name == "postgresql":
        _operations.drop_index(context, name, table, schema=schema)
    else:
        _op.drop_index(name, table, schema=schema)


def run_sql(statements: _Iterable[str]) -> None:
    """Run SQL exactly as it is written: neither a colon nor a percent sign begins a parameter.

    For example::

        from alembic_guardrails.op import run_sql


        def upgrade() -> None:
            run_sql(["CREATE TABLE shares (percent text DEFAULT '10%')"])

    Args:
        statements: One statement each, without a semicolon at the end.
    """
    _operations.run_sql(statements)


def require_missing_tables(drops: _Iterable[str]) -> None:
    """Raise an error if the database already has a table that the revision creates.

    `migrations adopt` writes this into the baseline revision, so that the revision does not run on
    the database that it describes. Tables that an interrupted run of the same revision created are
    no error, and offline mode (`--sql`) checks nothing.

    For example::

        from alembic_guardrails.op import require_missing_tables, run_sql

        DROP = ("DROP TABLE invoices",)


        def upgrade() -> None:
            require_missing_tables(DROP)
            run_sql(["CREATE TABLE invoices (id integer PRIMARY KEY)"])

    Args:
        drops: The statements of the downgrade; `DROP TABLE` statements name the tables.

    Raises:
        CommandError: One of the tables exists.
    """
    _operations.require_missing_tables(drops)


def require_empty_tables(drops: _Iterable[str]) -> None:
    """Raise an error if a table that the revision drops has rows.

    `migrations adopt` writes this into the downgrade of the baseline revision, so that the
    downgrade does not delete rows that are older than the migrations.

    For example::

        from alembic_guardrails.op import require_empty_tables, run_sql

        DROP = ("DROP TABLE invoices",)


        def downgrade() -> None:
            require_empty_tables(DROP)
            run_sql(DROP)

    Args:
        drops: The statements of the downgrade; `DROP TABLE` statements name the tables.

    Raises:
        IrreversibleError: One of the tables has rows, or the downgrade runs in offline mode
            (`--sql`). The error is a CommandError and a NotImplementedError.
    """
    _operations.require_empty_tables(drops)
