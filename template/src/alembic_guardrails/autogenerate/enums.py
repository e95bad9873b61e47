"""The types of PostgreSQL that enums are, which a table makes and does not take along.

`op.create_table()` makes them, and `op.drop_table()` leaves them, so that the next upgrade fails:
https://github.com/sqlalchemy/alembic/issues/278
"""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations.ops import CreateTableOp, ExecuteSQLOp, MigrateOperation, MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic_guardrails.autogenerate.render import stored_type
from sqlalchemy import Enum, text

PRESENT = text(
    "SELECT name FROM unnest(CAST(:names AS text[])) name WHERE to_regtype(name) IS NOT NULL"
)


def drop_types(script: MigrationScript, context: MigrationContext) -> None:
    """Have the downgrade drop the types that the upgrade makes, after the tables.

    A type that is there already stays: the upgrade cannot make it.
    """
    if context.dialect.name != "postgresql" or context.connection is None:
        return
    for up, down in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
        names = dict.fromkeys(types_made(up.ops, context))  # each once
        present = names and {*context.connection.scalars(PRESENT, {"names": [*names]})}
        down.ops += [ExecuteSQLOp(f"DROP TYPE {name}") for name in names if name not in present]


def types_made(operations: Iterable[MigrateOperation], context: MigrationContext) -> Iterator[str]:
    """Yield the names, as SQL writes them, of the types that operations make with their tables."""
    quote = context.dialect.identifier_preparer.quote
    creates = [one for one in operations if isinstance(one, CreateTableOp)]
    for column in (column for create in creates for column in create.to_table(context).columns):
        given: Any = getattr(column.type, "item_type", column.type)  # of an array
        type_: Any = stored_type(given, context.dialect)
        # PostgreSQL's own ENUM can be made elsewhere; a plugin has the revision say so.
        is_found = not getattr(given, "create_type", True) or "create_type=False" in repr(given)
        is_made = isinstance(type_, Enum) and not is_found
        if is_made and type_.native_enum and type_.name:
            yield ".".join(quote(part) for part in (type_.schema, type_.name) if part)
