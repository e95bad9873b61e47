"""Check the history."""

from argparse import ArgumentParser

from alembic.config import Config
from alembic_guardrails.history.read import HistoryError, read_history
from alembic_guardrails.history.repair import check_history
from alembic_guardrails.output import (
    Finding,
    Report,
    Span,
    add_format_argument,
    count,
    publish,
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_format_argument(parser)


def verify(config: Config, form: str = "text") -> int:
    """Check the history without a database: one head, each revision listed, what is released kept.

    Released is what the main branch has, or MIGRATION_BASE, as git knows it. `migrations repair`
    mends what it can.
    """
    try:
        history = read_history(config)
        compared = check_history(history)
    except HistoryError as error:
        return publish(config, report_error(error), form)
    ids = history.recorded.ids
    summary = f"{count(len(ids), 'revision')}, head {['none', *ids][-1]}, {compared}"
    facts = {"revisions": [*ids], "compared": compared}
    return publish(config, Report("verify", [], summary, facts), form)


def report_error(error: HistoryError) -> Report:
    """Return what is wrong with the history as a report."""
    path = str(error.path) if error.path else ""
    # An id can be the first word, which keeps its letters.
    finding = Finding(error.rule, f"{error}.", path=path, span=find_line(error))
    return Report("verify", [finding], "The history is not in order.", rules=RULES)


def find_line(error: HistoryError) -> Span:
    """Return the line of a file that says what the revision follows, else the first one."""
    if error.path and error.path.suffix == ".py" and error.path.is_file():
        lines = error.path.read_text("utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            if line.startswith("down_revision") and error.rule != "released-changed":
                return Span(number, 1, number, len(line) + 1)
    return Span(1)


RULES = {
    "circle": "Revisions follow each other.",
    "duplicate-label": "Two revisions have the same branch label.",
    "duplicate-revision": "Two files are the same revision.",
    "history-file": "The history file does not list each revision once, in upgrade order.",
    "missing-revision": "A revision follows one that is not there.",
    "moved-revision": "A revision has the id that it had before it was moved.",
    "released-changed": "A released revision is gone or was edited.",
    "two-heads": "The history has two heads.",
    "unreadable-revision": "The file of a revision cannot be read.",
}
