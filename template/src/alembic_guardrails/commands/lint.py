"""Name the operations that lock, lose data or break the previous release."""

from argparse import ArgumentParser
from io import StringIO
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.history import chosen_revisions
from alembic_guardrails.lint import report


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "-r", "--rev-range", help="START:END, START included; the default is what is not released"
    )


def lint(config: Config, rev_range: str | None = None) -> None:
    """Name the operations that lock, lose data or break the previous release.

    Reads the revisions of the range, START included, or else those that are not released, all if
    git cannot tell; needs no database. Prints a line for each finding. A comment `# allow: rule`
    anywhere in a revision, followed by the reason, allows what the rule forbids in it.

    Raises:
        CommandError: something was found, or squawk is missing where it is needed.
    """
    script = ScriptDirectory.from_config(config)
    # The first of all revisions runs on empty databases alone.
    bases = script.get_bases()
    revisions, released = chosen_revisions(config, script, rev_range)
    found: list[str] = []

    def read(heads: object, context: MigrationContext) -> list[Any]:
        for revision in revisions:
            if [revision.revision] != bases:
                found.extend(report(revision, context))
        return []

    config.output_buffer = StringIO()
    with EnvironmentContext(config, script, fn=read, as_sql=True):
        script.run_env()
    for line in found:
        config.print_stdout("%s", line)
    if found:
        raise CommandError(
            f"Found {len(found)}: make it safe, or write `# allow: rule` and why into the revision"
        )
    config.print_stdout(
        "Nothing unsafe; revisions read: %s, released and left out: %s",
        len(revisions),
        len(released),
    )
