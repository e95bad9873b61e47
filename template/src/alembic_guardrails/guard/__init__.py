"""The guard around Alembic: one migration at a time, all or nothing, bounded waits."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from os.path import relpath

from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple
from alembic_guardrails._alembic import get_plan, set_plan
from alembic_guardrails.dialects import module_for
from alembic_guardrails.guard.failure import Activity
from alembic_guardrails.revisions import read_moved, read_superseded
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
            f" with the code from before, {with_code_of(commit, target.revision)}"
        )
    for revision in current if superseded else ():
        if older := find_superseded_parent(directory, superseded, revision):
            target = superseded[older]
            added = f"git log -1 --diff-filter=A --format=%H -- {relpath(target.path)}"
            advice = with_code_of(f'"$({added})^"', "head")
            raise CommandError(
                f"The database is at revision {revision}, which ran after {older}, and"
                f" {target.revision} replaces that: upgrade it with the code from before the"
                f" squash, {advice}"
            )


def with_code_of(commit: str, revision: str) -> str:
    """Return how the code of a commit upgrades the database to a revision."""
    return (
        f"`git worktree add ../before {commit}`, `cp .env ../before` and there `alembic upgrade"
        f" {revision}` (a SQLite file by its whole path: `alembic -x url=...`), then go on here"
    )


def find_superseded_parent(
    directory: ScriptDirectory, superseded: Mapping[str, Script], revision: str
) -> str | None:
    """Return the superseded revision after which a moved one ran, or None."""
    moved = read_moved(directory)
    parent: str | None = revision
    while parent in moved:
        parent = moved[parent].parent
    return parent if parent in superseded else None


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
