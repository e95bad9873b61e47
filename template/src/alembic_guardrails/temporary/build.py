"""Build a schema from revisions, in an empty database."""

from collections.abc import Callable, Iterable
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory
from alembic_guardrails._alembic import upgrade_steps
from alembic_guardrails.progress import Progress
from alembic_guardrails.sandbox import confined
from alembic_guardrails.schema import snapshot
from alembic_guardrails.trial import trial_config
from sqlalchemy import Connection


def build_schema(
    config: Config,
    connection: Connection,
    revision: str,
    before_step: Callable[[RevisionStep], None] = lambda step: None,
) -> dict[str, str]:
    """Upgrade the database of `connection` to a revision, and return its schema.

    This is what `alembic upgrade` does, with its progress shown. `before_step` is called before
    each revision runs.

    Raises:
        CommandError: Alembic or the guard refuses a revision, or it changes another database.
        DBAPIError: The database refuses a statement.
    """
    trial = trial_config(config, connection)
    script = ScriptDirectory.from_config(trial)
    started: list[str] = []

    def steps(current: Any, context: object) -> Iterable[RevisionStep]:
        todo = upgrade_steps(script, revision, current)
        progress = Progress("Building a database to compare with", "revisions", len(todo))
        for step in progress.track(todo):
            started.append(step.revision.revision)
            before_step(step)
            yield step

    with (
        confined(connection, started),
        EnvironmentContext(trial, script, fn=steps, destination_rev=revision),
    ):
        script.run_env()
    schema = snapshot(connection)
    connection.commit()
    return schema
