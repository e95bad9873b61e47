"""What the operations of `alembic_guardrails.op` do: raw SQL, concurrent indexes, batches."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from alembic import op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_guardrails._alembic import is_in_callers_transaction
from alembic_guardrails.errors import IrreversibleError, error_code
from alembic_guardrails.guard.base import format_milliseconds
from alembic_guardrails.guard.journal import REPEATABLE, is_behind, progress_of
from alembic_guardrails.progress import Progress
from alembic_guardrails.settings import read_settings
from sqlalchemy import (
    DDL,
    ColumnElement,
    Connection,
    Delete,
    Update,
    event,
    func,
    inspect,
    select,
    text,
    true,
)
from sqlalchemy.exc import DBAPIError

DROP_TABLE = re.compile(r"DROP TABLE (.+)")

# An interrupted build leaves an invalid index:
# https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
INDEX = text(
    "SELECT indisvalid, indisunique, ARRAY(SELECT attname::text FROM pg_attribute "
    "WHERE attrelid = indexrelid ORDER BY attnum) FROM pg_index JOIN pg_class ON oid = indexrelid "
    "WHERE relname = :name AND indrelid = to_regclass(:table)"
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
DEADLOCK = "40P01"


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
            change = partial(change_in_batches, op.get_bind(), statement, key, size, pause)
            run_unless_done(op.get_bind(), statement, change)


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


def run_unless_done(
    connection: Connection, statement: Update | Delete, change: Callable[[], None]
) -> None:
    """Call what changes the rows of `statement`, unless an interrupted run has changed them all.

    That can have changed the table since.
    """
    progress = progress_of(connection)
    compiled = statement.compile(dialect=connection.dialect)
    if progress and progress.begin_batches(str(compiled), compiled.params):
        return
    change()
    if progress:
        progress.end_batches()


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
