"""Format a new revision, and add it to the history file."""

from argparse import ArgumentParser
from pathlib import Path

from alembic.config import Config
from alembic_guardrails.formatting import format_revision
from alembic_guardrails.history.write import add_to_history


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("path", help="the revision's file")


def record(config: Config, path: str) -> None:
    """Format a new revision, and add it to the history file.

    Alembic runs this for each revision that it writes.
    """
    format_revision(Path(path))
    add_to_history(config, Path(path))
