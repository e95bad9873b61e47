"""Replace the oldest revisions by one that builds the same database, to the letter."""

import ast
import os
import re
import shutil
from argparse import ArgumentParser
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alembic.config import Config
from alembic.operations.ops import BulkInsertOp
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.commands.verify import verify
from alembic_guardrails.connection import run_with_connection
from alembic_guardrails.databases import temporary_database_beside
from alembic_guardrails.dump import read_content, read_dump
from alembic_guardrails.dump.base import Dump
from alembic_guardrails.dump.revision import write_revision
from alembic_guardrails.errors import reason
from alembic_guardrails.history import History
from alembic_guardrails.history.squash import (
    chosen,
    expect_committed,
    finish,
    head_of_file,
    recoverable,
)
from alembic_guardrails.ignore import read_ignore_list
from alembic_guardrails.offline import run_offline
from alembic_guardrails.offline.recorder import ROWS, Recorder
from alembic_guardrails.schema.build import build_schema
from alembic_guardrails.schema.compare import differences
from alembic_guardrails.settings import read_settings
from alembic_guardrails.trial import trial_config
from sqlalchemy import URL, Connection

# A folder beside that of the revisions, while they are put together.
FOLDER = ".squash-"

TITLE = "The schema at revision {id}, in the place of {count} revisions up to it."

READS = re.compile(r"\s*SELECT\b(?!.*\bINTO\b)", re.IGNORECASE | re.DOTALL)

# What is about users and the server, and so in no schema.
ABOUT_SERVER = re.compile(
    r"(?:^|;)\s*(?:GRANT|REVOKE|SECURITY\s+LABEL|(?:ALTER|CREATE)\s+(?:DATABASE|ROLE|SYSTEM|USER"
    r"|DEFAULT\s+PRIVILEGES|PUBLICATION|SUBSCRIPTION)|ALTER\b[^;]*\bOWNER\s+TO)\b",
    re.IGNORECASE,
)


@dataclass
class Built:
    """A database that revisions have built: its schema and what is in it, and the schema at the
    head."""

    schema: dict[str, str]
    content: dict[str, list[str]]
    at_head: dict[str, str]
    definition: Dump


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("revision", help="the newest revision to replace")
    parser.add_argument("--dry-run", action="store_true", help="look, and change nothing")


def squash(config: Config, revision: str, dry_run: bool = False) -> None:
    """Replace all revisions up to one by a single file in SQL, which keeps the id of that one.

    What they leave on an empty database, rows included, the file builds as well: that is proven on
    two databases, made next to the service's own and dropped at the end. Then the files are
    exchanged, and nothing is done to a database. A second run finishes what was interrupted.

    Raises CommandError if the file builds another schema or other rows, if a revision does not run
    on an empty database, if others follow one that would be gone, and if a file is not in git.
    """
    directory = ScriptDirectory.from_config(config)
    if not dry_run:
        if finished := finish(directory):
            config.print_stdout("Finished: %s replaces what came before it.", finished)
            return
        for left in Path(directory.dir).glob(f"{FOLDER}*"):  # by a run that was killed
            shutil.rmtree(left)
    target, replaced = chosen(directory, revision)
    history = History(config)
    expect_committed(history.ledger.parent, [*history.paths.values(), history.ledger])
    verify(config)
    url = read_settings(config).database_url
    old = build(config, url, target.revision)
    with TemporaryDirectory(prefix=FOLDER, dir=directory.dir) as trial_folder:
        versions = Path(trial_folder, "versions")
        gone = {Path(it.path).name for it in (target, *replaced)} | {"__pycache__"}
        shutil.copytree(directory.versions, versions, ignore=lambda at, names: gone & {*names})
        file = versions / f"{target.revision}_squashed.py"
        title = TITLE.format(id=target.revision, count=len(replaced) + 1)
        more = head_of_file(target, replaced, recoverable(history, target))
        was_found = any(getattr(it.module, "was_found", False) for it in (target, *replaced))
        write_revision(file, target.revision, title, old.definition, more=more, was_found=was_found)
        new = build(trial_config(config, versions=versions), url, target.revision)
        expect_same(config, old, new)
        describe(config, directory, target, replaced, old)
        if dry_run:
            config.print_stdout("Nothing was changed: this was a dry run.")
            return
        # This decides: from here on a second run finishes.
        os.replace(file, Path(directory.versions, file.name))
    finish(directory)
    config.print_stdout("Now commit migrations/versions.")


def build(config: Config, url: URL, revision: str) -> Built:
    """Build an empty database up to a revision, look at it, and go on to the head.

    Raises CommandError if that cannot be done.
    """
    ignore_list = read_ignore_list(config)
    running = ["the first"]

    def note(step: RevisionStep) -> None:
        running.append(step.revision.revision)

    def climb(target: str) -> dict[str, str]:
        def work(connection: Connection) -> dict[str, str]:
            return build_schema(config, connection, target, note)

        try:
            return run_with_connection(scratch, work)
        except Exception as error:
            raise CommandError(
                f"Revision {running[-1]} does not run on an empty database: {reason(error)}"
            ) from error

    with temporary_database_beside(url) as scratch:
        schema = climb(revision)
        definition = run_with_connection(
            scratch, lambda it: read_dump(it, ignore_list, with_rows=True)
        )
        content = run_with_connection(scratch, lambda it: read_content(it, ignore_list))
        return Built(
            ignore_list.filter(schema), content, ignore_list.filter(climb("head")), definition
        )


def expect_same(config: Config, old: Built, new: Built) -> None:
    """Raise CommandError, and print the differences, unless both roads lead to the same."""
    names = ("old revisions", "new one")
    found = differences(old.schema, new.schema, names) or differences(
        old.at_head, new.at_head, names
    )
    found += [
        f"different: {it}"
        for it in sorted(old.content.keys() | new.content.keys())
        if old.content.get(it) != new.content.get(it)
    ]
    if found:
        config.print_stdout("%s\n", "\n".join(found))
        raise CommandError(
            f"{len(found)} differences between what the revisions build and what one in their"
            " place would; nothing was changed."
        )


def describe(
    config: Config,
    directory: ScriptDirectory,
    target: Script,
    replaced: Sequence[Script],
    built: Built,
) -> None:
    """Say what is replaced, which rows are kept, and what only older databases need."""
    config.print_stdout(
        "%s replaces %s revisions before it: the same schema there and at the head.",
        target.revision,
        len(replaced),
    )
    rows = [f"{len(it)} {name}" for name, it in built.content.items() if name.startswith("rows ")]
    if rows:
        config.print_stdout("It inserts what they leave on an empty database: %s.", ", ".join(rows))
    changing, others = read_offline(config, directory, [target, *replaced][::-1])
    if changing:
        config.print_stdout(
            "Databases before %s still need what these do to rows, and the code from before: %s.",
            target.revision,
            ", ".join(changing),
        )
    if named := tests_of({it.revision for it in replaced}):
        config.print_stdout(
            "These name revisions that are gone; delete them, or have them begin at %s: %s.",
            target.revision,
            ", ".join(named),
        )
    if others:
        config.print_stdout(
            "What these say of users, privileges or the server is left out; if new databases need"
            " it, write it into the file by hand, and run `migrations repair`: %s.",
            ", ".join(others),
        )


def tests_of(ids: Collection[str]) -> list[str]:
    """The tests, and what is beside them, that name one of some revisions."""
    return [
        path.as_posix()
        for path in sorted(Path("tests").rglob("*.py"))
        if any(
            isinstance(node, ast.Constant) and node.value in ids
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
        )
    ]


def read_offline(
    config: Config, directory: ScriptDirectory, scripts: Sequence[Script]
) -> tuple[list[str], list[str]]:
    """The revisions that change rows, or cannot be read without a database; and those that do what
    is in no schema."""
    changing: list[str] = []
    others: list[str] = []

    def read(context: MigrationContext) -> list[Any]:
        recorder = Recorder(context)
        for script in scripts:
            recording = recorder.record_upgrade(script)
            if recording.failure or any(
                isinstance(step.operation, BulkInsertOp)
                or (ROWS.match(step.statement) and not READS.match(step.statement))
                for step in recording.steps
            ):
                changing.append(script.revision)
            if any(ABOUT_SERVER.search(step.statement) for step in recording.steps):
                others.append(script.revision)
        return []

    run_offline(config, directory, read)
    return changing, others
