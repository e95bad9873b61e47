"""What is changed in the operations that autogenerate finds: order, names, what is needed."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeGuard, TypeVar

from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateCheckConstraintOp,
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
from alembic.util import to_list
from alembic_guardrails._alembic import copy_column, find_final_name, find_type_check
from alembic_guardrails.autogenerate.compare import has_same_default
from alembic_guardrails.autogenerate.enums import write_types
from alembic_guardrails.autogenerate.keys import (
    Arrangement,
    Keys,
    created_index,
    dropped_index,
    index_names,
    is_about_key,
    read_keys,
)
from alembic_guardrails.autogenerate.mysql import (
    is_same_unique,
    makes_index_of_unique,
    repeat_type,
    say_whole_column,
)
from alembic_guardrails.autogenerate.render import stored_type
from alembic_guardrails.autogenerate.sqlite import as_named, is_given, is_row_number
from sqlalchemy import CheckConstraint, Column, Connection, Dialect, ForeignKey, MetaData, Table
from sqlalchemy.sql.naming import conv
from sqlalchemy.types import SchemaType, TypeEngine

Kind = TypeVar("Kind", CreateTableOp, DropTableOp)

# A table and what belongs to it: its indexes, which autogenerate puts next to it.
Block = list[MigrateOperation]


def sort_tables(operations: list[MigrateOperation]) -> list[MigrateOperation]:
    """Create tables after those that they refer to, and drop them before these.

    Alembic drops in any order. All else keeps its place, because plugins rely on it: a type is
    created before its table. Tables that refer to each other in a circle keep their order, too.
    """
    operations = move_foreign_keys(operations)
    blocks = sort_kind([*split_blocks(operations)], CreateTableOp)
    return [operation for block in sort_kind(blocks, DropTableOp) for operation in block]


def sort_kind(blocks: list[Block], kind: type[Kind]) -> list[Block]:
    """Sort the blocks that create tables, or those that drop them, within their places."""
    found = [block for block in blocks if table_in(block, kind)]
    ordered = iter(sort_by_reference(found, kind))
    return [next(ordered) if table_in(block, kind) else block for block in blocks]


def move_foreign_keys(operations: list[MigrateOperation]) -> list[MigrateOperation]:
    """Drop foreign keys before the table or key that they refer to, and create them after it."""
    drops = {key(drop): place for place, drop in enumerate_kind(operations, DropTableOp)}
    creates = {key(create): place for place, create in enumerate_kind(operations, CreateTableOp)}
    for place, table in enumerate(operations):
        if isinstance(table, ModifyTableOps):
            if any(map(dropped_index, table.ops)):
                drops[key(table)] = place
            if any(map(created_index, table.ops)):
                creates.setdefault(key(table), place)
    early: list[MigrateOperation] = []
    late: list[MigrateOperation] = []
    rest: list[list[MigrateOperation]] = []
    for place, operation in enumerate(operations):
        if not isinstance(operation, ModifyTableOps):
            rest.append([operation])
            continue
        gone = [op for op in operation.ops if drops.get(dropped_target(op), place) < place]
        new = [op for op in operation.ops if creates.get(created_target(op), place) > place]
        early += part_of(operation, gone)
        late += part_of(operation, new)
        kept = [op for op in operation.ops if op not in gone and op not in new]
        rest.append(part_of(operation, kept) if gone or new else [operation])
    if early:
        rest.insert(min(drops.values()), early)
    if late:
        rest.insert(max(creates.values()) + 1 + bool(early), late)
    return [operation for part in rest for operation in part]


def enumerate_kind(
    operations: list[MigrateOperation], kind: type[Kind]
) -> Iterator[tuple[int, Kind]]:
    """Yield the operations of a kind, with their places."""
    for place, operation in enumerate(operations):
        if isinstance(operation, kind):
            yield place, operation


def part_of(table: ModifyTableOps, operations: list[MigrateOperation]) -> list[MigrateOperation]:
    """Return these of a table's changes; nothing if there are none."""
    if not operations:
        return []
    return [ModifyTableOps(table.table_name, operations, schema=table.schema)]


def dropped_target(operation: MigrateOperation) -> str:
    """Return the table that a foreign key refers to which an operation drops."""
    if not drops_foreign_key(operation):
        return ""
    return created_target(operation.reverse())


def created_target(operation: MigrateOperation) -> str:
    """Return the table that a foreign key refers to which an operation creates."""
    if not isinstance(operation, CreateForeignKeyOp):
        return ""
    return join(operation.kw.get("referent_schema"), operation.referent_table)


def drops_foreign_key(operation: MigrateOperation) -> bool:
    """Whether an operation drops a foreign key."""
    return isinstance(operation, DropConstraintOp) and operation.constraint_type == "foreignkey"


def split_blocks(operations: list[MigrateOperation]) -> Iterator[Block]:
    """Yield the operations, with the changes of a table next to its creation or its drop."""
    block: Block = []
    for operation in operations:
        if block and not belongs_together(block[-1], operation):
            yield block
            block = []
        block.append(operation)
    if block:
        yield block


def belongs_together(before: MigrateOperation, after: MigrateOperation) -> bool:
    """Whether the second operation continues what the first one does to a table."""
    pairs = ((CreateTableOp | ModifyTableOps, ModifyTableOps), (ModifyTableOps, DropTableOp))
    for first, second in pairs:
        if isinstance(before, first) and isinstance(after, second):
            return key(before) == key(after)
    return False


def table_in(block: Block, kind: type[Kind]) -> Kind | None:
    """Return the creation or the drop in a block."""
    return next((operation for operation in block if isinstance(operation, kind)), None)


def sort_by_reference(blocks: list[Block], kind: type[Kind]) -> list[Block]:
    """Sort creations after what they refer to, drops before it; keep an order that is right."""
    tables = {key(table): block for block in blocks if (table := table_in(block, kind))}
    referred = {name: references(block, kind, tables.keys()) for name, block in tables.items()}
    if kind is DropTableOp:
        referred = invert(referred)
    ordered: dict[str, Block] = {}
    while left := [name for name in tables if name not in ordered]:
        ready = next((name for name in left if referred[name] <= ordered.keys()), None)
        if ready is None:
            return blocks
        ordered[ready] = tables[ready]
    return [*ordered.values()] if len(ordered) == len(blocks) else blocks


def references(block: Block, kind: type[Kind], names: Collection[str]) -> set[str]:
    """Return which other tables, of these names, the table in a block refers to."""
    table = table_in(block, kind)
    if table is None:
        return set()
    targets = {target(foreign_key) for foreign_key in table.to_table().foreign_keys}
    return targets & set(names) - {key(table)}


def invert(referred: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return which tables refer to each."""
    return {name: {other for other in referred if name in referred[other]} for name in referred}


def key(operation: CreateTableOp | DropTableOp | ModifyTableOps) -> str:
    """Return the name under which a foreign key refers to a table."""
    return join(operation.schema, operation.table_name)


def target(foreign_key: ForeignKey) -> str:
    """Return the name under which a foreign key refers to its table."""
    return join(*foreign_key.target_tokens[:2])


def join(schema: str | None, name: str) -> str:
    """Return a name with its schema."""
    return ".".join(part for part in (schema, name) if part)


def leave_names(
    changes: Iterable[MigrateOperation], context: MigrationContext
) -> list[MigrateOperation]:
    """Return the changes of a table without the pairs that drop something and create it again.

    A service that has moved in has names by two rules: those that its old revisions left to the
    database, and those of the naming convention, which has made the new name of each such pair. A
    name that a model gives itself is compared as ever. What is dropped and created
    under one name is another index.
    """
    kept = [*changes]
    dropped = {name_of(change) for change in kept if isinstance(change, DropIndexOp)}
    created = {name_of(change) for change in kept if isinstance(change, CreateIndexOp)}
    renamed = [change for change in kept if name_of(change) not in dropped & created]
    for create in [*renamed]:
        for drop in [change for change in renamed if differs_in_name_only(change, create, context)]:
            renamed.remove(drop)
            kept.remove(drop)
            kept.remove(create)
            break
    return kept


def name_of(change: MigrateOperation) -> str | None:
    """Return the name of the index that a change creates or drops."""
    return getattr(change, "index_name", None)


def is_named_by_convention(change: MigrateOperation) -> bool:
    """Whether a change creates something with a name that the naming convention has made."""
    match change:
        case CreateIndexOp(index_name=name):
            return isinstance(name, conv)
        case CreateCheckConstraintOp(constraint_name=name):
            return isinstance(name, conv)
        case CreateUniqueConstraintOp(constraint_name=name):
            return isinstance(name, conv)
    return False


def is_made_by_rule(drop: MigrateOperation) -> bool:
    """Whether the database or the naming convention has made the name that a change drops."""
    match drop:
        case DropIndexOp(index_name=name):
            return isinstance(name, conv)
        case DropConstraintOp(constraint_type="unique", constraint_name=name):
            return isinstance(name, conv)
    return True


def differs_in_name_only(
    drop: MigrateOperation, create: MigrateOperation, context: MigrationContext
) -> bool:
    """Whether a change drops what another one creates under the name of the convention.

    What is not the name is compared as Alembic compares it where the names are the same. A name
    that a model gives itself is a change in both directions, unless the database has none.
    """
    is_by_rule = is_made_by_rule(drop) and is_named_by_convention(create)
    if not (is_by_rule or is_given(drop) or is_given(create)):
        return False
    impl = context.impl
    match drop, create:
        case DropIndexOp(), CreateIndexOp():
            before, after = (op.to_index(context) for op in (drop.reverse(), create))
            return impl.compare_indexes(after, before).is_equal
        case DropConstraintOp(constraint_type="unique"), CreateUniqueConstraintOp():
            old, new = (op.to_constraint(context) for op in (drop.reverse(), create))
            return impl.compare_unique_constraint(new, old).is_equal  # type: ignore[arg-type]
        case DropIndexOp(), CreateUniqueConstraintOp():
            return makes_index_of_unique(context.dialect) and is_same_unique(drop, create)
        case DropConstraintOp(constraint_type="unique"), CreateIndexOp():
            # The same pair in a downgrade.
            return differs_in_name_only(create.reverse(), drop.reverse(), context)
        case DropConstraintOp(constraint_type="check"), CreateCheckConstraintOp():
            return complete_name(drop, context) == create.constraint_name
    return False


def complete_name(drop: DropConstraintOp, context: MigrationContext) -> str | None:
    """Return the name that the naming convention makes of the name of a check."""
    name = join(drop.schema, drop.table_name)
    models: list[MetaData] = to_list(context.opts["target_metadata"], [])
    for table in [model.tables[name] for model in models if name in model.tables]:
        check = CheckConstraint("", name=str(drop.constraint_name))
        metadata = MetaData(naming_convention=table.metadata.naming_convention)
        Table(table.name, metadata, check, schema=table.schema)
        return str(check.name)
    return None


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


def tidy(context: MigrationContext, revision: object, scripts: list[MigrationScript]) -> None:
    """Leave out of new revisions what is not needed, or does not work everywhere."""
    for script in scripts:
        keys: dict[str, Keys] = {}
        for operations in (*script.upgrade_ops_list, *script.downgrade_ops_list):
            name_checks(operations.ops, context)
            operations.ops = list(tidied(sort_tables(operations.ops), context, keys))
        write_types(script, context)


def tidied(
    operations: Collection[MigrateOperation], context: MigrationContext, keys: dict[str, Keys]
) -> Iterator[MigrateOperation]:
    """Yield the operations that are needed.

    Indexes go with their table, or after their foreign keys, as MySQL demands. Tables are indexed
    without the rebuild that SQLite needs for other changes. In `keys` is what earlier operations
    have made of the keys of tables, and then what these make of them.
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
        if key(operation) in dropped | created:
            changes = sorted(changes, key=drops_foreign_key, reverse=True)
        else:
            changes = sort_changes(changes, operation, context, keys)
        operation.ops = [with_whole_column(context.connection, change) for change in changes]
        if not changes_only_indexes(operation):
            yield as_named(operation)
        elif key(operation) not in dropped:
            yield from operation.ops


def sort_changes(
    changes: list[MigrateOperation],
    table: ModifyTableOps,
    context: MigrationContext,
    keys: dict[str, Keys],
) -> list[MigrateOperation]:
    """Return the changes of a table that stays, foreign keys first where they go."""
    touches_keys = any(is_about_key(change) for change in changes)
    if not (context.connection and makes_index_of_unique(context.dialect) and touches_keys):
        return sorted(changes, key=drops_foreign_key, reverse=True)
    before = keys.get(key(table)) or read_keys(context.connection, table)
    arrangement = Arrangement(changes, before, index_names(table, context))
    keys[key(table)] = arrangement.after()
    return arrangement.ordered()


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
    if not isinstance(change, AlterColumnOp):
        return False
    is_about_null = change.modify_nullable is not None and len(change.to_diff_tuple()) == 1
    return is_about_null and is_row_number(connection, table, change)


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
