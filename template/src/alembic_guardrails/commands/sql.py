"""The SQL of revisions, for people who review them."""

import os
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from io import StringIO
from textwrap import indent

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic_guardrails.history import chosen_revisions
from alembic_guardrails.offline.recorder import failure


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "-r", "--rev-range", help="START:END, START included; the default is what is not released"
    )


def sql(config: Config, rev_range: str | None = None) -> None:
    """Print the SQL of revisions for review, and the way back as a comment.

    Reads the revisions of the range, START included, or else those that are not released, all if
    git cannot tell; needs no database, and says in a comment where a revision does.
    """
    script = ScriptDirectory.from_config(config)
    revisions, released = chosen_revisions(config, script, rev_range)
    if not revisions:
        config.print_stdout("-- No new revisions; released: %s", len(released))
        return
    config.print_stdout("-- To be read, not run: `alembic upgrade head` also waits, and resumes.\n")
    config.print_stdout("%s", rendered(config, script, revisions, is_upgrade=True))
    back = rendered(config, script, revisions[::-1], is_upgrade=False)
    config.print_stdout("%s", indent(back, "-- ", lambda line: True).replace("-- \n", "--\n"))


def rendered(
    config: Config, script: ScriptDirectory, revisions: Sequence[Script], *, is_upgrade: bool
) -> str:
    """The SQL of these revisions, in this order."""
    steps = [RevisionStep(script.revision_map, it, is_upgrade) for it in revisions]
    before = {id for step in steps for id in step.from_revisions}
    after = {id for step in steps for id in step.to_revisions}

    def migrate(heads: object, context: MigrationContext) -> Iterator[RevisionStep]:
        for step in steps:
            step.migration_fn = attempt(step.migration_fn, step.revision.path, context)
            yield step

    config.output_buffer = StringIO()
    with EnvironmentContext(
        config, script, fn=migrate, as_sql=True, starting_rev=sorted(before - after)
    ):
        script.run_env()
    return config.output_buffer.getvalue()


def attempt(run: Callable[[], None], path: str, context: MigrationContext) -> Callable[[], None]:
    """Run half of a revision as far as it gets without a database."""

    @wraps(run)
    def attempted() -> None:
        try:
            run()
        except Exception as error:
            line, reason = failure(error, path)
            place = f"{os.path.relpath(path)}:{line}"
            context.impl.static_output(f"-- {place}: the rest is left out: {reason}")

    return attempted
