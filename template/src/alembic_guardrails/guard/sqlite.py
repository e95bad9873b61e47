"""The guard on SQLite."""

from collections.abc import Sequence
from typing import Any

from alembic.util import CommandError
from alembic_guardrails.guard.base import Guard, logger
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError


class SQLiteGuard(Guard):
    """One transaction for the whole command, which begins as the only one that writes."""

    rival = "another migration or writer"

    def set_limits(self) -> dict[str, str]:
        self.before = {name: self.pragma(name) for name in ("foreign_keys", "busy_timeout")}
        self.orphans: int | None = None
        # A batch operation drops the table that it copied, and with foreign keys on the children
        # of its rows: https://www.sqlite.org/lang_altertable.html#otheralter
        if not self.in_transaction:
            self.pragma("foreign_keys = OFF")
            self.connection.commit()
        elif self.before["foreign_keys"]:
            raise CommandError(
                "foreign keys are enforced on this connection, and cannot be turned off in its "
                "transaction: migrate on a connection without one"
            )
        return {"foreign_keys": "OFF"}

    def pragma(self, setting: str) -> Any:
        """Set or get a setting of the connection."""
        result = self.connection.exec_driver_sql(f"PRAGMA {setting}")
        return result.scalar() if result.returns_rows else None

    def wait_for_turn(self) -> None:
        if self.in_transaction:
            super().wait_for_turn()
        else:
            event.listen(self.connection, "begin", self.begin)

    def begin(self, connection: Connection) -> None:
        """Begin each transaction, which drivers leave to the first write that is not DDL."""
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            super().wait_for_turn()

    def take(self) -> bool:
        self.pragma("busy_timeout = 0")
        try:
            self.connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            message = str(error.orig)
            if "locked" in message:
                return False
            if "within a transaction" not in message:
                raise
        # The commit waits for readers.
        self.pragma(f"busy_timeout = {self.settings.migration_wait * 1000:.0f}")
        return True

    def prepare(self) -> None:
        if self.orphans is None:
            self.orphans = len(self.find_orphans())

    def find_orphans(self) -> Sequence[Any]:
        """Find the rows whose foreign keys refer to nothing.

        One key that refers to no key at all keeps SQLite from checking any:
        https://www.sqlite.org/foreignkeys.html#fk_indexes
        """
        try:
            return self.connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        except OperationalError as error:
            logger.warning("Foreign keys cannot be checked: %s", error.orig)
            return []

    def finish(self) -> None:
        if self.orphans is None:
            return
        orphans = self.find_orphans()
        if len(orphans) > self.orphans:
            tables = ", ".join(sorted({row[0] for row in orphans}))
            raise CommandError(
                f"{len(orphans) - self.orphans} more rows than before would refer to nothing, "
                f"in {tables}; everything was rolled back"
            )

    def give_back(self) -> None:
        if not self.in_transaction:
            if event.contains(self.connection, "begin", self.begin):
                event.remove(self.connection, "begin", self.begin)
            self.connection.rollback()
        for name, value in self.before.items():
            self.pragma(f"{name} = {value}")
        if not self.in_transaction:
            self.connection.commit()


GUARD = SQLiteGuard
