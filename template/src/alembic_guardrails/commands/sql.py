"""The SQL of revisions, for people who review them."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from textwrap import indent

from alembic.config import Config
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.history.released import choose_revisions
from alembic_guardrails.offline import describe_failure, run_offline
from alembic_guardrails.revisions import read_bases


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "-r", "--rev-range", metavar="START:END", help="default: what is not released"
    )


def sql(config: Config, rev_range: str | None = None) -> None:
    """Print the SQL of revisions for review, and the way back as a comment.

    Reads the revisions of the range, START included, or else those that are not released, all if
    git cannot tell; needs no database, and says in a comment where a revision does.

    Raises:
        CommandError: A revision is missing, or has an error that it has on every database.
    """
    directory = ScriptDirectory.from_config(config)
    read_bases(directory)
    revisions, released = choose_revisions(config, directory, rev_range)
    if not revisions:
        config.print_stdout("-- No new revisions; released: %s", len(released))
        return
    upgrade = render(config, directory, revisions, is_upgrade=True)
    downgrade = render(config, directory, revisions[::-1], is_upgrade=False)
    config.print_stdout("-- To be read, not run: `alembic upgrade head` also waits, and resumes.\n")
    config.print_stdout("%s\n", upgrade.strip())
    commented = indent(downgrade.strip(), "-- ", lambda line: True).replace("-- \n", "--\n")
    config.print_stdout("%s", commented)


def render(
    config: Config, directory: ScriptDirectory, revisions: Sequence[Script], *, is_upgrade: bool
) -> str:
    """Return the SQL of these revisions, in this order.

    Raises:
        CommandError: A revision has an error that it has on every database.
    """
    steps = [RevisionStep(directory.revision_map, script, is_upgrade) for script in revisions]
    before = {revision for step in steps for revision in step.from_revisions}
    after = {revision for step in steps for revision in step.to_revisions}

    def migrate(context: MigrationContext) -> Iterator[RevisionStep]:
        for step in steps:
            step.migration_fn = attempt(step.migration_fn, step.revision.path, context)
            yield step

    return run_offline(config, directory, migrate, starting_rev=sorted(before - after))


def attempt(run: Callable[[], None], path: str, context: MigrationContext) -> Callable[[], None]:
    """Return a function that runs half of a revision as far as it gets without a database."""

    @wraps(run)
    def attempted() -> None:
        try:
            run()
        except Exception as error:
            failure = describe_failure(error, path)
            if failure.is_error_of_code:
                raise CommandError(
                    f"{failure.place}: the revision fails on every database: {failure.reason}"
                ) from error
            context.impl.static_output(
                f"-- {failure.place}: the rest is left out: {failure.reason}"
            )

    return attempted
