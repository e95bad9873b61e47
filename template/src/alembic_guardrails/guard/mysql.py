"""The guard on MySQL and MariaDB."""

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, cast

from alembic_guardrails.errors import error_code
from alembic_guardrails.guard.base import BusyError, Guard, milliseconds
from alembic_guardrails.guard.journal import Journal
from sqlalchemy.exc import DBAPIError


class MySQLGuard(Guard):
    """Every change of a table commits, so a journal knows where to go on."""

    # Lock wait timeout and deadlock.
    BUSY = (1205, 1213)
    # A lock belongs to a server, not to a database; its name has at most 64 characters. There is
    # no MD5 in newer MySQL.
    NAME = "CONCAT('alembic:', SHA2(DATABASE(), 224))"
    journal: Journal | None = None

    def set_limits(self) -> dict[str, str]:
        timeout = self.settings.migration_statement_timeout
        limits = {
            "lock_wait_timeout": f"{math.ceil(self.settings.migration_lock_timeout)}",
            # Of rows, behind which nobody waits who only reads.
            "innodb_lock_wait_timeout": f"{max(1, math.ceil(self.settings.migration_wait))}",
        }
        if getattr(self.connection.dialect, "is_mariadb", False):
            limits["max_statement_time"] = f"{timeout:g}"
        else:  # of SELECT alone
            limits["max_execution_time"] = milliseconds(timeout).removesuffix("ms")
        names = ", ".join(f"@@SESSION.{name}" for name in limits)
        values = self.connection.exec_driver_sql(f"SELECT {names}").one()
        self.before = dict(zip(limits, map(str, values), strict=True))
        self.set_session(limits)
        return limits

    def set_session(self, limits: Mapping[str, str]) -> None:
        """Set variables of the session."""
        values = ", ".join(f"SESSION {name} = {value}" for name, value in limits.items())
        self.connection.exec_driver_sql(f"SET {values}")
        if not self.in_transaction:
            self.connection.commit()

    def take(self) -> bool:
        taken = self.connection.exec_driver_sql(f"SELECT GET_LOCK({self.NAME}, 0)").scalar()
        if not self.in_transaction:
            self.connection.commit()
        return bool(taken)

    def wait_for_turn(self) -> None:
        super().wait_for_turn()
        self.journal = Journal(self.connection, self.change)

    def attempt(self, step: str, migrate: Callable[[], None]) -> None:
        self.step = step
        statements = nullcontext() if self.is_stamp else cast(Journal, self.journal).kept(step)
        with statements:
            migrate()

    def change(self, statement: str, parameters: Any) -> None:
        """Run a change of a table; the revision cannot start again, but a statement can."""

        def try_once() -> None:
            try:
                self.connection.exec_driver_sql(statement, parameters or None)
            except DBAPIError as error:
                if error_code(error) not in self.BUSY:
                    raise
                raise BusyError(str(error.orig)) from error

        self.persist(self.step, try_once)

    def finish(self) -> None:
        journal = cast(Journal, self.journal)
        if self.is_stamp:
            journal.forget()
        journal.expect_end()
        # What a caller may still roll back are only rows: alembic_version would lie.
        self.connection.exec_driver_sql("COMMIT")

    def give_back(self) -> None:
        if not self.in_transaction:
            self.connection.rollback()
        if self.journal:
            self.journal.close()
        self.connection.exec_driver_sql(f"SELECT RELEASE_LOCK({self.NAME})")
        self.set_session(self.before)


GUARD = MySQLGuard
