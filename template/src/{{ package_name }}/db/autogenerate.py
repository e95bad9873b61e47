"""How Alembic compares models with a database, and how it writes what it finds into revisions."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeGuard

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import (
    CreateIndexOp,
    DropIndexOp,
    DropTableOp,
    MigrateOperation,
    MigrationScript,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from sqlalchemy.types import TypeDecorator

NOW = re.compile(r"\(*(?:now|current_timestamp)(?:\((\d*)\))?\)*", re.IGNORECASE)


def render_item(kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    """Write the type that the database stores, not the model's: revisions outlive the models."""
    if kind != "type" or not isinstance(item, TypeDecorator):
        return False
    stored = item.impl_instance
    if type(stored) in vars(sa).values():
        return f"sa.{stored!r}"
    dialect = context.dialect.name
    context.imports.add(f"from sqlalchemy.dialects import {dialect}")
    rendered = context.migration_context.impl.render_type(stored, context)
    return rendered or f"{dialect}.{stored!r}"


def compare_server_default(
    context: MigrationContext,
    inspected_column: Any,
    metadata_column: Any,
    inspected: str | None,
    metadata: Any,
    rendered: str | None,
) -> bool | None:
    """See that `now()` and `CURRENT_TIMESTAMP` are one; leave the rest to Alembic."""
    names = NOW.fullmatch(inspected or ""), NOW.fullmatch(rendered or "")
    if names[0] and names[1]:
        return (names[0][1] or "") != (names[1][1] or "")
    return None


def tidy(context: MigrationContext, revision: object, scripts: list[MigrationScript]) -> None:
    """Leave out of new revisions what is not needed, or does not work everywhere."""
    for script in scripts:
        for operations in (*script.upgrade_ops_list, *script.downgrade_ops_list):
            operations.ops = list(tidied(operations.ops))


def tidied(operations: Iterable[MigrateOperation]) -> Iterator[MigrateOperation]:
    """Drop tables with their indexes, as MySQL demands; index tables without rebuilding them."""
    dropped = {(op.schema, op.table_name) for op in operations if isinstance(op, DropTableOp)}
    for operation in operations:
        if not changes_only_indexes(operation):
            yield operation
        elif (operation.schema, operation.table_name) not in dropped:
            yield from operation.ops


def changes_only_indexes(operation: MigrateOperation) -> TypeGuard[ModifyTableOps]:
    """Whether the changes of a table are such that no database has to rebuild it."""
    return isinstance(operation, ModifyTableOps) and all(
        isinstance(op, CreateIndexOp | DropIndexOp) for op in operation.ops
    )
