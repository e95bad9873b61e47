"""How far a revision came, on databases that commit with every change of a table.

MySQL and MariaDB roll no such change back. They commit what was done before it
(https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html), and so the journal's own entry.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

from alembic.util import CommandError
from alembic_guardrails.errors import error_code
from sqlalchemy import (
    Column,
    Connection,
    CursorResult,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError

TABLE = Table(
    "alembic_journal",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("step", Text, nullable=False),
    Column("done", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("running", String(64), nullable=False),
)

FORGET = TABLE.delete()

# In one statement, as this is done twice for each change of a table.
KEEP = text("REPLACE INTO alembic_journal VALUES (1, :step, :done, :digest, :running)")

# What changes nothing, and may differ when a revision runs again.
READS = re.compile(
    r"[\s(]*(BEGIN|COMMIT|DESC|DESCRIBE|DO|EXPLAIN|RELEASE|ROLLBACK|SAVEPOINT|SELECT|SET|SHOW|START"
    r"|USE|WITH)\b",
    re.IGNORECASE,
)

# What a rollback undoes.
ROWS = re.compile(r"\s*(DELETE|INSERT|REPLACE|UPDATE)\b", re.IGNORECASE)

# What would not fail, and not be the same, if it ran twice: rows, and swaps of names.
UNSURE = re.compile(
    rf"{ROWS.pattern}|.*\b(RENAME\s+TABLES?\b.*,|(CHANGE|RENAME)\b.*\b(CHANGE|RENAME)\b)",
    re.IGNORECASE | re.DOTALL,
)

# It is there already, or gone already: what a statement says that ran before.
# https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference
ALREADY = {1005, 1022, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1146, 1304, 1305, 1359, 1360}
ALREADY |= {1826, 3822, 4092}

NOTHING = "DO 0"

# An option of statements that may run twice, and so need not be counted.
REPEATABLE = "alembic_repeatable"


@dataclass(frozen=True)
class Entry:
    """A revision on its way: how many statements are done, and what was running, if anything."""

    step: str
    done: int = 0
    digest: str = ""
    running: str = ""


class SkippedResult(CursorResult[Any]):
    """The result of a statement that an earlier run did: what it was is not known any more."""

    __slots__ = ()

    def _refuse(self) -> Any:
        raise CommandError(
            "the revision was interrupted, and reads what one of its statements did before that: "
            "finish it by hand and run `alembic stamp <revision>`"
        )

    inserted_primary_key = lastrowid = returned_defaults = rowcount = property(_refuse)


class Journal:
    """Has an interrupted revision go on at the statement where it stopped.

    `run` executes a change of a table, however often its lock makes that necessary.
    """

    def __init__(self, connection: Connection, run: Callable[[str, Any], None]) -> None:
        self.connection = connection
        self.run = run
        self.exists = inspect(connection).has_table(TABLE.name)
        self.entry = self.read()
        self.is_off = True

    def read(self) -> Entry | None:
        """Read what the database knows of an interrupted revision."""
        row = self.connection.execute(TABLE.select()).one_or_none() if self.exists else None
        return Entry(row.step, row.done, row.digest, row.running) if row else None

    def write(self, entry: Entry | None) -> None:
        """Write an entry, or none, to be committed together with what it says."""
        with self.off():
            if entry:
                self.connection.execute(KEEP, asdict(entry))
            else:
                self.connection.execute(FORGET)
        self.entry = entry

    @contextmanager
    def off(self, is_off: bool = True) -> Iterator[None]:
        """Have statements run that are not the revision's."""
        before, self.is_off = self.is_off, is_off
        try:
            yield
        finally:
            self.is_off = before

    @contextmanager
    def kept(self, step: str) -> Iterator[None]:
        """Run a revision's statements inside; what an earlier run did is left out.

        Raises CommandError if another revision was interrupted, or if the statements changed.
        """
        if self.entry and self.entry.step != step:
            raise self.interrupted(self.entry)
        if not self.exists:
            TABLE.create(self.connection)
            self.exists = True
        self.known = self.entry or Entry(step)
        self.now = Entry(step)
        self.is_skipped = self.is_pending = False
        listeners: dict[str, Callable[..., Any]] = {
            "before_cursor_execute": self.before,
            "after_cursor_execute": self.after,
            "after_execute": self.after_execute,
            "commit": self.commit,
        }
        for name, listener in listeners.items():
            event.listen(self.connection, name, listener, retval=name == "before_cursor_execute")
        event.listen(self.connection.engine, "do_executemany", self.leave_out)
        try:
            with self.off(False):
                yield
                if self.now.done < self.known.done:
                    raise self.changed()
        except Exception:
            self.connection.exec_driver_sql("ROLLBACK")
            self.entry = self.read()
            # Of a statement that failed just now it is known that it has not run.
            if self.entry and self.entry.running and self.is_pending:
                self.write(replace(self.entry, running="") if self.entry.done else None)
                self.connection.exec_driver_sql("COMMIT")
            raise
        finally:
            for name, listener in listeners.items():
                event.remove(self.connection, name, listener)
            event.remove(self.connection.engine, "do_executemany", self.leave_out)
        self.write(None)  # with the new version

    def before(
        self, _: object, __: object, statement: str, parameters: Any, context: Any, many: bool
    ) -> tuple[str, Any]:
        """Run a change between two entries, or leave out what is done."""
        if self.is_off:
            return statement, parameters
        self.is_skipped = self.is_pending = False
        if READS.match(statement) or context.execution_options.get(REPEATABLE):
            return statement, parameters
        before = self.now
        digest = sha256(f"{before.digest}{statement}{parameters!r}".encode()).hexdigest()
        self.now = replace(before, done=before.done + 1, digest=digest, running="")
        if self.now.done <= self.known.done:
            if self.now.done == self.known.done and digest != self.known.digest:
                raise self.changed()
            self.is_skipped = True
            return NOTHING, [()] if many else ()
        is_again = self.known.running and self.now.done == self.known.done + 1
        if is_again and (digest != self.known.running or UNSURE.match(statement)):
            raise self.changed()
        self.is_pending = not ROWS.match(statement) or self.commits_rows()
        if self.is_pending:
            self.write(replace(before, running=digest))
        if ROWS.match(statement):
            return statement, parameters
        try:
            with self.off():
                self.run(statement, parameters)
        except DBAPIError as error:
            if not is_again or error_code(error) not in ALREADY:
                raise
        self.finished()
        return NOTHING, ()

    def leave_out(self, *_: object) -> bool:
        """Have a driver not see what it would not take: nothing, with many rows."""
        return self.is_skipped and not self.is_off

    def commits_rows(self) -> bool:
        """Whether the revision is in an `autocommit_block`."""
        return self.connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"

    def after(self, *_: object) -> None:
        """Write down that rows were changed and committed."""
        if not self.is_off and self.is_pending:
            self.finished()

    def finished(self) -> None:
        """Commit what is done."""
        self.is_pending = False
        self.write(self.now)
        with self.off():
            self.connection.exec_driver_sql("COMMIT")

    def after_execute(self, *arguments: Any) -> None:
        """Let nobody read the result of a statement that was left out."""
        if self.is_skipped and not self.is_off:
            arguments[-1].__class__ = SkippedResult

    def commit(self, connection: Connection) -> None:
        """Write down what a revision commits itself."""
        if not self.is_off and self.now.done > self.known.done:
            self.write(self.now)

    def expect_end(self) -> None:
        """Raise CommandError if a revision is still to be finished."""
        if self.entry:
            raise self.interrupted(self.entry)

    def interrupted(self, entry: Entry) -> CommandError:
        """Say that another revision comes first."""
        return CommandError(
            f"{entry.step} was interrupted after {entry.done} statements: run it to its end first, "
            "or finish it by hand and run `alembic stamp <revision>`"
        )

    def changed(self) -> CommandError:
        """Say that the revision cannot go on by itself."""
        return CommandError(
            f"{self.known.step} was interrupted after {self.known.done} statements, and does not "
            "go on from there: its file is not what it was, it reads what it changed itself, or "
            "nobody knows whether its last statement ran; put the file back, or finish by hand "
            "and run `alembic stamp <revision>`"
        )

    def forget(self) -> None:
        """Take an interrupted revision for finished."""
        if self.exists:
            self.write(None)

    def close(self) -> None:
        """Drop the journal, unless a revision is still to be finished."""
        if self.exists and not self.read():
            TABLE.drop(self.connection)
