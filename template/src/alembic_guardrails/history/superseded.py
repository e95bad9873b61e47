"""Databases that are at a revision that `squash` has replaced, and commands that name one."""

from collections.abc import Collection, Iterable
from functools import wraps

from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError, to_tuple
from alembic_guardrails._alembic import get_plan, set_plan
from alembic_guardrails.revisions import read_superseded


def check_not_superseded(directory: ScriptDirectory, current: Collection[str]) -> None:
    """Check that a database is at no revision that was replaced.

    Raises:
        CommandError: It is; the message says with which code it is upgraded.
    """
    superseded = read_superseded(directory)
    for revision in superseded.keys() & {*current}:
        target = superseded[revision]
        commit = getattr(target.module, "squashed_at", "<commit>")
        raise CommandError(
            f"The database is at revision {revision}, which {target.revision} replaces: upgrade it"
            f" with the code from before, `git worktree add ../before {commit}`, `cp .env"
            f" ../before` and there `alembic upgrade {target.revision}` (a SQLite file by its whole"
            " path: `alembic -x url=...`), then go on here"
        )


def refuse_superseded(directory: ScriptDirectory, context: MigrationContext) -> None:
    """Have Alembic refuse a database at a revision that was replaced, and to go to such a one.

    That comes before Alembic looks for the revision, of which it would know nothing.
    """
    plan = get_plan(context)
    wanted = {*to_tuple(context.opts.get("destination_rev"), ())}

    @wraps(plan)
    def checked(heads: tuple[str, ...], context: MigrationContext) -> Iterable[MigrationStep]:
        check_not_superseded(directory, heads)
        superseded = read_superseded(directory)
        for revision in superseded.keys() & wanted:
            replacement = superseded[revision].revision
            raise CommandError(f"Revision {revision} is gone: {replacement} replaces it")
        return plan(heads, context)

    set_plan(context, checked)
