"""What pending revisions do to a database, looked at while they run in a temporary one."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from traceback import walk_stack
from typing import Any, Protocol

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails._alembic import upgrade_steps
from alembic_guardrails.dialects import module_for
from alembic_guardrails.errors import reason
from alembic_guardrails.output import Finding, Span, span_of_frame
from alembic_guardrails.revisions import OWN_TABLES
from alembic_guardrails.sandbox import confined
from alembic_guardrails.schema import snapshot
from alembic_guardrails.statements import HARMLESS, Statement, split
from alembic_guardrails.temporary.build import build_schema
from alembic_guardrails.trial import trial_config
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

# What a revision does to rows, which no downgrade brings back.
LOSES_ROWS = ("DELETE", "TRUNCATE", "UPDATE", "REPLACE", "MERGE")


class Stops(StrEnum):
    """Who waits while a statement holds its lock."""

    NOBODY = "nobody"
    SAME_ROWS = "writers of the same rows"
    WRITERS = "writers"
    EVERYBODY = "readers and writers"


@dataclass(frozen=True)
class Effect:
    """What a statement does to one table that was there before the revision.

    `lock` is the lock in the words of the database, and `how` what the database does to the table,
    such as ``ALGORITHM=COPY``; both are empty where nothing is to be said. `rewrites` says that all
    rows are written anew, `reads` that all rows are read, while the lock is held.
    """

    table: str
    stops: Stops = Stops.NOBODY
    lock: str = ""
    how: str = ""
    rewrites: bool = False
    reads: bool = False


@dataclass(frozen=True)
class Size:
    """How large a table is, by the statistics of its database: rows, and bytes with its indexes.

    None stands for what the statistics do not say.
    """

    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Planned:
    """A statement of a revision, its effects on the tables that were there before, its place."""

    sql: str
    effects: Sequence[Effect] = ()
    span: Span | None = None


@dataclass
class PlannedRevision:
    """A revision that is pending: its statements, what lint finds, whether it can be taken back."""

    revision: str
    message: str
    path: str
    statements: list[Planned] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    way_back: str = ""


def first_statement(sql: str, dialect: str) -> Statement | None:
    """Return the first statement of a text; None if there is none."""
    return next(iter(split(sql, dialect)), None)


class Watcher(Protocol):
    """Looks at what statements do in the temporary database; one for each kind of database."""

    def __init__(self, connection: Connection) -> None: ...

    def begin(self) -> None:
        """Remember the tables that are there before a revision."""

    def before(self, sql: str) -> None:
        """Remember what is held and stored before a statement."""

    def after(self, sql: str) -> list[Effect]:
        """Return what the statement has done."""


class PlanModule(Protocol):
    """What the module of each database in this package offers."""

    Watcher: type[Watcher]

    def read_sizes(self, connection: Connection, tables: Collection[str], /) -> dict[str, Size]:
        """Return the sizes of tables on the real database, by its statistics."""


def find_pending(directory: ScriptDirectory, current: Sequence[str]) -> list[Script]:
    """Return the revisions that `alembic upgrade head` would run, in this order."""
    return [step.revision for step in upgrade_steps(directory, "heads", tuple(current))]


def measure(
    config: Config, connection: Connection, current: Sequence[str], pending: Sequence[Script]
) -> list[PlannedRevision]:
    """Run the pending revisions in an empty database, and return what their statements do.

    `current` are the revisions of the real database, up to which the schema is built first.

    Raises:
        CommandError: Alembic, the guard or the database refuses a revision.
    """
    schema = read_schema(connection)
    for revision in current:
        schema = build_schema(config, connection, revision)
    observer = Observer(connection)
    before: list[dict[str, str]] = []
    for script in pending:
        before.append(schema)
        try:
            with observer.observing(script):
                schema = build_schema(config, connection, script.revision, observer.before_step)
        except DBAPIError as error:
            raise CommandError(
                f"Revision {script.revision} does not run in a temporary database: {reason(error)}"
            ) from error
    take_back(config, connection, observer.planned, before)
    return observer.planned


class Observer:
    """Listens to the statements of revisions, and has a watcher look at each."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        module: PlanModule = module_for("plan", connection.dialect.name)
        self.watcher = module.Watcher(connection)
        self.planned: list[PlannedRevision] = []
        self.is_in_revision = self.is_looking = False
        self.running = ""

    @contextmanager
    def observing(self, script: Script) -> Iterator[None]:
        """Look at the statements that run in the block, of one revision."""
        self.planned.append(PlannedRevision(script.revision, script.doc, script.path))
        listeners = {"before_cursor_execute": self.before, "after_cursor_execute": self.after}
        for name, listener in listeners.items():
            event.listen(self.connection, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners.items():
                event.remove(self.connection, name, listener)

    def before_step(self, step: RevisionStep) -> None:
        """Have the revision's function tell when it begins and ends."""
        step.migration_fn = self.mark(step.migration_fn)

    def mark(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return a revision's function that says when it runs."""

        def marked(**options: Any) -> None:
            self.look(self.watcher.begin)
            self.is_in_revision = True
            try:
                run(**options)
            finally:
                self.is_in_revision = False

        return marked

    def before(self, connection: Connection, cursor: Any, sql: str, *more: Any) -> None:
        """Look at the database before a statement of the revision."""
        if self.is_watched(sql):
            self.running = sql
            self.look(partial(self.watcher.before, sql))

    def after(self, connection: Connection, cursor: Any, sql: str, *more: Any) -> None:
        """Look at the database after a statement of the revision, and note it down."""
        if self.is_watched(sql):
            effects = self.look(partial(self.watcher.after, sql))
            revision = self.planned[-1]
            # As the revision has it, not what ran in its place.
            words = " ".join(self.running.split())
            revision.statements.append(Planned(words, effects, find_span(revision.path)))

    def is_watched(self, sql: str) -> bool:
        """Whether a statement is the revision's own, and not the guard's or this object's."""
        if self.is_looking or not self.is_in_revision:
            return False
        statements = split(sql, self.connection.dialect.name)
        named = {token.identifier for each in statements for token in each.tokens}
        is_own = bool(named & OWN_TABLES)
        return not is_own and any(each.kind not in HARMLESS for each in statements)

    def look(self, work: Callable[[], Any]) -> Any:
        """Call a function whose own statements are not looked at."""
        self.is_looking = True
        try:
            return work()
        finally:
            self.is_looking = False


def find_span(path: str) -> Span | None:
    """Return the expression of a file that runs now; None if none of it does."""
    frames = (frame for frame, _ in walk_stack(None) if frame.f_code.co_filename == path)
    return next(map(span_of_frame, frames), None)


def read_schema(connection: Connection) -> dict[str, str]:
    """Return the schema of a database, and end the transaction that reading it began."""
    schema = snapshot(connection)
    connection.commit()
    return schema


def take_back(
    config: Config,
    connection: Connection,
    planned: Sequence[PlannedRevision],
    before: Sequence[dict[str, str]],
) -> None:
    """Take the revisions back, the last one first, and say of each whether it can be."""
    trial = trial_config(config, connection)
    blocked = ""
    for revision, schema in zip(reversed(planned), reversed(before), strict=True):
        if blocked:
            revision.way_back = f"not tried, because {blocked} cannot be taken back"
            continue
        try:
            with confined(connection, [revision.revision]):
                command.downgrade(trial, f"{revision.revision}-1")
        except Exception as error:  # whatever a revision raises is the answer
            blocked = revision.revision
            revision.way_back = f"no: {reason(error) or type(error).__name__}"
            continue
        if read_schema(connection) != schema:
            revision.way_back = "no: the downgrade leads to another schema"
        elif loses_rows(revision, connection.dialect.name):
            revision.way_back = "the schema, but not the rows"
        else:
            revision.way_back = "yes"


def loses_rows(revision: PlannedRevision, dialect: str) -> bool:
    """Whether a revision changes or drops rows or columns that were there before it."""
    for planned in revision.statements:
        for statement in split(planned.sql, dialect):
            drops = "DROP" in statement.words and {"COLUMN", "TABLE"} & {*statement.words}
            if planned.effects and (statement.verb in LOSES_ROWS or drops):
                return True
    return False


def read_sizes(connection: Connection, planned: Sequence[PlannedRevision]) -> dict[str, Size]:
    """Return the sizes of the tables that a plan names, on the real database."""
    module: PlanModule = module_for("plan", connection.dialect.name)
    names = {
        effect.table
        for revision in planned
        for statement in revision.statements
        for effect in statement.effects
    }
    return module.read_sizes(connection, sorted(names)) if names else {}
