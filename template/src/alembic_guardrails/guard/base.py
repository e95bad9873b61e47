"""What the guard does on every database."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from random import uniform
from typing import cast

from alembic.config import Config
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.util import CommandError
from alembic_guardrails._alembic import get_plan, set_plan
from alembic_guardrails.settings import MigrationSettings
from sqlalchemy import Connection

# Below Alembic's own logger, which alembic.ini shows.
logger = logging.getLogger("alembic.guard")


def milliseconds(seconds: float) -> str:
    """Write a time as PostgreSQL does; a short one is not 0, which would be for ever."""
    return f"{math.ceil(seconds * 1000)}ms"


class BusyError(Exception):
    """Somebody holds a lock that a revision needs; the revision can start again."""


class Guard:
    """What is alike on all databases; the subclasses say how each one does it."""

    rival = "another migration"

    def __init__(self, context: MigrationContext, settings: MigrationSettings) -> None:
        self.context = context
        self.connection = cast(Connection, context.connection)
        self.settings = settings
        self.heads: set[str] | None = None
        self.is_callers = "connection" in cast(Config, context.config).attributes
        # Of a caller, who then commits.
        self.in_transaction = self.connection.in_transaction()
        if self.in_transaction and not self.is_callers:
            raise CommandError(
                "env.py used the connection before context.configure(), so Alembic would not "
                "commit: end that with connection.commit()"
            )

    def set_limits(self) -> dict[str, str]:
        """Set this session's limits; return their names and values."""
        raise NotImplementedError

    def take(self) -> bool:
        """Try to get the lock that only one migration of this database can have."""
        raise NotImplementedError

    def give_back(self) -> None:
        """Give the lock back, and leave a caller's session as it was."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Do what comes before each revision's transaction."""

    def attempt(self, step: str, migrate: Callable[[], None]) -> None:
        """Run one revision."""
        migrate()

    def finish(self) -> None:
        """Do what comes after the last revision, if any, before the end of the transaction."""

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """Guard what happens inside."""
        url = self.connection.engine.url
        place = f"{url.username or ''}@{url.host or ''}/{url.database or ''}"
        logger.info("Migrating %s", place.removeprefix("@/"))
        limits = self.set_limits()
        shown = "".join(f", {name} = {value}" for name, value in limits.items())
        logger.info("Waiting up to %g s for locks%s", self.settings.migration_wait, shown)
        self.plan()
        try:
            self.wait_for_turn()
            yield
            self.verify()
        finally:
            if not self.connection.invalidated:
                self.give_back()

    def wait_for_turn(self) -> None:
        """Wait until no other migration is at work on this database."""
        patience = self.settings.migration_wait
        end = time.monotonic() + patience
        said = False
        while not self.take():
            if time.monotonic() > end:
                raise CommandError(
                    f"{self.rival} is still at work on this database after {patience:g} s; "
                    "this migration changed nothing"
                )
            if not said:
                logger.warning("Waiting for %s on this database to end", self.rival)
                said = True
            time.sleep(uniform(0.05, 0.15))  # noqa: S311

    def plan(self) -> None:
        """Have Alembic run each revision through `attempt`, and note where it leaves the heads."""
        plan = get_plan(self.context)
        self.is_stamp = getattr(plan, "__name__", "") == "do_stamp"

        def steps(heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
            for step in plan(heads, context):
                self.prepare()
                step.migration_fn = self.guarded(step.short_log, step.migration_fn)
                yield step
            self.finish()

        def note(heads: set[str], **others: object) -> None:
            self.heads = heads

        set_plan(self.context, steps)
        self.context.on_version_apply_callbacks = (*self.context.on_version_apply_callbacks, note)

    def guarded(self, step: str, migrate: Callable[..., None]) -> Callable[..., None]:
        """Wrap the function of a revision."""

        @wraps(migrate)
        def run(**arguments: object) -> None:
            self.attempt(step, lambda: migrate(**arguments))

        return run

    def persist(self, step: str, attempt: Callable[[], None]) -> None:
        """Try again, with longer and longer pauses, while a lock is not free."""
        end = time.monotonic() + self.settings.migration_wait
        pause = self.settings.migration_lock_timeout
        while True:
            try:
                return attempt()
            except BusyError as busy:
                pause = min(pause * 2, 5)
                if time.monotonic() + pause > end:
                    raise CommandError(
                        f"{step}: for {self.settings.migration_wait:g} s others held a lock that "
                        f"it needs ({busy})"
                    ) from busy
                logger.warning("%s: a lock is not free, trying again", step)
                time.sleep(uniform(pause / 2, pause))  # noqa: S311

    def verify(self) -> None:
        """See that the database is at the revision that the command went to."""
        if self.heads is None or self.in_transaction:
            return
        self.connection.rollback()
        current = set(self.context.get_current_heads())
        self.connection.rollback()
        if current != self.heads:
            has, wanted = (", ".join(sorted(ids)) or "base" for ids in (current, self.heads))
            raise CommandError(
                f"the database is at {has}, not at {wanted}: a revision ended the transaction, "
                "or somebody else wrote to alembic_version"
            )
