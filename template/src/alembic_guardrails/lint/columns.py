"""What operations do to columns: what the rules have in common."""

import re
from typing import Any

from alembic.operations import ops
from alembic_guardrails.offline.recorder import Step
from sqlalchemy import DefaultClause, Dialect
from sqlalchemy.types import to_instance

TYPE = re.compile(r"(\w+)(?:\((\d+)(?:, (\d+))?\))?")

CONSTANT = re.compile(r"\(*(?:'[^']*'|[-+.\d]+|NULL|TRUE|FALSE)\)*", re.IGNORECASE)

NOW = re.compile(r"\(*(?:CURRENT_TIMESTAMP|now)\b.*", re.IGNORECASE)


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
