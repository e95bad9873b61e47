"""The guard around Alembic: one migration at a time, all or nothing, bounded waits."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic.runtime.migration import MigrationContext
from alembic_guardrails.dialects import module_for
from alembic_guardrails.guard.failure import Activity
from alembic_guardrails.history.superseded import refuse_superseded
from alembic_guardrails.revisions import read_moved
from alembic_guardrails.settings import MigrationSettings


@contextmanager
def guarding(
    context: MigrationContext, settings: MigrationSettings, activity: Activity
) -> Iterator[None]:
    """Guard the block if its command writes to a database; let other commands run as they are.

    `activity` is told what the command does, for the report of a failure.

    Raises:
        CommandError: Another migration holds the lock, or another session holds a lock that a
            revision needs, for longer than the settings allow; an interrupted revision cannot be
            continued; rows would refer to rows that are gone; the database does not end at the
            revision that the command went to; or a revision is superseded.
    """
    options = context.opts
    if context.script:
        refuse_superseded(context.script, context)
        if read_moved(context.script):
            from alembic_guardrails.history.moved import handle_moved

            handle_moved(context.script, context)
    # `alembic check` and `alembic revision` only read, so they need no version table.
    options["dont_mutate"] = options.get("dont_mutate") or "revision_context" in options
    if context.as_sql or options["dont_mutate"]:
        yield
    else:
        guard = module_for("guard", context.dialect.name).GUARD
        with guard(context, settings, activity).guarding():
            yield
