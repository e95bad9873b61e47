"""The guard on PostgreSQL."""

import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from alembic.util import CommandError
from alembic_guardrails.errors import error_code
from alembic_guardrails.guard.base import BaseGuard
from alembic_guardrails.guard.failure import (
    CONNECTION_LOST,
    DATABASE_FULL,
    NO_PRIVILEGE,
    READ_ONLY,
)
from alembic_guardrails.guard.locks import LockNotAvailableError, format_milliseconds, retry
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

CONCURRENTLY = (
    "Use create_index_concurrently or drop_index_concurrently of alembic_guardrails.op, in a "
    "revision of its own; `migrations lint` finds such statements."
)


class PostgreSQLGuard(BaseGuard):
    """An advisory lock, and one transaction for each revision."""

    # lock_not_available and deadlock_detected:
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    LOCK_ERRORS = ("55P03", "40P01")
    LOCK_KEY = zlib.crc32(b"alembic")
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    ADVICE: ClassVar = {
        ("42501",): NO_PRIVILEGE,
        ("25001",): CONCURRENTLY,
        ("25006",): READ_ONLY,
        ("53100", "53200"): DATABASE_FULL,
        ("57P01", "57P02", "08000", "08003", "08006"): CONNECTION_LOST,
    }

    def set_limits(self) -> dict[str, str]:
        if not self.is_callers_connection:
            check_session(self.connection)
        limits = {
            "lock_timeout": format_milliseconds(self.settings.migration_lock_timeout),
            "statement_timeout": format_milliseconds(self.settings.migration_statement_timeout),
            # The guard pauses between two attempts inside a transaction.
            "idle_in_transaction_session_timeout": "0",
        }
        self.before = {
            name: self.connection.scalar(text(f"SELECT current_setting('{name}', true)"))
            for name in (*limits, "client_connection_check_interval")
        }
        for name, value in limits.items():
            self.set_limit(name, value)
        # Without it a killed migration keeps its locks until its last statement ends. Versions
        # before 14 and some platforms do not have it.
        with suppress(DBAPIError), self.connection.begin_nested():
            self.set_limit("client_connection_check_interval", "500ms")
        if not self.in_transaction:
            self.connection.commit()
        return limits

    def set_limit(self, name: str, value: str) -> None:
        """Set a setting of the session, or of a caller's transaction."""
        statement = text(f"SELECT set_config('{name}', '{value}', {self.in_transaction})")
        self.connection.execute(statement)

    def try_lock(self) -> bool:
        # A session-level lock, requested outside of a transaction: CREATE INDEX CONCURRENTLY waits
        # for all transactions. In a caller's transaction the lock ends with that transaction.
        level = "xact_lock" if self.in_transaction else "lock"
        statement = text(f"SELECT pg_try_advisory_{level}({self.LOCK_KEY})")
        has_lock = self.connection.execute(statement).scalar()
        if not self.in_transaction:
            self.connection.commit()
        return bool(has_lock)

    def before_revision(self) -> None:
        # Commit Alembic's new version table, which would be part of the first revision otherwise.
        if not self.in_transaction:
            self.connection.commit()

    def run_revision(self, step: str, migrate: Callable[[], None]) -> None:
        # An autocommit_block commits, so the revision cannot be run again afterwards.
        event.listen(self.connection, "commit", self.raise_lock_timeout)
        try:
            retry(step, lambda: self.attempt(migrate), self.settings)
        finally:
            event.remove(self.connection, "commit", self.raise_lock_timeout)

    def raise_lock_timeout(self, connection: object) -> None:
        """Wait for a single lock for as long as for all of them."""
        self.set_limit(
            "lock_timeout", format_milliseconds(max(self.settings.migration_wait, 0.001))
        )

    def attempt(self, migrate: Callable[[], None]) -> None:
        """Run one revision in a savepoint.

        Raises:
            LockNotAvailableError: A lock was not available, and the revision was rolled back.
        """
        self.set_limit("lock_timeout", format_milliseconds(self.settings.migration_lock_timeout))
        savepoint = self.connection.begin_nested()
        try:
            migrate()
        except DBAPIError as error:
            if not savepoint.is_active or error_code(error) not in self.LOCK_ERRORS:
                raise
            savepoint.rollback()
            raise LockNotAvailableError(str(error.orig).strip()) from error
        if savepoint.is_active:
            savepoint.commit()

    def describe_changes(self) -> str:
        if self.has_committed:
            return "What the revision did up to the end of the last autocommit_block stays."
        return "The revision was rolled back."

    def release(self) -> None:
        if not self.in_transaction:
            self.connection.rollback()
            self.connection.execute(text(f"SELECT pg_advisory_unlock({self.LOCK_KEY})"))
        if self.is_callers_connection:
            for name, value in self.before.items():
                if value is not None:
                    self.set_limit(name, value)
        if not self.in_transaction:
            self.connection.commit()


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


GUARD = PostgreSQLGuard
