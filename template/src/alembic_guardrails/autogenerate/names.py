"""Changes that would give an object of the database nothing but another name.

A service that has moved in has names by two rules: those that its old revisions left to the
database, and those of the naming convention. A name that a model gives itself is compared as ever.
"""

from collections.abc import Iterable

from alembic.operations.ops import (
    CreateCheckConstraintOp,
    CreateIndexOp,
    CreateUniqueConstraintOp,
    DropConstraintOp,
    DropIndexOp,
    MigrateOperation,
)
from alembic.runtime.migration import MigrationContext
from alembic.util import to_list
from alembic_guardrails.autogenerate.mysql import is_same_unique, makes_index_of_unique
from alembic_guardrails.autogenerate.order import join
from sqlalchemy import CheckConstraint, MetaData, Table
from sqlalchemy.sql.naming import conv


def leave_names(
    changes: Iterable[MigrateOperation], context: MigrationContext
) -> list[MigrateOperation]:
    """Return the changes of a table without the pairs that drop something and create it again.

    The naming convention has made the new name of each such pair. What is dropped and created
    under one name is another index.
    """
    kept = [*changes]
    dropped = {name_of(change) for change in kept if isinstance(change, DropIndexOp)}
    created = {name_of(change) for change in kept if isinstance(change, CreateIndexOp)}
    renamed = [change for change in kept if name_of(change) not in dropped & created]
    for create in [change for change in renamed if is_named_by_convention(change)]:
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


def differs_in_name_only(
    drop: MigrateOperation, create: MigrateOperation, context: MigrationContext
) -> bool:
    """Whether a change drops what another one creates under the name of the convention.

    What is not the name is compared as Alembic compares it where the names are the same.
    """
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
