"""Rows for whatever tables a database has: migrations meet them in production, not in tests."""

import re
import warnings
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Enum,
    MetaData,
    Table,
    func,
    inspect,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError

# Where a check or a data migration asks for certain values, as in
# {"invoices.number": "2026-{}".format}: called with 1 and with 2.
VALUES: dict[str, Callable[[int], Any]] = {}
# As text, a digit is JSON and a number as well.
VALUES_BY_TYPE: dict[type, Callable[[int], Any]] = {
    bool: bool,
    bytes: lambda number: bytes([number]),
    date: lambda number: date(2026, 1, number),
    datetime: lambda number: datetime(2026, 1, number, tzinfo=UTC),
    Decimal: Decimal,
    float: float,
    int: int,
    list: lambda number: [],
    str: str,
    time: lambda number: time(number),
    timedelta: lambda number: timedelta(days=number),
    UUID: lambda number: UUID(int=number),
}


def count(connection: Connection) -> dict[str, int]:
    """Count the rows of each table."""
    names = set(inspect(connection).get_table_names()) - {"alembic_version", "alembic_journal"}
    rows = {
        name: connection.scalar(select(func.count()).select_from(table(name))) or 0
        for name in names
    }
    connection.commit()
    return rows


def fill(connection: Connection) -> None:
    """Put two rows into each empty table: one with values everywhere, one with as few as may be.

    What has a default keeps it. Warns of a table that accepts neither.
    """
    empty = [name for name, rows in count(connection).items() if not rows]
    if not empty:
        return
    metadata = MetaData()
    metadata.reflect(connection, only=empty)
    for target in metadata.sorted_tables:
        if target.name not in empty:
            continue
        refused = []
        for number in (1, 2):
            try:
                connection.execute(target.insert().values(row(connection, target, number)))
                connection.commit()
            except (DBAPIError, TypeError) as error:  # not every driver takes every value
                connection.rollback()
                refused.append(getattr(error, "orig", error))
        if len(refused) == 2:
            warnings.warn(f"no rows in {target.name}, see VALUES: {refused[0]}", stacklevel=2)


def row(connection: Connection, target: Table, number: int) -> dict[str, Any]:
    """Make up a row: the first has a value wherever it can, the second where it must."""
    values: dict[str, Any] = {}
    for key in target.foreign_key_constraints:
        parents = select(*(element.column for element in key.elements)).offset(number - 1).limit(1)
        parent = connection.execute(parents).first()
        if parent:
            values |= zip(key.column_keys, parent, strict=True)
    referring = {name for key in target.foreign_key_constraints for name in key.column_keys}
    constraints = inspect(connection).get_check_constraints(target.name)
    checks = [constraint["sqltext"] for constraint in constraints]
    for column in target.columns:
        automatic = column is target.autoincrement_column or column.server_default is not None
        if column.name in referring or automatic or column.computed or column.identity:
            continue
        # What Python has no type for is left out where that is possible.
        if not column.nullable or (number == 1 and is_known(column)):
            values[column.name] = value(column, number, checks)
    return values


def is_known(column: Column[Any]) -> bool:
    """Whether a value can be made up for this type."""
    if str(column) in VALUES or isinstance(column.type, Enum | JSON):
        return True
    try:
        return column.type.python_type in VALUES_BY_TYPE
    except NotImplementedError:
        return False


def value(column: Column[Any], number: int, checks: list[str]) -> Any:
    """Make up a value: one that is set in VALUES, that an enum or a check lists, or any."""
    if special := VALUES.get(str(column)):
        return special(number)
    if isinstance(column.type, JSON):
        return {}
    if isinstance(column.type, Enum):
        return column.type.enums[number % len(column.type.enums)]
    # Text is the last resort: a server reads it as whatever the type is, or refuses it.
    python_type = column.type.python_type if is_known(column) else str
    listed = [
        text
        for check in checks
        if re.search(rf"\b{re.escape(column.name)}\b", check)
        for text in re.findall(r"'(.*?)'", check)
    ]
    if listed and python_type is str:
        return listed[number % len(listed)]
    made_up = VALUES_BY_TYPE[python_type](number)
    if isinstance(column.type, DateTime) and not column.type.timezone:
        return made_up.replace(tzinfo=None)
    return made_up
