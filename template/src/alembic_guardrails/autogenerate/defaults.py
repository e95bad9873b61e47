"""Which defaults of a column mean the same."""

import re
from decimal import Decimal

from alembic.operations.ops import AlterColumnOp, MigrateOperation
from sqlalchemy import DefaultClause, Numeric

# MariaDB writes a default with all the digits of its column.
NUMBER = re.compile(r"\(*'?([-+]?\d+(?:\.\d*)?)'?\)*")

NOW = re.compile(r"\(*(?:now|current_timestamp)(?:\((\d*)\))?\)*", re.IGNORECASE)


def changes_nothing(operation: MigrateOperation) -> bool:
    """Whether a column would get the default that it has, in other words."""
    if not isinstance(operation, AlterColumnOp):
        return False
    before, after = operation.existing_server_default, operation.modify_server_default
    if isinstance(before, DefaultClause) and isinstance(after, DefaultClause):
        is_number = isinstance(operation.existing_type, Numeric)
        old, new = (meaning(str(default.arg), is_number) for default in (before, after))
        if old == new:
            operation.modify_server_default = False
    return not operation.has_changes()


def meaning(default: str, is_number: bool) -> object:
    """What a default says, where databases and people write it in several ways."""
    if now := NOW.fullmatch(default):
        return now[1] or ""
    if is_number and (number := NUMBER.fullmatch(default)):
        return Decimal(number[1])
    return default.strip("()")
