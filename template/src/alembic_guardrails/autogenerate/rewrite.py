"""What is changed in the operations that autogenerate finds."""

from collections.abc import Callable, Collection, Iterator
from typing import TypeGuard

from alembic.operations.ops import (
    AlterColumnOp,
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateTableOp,
    DropConstraintOp,
    DropIndexOp,
    DropTableOp,
    MigrateOperation,
    MigrationScript,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from alembic.util import to_list
from alembic_guardrails.autogenerate.checks import name_checks
from alembic_guardrails.autogenerate.compare import has_same_default
from alembic_guardrails.autogenerate.mysql import repeat_type
from alembic_guardrails.autogenerate.mysql_columns import say_whole_column
from alembic_guardrails.autogenerate.names import leave_names
from alembic_guardrails.autogenerate.order import drops_foreign_key, join, key, sort_tables
from alembic_guardrails.autogenerate.sqlite import has_unnamed, is_row_number
from sqlalchemy import Connection, MetaData


def tidy(context: MigrationContext, revision: object, scripts: list[MigrationScript]) -> None:
    """Leave out of new revisions what is not needed, or does not work everywhere."""
    for script in scripts:
        for operations in (*script.upgrade_ops_list, *script.downgrade_ops_list):
            name_checks(operations.ops, context)
            operations.ops = list(tidied(sort_tables(operations.ops), context))


def tidied(
    operations: Collection[MigrateOperation], context: MigrationContext
) -> Iterator[MigrateOperation]:
    """Yield the operations that are needed.

    Indexes go with their table, or after their foreign keys, as MySQL demands. Tables are indexed
    without the rebuild that SQLite needs for other changes.
    """
    dropped = {key(drop) for drop in operations if isinstance(drop, DropTableOp)}
    created = {key(create) for create in operations if isinstance(create, CreateTableOp)}
    is_needed = needed(context, dropped | created)
    for operation in operations:
        if not isinstance(operation, ModifyTableOps):
            yield operation
            continue
        changes = [change for change in operation.ops if is_needed(operation, change)]
        changes = leave_names(changes, context)
        for change in changes:
            repeat_type(change, context.dialect)
        changes = sorted(changes, key=drops_foreign_key, reverse=True)
        operation.ops = [with_whole_column(context.connection, change) for change in changes]
        if not changes_only_indexes(operation):
            yield operation
        elif key(operation) not in dropped:
            yield from operation.ops


def with_whole_column(connection: Connection | None, change: MigrateOperation) -> MigrateOperation:
    """Return a change that leaves the rest of a column as it is."""
    is_mysql = connection is not None and connection.dialect.name in ("mysql", "mariadb")
    if connection is None or not is_mysql or not isinstance(change, AlterColumnOp):
        return change
    return say_whole_column(connection, change)


def needed(
    context: MigrationContext, moved: Collection[str]
) -> Callable[[ModifyTableOps, MigrateOperation], bool]:
    """Return what says whether a change of a table has to be in the revision.

    `moved` are the tables that the revision creates or drops.
    """

    def is_needed(table: ModifyTableOps, change: MigrateOperation) -> bool:
        if has_same_default(change):
            return False
        connection = context.connection
        if connection is not None and is_met(connection, table.table_name, change):
            return False
        return not refers_elsewhere(context, change, moved)

    return is_needed


def is_met(connection: Connection, table: str, change: MigrateOperation) -> bool:
    """Whether SQLite has what a change asks for, although SQLAlchemy does not see it."""
    if isinstance(change, AlterColumnOp):
        is_about_null = change.modify_nullable is not None and len(change.to_diff_tuple()) == 1
        return is_about_null and is_row_number(connection, table, change)
    return has_unnamed(connection, table, change)


def refers_elsewhere(
    context: MigrationContext, operation: MigrateOperation, moved: Collection[str]
) -> bool:
    """Whether no model can have a foreign key, because it is to a table that none is about.

    A foreign key to a table with partitions has one to each of them.
    """
    if isinstance(operation, DropConstraintOp) and drops_foreign_key(operation):
        operation = operation.reverse()
    if not isinstance(operation, CreateForeignKeyOp):
        return False
    referred = join(operation.kw.get("referent_schema"), operation.referent_table)
    models: list[MetaData] = to_list(context.opts["target_metadata"], [])
    return referred not in moved and all(referred not in model.tables for model in models)


def changes_only_indexes(operation: MigrateOperation) -> TypeGuard[ModifyTableOps]:
    """Whether the changes of a table are such that no database has to rebuild it."""
    return isinstance(operation, ModifyTableOps) and all(
        isinstance(change, CreateIndexOp | DropIndexOp) for change in operation.ops
    )
