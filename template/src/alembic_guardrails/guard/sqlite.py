"""The guard on SQLite."""

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from alembic.operations.batch import BatchOperationsImpl
from alembic.util import CommandError
from alembic_guardrails._alembic import send, take_over_batches
from alembic_guardrails.guard.base import BaseGuard
from alembic_guardrails.guard.failure import DATABASE_FULL, READ_ONLY
from alembic_guardrails.guard.orphans import TABLES, Orphans
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, OperationalError

if TYPE_CHECKING:
    from alembic_guardrails.rebuild.working import Answer

# What can stop working when something else is changed.
DEPENDING = """
SELECT 1 FROM sqlite_master
WHERE type IN ('view', 'trigger') OR sql LIKE 'CREATE VIRTUAL TABLE%' LIMIT 1
"""

# A savepoint that is there for as long as nothing has ended the transaction of the command.
WHOLE = "guardrails_whole"

# SQLite's errors have no code in all versions of Python.
ADVICE = {"readonly": READ_ONLY, "is full": DATABASE_FULL, "disk I/O": DATABASE_FULL}


class SQLiteGuard(BaseGuard):
    """One transaction for the whole command, which locks the file when it begins."""

    lock_holder = "another migration or writer"
    # Whether something that the command did stays if it fails.
    stays = False
    # Whether the last revision was taken back.
    is_downgrade = False
    # Whether the savepoint is there, unless something unseen has ended the transaction.
    is_marked = False

    def set_limits(self) -> dict[str, str]:
        take_over_batches(self.context, self.change_table)
        self.before = {name: self.pragma(name) for name in ("foreign_keys", "busy_timeout")}
        self.orphans: Orphans | None = None
        # What SQLite said after the last revision, and what has worked after one or before all.
        self.answers: list[Answer] = []
        self.working: set[str] = set()
        self.broken_keys: set[tuple[str, ...]] = set()
        # A batch operation drops the table that it copied, and with foreign keys on the children
        # of its rows: https://www.sqlite.org/lang_altertable.html#otheralter
        if not self.in_transaction:
            self.pragma("foreign_keys = OFF")
            self.connection.commit()
        elif self.before["foreign_keys"]:
            raise CommandError(
                "Foreign keys are enforced on this connection and cannot be turned off in its "
                "transaction. Migrate on a connection without a transaction."
            )
        return {"foreign_keys": "OFF"}

    def change_table(self, batch: BatchOperationsImpl, flush: Callable[[], None]) -> None:
        """Apply the operations of a batch; commands that run none do without what that needs."""
        from alembic_guardrails.rebuild.operations import change_table

        self.broken_keys.update(change_table(batch, flush))

    def pragma(self, setting: str) -> Any:
        """Set or get a setting of the connection."""
        result = self.connection.exec_driver_sql(f"PRAGMA {setting}")
        return result.scalar() if result.returns_rows else None

    def listeners(self) -> Iterator[tuple[Any, str, Callable[..., None]]]:
        yield from super().listeners()
        yield self.connection, "rollback", self.before_rollback

    def acquire_lock(self) -> None:
        if self.in_transaction:
            super().acquire_lock()
        else:
            event.listen(self.connection, "begin", self.begin)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction with the lock; drivers begin one only before some of the writes."""
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            super().acquire_lock()

    def try_lock(self) -> bool:
        self.pragma("busy_timeout = 0")
        try:
            self.connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            message = str(error.orig)
            if "locked" in message:
                return False
            if "within a transaction" not in message:
                raise
        if not self.in_transaction:
            self.connection.exec_driver_sql(f"SAVEPOINT {WHOLE}")
            self.is_marked = True
        # The commit waits for readers.
        self.pragma(f"busy_timeout = {self.settings.migration_wait * 1000:.0f}")
        return True

    def before_revision(self) -> None:
        if self.orphans is None:
            self.orphans = Orphans(self.connection)
            self.note_working()

    def note_working(self) -> None:
        """Ask SQLite about each view, trigger and virtual table, and note what works."""
        self.answers = []
        if self.is_stamp or not send(self.connection, DEPENDING):
            return
        from alembic_guardrails.rebuild.working import ask

        self.answers = [*ask(self.connection)]
        self.working |= {answer.key for answer in self.answers if not answer.error}

    def after_revision(self, heads: Collection[str]) -> None:
        # Nothing is committed before the end of the command.
        self.is_downgrade = not getattr(self.activity.step, "is_upgrade", True)
        self.note_working()

    @property
    def is_half_done(self) -> bool:
        return self.stays

    def record_commit(self, connection: object) -> None:
        super().record_commit(connection)
        self.stays = self.stays or self.has_committed
        self.is_marked = False
        # The version table is in the same transaction as all revisions before.
        self.committed_heads = self.heads.expected or self.committed_heads

    def before_rollback(self, connection: Connection) -> None:
        """Record whether something has ended the transaction, unseen by SQLAlchemy perhaps."""
        if self.is_marked:
            self.is_marked = False
            try:
                connection.connection.cursor().execute(f"RELEASE {WHOLE}")
            except Exception as error:
                # A connection that was lost on the way has committed nothing.
                self.stays = self.stays or "no such savepoint" in str(error)

    def look_at_failure(self) -> None:
        if not self.in_transaction and self.committed_heads is not None:
            event.remove(self.connection, "begin", self.begin)
            self.connection.rollback()
            self.committed_heads = self.context.get_current_heads()

    def describe_changes(self) -> str:
        if self.stays:
            return "What the command committed stays, the rest was rolled back."
        return "Everything was rolled back."

    def advise(self, error: Exception) -> str:
        message = str(error.orig) if isinstance(error, DBAPIError) else ""
        advice = next((advice for part, advice in ADVICE.items() if part in message), "")
        return advice or super().advise(error)

    def after_revisions(self) -> None:
        if self.orphans is None:
            return
        if self.broken_keys:
            self.check_keys()
        self.check_orphans(self.orphans)
        self.check_working()

    def check_keys(self) -> None:
        """Check that foreign keys refer to keys again, after a batch took these away.

        Raises:
            CommandError: One does not.
        """
        from alembic_guardrails.rebuild.copy import find_broken_keys

        for table in self.connection.scalars(TABLES).all():
            for child, *columns in sorted(
                find_broken_keys(self.connection, table) & self.broken_keys
            ):
                raise CommandError(
                    f"{', '.join(columns)} of table {child} would refer to columns of table {table}"
                    f" that are no key. {self.describe_changes()} Drop that foreign key in the"
                    " revision, or make these columns unique."
                )

    def check_working(self) -> None:
        """Check that everything that worked before still does.

        Raises:
            CommandError: Something does not.
        """
        for answer in self.answers:
            # A downgrade that forgets a view drops what it reads, and nothing else needs it.
            is_forgotten = self.is_downgrade and answer.one.type == "view"
            if answer.error and answer.key in self.working and not is_forgotten:
                raise CommandError(
                    f"{answer.one.label.capitalize()} would no longer work ({answer.error})."
                    f" {self.describe_changes()} Drop it in the revision before what it needs is"
                    " changed, and create it again after if it is still needed."
                )

    def check_orphans(self, before: Orphans) -> None:
        """Check that no other rows refer to nothing than `before`.

        Raises:
            CommandError: Others do.
        """
        if new := Orphans(self.connection).beside(before):
            raise CommandError(
                f"{new.total()} other rows than before would refer to rows that"
                f" do not exist, in {', '.join(sorted(new))}. {self.describe_changes()} Change the"
                " revision so that it also deletes or updates these rows."
            )

    def release(self) -> None:
        if not self.in_transaction:
            if event.contains(self.connection, "begin", self.begin):
                event.remove(self.connection, "begin", self.begin)
            self.connection.rollback()
        for name, value in self.before.items():
            self.pragma(f"{name} = {value}")
        if not self.in_transaction:
            self.connection.commit()


GUARD = SQLiteGuard
