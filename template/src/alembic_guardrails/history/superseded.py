"""What `squash` has replaced: databases that are still there, and people who ask for it."""

from collections.abc import Collection, Iterable
from functools import wraps

from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError, to_tuple
from alembic_guardrails._alembic import get_plan, set_plan
from alembic_guardrails.revisions import read_superseded


def expect_not_superseded(script: ScriptDirectory, current: Collection[str]) -> None:
    """Raise CommandError if a database is at a revision that was replaced."""
    replaced = read_superseded(script)
    for id in replaced.keys() & set(current):
        target = replaced[id]
        commit = getattr(target.module, "squashed_at", "<commit>")
        raise CommandError(
            f"The database is at revision {id}, which {target.revision} replaces: upgrade it with "
            f"the code from before, `git worktree add ../before {commit}`, `cp .env ../before` and "
            f"there `alembic upgrade {target.revision}` (a SQLite file by its whole path: `alembic "
            "-x url=...`), then go on here"
        )


def refuse_superseded(script: ScriptDirectory, context: MigrationContext) -> None:
    """Have Alembic say so, before it looks for the revision, if one was replaced that is asked for
    or that the database is at."""
    plan = get_plan(context)
    asked = set(to_tuple(context.opts.get("destination_rev"), ()))

    @wraps(plan)
    def checked(heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        expect_not_superseded(script, heads)
        replaced = read_superseded(script)
        for id in replaced.keys() & asked:
            raise CommandError(f"Revision {id} is gone: {replaced[id].revision} replaces it")
        return plan(heads, context)

    set_plan(context, checked)
