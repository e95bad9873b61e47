"""Steps of Alembic that change other rows of the version table than Alembic would choose."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import wraps
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep, StampStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap
from alembic.util import CommandError, to_tuple
from alembic_guardrails._alembic import get_plan, set_plan
from alembic_guardrails.guard import check_not_superseded
from alembic_guardrails.history.read import describe, find_lineage, needed_by
from alembic_guardrails.revisions import CURRENT, VERSION_TABLE, Place, read_moved
from sqlalchemy import Connection, inspect

Rows = frozenset[str]


class RowsStep(RevisionStep):
    """Runs a revision, and replaces the rows `gone` by the rows `new`."""

    def __init__(
        self,
        revision_map: RevisionMap,
        script: Script,
        is_upgrade: bool,
        gone: Sequence[str],
        new: Sequence[str],
    ) -> None:
        super().__init__(revision_map, script, is_upgrade)
        self.gone, self.new = [*gone], [*new]

    def should_create_branch(self, heads: set[str]) -> bool:
        """Whether to insert a row, and to change no other."""
        return not self.gone

    def should_delete_branch(self, heads: set[str]) -> bool:
        """Whether to delete a row, and to change no other."""
        return not self.new

    def should_merge_branches(self, heads: set[str]) -> bool:
        """Whether to replace several rows by one."""
        return len(self.gone) > 1

    def should_unmerge_branches(self, heads: set[str]) -> bool:
        """Whether to replace a row by several."""
        return len(self.new) > 1

    @property
    def insert_version_num(self) -> str:
        """The row to insert."""
        return self.new[0]

    @property
    def delete_version_num(self) -> str:
        """The row to delete."""
        return self.gone[0]

    def update_version_num(self, heads: Any) -> tuple[str, str]:
        """Return a row, and what replaces it."""
        return self.gone[0], self.new[0]

    def merge_branch_idents(self, heads: set[str]) -> tuple[list[str], str, str]:
        """Return the rows to delete, and one that another replaces."""
        return self.gone[:-1], self.gone[-1], self.new[0]

    def unmerge_branch_idents(self, heads: set[str]) -> tuple[str, str, tuple[str, ...]]:
        """Return a row, what replaces it, and the rows to insert."""
        return self.gone[0], self.new[-1], tuple(self.new[:-1])


class Database:
    """What a database has run of the revisions, by the rows of its version table."""

    def __init__(
        self, directory: ScriptDirectory, moved: dict[str, Place], rows: Collection[str]
    ) -> None:
        self.directory = directory
        self.scripts = {
            script.revision: script for script in reversed([*directory.walk_revisions()])
        }
        self.revisions = {revision: describe(script) for revision, script in self.scripts.items()}
        self.moved = moved
        self.rows = frozenset(rows)
        self.applied = frozenset().union(*map(self.find_applied, rows))

    def find_applied(self, row: str | None) -> Rows:
        """Return the revisions that a database with this row has run.

        Raises:
            CommandError: The row is no revision, and was none.
        """
        if row is None:
            return frozenset()
        if row in self.revisions:
            return frozenset(find_lineage(self.revisions, [row]))
        if row not in self.moved:
            raise CommandError(f"The database has run revision {row}, which is not among these")
        place = self.moved[row]
        return self.find_applied(place.parent) | {place.script.revision}

    def find_lacking(self) -> list[str]:
        """Return the revisions that come before applied ones and did not run, in upgrade order."""
        needed = find_lineage(self.revisions, self.applied)
        return [revision for revision in needed if revision not in self.applied]

    def find_whole(self, applied: Collection[str]) -> list[str]:
        """Return the applied revisions before which nothing is lacking, in upgrade order."""
        whole: dict[str, None] = {}
        for revision, script in self.revisions.items():
            if revision in applied and all(
                name in whole for name in needed_by(script, self.revisions)
            ):
                whole[revision] = None
        return [*whole]

    def write_rows(self, applied: Collection[str], rows: Iterable[str]) -> Rows:
        """Return the rows that say what was applied; `rows` are those that are no revision now."""
        whole = {*self.find_whole(applied)}
        older = frozenset() if whole >= {*applied} else frozenset(rows) - self.revisions.keys()
        rest = whole - frozenset().union(*map(self.find_applied, older))
        followed = {
            name for each in rest for name in needed_by(self.revisions[each], self.revisions)
        }
        return older | (rest - followed)

    def steps_up(self, last: str) -> Iterator[MigrationStep]:
        """Run what is lacking, up to a revision, on top of what was applied."""
        lacking = self.find_lacking()
        applied, rows = {*self.applied}, self.rows
        for revision in lacking[: lacking.index(last) + 1]:
            applied.add(revision)
            before, rows = rows, self.write_rows(applied, rows)
            yield self.step(revision, before, rows, is_upgrade=True)

    def steps_down(self, last: str | None) -> Iterator[MigrationStep]:
        """Take back what was applied, down to a revision; None is the base."""
        kept = self.find_applied(last)
        applied, rows = {*self.applied}, self.rows
        for revision in reversed(self.revisions):
            if revision in kept or revision not in applied:
                continue
            applied.remove(revision)
            older = {self.go_back(row, revision) for row in rows} - {None}
            before, rows = rows, self.write_rows(applied, map(str, older))
            yield self.step(revision, before, rows, is_upgrade=False)

    def go_back(self, row: str, revision: str) -> str | None:
        """Return the row that takes the place of one when a revision is taken back."""
        place = self.moved.get(row)
        return place.parent if place and place.script.revision == revision else row

    def step(self, revision: str, before: Rows, after: Rows, *, is_upgrade: bool) -> RowsStep:
        """Return a step that runs a revision and changes the rows of the version table."""
        script, known = self.scripts[revision], self.directory.revision_map
        return RowsStep(known, script, is_upgrade, sorted(before - after), sorted(after - before))

    def explain(self) -> str:
        """Say what the database lacks, and which commands bring it in order."""
        old = sorted(self.rows & self.moved.keys())
        now = [self.moved[row].script.revision for row in old]
        lacking = self.find_lacking()
        found = (
            f"The database is at {join(sorted(self.rows))}: {join(old)} was moved, and is"
            f" {join(now)} now"
        )
        if not lacking:
            return f"{found}. It lacks nothing: run `alembic upgrade {now[-1]}`"
        fork = next(reversed(self.find_whole(self.applied)), "base")
        return (
            f"{found}. It lacks {join(lacking)}: run `alembic upgrade {lacking[-1]}` to add that to"
            f" what it has, or `alembic downgrade {fork}` to take back what it has, rows included;"
            " then run `alembic upgrade head`"
        )


def join(revisions: Collection[str]) -> str:
    """Write revisions as a part of a sentence."""
    return " and ".join(revisions)


def check_not_moved(directory: ScriptDirectory, rows: Collection[str]) -> None:
    """Check that a database is at no revision that was moved since.

    Raises:
        CommandError: It is; the message says what the database lacks, and what to run.
    """
    moved = read_moved(directory)
    if moved.keys() & {*rows}:
        raise CommandError(Database(directory, moved, rows).explain())


def handle_moved(directory: ScriptDirectory, context: MigrationContext) -> None:
    """Have Alembic understand a database at a revision that was moved since.

    Raises:
        CommandError: The command names a revision by the id that it had before it was moved.
    """
    moved = read_moved(directory)
    wanted = {
        name
        for option in ("destination_rev", "starting_rev")
        for name in to_tuple(context.opts.get(option), ())
    }
    for old in moved.keys() & wanted:
        raise CommandError(f"Revision {old} was moved, and is {moved[old].script.revision} now")
    plan = get_plan(context)

    @wraps(plan)
    def handled(heads: tuple[str, ...], context: MigrationContext) -> Iterable[MigrationStep]:
        if not moved.keys() & {*heads}:
            return plan(heads, context)
        check_not_superseded(directory, heads)
        database = Database(directory, moved, heads)
        destination = context.opts.get("destination_rev")
        return plan_steps(database, plan, context, destination)

    if moved:
        set_plan(context, handled)


def plan_steps(
    database: Database, plan: Any, context: MigrationContext, destination: Any
) -> Iterator[MigrationStep]:
    """Yield the steps of a command on a database at a revision that was moved since.

    Raises:
        CommandError: The database lacks a revision, and the command does not name the way.
    """
    name, lacking = getattr(plan, "__name__", ""), database.find_lacking()
    target = find_revision(database.directory, destination)
    can_go_back = destination == "base" or target in database.find_whole(database.applied)
    if name in ("upgrade", "downgrade") and not lacking:
        rows = database.write_rows(database.applied, ())
        known = database.directory.revision_map
        yield StampStep(sorted(database.rows - rows), sorted(rows), True, False, known)
        yield from plan((*rows,), context)
    elif name == "upgrade" and target in lacking:
        yield from database.steps_up(str(target))
    elif name == "downgrade" and can_go_back:
        yield from database.steps_down(target)
    else:
        raise CommandError(database.explain())


def find_revision(directory: ScriptDirectory, name: Any) -> str | None:
    """Return the id of the revision that a command names, or None for the base and for no name."""
    try:
        script = directory.get_revision(name) if isinstance(name, str) else None
    except CommandError:
        return None
    return script.revision if script else None


def read_current(directory: ScriptDirectory, connection: Connection) -> list[str] | None:
    """Return the revisions of the database; None if Alembic has never run there.

    Raises:
        CommandError: A revision was moved or superseded; the message says what the database needs.
    """
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    current = [*connection.scalars(CURRENT)]
    check_not_superseded(directory, current)
    check_not_moved(directory, current)
    return current
