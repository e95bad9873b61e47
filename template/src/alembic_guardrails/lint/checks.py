"""What rules ask of columns, and of constraints without a name."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from alembic.operations import MigrateOperation, ops
from alembic_guardrails._alembic import is_made
from alembic_guardrails.lint.rule import Reading
from alembic_guardrails.offline.recorder import Step
from sqlalchemy import (
    CheckConstraint,
    Column,
    DefaultClause,
    Dialect,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import to_instance

TYPE = re.compile(r"(\w+)(?:\((\d+)(?:, (\d+))?\))?")

CONSTANT = re.compile(r"\(*(?:'[^']*'|[-+.\d]+|NULL|TRUE|FALSE)\)*", re.IGNORECASE)

NOW = re.compile(r"\(*(?:CURRENT_TIMESTAMP|now)\b.*", re.IGNORECASE)

# A constraint of a statement, without a name between the kind and the columns.
ADDED = re.compile(
    r"ALTER\s+TABLE\b.*\bADD\s+(?:CHECK|FOREIGN\s+KEY|UNIQUE(?:\s+(?:INDEX|KEY))?)\s*\(",
    re.IGNORECASE | re.DOTALL,
)


def is_filled(column: Any) -> bool:
    """Whether the database has a value for a new column in rows that are there."""
    return bool(column.server_default is not None or column.computed or column.identity)


def computes_default(step: Step, dialect: Dialect) -> bool:
    """Whether a new column gets a value of its own in each row, which takes a rewrite.

    Where a table is rebuilt anyway, that costs nothing.
    """
    operation = step.operation
    if not isinstance(operation, ops.AddColumnOp) or step.rebuilds:
        return False
    column: Any = operation.column
    if column.computed and column.computed.persisted:
        return True
    if not isinstance(column.server_default, DefaultClause):
        return False
    default = str(column.server_default.arg)
    is_constant = isinstance(column.server_default.arg, str) or CONSTANT.fullmatch(default)
    return not is_constant and not (NOW.fullmatch(default) and dialect.name != "sqlite")


def widens(before: Any, after: Any, dialect: Dialect) -> bool:
    """Whether a column of one type takes another one without being rewritten or losing values.

    For PostgreSQL: https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
    For MySQL, whose texts grow in place up to 255 bytes, or from 256 (of four a character):
    https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html
    """
    if before is None:
        return False
    old, new = (to_instance(type_).compile(dialect) for type_ in (before, after))
    in_place = dialect.name not in {"mysql", "mariadb"}
    if old == new or (old.startswith("ENUM(") and new.startswith(f"{old[:-1]},")):
        return True
    sizes = [TYPE.fullmatch(text) for text in (old, new)]
    match [match.groups() for match in sizes if match]:
        case [("VARCHAR", str(short), None), ("VARCHAR", str(long), None)]:
            return int(short) <= int(long) and (in_place or (int(short) > 63) == (int(long) > 63))
        case [("VARCHAR", _, None), ("TEXT", None, None) | ("VARCHAR", None, None)]:
            return in_place
        case [("NUMERIC", str(short), scale), ("NUMERIC", str(long), new_scale)]:
            return in_place and int(short) <= int(long) and scale == new_scale
    return False


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
    # An index belongs to one table for good, and always has a name.
    kept = [part for part in parts if not isinstance(part, Index)]
    made = ops.CreateTableOp(table, kept).to_table()
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
