"""Reading revisions without a database: what `lint`, `sql` and `squash` have in common."""

from collections.abc import Callable, Iterable
from io import StringIO
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic_guardrails.trial import trial_config


def run_offline(
    config: Config,
    directory: ScriptDirectory,
    work: Callable[[MigrationContext], Iterable[Any]],
    **options: Any,
) -> str:
    """Run `env.py` in offline mode, and return the SQL that it writes.

    `work` is called in the place of revisions, and returns the steps that Alembic takes; `options`
    are those of Alembic's `EnvironmentContext`. The options of the command line apply.
    """
    trial = trial_config(config)
    trial.output_buffer = StringIO()

    def plan(_: object, context: MigrationContext) -> Iterable[Any]:
        return work(context)

    with EnvironmentContext(trial, directory, fn=plan, as_sql=True, **options):
        directory.run_env()
    return trial.output_buffer.getvalue()
