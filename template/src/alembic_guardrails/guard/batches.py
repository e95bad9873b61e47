"""Changes of many rows, in batches."""

import time
from typing import Any

from alembic import op
from alembic.util import CommandError
from alembic_guardrails._alembic import is_in_callers_transaction
from alembic_guardrails.errors import error_code
from alembic_guardrails.guard.concurrently import outside_transaction
from alembic_guardrails.guard.journal import REPEATABLE, is_behind
from alembic_guardrails.progress import Progress
from sqlalchemy import ColumnElement, Connection, Delete, Update, func, select, true
from sqlalchemy.exc import DBAPIError

# https://www.postgresql.org/docs/current/errcodes-appendix.html
DEADLOCK = "40P01"


def backfill(statement: Update | Delete, key: ColumnElement[Any], size: int, pause: float) -> None:
    """Run a statement in batches where the database can commit each of them, else at once.

    Raises:
        CommandError: The statement has no WHERE, or, on PostgreSQL, the revision does anything
            else.
    """
    if statement.whereclause is None:
        raise CommandError(
            "A backfill needs a WHERE that is false for the rows that are done. Add .where(...) to "
            "the statement."
        )
    context = op.get_context()
    if context.dialect.name == "sqlite" or is_in_callers_transaction(context):
        op.execute(statement)
        return
    is_postgresql = context.dialect.name == "postgresql"
    with outside_transaction(context) if is_postgresql else context.autocommit_block():
        if context.as_sql:
            op.execute(statement)
        else:
            change_in_batches(op.get_bind(), statement, key, size, pause)


def change_batch(connection: Connection, batch: Update | Delete) -> int:
    """Change one batch, again after a deadlock; return the number of rows.

    On MySQL and MariaDB the guard repeats statements.
    """
    for _ in range(10):
        try:
            return connection.execute(batch).rowcount
        except DBAPIError as error:
            if error_code(error) != DEADLOCK:
                raise
        time.sleep(0.5)
    return connection.execute(batch).rowcount


def change_in_batches(
    connection: Connection,
    statement: Update | Delete,
    key: ColumnElement[Any],
    size: int,
    pause: float,
) -> None:
    """Change the rows of `statement` in the order of a unique key, `size` at a time.

    The connection has to commit each statement. Between two batches there is a pause of `pause`
    seconds.
    """
    # An interrupted run has come to its end with this, and may have changed the table since.
    if is_behind(connection):
        return
    condition = statement.whereclause
    keys = select(key).where(true() if condition is None else condition).order_by(key)
    count = select(func.count()).select_from(keys.order_by(None).subquery())
    progress = Progress(statement.table.description, "rows", connection.scalar(count) or 0)
    # The journal leaves out statements that can run twice.
    statement = statement.execution_options(**{REPEATABLE: True})
    after: tuple[ColumnElement[bool], ...] = ()
    while True:
        last = connection.scalar(keys.where(*after).offset(size - 1).limit(1))
        until = () if last is None else (key <= last,)
        progress.advance(change_batch(connection, statement.where(*after, *until)))
        if last is None:
            progress.end()
            return
        after = (key > last,)
        time.sleep(pause)
