"""The guard on PostgreSQL."""

import zlib
from collections.abc import Callable
from contextlib import suppress

from alembic.util import CommandError
from alembic_guardrails.errors import error_code
from alembic_guardrails.guard.base import BusyError, Guard, milliseconds
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError


class PostgreSQLGuard(Guard):
    """One transaction for each revision."""

    # lock_not_available and deadlock_detected:
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    BUSY = ("55P03", "40P01")
    KEY = zlib.crc32(b"alembic")

    def refuse_pooler(self) -> None:
        """Raise CommandError if transactions of this connection do not share a session."""

        def session(connection: Connection) -> int:
            return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())

        own = session(self.connection)
        self.connection.commit()
        # A pooler has no reason to change sessions while nobody else wants one.
        with suppress(DBAPIError), self.connection.engine.connect() as rival:
            shared = session(rival) == own or session(self.connection) != own
            self.connection.commit()
            if shared:
                raise CommandError(
                    "a pooler gives this connection another session for each transaction, and the "
                    "lock that only one migration can have belongs to a session: set "
                    "MIGRATION_DATABASE_URL to the server's own address"
                )

    def set_limits(self) -> dict[str, str]:
        if not self.is_callers:
            self.refuse_pooler()
        limits = {
            "lock_timeout": milliseconds(self.settings.migration_lock_timeout),
            "statement_timeout": milliseconds(self.settings.migration_statement_timeout),
            # The pauses between attempts are in a transaction.
            "idle_in_transaction_session_timeout": "0",
        }
        self.before = {
            name: self.connection.scalar(text(f"SELECT current_setting('{name}', true)"))
            for name in (*limits, "client_connection_check_interval")
        }
        for name, value in limits.items():
            self.set_limit(name, value)
        # Without it a killed migration keeps its locks until its last statement ends. There is
        # none before version 14, nor on every platform.
        with suppress(DBAPIError), self.connection.begin_nested():
            self.set_limit("client_connection_check_interval", "500ms")
        if not self.in_transaction:
            self.connection.commit()
        return limits

    def set_limit(self, name: str, value: str) -> None:
        """Set a setting of the session, or of a caller's transaction."""
        statement = text(f"SELECT set_config('{name}', '{value}', {self.in_transaction})")
        self.connection.execute(statement)

    def take(self) -> bool:
        # The lock of a session, asked for without waiting in a transaction: CREATE INDEX
        # CONCURRENTLY waits for all transactions. A caller's lock ends with the caller's.
        kind = "xact_lock" if self.in_transaction else "lock"
        taken = self.connection.execute(text(f"SELECT pg_try_advisory_{kind}({self.KEY})")).scalar()
        if not self.in_transaction:
            self.connection.commit()
        return bool(taken)

    def prepare(self) -> None:
        # Alembic's new table for the version would be part of the first revision.
        if not self.in_transaction:
            self.connection.commit()

    def attempt(self, step: str, migrate: Callable[[], None]) -> None:
        # What an autocommit block has committed cannot be undone: from there on, wait.
        event.listen(self.connection, "commit", self.wait_longer)
        try:
            self.persist(step, lambda: self.try_once(migrate))
        finally:
            event.remove(self.connection, "commit", self.wait_longer)

    def wait_longer(self, connection: object) -> None:
        """Wait for locks as long as for everything."""
        self.set_limit("lock_timeout", milliseconds(max(self.settings.migration_wait, 0.001)))

    def try_once(self, migrate: Callable[[], None]) -> None:
        """Run one revision; raise BusyError where it left no trace and can start again."""
        self.set_limit("lock_timeout", milliseconds(self.settings.migration_lock_timeout))
        savepoint = self.connection.begin_nested()
        try:
            migrate()
        except DBAPIError as error:
            if not savepoint.is_active or error_code(error) not in self.BUSY:
                raise
            savepoint.rollback()
            raise BusyError(str(error.orig).strip()) from error
        if savepoint.is_active:
            savepoint.commit()

    def give_back(self) -> None:
        if not self.in_transaction:
            self.connection.rollback()
            self.connection.execute(text(f"SELECT pg_advisory_unlock({self.KEY})"))
        if self.is_callers:
            for name, value in self.before.items():
                if value is not None:
                    self.set_limit(name, value)
        if not self.in_transaction:
            self.connection.commit()


GUARD = PostgreSQLGuard
