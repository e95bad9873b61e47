"""What PostgreSQL does outside of a transaction, and alone in its revision."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from alembic import op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_guardrails._alembic import is_in_callers_transaction
from alembic_guardrails.guard.base import milliseconds
from alembic_guardrails.settings import read_settings
from sqlalchemy import event, text

# An index, and whether it is ready. An interrupted build leaves one that is not:
# https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
INDEX = text(
    "SELECT indisvalid, indisunique, ARRAY(SELECT attname::text FROM pg_attribute "
    "WHERE attrelid = indexrelid ORDER BY attnum) FROM pg_index JOIN pg_class ON oid = indexrelid "
    "WHERE relname = :name AND indrelid = to_regclass(:table)"
)


def find_index(name: str, table: str, schema: str | None) -> Sequence[Any]:
    """Say of a table's index whether it is valid and unique, and on what; None if there is none."""
    connection = op.get_bind()
    quote = connection.dialect.identifier_preparer.quote
    full_name = ".".join(quote(part) for part in (schema, table) if part)
    return connection.execute(INDEX, {"name": name, "table": full_name}).first() or (None,)


def is_like(found: Sequence[Any], columns: Sequence[Any], *, unique: bool) -> bool:
    """Whether an index that was found is the one that is asked for; expressions may be any."""
    is_unique, names = found
    pairs = zip(columns, names, strict=False)
    same = all(column == name for column, name in pairs if isinstance(column, str))
    return is_unique == unique and len(names) >= len(columns) and same


@contextmanager
def outside_of_transactions(context: MigrationContext) -> Iterator[None]:
    """See that the revision does nothing else: half of it would be committed."""
    if context.as_sql:
        with context.autocommit_block():
            yield
        return
    if is_in_callers_transaction(context):
        raise CommandError("a caller's transaction leaves nothing to be done concurrently")
    misplaced = CommandError("what is done concurrently needs a revision of its own")
    connection = op.get_bind()
    if connection.scalar(text("SELECT txid_current_if_assigned()")):
        raise misplaced

    def expect_version(_: object, __: object, statement: str, *others: object) -> None:
        if context.version_table not in statement:
            raise misplaced

    # It waits for open transactions while nobody waits for it, so it may take longer.
    patience = read_settings(cast(Config, context.config)).migration_wait
    limits = {"lock_timeout": milliseconds(max(patience, 0.001)), "statement_timeout": "0"}
    before = {name: connection.scalar(text(f"SHOW {name}")) for name in limits}
    with context.autocommit_block():
        # Some drivers begin a transaction when Alembic asks for the isolation level.
        connection.exec_driver_sql("ROLLBACK")
        for name, value in limits.items():
            connection.exec_driver_sql(f"SET {name} = '{value}'")
        try:
            yield
        finally:
            for name, value in before.items():
                connection.exec_driver_sql(f"SET {name} = '{value}'")
    event.listen(connection, "before_cursor_execute", expect_version, once=True)
