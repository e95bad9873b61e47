"""The order of what autogenerate finds."""

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from alembic.operations.ops import (
    CreateForeignKeyOp,
    CreateTableOp,
    DropConstraintOp,
    DropTableOp,
    MigrateOperation,
    ModifyTableOps,
)
from sqlalchemy import ForeignKey

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
    """Drop foreign keys before the table that they refer to, and create them after it."""
    drops = {key(drop): place for place, drop in enumerate_kind(operations, DropTableOp)}
    creates = {key(create): place for place, create in enumerate_kind(operations, CreateTableOp)}
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
