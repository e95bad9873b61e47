"""Tables of MySQL and MariaDB with dates that the server's `sql_mode` has come to forbid.

`NO_ZERO_DATE` and `NO_ZERO_IN_DATE` (https://dev.mysql.com/doc/refman/8.4/en/sql-mode.html) refuse
every change of a table that has such a default or row, whatever the change is about.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from alembic_guardrails.errors import error_code, reason
from sqlalchemy import Connection, text

# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
ER_INVALID_DEFAULT = 1067
ER_TRUNCATED_WRONG_VALUE = 1292

# Modes that forbid these dates; TRADITIONAL stands for several, which the mode names as well.
FORBIDDING = {"NO_ZERO_DATE", "NO_ZERO_IN_DATE", "TRADITIONAL"}

DATE_COLUMNS = """
SELECT 1 FROM information_schema.columns WHERE table_schema = database()
AND data_type IN ('date', 'datetime', 'timestamp') AND {condition} LIMIT 1
"""

WITH_DEFAULT = text(DATE_COLUMNS.format(condition="column_default LIKE '%-00%'"))

NAMED = text(DATE_COLUMNS.format(condition="column_name = :name"))

# How the server says which column has such a row.
IN_COLUMN = re.compile(r"'\d+-\d\d-\d\d.*' for column (?:`[^`]*`\.)*[`'](?P<name>.+?)[`'] at row")


# What copies the rows of a table, or repeats its columns.
CHANGE = re.compile(
    r"\s*(?:ALTER|CREATE\s+(?:UNIQUE\s+|FULLTEXT\s+)?INDEX|DROP\s+INDEX)\b", re.IGNORECASE
)


def refuses_dates(statement: str, error: Exception) -> bool:
    """Whether the error of a change of a table may be about such dates."""
    codes = (ER_INVALID_DEFAULT, ER_TRUNCATED_WRONG_VALUE)
    return error_code(error) in codes and CHANGE.match(statement) is not None


def has_dates(connection: Connection, error: Exception) -> bool:
    """Whether the database has a column of dates already that the error is about."""
    if error_code(error) == ER_INVALID_DEFAULT:
        return connection.scalar(WITH_DEFAULT) is not None
    found = IN_COLUMN.search(reason(error))
    return found is not None and connection.scalar(NAMED, {"name": found["name"]}) is not None


@contextmanager
def zero_dates_allowed(
    connection: Connection, unobserved: Callable[[], AbstractContextManager[None]]
) -> Iterator[None]:
    """Take the modes out of the session that forbid these dates, and put them back.

    `unobserved` makes a context in which statements are not the revision's own.
    """
    with unobserved():
        mode = str(connection.exec_driver_sql("SELECT @@SESSION.sql_mode").scalar())
        allowing = ",".join(name for name in mode.split(",") if name not in FORBIDDING)
        connection.exec_driver_sql(f"SET SESSION sql_mode = '{allowing}'")
    try:
        yield
    finally:
        with unobserved():
            connection.exec_driver_sql(f"SET SESSION sql_mode = '{mode}'")
