"""Replace the oldest revisions by one that builds the same database, to the letter."""

from argparse import ArgumentParser

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.history.read import NAME, read_history
from alembic_guardrails.history.repair import check_history
from alembic_guardrails.history.squash import (
    Choice,
    build,
    choose,
    compare,
    delete_leftovers,
    describe,
    exchange,
    finish,
    require_committed,
    trying,
    write_squashed,
)
from alembic_guardrails.output import count
from alembic_guardrails.revisions import read_bases
from alembic_guardrails.settings import read_settings
from alembic_guardrails.trial import trial_config


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("revision", help="the newest revision to replace")
    parser.add_argument("--dry-run", action="store_true", help="look, and change nothing")


def squash(config: Config, revision: str, dry_run: bool = False) -> None:
    """Replace all revisions up to one by a single file in SQL, which keeps the id of that one.

    What they leave on an empty database, rows included, the file builds as well: that is proven on
    two databases, made next to the service's own and dropped at the end. Then the files are
    exchanged, and nothing is done to a database. A second run finishes what was interrupted.

    Raises:
        CommandError: The file builds another schema or other rows, a revision does not run on an
            empty database, others follow one that would be gone, or a file is not in git.
    """
    directory = ScriptDirectory.from_config(config)
    read_bases(directory)
    if not dry_run:
        delete_leftovers(directory)
        if finished := finish(directory):
            config.print_stdout("Finished: %s replaces what came before it.", finished)
            return
    replace(config, directory, choose(directory, revision), dry_run)


def replace(config: Config, directory: ScriptDirectory, choice: Choice, dry_run: bool) -> None:
    """Build the file, prove it, say what it does, and exchange the files.

    Raises:
        CommandError: The file builds another schema or other rows, or one of the two is not built.
    """
    history = read_history(config)
    files = [script.path for script in history.revisions.values()]
    require_committed(history.folder, [*files, history.folder / NAME])
    check_history(history)
    url, revision = read_settings(config).database_url, choice.target.revision
    old = build(config, url, revision)
    with trying(directory, choice) as versions:
        file = write_squashed(versions, directory, choice, old.dump, history)
        new = build(trial_config(config, versions=versions), url, revision)
        if found := [*compare(old, new)]:
            config.print_stdout("%s\n", "\n".join(found))
            raise CommandError(
                f"{count(len(found), 'difference')} between what the revisions build and what one"
                " in their place would; nothing was changed."
            )
        for sentence in describe(config, directory, choice, old):
            config.print_stdout("%s", sentence)
        if dry_run:
            config.print_stdout("Nothing was changed: this was a dry run.")
            return
        exchange(directory, file)
    config.print_stdout("Now commit migrations/versions.")
