"""What is changed in the operations that autogenerate finds."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TypeGuard

from alembic.operations.ops import (
    AlterColumnOp,
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateTableOp,
    CreateUniqueConstraintOp,
    DropConstraintOp,
    DropIndexOp,
    DropTableOp,
    MigrateOperation,
    MigrationScript,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from alembic_guardrails.autogenerate.defaults import changes_nothing
from sqlalchemy import INTEGER, ForeignKey, inspect


def tidy(context: MigrationContext, revision: object, scripts: list[MigrationScript]) -> None:
    """Leave out of new revisions what is not needed, or does not work everywhere."""
    database = Database(context)
    for script in scripts:
        for operations in (*script.upgrade_ops_list, *script.downgrade_ops_list):
            operations.ops = list(tidied(in_order(operations.ops), database))


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


def key(operation: CreateTableOp | DropTableOp | ModifyTableOps) -> str:
    """The name under which a foreign key refers to a table."""
    return ".".join(part for part in (operation.schema, operation.table_name) if part)


def target(foreign_key: ForeignKey) -> str:
    """The name under which a foreign key refers to its table."""
    return ".".join(filter(None, foreign_key.target_tokens[:2]))


def by_reference(tables: Mapping[str, CreateTableOp | DropTableOp]) -> Iterable[str]:
    """The names of tables, after the names of those that they refer to."""
    keys = {name: table.to_table().foreign_keys for name, table in tables.items()}
    referred = {name: {target(it) for it in keys[name]} for name in keys}
    return TopologicalSorter(
        {name: sorted(referred[name] & keys.keys() - {name}) for name in keys}
    ).static_order()


@dataclass
class Database:
    """What a database has of that which models ask for, and the other way round."""

    context: MigrationContext

    def has_it(self, table: ModifyTableOps, operation: MigrateOperation) -> bool:
        """Whether SQLite has what the models ask for, although it gives it no name.

        A UNIQUE without a name is an index of its own; the number of a row is never NULL.
        """
        connection = self.context.connection
        if connection is None or connection.dialect.name != "sqlite":
            return False
        inspector, name = inspect(connection), table.table_name
        if isinstance(operation, DropConstraintOp) and operation.constraint_type == "unique":
            operation = operation.reverse()
        if isinstance(operation, CreateUniqueConstraintOp):
            columns = sorted(map(str, operation.columns))
            indexes = inspector.get_indexes(name, include_auto_indexes=True)
            return any(
                str(it["name"]).startswith("sqlite_autoindex")
                and sorted(map(str, it["column_names"])) == columns
                for it in indexes
            ) and not any(
                it["name"] and sorted(it["column_names"]) == columns
                for it in inspector.get_unique_constraints(name)
            )
        if isinstance(operation, AlterColumnOp) and operation.modify_nullable is not None:
            keys = inspector.get_pk_constraint(name)["constrained_columns"]
            if keys == [operation.column_name] and isinstance(operation.existing_type, INTEGER):
                operation.modify_nullable = None
                return not operation.has_changes()
        return False

    def refers_elsewhere(self, operation: MigrateOperation, moved: Collection[str]) -> bool:
        """Whether no model can have a foreign key, because it is to a table that none is about.

        A key to a table with partitions has one to each of them.
        """
        if isinstance(operation, DropConstraintOp) and drops_foreign_key(operation):
            operation = operation.reverse()
        if not isinstance(operation, CreateForeignKeyOp):
            return False
        names = (operation.kw.get("referent_schema"), operation.referent_table)
        referred = ".".join(name for name in names if name)
        known = self.context.opts["target_metadata"].tables
        return referred not in known and referred not in moved


def tidied(
    operations: Collection[MigrateOperation], database: Database
) -> Iterator[MigrateOperation]:
    """Drop indexes with their table or after their foreign keys, as MySQL demands.

    Tables are indexed without the rebuild that SQLite needs for other changes.
    """
    dropped = {key(op) for op in operations if isinstance(op, DropTableOp)}
    moved = dropped | {key(op) for op in operations if isinstance(op, CreateTableOp)}
    for operation in operations:
        if isinstance(operation, ModifyTableOps):
            operation.ops = [
                op
                for op in operation.ops
                if not changes_nothing(op)
                and not database.has_it(operation, op)
                and not database.refers_elsewhere(op, moved)
            ]
            operation.ops = sorted(operation.ops, key=drops_foreign_key, reverse=True)
        if not changes_only_indexes(operation):
            yield operation
        elif key(operation) not in dropped:
            yield from operation.ops


def drops_foreign_key(operation: MigrateOperation) -> bool:
    """Whether a foreign key goes, and with it the need for an index."""
    return isinstance(operation, DropConstraintOp) and operation.constraint_type == "foreignkey"


def changes_only_indexes(operation: MigrateOperation) -> TypeGuard[ModifyTableOps]:
    """Whether the changes of a table are such that no database has to rebuild it."""
    return isinstance(operation, ModifyTableOps) and all(
        isinstance(op, CreateIndexOp | DropIndexOp) for op in operation.ops
    )
