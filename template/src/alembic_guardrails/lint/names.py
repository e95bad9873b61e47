"""Constraints that a revision leaves unnamed."""

import re
from collections.abc import Iterator, Sequence

from alembic.operations import MigrateOperation, ops
from alembic_guardrails._alembic import is_made
from alembic_guardrails.lint.rule import Reading
from alembic_guardrails.offline.recorder import Step
from sqlalchemy import CheckConstraint, Column, Dialect, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.schema import SchemaItem

# A constraint of a statement, without a name between the kind and the columns.
ADDED = re.compile(
    r"ALTER\s+TABLE\b.*\bADD\s+(?:CHECK|FOREIGN\s+KEY|UNIQUE(?:\s+(?:INDEX|KEY))?)\s*\(",
    re.IGNORECASE | re.DOTALL,
)


def leaves_unnamed(reading: Reading) -> Iterator[Step]:
    """What the database has to find a name for, in a new table as well."""
    for step in reading.steps:
        is_unnamed = bool(find_unnamed(step.operation, reading.dialect))
        if is_unnamed or any(ADDED.match(statement.code) for statement in step.statements):
            yield step


def find_unnamed(operation: MigrateOperation, dialect: Dialect) -> list[str]:
    """Return a name for each constraint that an operation leaves unnamed, but for primary keys."""
    match operation:
        case ops.CreateTableOp(table_name=table, columns=parts):
            return [*names_in_table(table, parts, dialect)]
        case ops.AddColumnOp(table_name=table, column=column):
            return [*names_in_table(table, [column], dialect)]
        case ops.CreateCheckConstraintOp(constraint_name=None, table_name=table):
            return [f"ck_{table}_..."]
        case ops.CreateUniqueConstraintOp(constraint_name=None, table_name=table, columns=columns):
            return ["_".join(("uq", table, *map(str, columns)))]
        case ops.CreateForeignKeyOp(constraint_name=None, source_table=table, local_cols=columns):
            return ["_".join(("fk", table, *columns, operation.referent_table))]
    return []


def names_in_table(table: str, parts: Sequence[SchemaItem], dialect: Dialect) -> Iterator[str]:
    """Yield a name for each constraint without one, of columns and beside them."""
    for part in parts:
        # A table that is made of the same columns once more lacks these.
        if not isinstance(part, Column):
            continue
        for key in part.foreign_keys:
            is_single = key.constraint is None or len(key.constraint.elements) == 1
            if key.name is None and is_single:
                yield f"fk_{table}_{part.name}_{key.target_fullname.split('.')[-2]}"
    made = ops.CreateTableOp(table, parts).to_table()
    at_columns = [constraint for column in made.columns for constraint in column.constraints]
    for constraint in (*made.constraints, *at_columns):
        if isinstance(constraint.name, str) or not is_made(constraint, dialect):
            continue
        match constraint:
            case UniqueConstraint(columns=columns):
                yield "_".join(("uq", table, *columns.keys()))
            case ForeignKeyConstraint(elements=keys, column_keys=columns) if len(keys) > 1:
                yield "_".join(("fk", table, *columns, constraint.referred_table.name))
            case CheckConstraint():
                yield f"ck_{table}_..."
