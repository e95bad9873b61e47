"""The names of the checks that the types Enum and Boolean make."""

from collections.abc import Iterable
from typing import Any

from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateTableOp,
    MigrateOperation,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from alembic.util import to_list
from alembic_guardrails._alembic import copy_column, find_final_name, find_type_check
from alembic_guardrails.autogenerate.order import join
from alembic_guardrails.autogenerate.render import stored_type
from sqlalchemy import Column, Dialect, MetaData
from sqlalchemy.sql.naming import conv
from sqlalchemy.types import SchemaType, TypeEngine


def name_checks(operations: Iterable[MigrateOperation], context: MigrationContext) -> None:
    """Give the checks of types the names that they have in the models.

    The type of a model has the name before the naming convention completes it, and a revision runs
    without the convention.
    """
    models: list[MetaData] = to_list(context.opts["target_metadata"], [])
    for operation in operations:
        match operation:
            case CreateTableOp():
                operation.columns = [
                    named(part, context.dialect) if isinstance(part, Column) else part
                    for part in operation.columns
                ]
            case AddColumnOp():
                operation.column = named(operation.column, context.dialect)
            case AlterColumnOp():
                name_altered(operation, models, context.dialect)
            case ModifyTableOps():
                name_checks(operation.ops, context)


def named(column: Column[Any], dialect: Dialect) -> Column[Any]:
    """Return a column whose type names its check as the model does."""
    if not (type_ := name_type(column, dialect)):
        return column
    copied = copy_column(column)
    copied.type = type_
    return copied


def name_altered(operation: AlterColumnOp, models: Iterable[MetaData], dialect: Dialect) -> None:
    """Name the check of the type that a column gets, or had where a change is undone."""
    name = join(operation.schema, operation.table_name)
    for table in [model.tables[name] for model in models if name in model.tables]:
        column = table.columns.get(operation.column_name)
        type_ = name_type(column, dialect) if column is not None else None
        if column is not None and type_:
            if operation.modify_type is column.type:
                operation.modify_type = type_
            if operation.existing_type is column.type:
                operation.existing_type = type_


def name_type(column: Column[Any], dialect: Dialect) -> TypeEngine[Any] | None:
    """Return the type of a column with the final name of its check; None if that is its own."""
    check = find_type_check(column, dialect)
    name = find_final_name(check, dialect) if check is not None else None
    type_ = stored_type(column.type, dialect)
    if not name or not isinstance(type_, SchemaType) or type_.name == name:
        return None
    copied: Any = type_.copy()
    copied.name = conv(name)
    return copied  # type: ignore[no-any-return]
