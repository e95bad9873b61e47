"""How Alembic compares models with a database, and how it writes what it finds into revisions."""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from typing import Literal, TypeGuard

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from alembic.operations.ops import (
    AlterColumnOp,
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
from sqlalchemy import DefaultClause, Numeric
from sqlalchemy.types import TypeDecorator

# Tables of Alembic and of what is built on it, which no model knows.
OWN_TABLES = {"alembic_journal"}
# MariaDB writes a default with all the digits of its column.
NUMBER = re.compile(r"\(*'?([-+]?\d+(?:\.\d*)?)'?\)*")
NOW = re.compile(r"\(*(?:now|current_timestamp)(?:\((\d*)\))?\)*", re.IGNORECASE)


def include_name(name: str | None, kind: str, parents: object) -> bool:
    """Leave out tables that are not the models'."""
    return kind != "table" or name not in OWN_TABLES


def render_item(kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    """Write the type that the database stores, not the model's: revisions outlive the models."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return _repr_type(item.impl_instance, context)
    return False


def tidy(context: MigrationContext, revision: object, scripts: list[MigrationScript]) -> None:
    """Leave out of new revisions what is not needed, or does not work everywhere."""
    for script in scripts:
        for operations in (*script.upgrade_ops_list, *script.downgrade_ops_list):
            operations.ops = list(tidied(in_order(operations.ops)))


def in_order(operations: list[MigrateOperation]) -> list[MigrateOperation]:
    """Drop tables before those that they refer to, and create them after these.

    Alembic drops in any order, and creates in the reverse of it. A cycle needs a person.
    """
    creates = {key(op): op for op in operations if isinstance(op, CreateTableOp)}
    drops = {key(op): op for op in operations if isinstance(op, DropTableOp)}
    try:
        created = [creates[name] for name in by_reference(creates)]
        dropped = [drops[name] for name in by_reference(drops)][::-1]
    except CycleError:
        return operations
    others = [op for op in operations if not isinstance(op, CreateTableOp | DropTableOp)]
    return [*created, *others, *dropped]


def key(operation: CreateTableOp | DropTableOp) -> str:
    """The name under which a foreign key refers to a table."""
    return ".".join(part for part in (operation.schema, operation.table_name) if part)


def by_reference(tables: Mapping[str, CreateTableOp | DropTableOp]) -> Iterable[str]:
    """The names of tables, after the names of those that they refer to."""
    keys = {name: table.to_table().foreign_keys for name, table in tables.items()}
    referred = {name: {it.target_fullname.rpartition(".")[0] for it in keys[name]} for name in keys}
    return TopologicalSorter(
        {name: sorted(referred[name] & keys.keys() - {name}) for name in keys}
    ).static_order()


def changes_nothing(operation: MigrateOperation) -> bool:
    """Whether a column would get the default that it has, in other words."""
    if not isinstance(operation, AlterColumnOp):
        return False
    before, after = operation.existing_server_default, operation.modify_server_default
    if isinstance(before, DefaultClause) and isinstance(after, DefaultClause):
        is_number = isinstance(operation.existing_type, Numeric)
        old, new = (meaning(str(default.arg), is_number) for default in (before, after))
        if old is not None and old == new:
            operation.modify_server_default = False
    return not operation.has_changes()


def meaning(default: str, is_number: bool) -> object:
    """What a default says, where databases and people write it in several ways; else None."""
    if now := NOW.fullmatch(default):
        return now[1] or ""
    if is_number and (number := NUMBER.fullmatch(default)):
        return Decimal(number[1])
    return None


def tidied(operations: Iterable[MigrateOperation]) -> Iterator[MigrateOperation]:
    """Drop indexes with their table or after their foreign keys, as MySQL demands.

    Tables are indexed without the rebuild that SQLite needs for other changes.
    """
    dropped = {(op.schema, op.table_name) for op in operations if isinstance(op, DropTableOp)}
    for operation in operations:
        if isinstance(operation, ModifyTableOps):
            operation.ops = [op for op in operation.ops if not changes_nothing(op)]
            operation.ops = sorted(operation.ops, key=drops_foreign_key, reverse=True)
        if not changes_only_indexes(operation):
            yield operation
        elif (operation.schema, operation.table_name) not in dropped:
            yield from operation.ops


def drops_foreign_key(operation: MigrateOperation) -> bool:
    """Whether a foreign key goes, and with it the need for an index."""
    return isinstance(operation, DropConstraintOp) and operation.constraint_type == "foreignkey"


def changes_only_indexes(operation: MigrateOperation) -> TypeGuard[ModifyTableOps]:
    """Whether the changes of a table are such that no database has to rebuild it."""
    return isinstance(operation, ModifyTableOps) and all(
        isinstance(op, CreateIndexOp | DropIndexOp) for op in operation.ops
    )
