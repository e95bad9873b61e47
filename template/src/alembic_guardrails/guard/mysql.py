"""The guard on MySQL and MariaDB."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, cast

from alembic_guardrails.errors import error_code, reason
from alembic_guardrails.guard.base import (
    BaseGuard,
    LockNotAvailableError,
    format_milliseconds,
    retry,
)
from alembic_guardrails.guard.failure import (
    CONNECTION_LOST,
    DATABASE_FULL,
    NO_PRIVILEGE,
    READ_ONLY,
)
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from alembic_guardrails.guard.journal import Journal

# ER_GTID_UNSAFE_NON_TRANSACTIONAL_TABLE, which says what is wrong, but not what to do.
MIXED_ENGINES = (
    "Change the engine of tables without transactions to InnoDB before this revision, also of "
    "those that triggers write to."
)

# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
ER_INVALID_DEFAULT = 1067
ER_TRUNCATED_WRONG_VALUE = 1292

# Modes that refuse every change of a table with such a date in a default or in a row, whatever the
# change is about: https://dev.mysql.com/doc/refman/8.4/en/sql-mode.html. TRADITIONAL stands for
# several, which the mode names as well.
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


# The database, and whether it has the table of the journal.
PLACE = """
SELECT DATABASE(), COUNT(*) FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name = 'alembic_journal'
"""


class MySQLGuard(BaseGuard):
    """A lock of the server, and a journal, because every change of a table commits."""

    # A lock belongs to the server, not to a database, and its name has at most 64 characters. Newer
    # versions of MySQL have no MD5().
    LOCK_NAME = "CONCAT('alembic:', SHA2(DATABASE(), 224))"
    # https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
    ADVICE: ClassVar = {
        (1044, 1045, 1142, 1143, 1227, 1370, 1410, 1419): NO_PRIVILEGE,
        (1290, 1792, 1836): READ_ONLY,
        (1021, 1114): DATABASE_FULL,
        (2006, 2013, 1053, 1317, 1927): CONNECTION_LOST,
        (1785,): MIXED_ENGINES,
    }
    # There is one as soon as there is something to read in it, or a revision to run.
    journal: "Journal | None" = None

    def set_limits(self) -> dict[str, str]:
        timeout = self.settings.migration_statement_timeout
        limits = {
            "lock_wait_timeout": f"{math.ceil(self.settings.migration_lock_timeout)}",
            # For locks of rows. A session that only reads does not wait behind such a request.
            "innodb_lock_wait_timeout": f"{max(1, math.ceil(self.settings.migration_wait))}",
        }
        if getattr(self.connection.dialect, "is_mariadb", False):
            limits["max_statement_time"] = f"{timeout:g}"
        else:  # for SELECT alone
            limits["max_execution_time"] = format_milliseconds(timeout).removesuffix("ms")
        if self.is_callers_connection:
            names = ", ".join(f"@@SESSION.{name}" for name in limits)
            values = self.connection.exec_driver_sql(f"SELECT {names}").one()
            self.before = dict(zip(limits, map(str, values), strict=True))
        self.set_variables(limits)
        return limits

    def set_variables(self, limits: Mapping[str, str]) -> None:
        """Set variables of the session."""
        values = ", ".join(f"SESSION {name} = {value}" for name, value in limits.items())
        self.connection.exec_driver_sql(f"SET {values}")

    def try_lock(self) -> bool:
        result = self.connection.exec_driver_sql(f"SELECT GET_LOCK({self.LOCK_NAME}, 0)").scalar()
        if not self.in_transaction:
            self.connection.commit()
        return bool(result)

    def acquire_lock(self) -> None:
        super().acquire_lock()
        self.database, self.has_journal = self.connection.exec_driver_sql(PLACE).one()
        if self.has_journal:
            self.open_journal()

    def open_journal(self) -> None:
        """Open the journal; a command that runs no revision does without what it needs."""
        from alembic_guardrails.guard.journal import Journal

        place = str(self.database), bool(self.has_journal)
        self.journal = self.journal or Journal(self.connection, *place, self.retry)

    def before_revision(self) -> None:
        self.open_journal()

    def run_revision(self, step: str, migrate: Callable[[], None]) -> None:
        self.step = step
        journal = cast("Journal", self.journal)
        with nullcontext() if self.is_stamp else journal.kept(step, self.is_repeatable):
            migrate()

    def begin_statement(self, *details: Any) -> None:
        if not (self.journal and self.journal.is_writing):
            super().begin_statement(*details)

    def end_statement(self, *details: Any) -> None:
        if not (self.journal and self.journal.is_writing):
            super().end_statement(*details)

    def retry(self, execute: Callable[[], None]) -> None:
        """Execute one statement, again while a lock is not available.

        The whole revision cannot be run again, because its earlier statements are committed.
        """

        def attempt() -> None:
            try:
                self.execute_change(execute)
            except Exception as error:
                from alembic_guardrails.guard.catalog import LOCK_ERRORS

                if error_code(error) not in LOCK_ERRORS:
                    raise
                raise LockNotAvailableError(str(getattr(error, "orig", error))) from error

        self.waited += retry(self.step, attempt, self.settings)

    def execute_change(self, execute: Callable[[], None]) -> None:
        """Execute one statement; let it change a table that has dates that are forbidden by now.

        They are allowed for the second try of a statement that failed because of them, and for
        nothing else: a database without such dates gets none.
        """
        statement = self.activity.statement
        try:
            execute()
        except Exception as error:
            if not refuses_dates(statement, error):
                raise
            off = cast("Journal", self.journal).off
            with off():
                if not has_dates(self.connection, error):
                    raise
            with zero_dates_allowed(self.connection, off):
                execute()

    def after_revisions(self) -> None:
        if self.journal:
            if self.is_stamp:
                self.journal.forget()
            self.journal.expect_end()
        # A caller's rollback would undo only rows, so alembic_version would be wrong afterwards.
        self.connection.exec_driver_sql("COMMIT")

    def describe_changes(self) -> str:
        stays = "Changes of tables before this statement stay"
        return f"{stays}." if self.is_repeatable else f"{stays}, and the journal has recorded them."

    def advise(self, error: Exception) -> str:
        advice = super().advise(error)
        if advice in ("", MIXED_ENGINES) and self.journal and self.journal.obstacle:
            from alembic_guardrails.guard.journal import WAYS_OUT

            ways = f"Then {WAYS_OUT}. The revision does not continue by itself."
            return f"{advice} {ways}".strip()
        is_of_database = isinstance(error, DBAPIError)
        if self.is_repeatable or not (self.activity.step or is_of_database):
            return advice
        place = "statement" if is_of_database else "line"
        return advice or (
            f"Correct the revision from this {place} on, leave what is before it as it is, and run"
            f" the command again. It continues at this {place}."
        )

    def end(self) -> None:
        if self.journal:
            self.journal.stop()
        super().end()

    def release(self) -> None:
        if not self.in_transaction:
            self.connection.rollback()
        if self.journal:
            self.journal.close()
        self.connection.exec_driver_sql(f"SELECT RELEASE_LOCK({self.LOCK_NAME})")
        if self.is_callers_connection:
            self.set_variables(self.before)
            if not self.in_transaction:
                self.connection.commit()


GUARD = MySQLGuard


def refuses_dates(statement: str, error: Exception) -> bool:
    """Whether the error of a change of a table may be about dates that `sql_mode` forbids."""
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
    """Take the modes that forbid such dates out of the session, and put them back.

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
