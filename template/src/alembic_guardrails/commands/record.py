"""Format a new revision, and add it to the history file."""

from argparse import ArgumentParser
from pathlib import Path

from alembic.config import Config
from alembic_guardrails.formatting import format_revision
from alembic_guardrails.history import History, write
from alembic_guardrails.history.file import digests, entries


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("path", help="the revision's file")


def record(config: Config, path: str) -> None:
    """Format a new revision, and add it to the history file.

    Alembic runs this for each revision that it writes.
    """
    format_revision(Path(path))
    history = History(config)
    file = Path(path).resolve()  # as Alembic has those that it reads
    new = {id: text for id, text in history.texts.items() if history.paths[id] == file}
    write(history, entries(history.ledger_text) | digests(new))
