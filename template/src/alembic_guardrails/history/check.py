"""What `verify` checks: one head, a history file that lists all, and nothing released changed."""

from collections.abc import Sequence

from alembic_guardrails.history.errors import HistoryError
from alembic_guardrails.history.file import NAME, REPAIR
from alembic_guardrails.history.plan import compare
from alembic_guardrails.history.read import History
from alembic_guardrails.history.released import check_released, read_released


def check_history(history: History) -> str:
    """Check the history; return what it was compared with.

    Raises:
        HistoryError: There are two heads, the history file is wrong, or something released was
            changed.
    """
    if len(history.heads) > 1:
        heads = " and ".join(sorted(history.heads))
        raise HistoryError(
            f"Run `{REPAIR}` to put one of the heads {heads} after the other",
            "two-heads",
            history.revisions[history.heads[-1]].path,
        )
    released: Sequence[str] = ()
    try:
        found = read_released(history)
    except OSError as reason:
        compared = f"not compared with what is released ({reason})"
    else:
        check_released(history, found)
        released = found.ids
        compared = f"{len(released)} released ({found.source})"
    if wrong := find_fault(history, released):
        message = f"Run `{REPAIR}`, because {NAME} is wrong: {wrong}"
        raise HistoryError(message, "history-file", history.folder / NAME)
    return compared


def find_fault(history: History, released: Sequence[str]) -> str:
    """Say what is wrong with the history file, or nothing."""
    ids = history.recorded.ids
    if not history.recorded.is_tidy:
        return "not one line for each revision, a conflict's marks perhaps"
    if changes := ", ".join(compare(ids, [*history.revisions])):
        return changes
    places = {revision: place for place, revision in enumerate(ids)}
    is_ordered = all(
        places[parent] < places[revision]
        for revision in ids
        for parent in history.revisions[revision].parents
    )
    if not is_ordered or {*ids[: len(released)]} != {*released}:
        return "not in the order of upgrades"
    return ""
