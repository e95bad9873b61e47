"""Replaces the oldest revisions by one that builds the same database.

In this order: choose what goes, build a database by the old revisions and one by the new, compare
them, describe what owners have to know, and exchange the files.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from alembic.config import Config
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple
from alembic_guardrails.connection import run_with_connection
from alembic_guardrails.dump import Dump, read_content, read_dump, write_revision
from alembic_guardrails.errors import reason
from alembic_guardrails.history.read import (
    History,
    Revision,
    find_folder,
    read_files,
    read_ids,
    write_ids,
)
from alembic_guardrails.history.released import find_commit, list_changes, list_files, read_released
from alembic_guardrails.history.repair import find_mentions
from alembic_guardrails.ignore import read_ignore_list
from alembic_guardrails.offline import run_offline
from alembic_guardrails.offline.recorder import Recorder, Step
from alembic_guardrails.output import count
from alembic_guardrails.schema.compare import differences
from alembic_guardrails.temporary import temporary_database_beside
from alembic_guardrails.temporary.build import build_schema
from sqlalchemy import URL, Connection

# What is about users and the server, and so in no schema.
ABOUT_SERVER = re.compile(
    r"(?:GRANT|REVOKE|SECURITY\s+LABEL|(?:ALTER|CREATE)\s+(?:DATABASE|ROLE|SYSTEM|USER"
    r"|DEFAULT\s+PRIVILEGES|PUBLICATION|SUBSCRIPTION)|ALTER\b.*\bOWNER\s+TO)\b",
    re.IGNORECASE | re.DOTALL,
)

# The beginning of a folder beside that of the revisions, in which the new ones are tried.
FOLDER = ".squash-"

TITLE = "The schema at revision {revision}, in the place of {count} revisions up to it."


@dataclass(frozen=True)
class Choice:
    """The revision that stays, and those before it, the newest first."""

    target: Script
    superseded: tuple[Script, ...]

    @property
    def scripts(self) -> tuple[Script, ...]:
        """All of them, the newest first."""
        return (self.target, *self.superseded)


def choose(directory: ScriptDirectory, revision: str) -> Choice:
    """Choose a revision that stays, and all before it.

    Raises:
        CommandError: There is no such revision, or none before it; or other revisions depend on
            those before it.
    """
    if len(bases := directory.get_bases()) > 1:
        raise CommandError(f"Join the first revisions to one: {', '.join(sorted(bases))}")
    chosen = [*directory.walk_revisions("base", revision)]
    if not chosen:
        raise CommandError(f"{revision} is no revision")
    target, *superseded = chosen
    if not superseded:
        raise CommandError(f"{target.revision} is the first revision: there is nothing to replace")
    choice = Choice(target, (*superseded,))
    check_separable(directory, choice)
    return choice


def check_separable(directory: ScriptDirectory, choice: Choice) -> None:
    """Check that no other revision needs what goes, and that this needs no other.

    Raises:
        CommandError: A revision beside the chosen ones follows one of them, or the reverse.
    """
    gone = {script.revision for script in choice.superseded}
    # The labels of branches go to the revision that stays.
    labels = {label for script in choice.scripts for label in script.branch_labels}
    for script in directory.walk_revisions():
        names = {*to_tuple(script.down_revision, ()), *to_tuple(script.dependencies, ())}
        parents = names - labels
        is_chosen = script in choice.scripts
        if not is_chosen and (needed := parents & gone):
            raise CommandError(
                f"{script.revision} follows {', '.join(sorted(needed))}, which would be gone:"
                " choose a revision before the fork, or one after the branches are merged"
            )
        if is_chosen and (missing := parents - gone - {choice.target.revision}):
            raise CommandError(
                f"{script.revision} follows {', '.join(sorted(missing))}, which is not before"
                f" {choice.target.revision}"
            )


def require_committed(folder: Path, files: Collection[Path]) -> None:
    """Check that git can bring back each of these files as it is.

    Raises:
        CommandError: Git lacks a file, or has another version of it; or there is no git.
    """
    try:
        known, changed = list_files(folder, "HEAD"), list_changes(folder, "HEAD")
    except OSError as error:
        raise CommandError(
            f"Commit the revisions first: what is replaced stays only in git ({error})"
        ) from error
    names = {file.name for file in files}
    if missing := sorted(names - known | names & changed):
        raise CommandError(
            f"Commit these first, or put them back: what is replaced stays only in git:"
            f" {', '.join(missing)}"
        )


@dataclass(frozen=True)
class Built:
    """What a database held that revisions built: at the revision that stays, and at the head."""

    schema: dict[str, str]
    content: dict[str, list[str]]
    at_head: dict[str, str]
    dump: Dump


@dataclass
class Climb:
    """An upgrade of a temporary database, and the revision that it is at work on."""

    config: Config
    url: URL
    running: str = field(default="the first", init=False)

    def note(self, step: RevisionStep) -> None:
        """Remember the revision that runs next."""
        self.running = step.revision.revision

    def upgrade(self, revision: str) -> dict[str, str]:
        """Upgrade the database; return its schema.

        Raises:
            CommandError: A revision does not run.
        """

        def run(connection: Connection) -> dict[str, str]:
            return build_schema(self.config, connection, revision, self.note)

        try:
            return run_with_connection(self.url, run)
        except Exception as error:
            raise CommandError(
                f"Revision {self.running} does not run on an empty database: {reason(error)}"
            ) from error


def build(config: Config, url: URL, revision: str) -> Built:
    """Build an empty database up to a revision, read it, and go on to the head.

    Raises:
        CommandError: No database can be made next to that of `url`, a revision does not run, or
            rows cannot be written as SQL.
    """
    ignore_list = read_ignore_list(config)
    with temporary_database_beside(config, url) as temporary:
        climb = Climb(config, temporary)
        schema = climb.upgrade(revision)

        def read(connection: Connection) -> tuple[Dump, dict[str, list[str]]]:
            dump = read_dump(connection, ignore_list, with_rows=True)
            return dump, read_content(connection, ignore_list)

        dump, content = run_with_connection(temporary, read)
        at_head = climb.upgrade("head")
    return Built(ignore_list.filter(schema), content, ignore_list.filter(at_head), dump)


def compare(old: Built, new: Built) -> Iterator[str]:
    """Say in which respects two databases differ: schema, rows and the next numbers of keys."""
    names = ("old revisions", "new one")
    yield from differences(old.schema, new.schema, names) or differences(
        old.at_head, new.at_head, names
    )
    for name in sorted(old.content.keys() | new.content.keys()):
        if old.content.get(name) != new.content.get(name):
            yield f"different: {name}"


class Effects(NamedTuple):
    """Revisions that change rows, or cannot be read, and those that are about the server."""

    rows: list[str]
    server: list[str]


def describe(
    config: Config, directory: ScriptDirectory, choice: Choice, built: Built
) -> Iterator[str]:
    """Say what is replaced, which rows are kept, and what only older databases need."""
    target, superseded = choice.target.revision, choice.superseded
    yield (
        f"{target} replaces {count(len(superseded), 'revision')} before it: the same schema there"
        " and at the head."
    )
    tables = [name for name in built.content if name.startswith("rows ")]
    if rows := ", ".join(f"{len(built.content[name])} {name}" for name in tables):
        yield f"It inserts what they leave on an empty database: {rows}."
    effects = read_effects(config, directory, choice)
    if effects.rows:
        yield (
            f"Databases before {target} still need what these do to rows, and the code from before:"
            f" {', '.join(effects.rows)}."
        )
    if mentions := find_mentions({script.revision for script in superseded}):
        yield (
            f"These name revisions that are gone; delete them, or have them begin at {target}:"
            f" {', '.join(mentions)}."
        )
    if effects.server:
        yield (
            "What these say of users, privileges or the server is left out; if new databases need"
            f" it, write it into the file by hand: {', '.join(effects.server)}."
        )


def read_effects(config: Config, directory: ScriptDirectory, choice: Choice) -> Effects:
    """Run the revisions without a database, and see what they do beside the schema."""
    effects = Effects([], [])

    def read(context: MigrationContext) -> list[Any]:
        recorder = Recorder(context)
        for script in reversed(choice.scripts):
            recording = recorder.record_upgrade(script)
            if recording.failure or any(step.changes_rows for step in recording.steps):
                effects.rows.append(script.revision)
            if any(is_about_server(step) for step in recording.steps):
                effects.server.append(script.revision)
        return []

    run_offline(config, directory, read)
    return effects


def is_about_server(step: Step) -> bool:
    """Whether a step does what is in no schema."""
    return any(ABOUT_SERVER.match(statement.code) for statement in step.statements)


@contextmanager
def trying(directory: ScriptDirectory, choice: Choice) -> Iterator[Path]:
    """Yield a folder with the revisions that stay, which is deleted at the end."""
    with TemporaryDirectory(prefix=FOLDER, dir=directory.dir) as folder:
        versions = Path(folder, "versions")
        gone = {Path(script.path).name for script in choice.scripts} | {"__pycache__"}
        shutil.copytree(directory.versions, versions, ignore=lambda at, names: gone & {*names})
        yield versions


def delete_leftovers(directory: ScriptDirectory) -> None:
    """Delete the folders of runs that were killed."""
    for folder in Path(directory.dir).glob(f"{FOLDER}*"):
        shutil.rmtree(folder)


def write_squashed(
    folder: Path, directory: ScriptDirectory, choice: Choice, dump: Dump, history: History
) -> Path:
    """Write the revision that takes the place of others; return its file."""
    revision = choice.target.revision
    file = folder / f"{revision}_squashed.py"
    write_revision(
        file,
        revision,
        TITLE.format(revision=revision, count=len(choice.scripts)),
        dump,
        versions=directory.versions,
        more=write_head(choice, find_source(history, revision)),
        was_found=any(getattr(script.module, "was_found", False) for script in choice.scripts),
    )
    return file


def write_head(choice: Choice, commit: str) -> str:
    """Write what stands at the head of the file: what it replaces, and which commit has that."""
    labels = [label for script in choice.scripts for label in read_labels(script)]
    older = [
        revision
        for script in reversed(choice.scripts)
        for name in ("replaces", "moved_from")
        for revision in (*getattr(script.module, name, ()), script.revision)
        if revision != choice.target.revision
    ]
    return (
        (f"branch_labels = {(*labels,)!r}\n" if labels else "")
        + "# A database at one of these first needs the code of the commit below.\n"
        + f"replaces: tuple[str, ...] = {(*dict.fromkeys(older),)!r}\n"
        + f'squashed_at: str = "{commit}"\n'
    )


def read_labels(script: Script) -> tuple[str, ...]:
    """Return the labels of branches that a revision's file gives."""
    return to_tuple(getattr(script.module, "branch_labels", None), ())


def find_source(history: History, revision: str) -> str:
    """Return the commit whose code can run what is replaced, if possible one that is released."""
    with suppress(OSError):
        base = read_released(history).base
        if revision in base.sources:
            return base.commit
    return find_commit(history.folder, "HEAD")


def exchange(directory: ScriptDirectory, file: Path) -> None:
    """Put the new file beside the old ones, and delete those.

    From the first step on, a run that is killed can be finished: the file says what it replaces.
    """
    os.replace(file, find_folder(directory) / file.name)
    finish(directory)


def finish(directory: ScriptDirectory) -> str | None:
    """Delete the files that a squash has replaced, if some are left, and write the history file.

    Return the squashed revision, or None if there was nothing to do.

    Raises:
        CommandError: Git does not have a file that is to be deleted.
    """
    scripts, folder = read_files(directory), find_folder(directory)
    recorded = read_ids(folder).ids
    for squashed in scripts:
        left = find_superseded_files(squashed, scripts)
        if not left and not {*squashed.replaces} & {*recorded}:
            continue
        require_committed(folder, left)
        for file in left:
            file.unlink()
        kept = {script.revision for script in scripts if script.path not in left}
        order = (squashed.revision, *(each for each in recorded if each in kept), *sorted(kept))
        write_ids(folder, dict.fromkeys(order))
        return squashed.revision
    return None


def find_superseded_files(squashed: Revision, scripts: list[Revision]) -> list[Path]:
    """Find the files that a squashed revision replaces.

    The newest comes first, so that Alembic sees two heads, and works no more until all are gone.
    """
    age = [squashed.revision, *reversed(squashed.replaces)] if squashed.replaces else []
    files = {
        script.path: age.index(script.revision)
        for script in scripts
        if script is not squashed and script.revision in age
    }
    return sorted(files, key=lambda file: files[file])
