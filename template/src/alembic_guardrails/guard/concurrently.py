"""Statements that PostgreSQL runs outside of a transaction, each alone in its revision."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from alembic import op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_guardrails._alembic import is_in_callers_transaction
from alembic_guardrails.guard.locks import format_milliseconds
from alembic_guardrails.settings import read_settings
from sqlalchemy import Connection, event, text

# An interrupted build leaves an invalid index:
# https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
INDEX = text(
    "SELECT indisvalid, indisunique, ARRAY(SELECT attname::text FROM pg_attribute "
    "WHERE attrelid = indexrelid ORDER BY attnum) FROM pg_index JOIN pg_class ON oid = indexrelid "
    "WHERE relname = :name AND indrelid = to_regclass(:table)"
)


def create_index(
    context: MigrationContext,
    name: str,
    table: str,
    columns: Sequence[Any],
    *,
    schema: str | None,
    **options: Any,
) -> None:
    """Create an index concurrently, unless it is there; drop an invalid one first.

    Raises:
        CommandError: The revision does anything else, it runs in a caller's transaction, or the
            table has another index with this name.
    """
    options |= {"schema": schema, "postgresql_concurrently": True}
    with outside_transaction(context):
        is_valid, *found = (None,) if context.as_sql else find_index(name, table, schema)
        if is_valid is False:
            op.drop_index(name, table, schema=schema, postgresql_concurrently=True)
        if not is_valid:
            op.create_index(name, table, columns, **options)
        elif not is_same_index(found, columns, unique=options.get("unique", False)):
            raise CommandError(
                f"The table {table} already has another index named {name}. Choose another name."
            )


def drop_index(
    context: MigrationContext, name: str, table: str, *, schema: str | None, **options: Any
) -> None:
    """Drop an index concurrently, if it is there.

    Raises:
        CommandError: The revision does anything else, or it runs in a caller's transaction.
    """
    options |= {"schema": schema, "if_exists": True, "postgresql_concurrently": True}
    with outside_transaction(context):
        op.drop_index(name, table, **options)


def find_index(name: str, table: str, schema: str | None) -> Sequence[Any]:
    """Return whether a table's index is valid, whether it is unique, and the names of its columns.

    The result is `(None,)` if the table has no index with this name.
    """
    connection = op.get_bind()
    quote = connection.dialect.identifier_preparer.quote
    full_name = ".".join(quote(part) for part in (schema, table) if part)
    return connection.execute(INDEX, {"name": name, "table": full_name}).first() or (None,)


def is_same_index(found: Sequence[Any], columns: Sequence[Any], *, unique: bool) -> bool:
    """Whether `found`, uniqueness and names of columns, is the index on `columns`.

    An expression among the columns matches any expression.
    """
    is_unique, names = found
    pairs = zip(columns, names, strict=False)
    has_columns = all(column == name for column, name in pairs if isinstance(column, str))
    return is_unique == unique and len(names) >= len(columns) and has_columns


@contextmanager
def outside_transaction(context: MigrationContext) -> Iterator[None]:
    """Run the block outside of a transaction, with the limits of something that takes long.

    Raises:
        CommandError: The revision does anything else, which would be committed separately, or it
            runs in a caller's transaction.
    """
    if context.as_sql:
        with context.autocommit_block():
            yield
        return
    connection = op.get_bind()
    check_alone(context, connection)
    # The statement waits for open transactions, but no session waits behind it.
    seconds = max(read_settings(cast(Config, context.config)).migration_wait, 0.001)
    limits = {"lock_timeout": format_milliseconds(seconds), "statement_timeout": "0"}
    before = {name: connection.scalar(text(f"SHOW {name}")) for name in limits}
    with context.autocommit_block():
        # Some drivers begin a transaction when Alembic asks for the isolation level.
        connection.exec_driver_sql("ROLLBACK")
        set_limits(connection, limits)
        try:
            yield
        finally:
            set_limits(connection, before)
    expect_end_of_revision(context, connection)


def set_limits(connection: Connection, limits: dict[str, Any]) -> None:
    """Set settings of the session."""
    for name, value in limits.items():
        connection.exec_driver_sql(f"SET {name} = '{value}'")


def check_alone(context: MigrationContext, connection: Connection) -> None:
    """Check that the revision has changed nothing yet.

    Raises:
        CommandError: It has, or it runs in a caller's transaction.
    """
    if is_in_callers_transaction(context):
        raise CommandError(
            "A caller's transaction is open, and PostgreSQL changes nothing concurrently in a "
            "transaction. Migrate on a connection without one."
        )
    if connection.scalar(text("SELECT txid_current_if_assigned()")):
        raise not_alone()


def expect_end_of_revision(context: MigrationContext, connection: Connection) -> None:
    """Make the next statement fail, unless it is Alembic's own of the version table."""

    def check_statement(_: object, __: object, statement: str, *others: object) -> None:
        if context.version_table not in statement:
            raise not_alone()

    event.listen(connection, "before_cursor_execute", check_statement, once=True)


def not_alone() -> CommandError:
    """Return the error of a revision that does more than one statement outside a transaction."""
    return CommandError(
        "What runs outside of a transaction, such as a concurrent index or a backfill, needs a "
        "revision of its own. Move everything else to another revision."
    )
