"""How far a revision came, on databases that commit with every change of a table.

MySQL and MariaDB roll no such change back. They commit what was done before it
(https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html), and so the journal's own entry: one
is written before each change of a table, and says what is done and what begins. What the change
has done is looked up when a later run needs to know.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from alembic.util import CommandError
from alembic_guardrails._alembic import wrap_result
from alembic_guardrails.errors import error_code
from alembic_guardrails.guard.catalog import (
    LOCK_ERRORS,
    MISSING,
    Catalog,
    Reads,
    fingerprint,
    identifiers,
    read_definition,
)
from alembic_guardrails.guard.driver import watching
from alembic_guardrails.guard.effects import (
    Action,
    Effect,
    first_number,
    locks_tables,
    plain_name,
    read_effect,
    reads_session,
)
from alembic_guardrails.statements import Kind, Statement, split
from sqlalchemy import (
    Column,
    Connection,
    CursorResult,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    event,
)
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

TABLE = Table(
    "alembic_journal",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("step", Text, nullable=False),
    Column("done", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("running", String(64), nullable=False),
    Column("before", String(64), nullable=False),
    Column("obstacle", Text, nullable=False),
    Column("empty", Text, nullable=False),
    # An entry has to be committed and rolled back together with what it says.
    mysql_engine="InnoDB",
    mariadb_engine="InnoDB",
)

# An option of statements that can run twice, so the journal need not count them.
REPEATABLE = "alembic_repeatable"

# The name of the journal in the `info` of its connection, while a revision runs.
INFO = "alembic_guardrails.journal"

NOTHING = "DO 0"

# What there is before a statement makes an object.
NOT_THERE = fingerprint([None])

# Why a revision cannot continue, for messages.
LOST = "it reads what one of its statements did before that"
DIFFERS = "it reads what it changed itself"

# The errors of a query for what is not there: also ER_BAD_FIELD_ERROR.
GONE = {*MISSING, 1054}

# What runs each time.
UNCOUNTED = {Action.READ, Action.COMMIT, Action.ROLLBACK}

# Words in a change of the schema after which the catalog has to be read again.
CHANGES_CATALOG = {"ENGINE", "FUNCTION", "LIKE", "PROCEDURE", "RENAME", "TRIGGER", "VIEW"}

# Words in a setting with the same consequence.
SETS_CATALOG = {"DEFAULT_STORAGE_ENGINE", "SQL_MODE", "STORAGE_ENGINE", "USE"}

# The ways out, for messages. A revision's name is in the message before.
WAYS_OUT = (
    "restore its file, or complete it by hand and run `alembic stamp <revision>`, or, if it can "
    "run again from its start, write `repeatable = True` into its file"
)


class Entry(NamedTuple):
    """How far a revision came.

    `done` statements are done, which `digest` identifies; the one that `running` identifies began
    when the definitions of its objects were those of `before`. With an `obstacle`, the revision
    cannot continue. The tables that it made and that are `empty` stand there in JSON, with the
    number that the first row gets.
    """

    step: str
    done: int = 0
    digest: str = ""
    running: str = ""
    before: str = ""
    obstacle: str = ""
    empty: str = ""


class SkippedResult(CursorResult[Any]):
    """The result of a statement that an earlier run executed, and that is not known any more."""

    __slots__ = ()

    def _refuse(self) -> Any:
        progress: RevisionProgress = self.context.root_connection.info[INFO]
        raise progress.refuse(LOST)

    inserted_primary_key = inserted_primary_key_rows = property(_refuse)
    lastrowid = returned_defaults = rowcount = property(_refuse)


class Journal:
    """Lets an interrupted revision continue at the statement where it stopped.

    `exists` says whether the database has the table. `retry` calls a function again for as long as
    a lock is not available.
    """

    def __init__(
        self,
        connection: Connection,
        database: str,
        exists: bool,
        retry: Callable[[Callable[[], None]], None],
    ) -> None:
        self.connection = connection
        self.exists = exists
        self.retry = retry
        # A revision can choose another database by USE.
        self.table = TABLE.to_metadata(MetaData(), schema=database)
        self.name = connection.dialect.identifier_preparer.format_table(self.table)
        self.catalog: Catalog | None = None
        self.is_off = True
        self.has_entry_apart = False
        self.entry = self.read()
        # What runs, counts and skips the statements of the revision that runs.
        self.progress: RevisionProgress | None = None
        self.listeners: list[tuple[Any, str, Callable[..., Any]]] = []
        self.watches = ExitStack()

    def read(self) -> Entry | None:
        """Read what the database knows of an interrupted revision."""
        if not self.exists:
            return None
        query = self.table.select().order_by(self.table.c.id)
        entries = [Entry(*row[1:]) for row in self.connection.execute(query).all()]
        if not entries:
            return None
        return entries[0]._replace(obstacle=entries[-1].obstacle)

    def write(self, entry: Entry | None) -> None:
        """Write an entry, or none, to be committed together with what it says."""
        with self.off():
            if entry:
                self.replace(self.connection, 1, entry)
            else:  # locks no more than is there
                rows = "" if self.has_entry_apart else " WHERE id = 1"
                self.connection.exec_driver_sql(f"DELETE FROM {self.name}{rows}")  # noqa: S608
        self.entry = entry

    @property
    def is_writing(self) -> bool:
        """Whether a statement that runs now is the journal's, while a revision runs."""
        return self.is_off and self.progress is not None

    @property
    def obstacle(self) -> str:
        """Why the revision that runs could not continue after an interruption, if so."""
        if self.progress:
            return self.progress.now.obstacle
        return self.entry.obstacle if self.entry else ""

    def replace(self, connection: Connection, row: int, entry: Entry) -> None:
        """Write an entry in one round trip, with no work for the compiler of SQLAlchemy."""
        values = (row, *entry)
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        marks = ", ".join([mark] * len(values))
        query = f"REPLACE INTO {self.name} VALUES ({marks})"  # noqa: S608
        connection.exec_driver_sql(query, values)

    def write_apart(self, entry: Entry) -> None:
        """Commit an entry on a connection of its own, for what a rollback does not undo.

        Raises:
            SQLAlchemyError: The entry could not be written, so its statement must not run.
        """
        with self.off(), self.connection.engine.connect() as connection:
            limits = "SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1"
            connection.exec_driver_sql(limits)
            self.replace(connection, 2, entry)
            connection.commit()
            self.has_entry_apart = True

    def commit(self) -> None:
        """Commit what was done and written."""
        with self.off():
            self.connection.exec_driver_sql("COMMIT")

    @contextmanager
    def off(self, is_off: bool = True) -> Iterator[None]:
        """Run statements that are not the revision's."""
        before, self.is_off = self.is_off, is_off
        try:
            yield
        finally:
            self.is_off = before

    @contextmanager
    def kept(self, step: str, is_repeatable: bool = False) -> Iterator[None]:
        """Run a revision's statements inside; those that an earlier run executed are skipped.

        A repeatable one runs from its start, whatever an earlier run did.

        Raises:
            CommandError: Another revision was interrupted, or this one cannot continue.
        """
        if self.has_entry_apart:  # its deletion would lock out the next one
            self.commit()
            self.has_entry_apart = False
        if self.entry and self.entry.step != step:
            raise self.interrupted(self.entry)
        if self.entry and is_repeatable:
            self.forget()
        if self.entry and self.entry.obstacle:
            raise cannot_continue(self.entry, self.entry.obstacle)
        if not self.exists and not is_repeatable:
            self.table.create(self.connection)
            self.exists = True
        if self.entry and self.entry.empty:
            self.restore_numbers(json.loads(self.entry.empty))
        progress = RevisionProgress(self, self.entry or Entry(step), is_repeatable)
        self.progress = self.connection.info[INFO] = progress
        self.listen()
        try:
            with self.off(False):
                yield
                progress.check_end()
        except Exception:
            with suppress(SQLAlchemyError):
                progress.settle()
            raise
        finally:
            self.progress = None
            if not self.connection.invalidated:  # else it would hide why, Ctrl-C perhaps
                self.connection.info[INFO] = None
        if self.entry or self.has_entry_apart:
            self.write(None)  # with the new version

    def restore_numbers(self, tables: dict[str, int]) -> None:
        """Have the rows of tables numbered as if no others had been inserted and rolled back.

        A rollback does not undo that a number was given out. The server goes no further back than
        to what is there.
        """

        def restore(query: str) -> None:
            self.connection.exec_driver_sql(query).close()

        for name, number in tables.items():
            try:
                self.retry(partial(restore, f"ALTER TABLE {name} AUTO_INCREMENT = {number}"))
            except DBAPIError as error:
                if error_code(error) not in MISSING:
                    raise

    def listen(self) -> None:
        """Have statements run through the revision's progress, from now to the command's end.

        To listen anew for each revision would take longer than what a short one does.
        """
        if self.listeners:
            return
        engine = self.connection.engine
        self.listeners = [
            (engine, "do_execute", self.do_execute),
            (engine, "do_execute_no_params", self.do_execute_no_params),
            (engine, "do_executemany", self.do_executemany),
            (self.connection, "commit", self.before_commit),
            (self.connection, "rollback", self.before_rollback),
            (Engine, "before_cursor_execute", self.before_statement),
        ]
        for target, name, listener in self.listeners:
            event.listen(target, name, listener)
        self.watches.enter_context(watching(self.connection, self.before_driver))
        self.watches.enter_context(unlisted(self.connection.dialect))

    def stop(self) -> None:
        """Stop to listen."""
        self.watches.close()
        for target, name, listener in self.listeners:
            event.remove(target, name, listener)
        self.listeners = []

    def do_execute(self, cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        """Run a statement in the place of the dialect, or skip it."""
        run = partial(context.dialect.do_execute, cursor, sql, parameters, context)
        return self.execute(run, cursor, sql, parameters, context)

    def do_execute_no_params(self, cursor: Any, sql: str, context: Any) -> bool:
        """Run a statement in the place of the dialect, or skip it."""
        run = partial(context.dialect.do_execute_no_params, cursor, sql, context)
        return self.execute(run, cursor, sql, (), context)

    def do_executemany(self, cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        """Run a statement in the place of the dialect, or skip it."""
        run = partial(context.dialect.do_executemany, cursor, sql, parameters, context)
        return self.execute(run, cursor, sql, parameters, context)

    def execute(
        self, run: Callable[[], None], cursor: Any, sql: str, parameters: Any, context: Any
    ) -> bool:
        """Have a statement of the revision run or skipped; return whether one of them was done."""
        if not self.progress or self.is_off or context.root_connection is not self.connection:
            return False
        self.progress.execute(run, cursor, sql, parameters, context)
        return True

    def before_commit(self, connection: Connection) -> None:
        """Have an entry written that is committed together with what the revision commits."""
        if self.progress and not self.is_off:
            self.progress.before_commit()

    def before_rollback(self, connection: Connection) -> None:
        """Have it remembered that an entry may be rolled back."""
        if self.progress and not self.is_off:
            self.progress.before_rollback()

    def before_statement(
        self, connection: Connection, _: Any, sql: str, parameters: Any, context: Any, __: bool
    ) -> None:
        """Have a statement noted that runs on another connection."""
        if self.progress and not self.is_off and connection is not self.connection:
            self.progress.note_elsewhere(connection, sql, parameters)

    def before_driver(self) -> None:
        """Have it noted that the revision uses a connection of the driver."""
        if self.progress and not self.is_off:
            self.progress.note_driver()

    def expect_end(self) -> None:
        """Do nothing unless a revision is interrupted.

        Raises:
            CommandError: A revision is interrupted.
        """
        if self.entry:
            raise self.interrupted(self.entry)

    def interrupted(self, entry: Entry) -> CommandError:
        """Return an error which says that another revision comes first."""
        return CommandError(
            f"{entry.step} was interrupted after {entry.done} statements: run it to its end first, "
            "or complete it by hand and run `alembic stamp <revision>`."
        )

    def forget(self) -> None:
        """Take an interrupted revision for finished."""
        if self.exists:
            self.has_entry_apart = True  # perhaps
            self.write(None)

    def close(self) -> None:
        """Drop the journal, unless a revision is interrupted."""
        if self.exists and not self.read():
            self.table.drop(self.connection)


@contextmanager
def unlisted(dialect: Any) -> Iterator[None]:
    """Have SQLAlchemy list all tables but the journal: a revision may copy each that there is."""
    read = dialect.get_table_names

    def get_table_names(*arguments: Any, **options: Any) -> list[str]:
        return [name for name in read(*arguments, **options) if name != TABLE.name]

    dialect.get_table_names = get_table_names
    try:
        yield
    finally:
        del dialect.get_table_names


def cannot_continue(entry: Entry, cause: str) -> CommandError:
    """Return an error which says why a revision does not go on, and what to do."""
    return CommandError(
        f"{entry.step} was interrupted after {entry.done} statements and does not go on from "
        f"there, because {cause}: {WAYS_OUT}."
    )


class RevisionProgress:
    """Runs, counts and skips the statements of one revision.

    `known` is what an earlier run has left, `now` how far this one is.
    """

    def __init__(self, journal: Journal, known: Entry, is_repeatable: bool) -> None:
        self.journal = journal
        self.connection = journal.connection
        self.known = known
        self.is_repeatable = is_repeatable
        self.now = self.previous = Entry(known.step)
        # Identifies all statements so far, and the settings between them.
        self.chain = ""
        # The change of the schema that began last; the entry of the last one that is done.
        self.begun: tuple[Effect, Entry] | None = None
        self.completed: Entry | None = None
        self.is_pending = self.is_recorded = self.is_locked = self.has_failed = False
        self.has_skipped = self.is_durable = False
        # What the revision was refused with. It stays refused if it catches that.
        self.refusal: CommandError | None = None
        self.reads = Reads()

    @property
    def is_behind(self) -> bool:
        """Whether the earlier run executed more than this one has skipped so far."""
        is_running = bool(self.known.running) and self.now.done == self.known.done
        return self.now.done < self.known.done or is_running

    def execute(
        self, run: Callable[[], None], cursor: Any, sql: str, parameters: Any, context: Any
    ) -> None:
        """Run a statement of the revision, or skip it."""
        self.expect_no_refusal()
        effect = read_effect(sql)
        is_repeatable = bool(context.execution_options.get(REPEATABLE))
        if is_repeatable or self.is_repeatable:
            self.run_repeatable(effect, run)
            return
        self.note_failure()
        action = self.action(effect)
        if self.has_skipped and self.reads_session(effect.statement):
            raise self.refuse(LOST)
        if self.is_skipped(effect, action, sql, parameters):
            if is_returning(effect, context):
                raise self.refuse(LOST)
            self.skip(cursor, context)
            return
        try:
            self.run_by(action, effect, run)
        except BaseException as error:
            if self.is_behind and isinstance(error, Exception) and error_code(error) in GONE:
                raise self.refuse(DIFFERS) from error
            self.has_failed = True
            self.is_recorded = self.is_durable
            raise

    def note_failure(self) -> None:
        """Note why the revision could not continue if it has caught the error of a statement."""
        if self.has_failed:
            self.obstruct("it went on after a statement that failed")
            self.has_failed = False

    def begin_batches(self, sql: str, parameters: Any) -> bool:
        """Count a statement that runs in batches; return whether an earlier run came to its end."""
        self.expect_no_refusal()
        if self.is_repeatable:
            return False
        self.note_failure()
        return self.is_skipped(read_effect(sql), Action.ROWS, sql, parameters)

    def end_batches(self) -> None:
        """Write that all batches are done, in a transaction that holds nothing else."""
        if not self.is_repeatable and not self.is_recorded:
            self.write(self.now)

    def reads_session(self, statement: Statement) -> bool:
        """Whether a statement, or what it can run, reads what is gone with a session."""
        # XA ends with no query before it, and to read the catalog is one.
        is_alone = statement.words[:1] == ("XA",)
        behind = [statement] if is_alone else self.catalog.statements_behind(statement)
        return any(map(reads_session, behind))

    def run_repeatable(self, effect: Effect, run: Callable[[], None]) -> None:
        """Run a statement that can run again; try again where that undoes nothing else."""
        if effect.action is Action.SCHEMA or self.commits_rows():
            self.journal.retry(run)
        else:
            run()

    @property
    def catalog(self) -> Catalog:
        """What is in the database."""
        if not self.journal.catalog:
            with self.journal.off():
                self.journal.catalog = Catalog(self.connection)
        return self.journal.catalog

    def action(self, effect: Effect) -> Action:
        """Return what to do about a statement in this database."""
        action = effect.action
        if action in (Action.READ, Action.ROWS, Action.SESSION) and effect.statement.tokens:
            statement = effect.statement
            is_odd = self.catalog.calls_unknown(statement) or self.catalog.can_misread(statement)
            if is_odd or (action is Action.ROWS and self.catalog.outlives_rollback(statement)):
                return Action.UNKNOWN
        if action is Action.SCHEMA and "SELECT" in effect.statement.words:
            is_view = "VIEW" in effect.statement.words[:12]
            if not is_view and self.catalog.calls_unknown(effect.statement):
                return Action.UNKNOWN
        return action

    def is_skipped(self, effect: Effect, action: Action, sql: str, parameters: Any) -> bool:
        """Count a statement; return whether an earlier run has executed it.

        Raises:
            CommandError: The earlier run executed another one, or it is unknown whether it did.
        """
        digest = sha256(f"{self.chain}{sql}{parameters!r}".encode()).hexdigest()
        if action in (Action.SETTING, Action.ROLLBACK):
            self.chain = digest
            return False
        is_behind = self.is_behind
        if action in UNCOUNTED:
            # CHECKSUM TABLE is the one command of upkeep whose result depends on rows.
            is_read = action is Action.READ or effect.statement.words[:1] == ("CHECKSUM",)
            if is_behind and is_read:
                self.reads.note(effect, parameters, self.catalog)
            return False
        if action in (Action.SESSION, Action.UNKNOWN):
            if is_behind:
                raise self.changed()
            return False
        self.chain, self.previous = digest, self.now
        empty = self.empty_after(effect, action)
        self.now = self.now._replace(done=self.now.done + 1, digest=digest, empty=empty)
        if not is_behind:
            return False
        if self.now.done > self.known.done:
            is_skipped = self.has_run(effect, digest)
        elif self.now.done == self.known.done and digest != self.known.digest:
            raise self.changed()
        else:
            is_skipped = True
        if is_skipped and self.can_differ(effect):
            raise self.refuse(DIFFERS)
        return is_skipped

    def empty_after(self, effect: Effect, action: Action) -> str:
        """Return which tables of the revision have had no rows after a statement, as in `Entry`."""
        statement = effect.statement
        first = first_number(statement)
        if not (first or self.now.empty):
            return ""
        tables: dict[str, int] = json.loads(self.now.empty or "{}")
        if first and action is Action.SCHEMA:
            tables[effect.there[0].name] = first
        elif statement.words[0] != "CREATE":
            is_rows = action is Action.ROWS
            names = self.catalog.names_behind(statement) if is_rows else identifiers(statement)
            tables = {
                name: number
                for name, number in tables.items()
                if plain_name(name).rpartition(".")[2] not in names
            }
        return json.dumps(tables) if tables else ""

    def can_differ(self, effect: Effect) -> bool:
        """Whether a statement that is skipped can have changed the result of a query before it."""
        catalog = self.catalog
        with self.journal.off():
            return self.reads.can_differ(effect, catalog)

    def has_run(self, effect: Effect, digest: str) -> bool:
        """Return whether the statement has run that began last in the earlier run.

        Raises:
            CommandError: It is another one, or its effect is there in part.
        """
        if digest != self.known.running:
            raise self.changed()
        if not self.known.before:
            return False
        with self.journal.off():
            gone, there = (
                [read_definition(self.connection, item) for item in items]
                for items in (effect.gone, effect.there)
            )
        if fingerprint([*gone, *there]) == self.known.before:
            return False
        is_creation = effect.statement.words[0] == "CREATE" and not effect.gone
        if is_creation and None in there and "INDEX" not in effect.statement.words[:3]:
            return False
        if any(gone) or None in there:
            raise self.refuse("nobody knows whether its last statement ran")
        return True

    def skip(self, cursor: Any, context: Any) -> None:
        """Give the driver something to do that does nothing, and refuse to show a result."""

        def refuse_result(result: CursorResult[Any]) -> CursorResult[Any]:
            result.__class__ = SkippedResult
            return result

        with self.journal.off():
            context.dialect.do_execute(cursor, NOTHING, (), context)
        wrap_result(context, refuse_result)
        self.has_skipped = True

    def run_by(self, action: Action, effect: Effect, run: Callable[[], None]) -> None:
        """Run a statement, and write an entry if it can end the transaction."""
        match action:
            case Action.ROWS if self.commits_rows() and not self.is_recorded:
                self.journal.retry(partial(self.run_in_transaction, run))
            case Action.ROWS:
                self.is_pending = True
                run()
            case Action.SCHEMA | Action.AGAIN:
                self.journal.retry(partial(self.run_recorded, action, effect, run))
                self.is_pending, self.completed = False, self.journal.entry
                if CHANGES_CATALOG & {*effect.statement.words}:
                    self.journal.catalog = None
            case Action.COMMIT:
                self.record()
                run()
            case Action.ROLLBACK:
                self.is_recorded = self.is_durable
                run()
            case Action.SESSION:
                self.obstruct(f"the session is gone in which `{excerpt(effect)}` had an effect")
                run()
            case Action.UNKNOWN:
                self.run_unknown(effect, run)
            case Action.SETTING:
                if SETS_CATALOG & set(re.findall(r"\w+", effect.statement.code.upper())):
                    self.journal.catalog = None
                run()
            case _:
                run()

    def run_recorded(self, action: Action, effect: Effect, run: Callable[[], None]) -> None:
        """Run a change of the schema, which commits the entry that is written before it."""
        if not self.is_recorded:
            before = self.look_up(effect) if action is Action.SCHEMA else ""
            obstacle = self.now.obstacle
            entry = self.previous._replace(
                running=self.now.digest, before=before, obstacle=obstacle
            )
            if before == NOT_THERE:
                entry = entry._replace(empty=self.now.empty)
            self.begun = effect, entry
            self.write(entry)
        run()

    def look_up(self, effect: Effect) -> str:
        """Return a digest of how the objects of a statement are defined.

        It is empty, and the revision cannot continue, if the server does not say so.
        """
        try:
            with self.journal.off():
                items = [read_definition(self.connection, item) for item in effect.objects]
        except DBAPIError as error:
            if error.connection_invalidated or error_code(error) in LOCK_ERRORS:
                raise
            self.obstruct(f"the effect of `{excerpt(effect)}` cannot be looked up")
            return ""
        return fingerprint(items)

    def run_in_transaction(self, run: Callable[[], None]) -> None:
        """Run a change of rows that is committed at once, together with its entry."""
        with self.journal.off():
            self.connection.exec_driver_sql("BEGIN")
            try:
                self.write(self.now)
                run()
            except BaseException:
                with suppress(SQLAlchemyError):
                    self.connection.exec_driver_sql("ROLLBACK")
                raise
            self.connection.exec_driver_sql("COMMIT")

    def run_unknown(self, effect: Effect, run: Callable[[], None]) -> None:
        """Run a statement after which the revision cannot continue, and note that before."""
        self.obstruct(f"nobody knows what `{excerpt(effect)}` did")
        if self.needs_entry_apart(effect.statement):
            self.write_apart()
        elif not self.is_recorded:
            self.write(self.now)
        if locks_tables(effect.statement):  # which commits the entry, and allows no other
            self.is_locked = self.is_durable = True
        self.journal.catalog = None
        run()

    def needs_entry_apart(self, statement: Statement) -> bool:
        """Whether an entry in the transaction would not stay, or be in the way of a statement."""
        # XA runs in no other transaction, and to read the catalog begins one.
        return (
            statement.words[:1] == ("XA",)
            or self.catalog.outlives_rollback(statement)
            or self.catalog.can_roll_back(statement)
        )

    def note_elsewhere(self, connection: Connection, sql: str, parameters: Any) -> None:
        """Note what the revision does on another connection."""
        if self.is_repeatable:
            return
        kinds = {statement.kind for statement in split(sql, connection.dialect.name)}
        if kinds <= {Kind.READ}:
            if self.is_behind and connection.dialect.name == self.connection.dialect.name:
                self.reads.note(read_effect(sql), parameters, self.catalog)
        elif not kinds <= {Kind.SESSION, Kind.TRANSACTION}:
            if self.is_behind:
                raise self.changed()
            self.obstruct("it wrote over a connection of its own")
            self.write_apart()

    def note_driver(self) -> None:
        """Note that the revision uses a connection of the driver, where no statement is seen."""
        if self.is_repeatable:
            return
        self.expect_no_refusal()
        if self.is_behind:
            raise self.changed()
        self.obstruct("it used the driver's own connection")
        self.write_apart()

    def obstruct(self, cause: str) -> None:
        """Note why the revision cannot continue after an interruption."""
        if not self.now.obstacle:
            self.now = self.now._replace(obstacle=cause)

    def write(self, entry: Entry) -> None:
        """Write an entry; one with an obstacle is the last that is needed."""
        self.journal.write(entry)
        self.is_recorded = bool(entry.obstacle)

    def write_apart(self) -> None:
        """Write an obstacle so that it stays whatever becomes of the transaction."""
        if not self.is_durable:
            self.journal.write_apart(self.now)
            self.is_durable = self.is_recorded = True

    def record(self) -> None:
        """Write how far the revision is, if rows were changed since that was written."""
        if self.is_pending and not self.is_behind and not self.is_recorded:
            self.write(self.now)
        self.is_pending = False

    def before_commit(self) -> None:
        """Write an entry that is committed together with what the revision commits."""
        if not self.is_repeatable:
            self.record()

    def before_rollback(self) -> None:
        """Remember that an entry may be rolled back, and what else may be."""
        self.is_recorded = self.is_durable
        self.chain = sha256(f"{self.chain}ROLLBACK".encode()).hexdigest()

    def commits_rows(self) -> bool:
        """Whether the revision is in an `autocommit_block`."""
        return self.connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"

    def check_end(self) -> None:
        """Do nothing unless the earlier run executed more than there is.

        Raises:
            CommandError: It did, or the revision was refused before.
        """
        self.expect_no_refusal()
        if self.is_behind:
            raise self.changed()

    def expect_no_refusal(self) -> None:
        """Raise the refusal again that the revision has caught, if so."""
        if self.refusal:
            raise self.refusal

    def settle(self) -> None:
        """Roll back, and write whether the change of the schema that began last is done."""
        if self.connection.invalidated:
            return
        with self.journal.off():
            self.connection.exec_driver_sql("ROLLBACK")
            if self.is_locked:
                self.connection.exec_driver_sql("UNLOCK TABLES")
            self.journal.entry = entry = self.journal.read()
            if not entry or not entry.running:
                return
            if entry == self.completed:
                entry = entry._replace(done=entry.done + 1, digest=entry.running)
            elif not self.begun or entry != self.begun[1] or not self.is_undone(*self.begun):
                return
            entry = entry._replace(running="", before="")
            self.journal.write(entry if entry.done or entry.obstacle else None)
            self.journal.commit()

    def is_undone(self, effect: Effect, entry: Entry) -> bool:
        """Whether a change that failed has left everything as it was."""
        return not entry.before or self.look_up(effect) == entry.before

    def changed(self) -> CommandError:
        """Return an error which says that the statements are not those of the earlier run."""
        return self.refuse("its statements are not those that ran before")

    def refuse(self, cause: str) -> CommandError:
        """Return an error which says why the revision cannot continue."""
        self.refusal = cannot_continue(self.known, cause)
        return self.refusal


def is_returning(effect: Effect, context: ExecutionContext) -> bool:
    """Whether a statement returns rows, which are not known any more when it is skipped."""
    compiled: Any = context.compiled
    return "RETURNING" in effect.statement.words or bool(
        compiled and getattr(compiled, "effective_returning", None)
    )


def excerpt(effect: Effect) -> str:
    """Return the begin of a statement for a message, without strings, which may be secret."""
    code = effect.statement.code
    return code if len(code) <= 60 else f"{code[:57]}..."


def is_behind(connection: Connection) -> bool:
    """Whether an earlier run of this revision has come further than it is now."""
    progress = progress_of(connection)
    return progress is not None and progress.is_behind


def progress_of(connection: Connection) -> RevisionProgress | None:
    """Return what counts the statements of the revision that runs, if anything does."""
    progress: RevisionProgress | None = connection.info.get(INFO)
    return progress
