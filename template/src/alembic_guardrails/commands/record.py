"""Format a new revision, and add it to the history file."""

from argparse import ArgumentParser
from pathlib import Path

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.files import format_revision
from alembic_guardrails.history.repair import add_to_history


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("path", help="the revision's file")


def record(config: Config, path: str) -> None:
    """Format a new revision, and add it to the history file.

    Alembic runs this for each revision that it writes.

    Raises:
        CommandError: There is no such file, or the revisions cannot be read.
    """
    file = Path(path)
    if not file.is_file():
        raise CommandError(f"There is no file {path}: name the file of a revision.")
    format_revision(file)
    add_to_history(config, file)
