"""What owners have to know of a squash: the rows it keeps, and what only older databases need."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic_guardrails.history.mentions import find_mentions
from alembic_guardrails.history.squash.build import Built
from alembic_guardrails.history.squash.choose import Choice
from alembic_guardrails.offline import run_offline
from alembic_guardrails.offline.recorder import Recorder, Step
from alembic_guardrails.output import count

# What is about users and the server, and so in no schema.
ABOUT_SERVER = re.compile(
    r"(?:GRANT|REVOKE|SECURITY\s+LABEL|(?:ALTER|CREATE)\s+(?:DATABASE|ROLE|SYSTEM|USER"
    r"|DEFAULT\s+PRIVILEGES|PUBLICATION|SUBSCRIPTION)|ALTER\b.*\bOWNER\s+TO)\b",
    re.IGNORECASE | re.DOTALL,
)


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
