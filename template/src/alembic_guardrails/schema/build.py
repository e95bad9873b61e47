"""A database that the revisions build, to compare with."""

from collections.abc import Callable, Iterable
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory
from alembic_guardrails._alembic import upgrade_steps
from alembic_guardrails.progress import Progress


def upgrade(
    config: Config, revision: str, note: Callable[[RevisionStep], None] = lambda step: None
) -> None:
    """Upgrade a database as `alembic.command.upgrade` does, and show how far that has come.

    `note` is told of each revision before it runs.
    """
    script = ScriptDirectory.from_config(config)

    def steps(current: Any, context: object) -> Iterable[RevisionStep]:
        todo = upgrade_steps(script, revision, current)
        progress = Progress("Building a database to compare with", "revisions", len(todo))
        for step in progress.track(todo):
            note(step)
            yield step

    with EnvironmentContext(config, script, fn=steps, destination_rev=revision):
        script.run_env()
