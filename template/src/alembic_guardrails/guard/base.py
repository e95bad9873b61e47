"""What the guard does on every database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import cast

from alembic.config import Config
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.util import CommandError
from alembic_guardrails._alembic import get_plan, is_stamp, set_plan
from alembic_guardrails.guard.heads import HeadsCheck
from alembic_guardrails.guard.locks import acquire, logger
from alembic_guardrails.settings import MigrationSettings
from sqlalchemy import Connection


class BaseGuard:
    """The order in which a guard works; a subclass says how its database does each step."""

    # Who can hold the lock, for messages.
    lock_holder = "another migration"

    def __init__(self, context: MigrationContext, settings: MigrationSettings) -> None:
        """Prepare to guard one command.

        Raises:
            CommandError: `env.py` has begun a transaction that Alembic would not commit.
        """
        self.context = context
        self.connection = cast(Connection, context.connection)
        self.settings = settings
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
        acquire(self.try_lock, self.lock_holder, self.settings.migration_wait)

    def before_revision(self) -> None:
        """Prepare the connection for the transaction of the next revision."""

    def run_revision(self, step: str, migrate: Callable[[], None]) -> None:
        """Run one revision."""
        migrate()

    def after_revisions(self) -> None:
        """Check what the revisions did, in their transaction; there may have been no revision."""

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Guard the block, which runs the command."""
        self.log_database()
        limits = self.set_limits()
        values = "".join(f", {name} = {value}" for name, value in limits.items())
        logger.info("Waiting up to %g s for locks%s", self.settings.migration_wait, values)
        self.wrap_steps()
        heads = HeadsCheck(self.context)
        try:
            self.acquire_lock()
            yield
            if not self.in_transaction:
                heads.check()
        finally:
            if not self.connection.invalidated:
                self.release()

    def log_database(self) -> None:
        """Log which database is migrated, and as which user."""
        url = self.connection.engine.url
        database = f"{url.username or ''}@{url.host or ''}/{url.database or ''}"
        logger.info("Migrating %s", database.removeprefix("@/"))

    def wrap_steps(self) -> None:
        """Make Alembic run each revision through `run_revision`."""
        plan = get_plan(self.context)

        def wrapped_plan(
            heads: tuple[str, ...], context: MigrationContext
        ) -> Iterator[RevisionStep]:
            for step in plan(heads, context):
                self.before_revision()
                step.migration_fn = self.wrap(step.short_log, step.migration_fn)
                yield step
            self.after_revisions()

        set_plan(self.context, wrapped_plan)

    def wrap(self, step: str, migrate: Callable[..., None]) -> Callable[..., None]:
        """Return a function that runs a revision's own one through `run_revision`."""

        @wraps(migrate)
        def run(**arguments: object) -> None:
            self.run_revision(step, lambda: migrate(**arguments))

        return run
