"""What the guard does on every database."""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from random import uniform
from typing import Any, ClassVar, cast

from alembic.config import Config
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails._alembic import get_plan, is_stamp, set_plan
from alembic_guardrails.errors import error_code
from alembic_guardrails.guard.failure import Activity, logger
from alembic_guardrails.settings import MigrationSettings
from alembic_guardrails.statements import ends_transaction
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

# What the database says of a revision that has committed a part of what it does.
COMMITTED_STAYS = "What the revision committed stays, the rest was rolled back."
HALF_DONE = "Correct the revision, let it skip what stays, then run the command again."

# How databases write that there is no limit.
NO_LIMIT = ("0", "0ms")


def check_stamp(context: MigrationContext) -> None:
    """Check that none of the revisions that `alembic stamp` names follows another one of them.

    Raises:
        CommandError: One does. Alembic would fail halfway or store both, of which one is no head.
    """
    directory = cast(ScriptDirectory, context.script)
    given = directory.get_revisions(context.opts["destination_rev"])
    for script in given if len(given) > 1 else ():
        before = {each.revision for each in directory.iterate_revisions(script.revision, "base")}
        for other in given:
            if other is not script and other.revision in before:
                raise CommandError(
                    f"Leave {other.revision} out of `alembic stamp`: a database at"
                    f" {script.revision} has it, because it comes before."
                )


class BaseGuard:
    """The order in which a guard works; a subclass says how its database does each step."""

    # Whether the revision that runs next says that it can run again from its start.
    is_repeatable = False
    # Who can hold the lock, for messages.
    lock_holder = "another migration"
    # Codes of errors of the database, and what to do about them.
    ADVICE: ClassVar[Mapping[Collection[int | str], str]] = {}

    def __init__(
        self, context: MigrationContext, settings: MigrationSettings, activity: Activity
    ) -> None:
        """Prepare to guard one command.

        Raises:
            CommandError: `env.py` has begun a transaction that Alembic would not commit.
        """
        self.context = context
        self.connection = cast(Connection, context.connection)
        self.settings = settings
        self.activity = activity
        self.heads = HeadsCheck(context)
        # Where the last transaction that is complete has left the database.
        self.committed_heads: Collection[str] | None = None
        self.has_committed = False
        self.is_running = False
        # For the line at the end: how many revisions ran, since when, and how long for locks.
        self.step_count = 0
        self.started = time.monotonic()
        self.waited = 0.0
        self.is_stamp = is_stamp(context)
        self.is_callers_connection = "connection" in cast(Config, context.config).attributes
        # A caller who began a transaction also ends it.
        self.in_transaction = self.connection.in_transaction()
        if self.in_transaction and not self.is_callers_connection:
            raise CommandError(
                "env.py used the connection before context.configure(), so Alembic would not "
                "commit. Add connection.commit() before context.configure()."
            )

    def set_limits(self) -> dict[str, str]:
        """Set the limits of this session; return their names and values."""
        raise NotImplementedError

    def try_lock(self) -> bool:
        """Try to get the lock that one migration of this database can hold."""
        raise NotImplementedError

    def release(self) -> None:
        """Release the lock, and restore what the guard set in a caller's session."""
        raise NotImplementedError

    def acquire_lock(self) -> None:
        """Wait until no other migration of this database runs."""
        seconds = self.settings.migration_wait
        self.waited += acquire(self.try_lock, self.lock_holder, seconds, self.describe_state)

    def before_revision(self) -> None:
        """Prepare the connection for the transaction of the next revision."""

    def run_revision(self, step: str, migrate: Callable[[], None]) -> None:
        """Run one revision."""
        migrate()

    def after_revision(self, heads: Collection[str]) -> None:
        """Record where a revision that is complete has left the database."""
        self.committed_heads = heads

    def after_revisions(self) -> None:
        """Check what the revisions did, in their transaction; there may have been no revision."""

    def describe_state(self) -> str:
        """Return what a failure at this moment leaves in the database, without asking it."""
        if self.committed_heads is None:
            return "Nothing was changed."
        heads = name_heads(self.committed_heads)
        return f"{self.describe_changes()} The database is at revision {heads}."

    def describe_changes(self) -> str:
        """Return what becomes of the changes that a failed revision has made."""
        raise NotImplementedError

    def advise(self, error: Exception) -> str:
        """Return what to do about an error; nothing if a corrected revision can run as a whole."""
        code = error_code(error) if isinstance(error, DBAPIError) else None
        advice = next((advice for codes, advice in self.ADVICE.items() if code in codes), "")
        return advice or (HALF_DONE if self.is_half_done else "")

    @property
    def is_half_done(self) -> bool:
        """Whether a part of a revision that failed stays, and nothing has recorded which."""
        return False

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Guard the block, which runs the command."""
        self.activity.describe_state = self.describe_state
        self.activity.advise = self.advise
        self.log_begin(self.set_limits())
        self.wrap_steps()
        for target, name, listener in self.listeners():
            event.listen(target, name, listener)
        try:
            self.acquire_lock()
            yield
            if not self.in_transaction:
                # After a revision's own commit, Alembic leaves open what follows.
                self.connection.commit()
                self.heads.check()
            self.log_end()
        except BaseException as error:
            # An error in here would hide the first one.
            with suppress(Exception):
                self.look_at_failure()
            with suppress(Exception):
                self.activity.keep(error)
            with suppress(Exception):
                self.end()
            raise
        self.end()

    def look_at_failure(self) -> None:
        """Find out what a failure has left in the database, where that cannot be known before."""

    def end(self) -> None:
        """Stop listening, and release the lock if there is still a connection."""
        for target, name, listener in self.listeners():
            event.remove(target, name, listener)
        if not self.connection.invalidated:
            self.release()

    def listeners(self) -> Iterator[tuple[Any, str, Callable[..., None]]]:
        """Yield what listens during the command, with its target and the name of its event.

        It is added once for all revisions: adding takes longer than a short statement.
        """
        yield self.connection, "before_cursor_execute", self.begin_statement
        yield self.connection, "after_cursor_execute", self.end_statement
        yield self.connection, "commit", self.record_commit

    def begin_statement(self, _: object, __: object, statement: str, *details: object) -> None:
        """Record the statement that runs, and whether it ends the transaction."""
        if self.is_running and ends_transaction(statement, self.context.dialect.name):
            self.record_commit(self.connection)
        self.activity.statement = statement

    def end_statement(self, *details: object) -> None:
        """Record that no statement runs."""
        self.activity.statement = ""

    def log_begin(self, limits: Mapping[str, str]) -> None:
        """Log which database is migrated, as which user, and the limits that are set."""
        url = self.connection.engine.url
        database = f"{url.username or ''}@{url.host or ''}/{url.database or ''}"
        values = [f"{name} = {value}" for name, value in limits.items() if value not in NO_LIMIT]
        logger.info(
            "Migrating %s, waiting up to %g s for locks%s",
            database.removeprefix("@/"),
            self.settings.migration_wait,
            f" ({', '.join(values)})" if values else "",
        )

    def log_end(self) -> None:
        """Log where the database is, how many revisions ran, and how long that took."""
        heads = self.heads.expected if self.step_count else self.committed_heads
        place = f"The database is at revision {name_heads(heads or ())}"
        if self.is_stamp or not self.step_count:
            logger.info("%s: no revision was run", place)
            return
        seconds = time.monotonic() - self.started
        waited = f", {self.waited:.1f} s of it waiting for locks" if self.waited else ""
        from alembic_guardrails.output import count

        ran = count(self.step_count, "revision")
        logger.info("%s: ran %s in %.1f s%s", place, ran, seconds, waited)

    def wrap_steps(self) -> None:
        """Make Alembic run each revision through `run_revision`."""
        plan = get_plan(self.context)

        def wrapped_plan(
            heads: tuple[str, ...], context: MigrationContext
        ) -> Iterator[MigrationStep]:
            self.committed_heads = heads
            if self.is_stamp:
                check_stamp(context)
            for step in plan(heads, context):
                self.before_revision()
                self.activity.step = step
                self.step_count += 1
                self.is_repeatable = is_repeatable(step)
                step.migration_fn = self.wrap(step, step.migration_fn)
                yield step
                self.after_revision(self.heads.expected or ())
            self.activity.step = None
            self.after_revisions()

        set_plan(self.context, wrapped_plan)

    def wrap(self, step: MigrationStep, migrate: Callable[..., None]) -> Callable[..., None]:
        """Return a function that runs a revision's own one through `run_revision`."""

        @wraps(migrate)
        def run(**arguments: object) -> None:
            self.has_committed = False
            self.is_running = True
            try:
                self.run_revision(step.short_log, lambda: migrate(**arguments))
            except SystemExit as error:
                raise CommandError(
                    f"{step.short_log}: the revision calls sys.exit(), so that the rest of it does"
                    " not run. Write `return` to leave a function early, or raise an error."
                ) from error
            finally:
                self.is_running = False

        return run

    def record_commit(self, connection: object) -> None:
        """Record that the revision that runs committed a part of what it does."""
        self.has_committed = self.has_committed or self.is_running


def is_repeatable(step: MigrationStep) -> bool:
    """Whether a revision's file says `repeatable = True`; a stamp has no revision."""
    revision = getattr(step, "revision", None)
    return bool(getattr(getattr(revision, "module", None), "repeatable", False))


class LockNotAvailableError(Exception):
    """Another session holds a lock that a revision needs, so the revision can be run again."""


def format_milliseconds(seconds: float) -> str:
    """Return a time as PostgreSQL writes it, rounded up, because 0 would mean no limit."""
    return f"{math.ceil(seconds * 1000)}ms"


def acquire(
    try_lock: Callable[[], bool], holder: str, seconds: float, describe_state: Callable[[], str]
) -> float:
    """Call `try_lock` until it returns True, for `seconds` at most; return how long that took.

    `describe_state` says for the message what the command has changed.

    Raises:
        CommandError: The holder, another session, has not released the lock in that time.
    """
    started = time.monotonic()
    deadline = started + seconds
    is_logged = False
    while not try_lock():
        if time.monotonic() > deadline:
            raise CommandError(
                f"{holder.capitalize()} still holds the lock on this database after {seconds:g} s."
                f" {describe_state()} Run the command again when it has finished."
            )
        if not is_logged:
            logger.warning("Waiting for %s on this database to finish", holder)
            is_logged = True
        time.sleep(uniform(0.05, 0.15))  # noqa: S311
    return time.monotonic() - started if is_logged else 0


def retry(step: str, attempt: Callable[[], None], settings: MigrationSettings) -> float:
    """Call `attempt` again, after growing pauses, while a lock is not available.

    Returns how many seconds were lost, failed attempts included. `step` names the revision in
    messages.

    Raises:
        CommandError: The lock was not available for as long as `migration_wait` says.
    """
    seconds = settings.migration_wait
    started = last = time.monotonic()
    deadline = started + seconds
    pause = settings.migration_lock_timeout
    while True:
        try:
            attempt()
            return last - started
        except LockNotAvailableError as error:
            pause = min(pause * 2, 5)
            if time.monotonic() + pause > deadline:
                raise CommandError(
                    f"{step}: other sessions held a lock that it needs for {seconds:g} s ({error})."
                    " Run the command again when they have finished."
                ) from error
            logger.warning("%s: a lock is not available, trying again", step)
            time.sleep(uniform(pause / 2, pause))  # noqa: S311
            last = time.monotonic()


def name_heads(heads: Collection[str]) -> str:
    """Return the ids of heads as messages show them."""
    return ", ".join(sorted(heads)) or "base"


class HeadsCheck:
    """Records the heads after each step, and compares them with the database at the end."""

    def __init__(self, context: MigrationContext) -> None:
        self.context = context
        self.expected: set[str] | None = None
        callbacks = context.on_version_apply_callbacks
        context.on_version_apply_callbacks = (*callbacks, self.record)

    def record(self, *, heads: set[str], **details: object) -> None:
        """Record the heads that Alembic writes with a step."""
        self.expected = heads

    def check(self) -> None:
        """Read the heads from the database in a transaction of their own, and compare them.

        Raises:
            CommandError: The database is at other revisions.
        """
        connection = self.context.connection
        if self.expected is None or connection is None:
            return
        connection.rollback()
        current = set(self.context.get_current_heads())
        connection.rollback()
        if current != self.expected:
            raise CommandError(
                f"The database is at {name_heads(current)}, not at {name_heads(self.expected)}: a"
                " revision ended the transaction, or"
                " another session wrote to alembic_version. Compare the schema with the revision,"
                " then run the command again."
            )
