"""Where Alembic's batch ends on SQLite, and this package changes the table."""

from collections.abc import Callable

from alembic.operations.batch import BatchOperationsImpl
from alembic.util import CommandError
from alembic_guardrails.rebuild.operations import COMMENTS, INDEXES, BatchChange
from alembic_guardrails.rebuild.table import ChangedTable, savepoint


def change_table(batch: BatchOperationsImpl, flush: Callable[[], None]) -> None:
    """Apply the operations of a batch; leave to Alembic what changes no table, and offline SQL.

    Raises:
        CommandError: Something would be lost. Nothing has been changed then.
        NoSuchTableError: The table does not exist.
        ValueError: A constraint that the batch names does not exist.
    """
    operations = {name for name, _, _ in batch.batch}
    is_of_indexes = batch.recreate == "auto" and operations <= {*COMMENTS, *INDEXES}
    if batch.operations.migration_context.as_sql or batch.recreate == "never" or is_of_indexes:
        flush()
        return
    name = str(batch.table_name)
    if batch.schema not in (None, "main"):
        if batch.recreate == "auto" and not batch.impl.requires_recreate_in_batch(batch):
            flush()
            return
        raise CommandError(
            f"Table {name} cannot be changed in a batch: it is in the database {batch.schema}, and "
            "only main can be changed so."
        )
    connection = batch.operations.get_bind()
    with savepoint(connection, "guardrails_batch"):
        BatchChange(batch, ChangedTable(connection, name)).run()
