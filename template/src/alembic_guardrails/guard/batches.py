"""Changes of many rows, in batches."""

import time
from typing import Any

from alembic_guardrails.errors import error_code
from alembic_guardrails.guard.journal import REPEATABLE
from alembic_guardrails.progress import Progress
from sqlalchemy import ColumnElement, Connection, Delete, Update, func, select, true
from sqlalchemy.exc import DBAPIError

# https://www.postgresql.org/docs/current/errcodes-appendix.html
DEADLOCK = "40P01"


def change(connection: Connection, batch: Update | Delete) -> int:
    """Change one batch, again if a deadlock with others undid it; return the number of rows.

    On MySQL and MariaDB the guard does this, for all statements.
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
    """Walk through a table by its key; each statement is a transaction."""
    condition = statement.whereclause
    left = select(key).where(true() if condition is None else condition).order_by(key)
    count = select(func.count()).select_from(left.order_by(None).subquery())
    progress = Progress(statement.table.description, "rows", connection.scalar(count) or 0)
    # The journal can do without what is the same when it is done twice.
    statement = statement.execution_options(**{REPEATABLE: True})
    after: tuple[ColumnElement[bool], ...] = ()
    while True:
        last = connection.scalar(left.where(*after).offset(size - 1).limit(1))
        until = () if last is None else (key <= last,)
        progress.advance(change(connection, statement.where(*after, *until)))
        if last is None:
            progress.end()
            return
        after = (key > last,)
        time.sleep(pause)
