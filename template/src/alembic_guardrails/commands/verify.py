"""Check the history."""

from alembic.config import Config
from alembic_guardrails.history.check import check_history
from alembic_guardrails.history.read import read_history


def verify(config: Config) -> None:
    """Check the history without a database: one head, each revision listed, what is released kept.

    Raises:
        CommandError: The history is not so; the message says what to do.
    """
    history = read_history(config)
    compared = check_history(history)
    ids = history.recorded.ids
    config.print_stdout("%s revisions, head %s, %s", len(ids), ["none", *ids][-1], compared)
