"""Makes `alembic upgrade` safe: one at a time, all or nothing, and never long in anybody's way."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic.runtime.migration import MigrationContext
from alembic_guardrails.dialects import module_for
from alembic_guardrails.history.superseded import refuse_superseded
from alembic_guardrails.settings import MigrationSettings


@contextmanager
def guarded(context: MigrationContext, settings: MigrationSettings) -> Iterator[None]:
    """Guard a command that writes to a database; others run as they are.

    Raises CommandError if another migration or a lock takes too long, if an interrupted migration
    cannot go on, if rows lost their parents, if the database is not where the command left it, or
    at a revision that was replaced.
    """
    options = context.opts
    if context.script:
        refuse_superseded(context.script, context)
    # Commands that compare or show have no need of the version table.
    options["dont_mutate"] = options.get("dont_mutate") or "revision_context" in options
    if context.as_sql or options["dont_mutate"]:
        yield
    else:
        guard = module_for("guard", context.dialect.name).GUARD
        with guard(context, settings).on_duty():
            yield
