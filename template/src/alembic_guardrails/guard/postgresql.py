"""The guard on PostgreSQL."""

import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any, ClassVar

from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic.util import CommandError
from alembic_guardrails._alembic import restart_transaction
from alembic_guardrails.errors import error_code
from alembic_guardrails.guard.base import (
    COMMITTED_STAYS,
    BaseGuard,
    LockNotAvailableError,
    format_milliseconds,
    retry,
)
from alembic_guardrails.guard.driver import watching
from alembic_guardrails.guard.failure import (
    CONNECTION_LOST,
    DATABASE_FULL,
    NO_PRIVILEGE,
    READ_ONLY,
)
from alembic_guardrails.statements import changes_nothing
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

NO_TRANSACTION = (
    "Use create_index_concurrently or drop_index_concurrently of alembic_guardrails.op for an "
    "index, `with op.get_context().autocommit_block():` for all else, in a revision of its own."
)

# Plain changes of tables, and Alembic's own statements; a semicolon may begin a second statement.
KEEPS_SETTINGS = re.compile(
    r"\s*(?:CREATE TABLE|CREATE (?:UNIQUE )?INDEX|ALTER TABLE|DROP TABLE|DROP INDEX|COMMENT ON"
    r"|(?:INSERT INTO|UPDATE|DELETE FROM) alembic_version)\b[^;]*",
    re.IGNORECASE,
)


class PostgreSQLGuard(BaseGuard):
    """An advisory lock, and one transaction for each revision."""

    # lock_not_available and deadlock_detected:
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    LOCK_ERRORS = ("55P03", "40P01")
    LOCK_KEY = zlib.crc32(b"alembic")
    # Whether the session has the limits that a revision begins with.
    has_limits = False
    # Whether the revision that runs has written over a connection of its own, or perhaps over the
    # driver's; and whether that may have set another limit.
    wrote_elsewhere = False
    has_other_limits = False
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    ADVICE: ClassVar = {
        ("42501",): NO_PRIVILEGE,
        ("25001",): NO_TRANSACTION,
        ("25006",): READ_ONLY,
        ("53100", "53200"): DATABASE_FULL,
        ("57P01", "57P02", "08000", "08003", "08006"): CONNECTION_LOST,
    }

    def set_limits(self) -> dict[str, str]:
        self.watches = ExitStack()
        if not self.is_callers_connection:
            check_session(self.connection)
        limits = {
            "lock_timeout": format_milliseconds(self.settings.migration_lock_timeout),
            "statement_timeout": format_milliseconds(self.settings.migration_statement_timeout),
            # The guard pauses between two attempts inside a caller's transaction.
            "idle_in_transaction_session_timeout": "0",
        }
        if self.is_callers_connection:
            names = (*limits, "client_connection_check_interval")
            query = ", ".join(f"current_setting('{name}', true)" for name in names)
            values = self.connection.exec_driver_sql(f"SELECT {query}").one()
            self.before = dict(zip(names, values, strict=True))
        self.configure_session(**limits)
        # Without it a killed migration keeps its locks until its last statement ends. Versions
        # before 14 and some platforms do not have it.
        with suppress(DBAPIError), self.connection.begin_nested():
            self.configure_session(client_connection_check_interval="500ms")
        if not self.in_transaction:
            self.connection.commit()
        return limits

    def configure_session(self, **limits: str) -> None:
        """Set settings of the session, or of a caller's transaction, with one statement."""
        is_local = str(self.in_transaction).lower()
        calls = (f"set_config('{name}', '{value}', {is_local})" for name, value in limits.items())
        self.connection.exec_driver_sql(f"SELECT {', '.join(calls)}").close()

    def try_lock(self) -> bool:
        # A session-level lock, requested outside of a transaction: CREATE INDEX CONCURRENTLY waits
        # for all transactions. In a caller's transaction the lock ends with that transaction.
        level = "xact_lock" if self.in_transaction else "lock"
        statement = text(f"SELECT pg_try_advisory_{level}({self.LOCK_KEY})")
        has_lock = self.connection.execute(statement).scalar()
        if not self.in_transaction:
            self.connection.commit()
        return bool(has_lock)

    def acquire_lock(self) -> None:
        super().acquire_lock()
        self.watches.enter_context(watching(self.connection, self.note_driver))

    def end(self) -> None:
        self.watches.close()
        super().end()

    def before_revision(self) -> None:
        # Commit Alembic's new version table, which would be part of the first revision otherwise.
        if not self.in_transaction:
            self.connection.commit()

    def listeners(self) -> Iterator[tuple[Any, str, Callable[..., None]]]:
        yield from super().listeners()
        yield Engine, "before_cursor_execute", self.note_elsewhere

    def run_revision(self, step: str, migrate: Callable[[], None]) -> None:
        self.wrote_elsewhere = self.has_other_limits = False
        self.waited += retry(step, lambda: self.attempt(migrate), self.settings)

    def begin_statement(self, _: object, __: object, statement: str, *details: object) -> None:
        if self.has_other_limits:
            self.has_other_limits = False
            self.wait_for_each_lock()
        super().begin_statement(_, __, statement, *details)
        self.has_limits = self.has_limits and keeps_settings(statement)

    def record_commit(self, connection: object) -> None:
        super().record_commit(connection)
        if self.is_running:
            self.wait_for_each_lock()

    def note_elsewhere(
        self, connection: Connection, _: object, statement: str, *details: object
    ) -> None:
        """Record that the revision writes over a connection of its own."""
        if connection is self.connection or not self.is_running or self.wrote_elsewhere:
            return
        if not changes_nothing(statement, connection.dialect.name):
            self.wrote_elsewhere = True
            self.wait_for_each_lock()

    def note_driver(self) -> None:
        """Record that the revision uses a connection of the driver, where no commit is seen.

        The limit is sent with the next statement: the driver may want to be in no transaction now.
        """
        if self.is_running:
            self.wrote_elsewhere = self.has_other_limits = True
            self.has_limits = False

    def wait_for_each_lock(self) -> None:
        """Let the revision wait for a lock for as long as for all: it cannot be run again."""
        seconds = max(self.settings.migration_wait, 0.001)
        # A transaction that has failed takes no statement.
        with suppress(DBAPIError):
            self.configure_session(lock_timeout=format_milliseconds(seconds))

    def attempt(self, migrate: Callable[[], None]) -> None:
        """Run one revision in its transaction, or in a savepoint of a caller's transaction.

        Raises:
            LockNotAvailableError: A lock was not available, and the revision was rolled back.
        """
        if not self.has_limits:
            seconds = self.settings.migration_lock_timeout
            self.configure_session(lock_timeout=format_milliseconds(seconds))
            self.has_limits = not self.in_transaction
        savepoint = self.connection.begin_nested() if self.in_transaction else None
        try:
            migrate()
        except DBAPIError as error:
            is_whole = not self.is_half_done and (savepoint is None or savepoint.is_active)
            if not is_whole or error_code(error) not in self.LOCK_ERRORS:
                raise
            if savepoint:
                savepoint.rollback()
            else:
                restart_transaction(self.context)
                self.has_limits = False
            reset_globals(self.activity.step)
            raise LockNotAvailableError(str(error.orig).strip()) from error
        if savepoint and savepoint.is_active:
            savepoint.commit()

    def describe_changes(self) -> str:
        if self.has_committed:
            return COMMITTED_STAYS
        if self.wrote_elsewhere:
            return (
                "The revision was rolled back, but not what it committed on other connections or on"
                " the driver's own."
            )
        return "The revision was rolled back."

    @property
    def is_half_done(self) -> bool:
        return self.has_committed or self.wrote_elsewhere

    def release(self) -> None:
        if not self.in_transaction:
            self.connection.rollback()
            self.connection.execute(text(f"SELECT pg_advisory_unlock({self.LOCK_KEY})"))
        if self.is_callers_connection:
            self.configure_session(**{name: value for name, value in self.before.items() if value})
        if not self.in_transaction:
            self.connection.commit()


def reset_globals(step: MigrationStep | None) -> None:
    """Give the globals of a revision's file the values that they had before it ran."""
    module = step.revision.module if isinstance(step, RevisionStep) else None
    if module and module.__spec__ and module.__spec__.loader:
        module.__spec__.loader.exec_module(module)


def check_session(connection: Connection) -> None:
    """Check that all transactions of a connection share one session of the server.

    Raises:
        CommandError: A pooler gives each transaction another session, which may not hold the lock.
    """
    own = read_session(connection)
    connection.commit()
    # A pooler changes sessions only while a second client wants one.
    with suppress(DBAPIError), connection.engine.connect() as second:
        is_shared = read_session(second) == own or read_session(connection) != own
        connection.commit()
        if is_shared:
            raise CommandError(
                "A pooler gives each transaction of this connection another session, and the lock "
                "that keeps migrations apart belongs to a session. Set MIGRATION_DATABASE_URL to "
                "the address of the server itself."
            )


def read_session(connection: Connection) -> int:
    """Return the number of the session that serves this transaction."""
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def keeps_settings(statement: str) -> bool:
    """Whether a statement is known to leave the settings of the session as they are.

    Anything else may set `lock_timeout`, also through a function that it calls.
    """
    if not KEEPS_SETTINGS.fullmatch(statement):
        return False
    upper = statement.upper()
    return "SELECT" not in upper and "SET_CONFIG" not in upper


GUARD = PostgreSQLGuard
