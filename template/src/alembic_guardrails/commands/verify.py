"""Check the history."""

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.history import History, Released, changes, keep
from alembic_guardrails.history.file import REPAIR, digests, entries


def verify(config: Config) -> None:
    """Check the history without a database: one head, files as recorded, what is released kept.

    Raises:
        CommandError: it is not so; the message says what to do.
    """
    history = History(config)
    if len(history.lineages) > 1:
        heads = " and ".join(sorted(history.lineages))
        raise CommandError(f"Run `{REPAIR}` to put one of the heads {heads} after the other")
    ledger, actual = entries(history.ledger_text), digests(history.texts)
    try:
        released = history.released()
        keep(released, actual)
        compared = f"{len(released.ledger)} released ({released.source})"
    except OSError as reason:
        released = Released({}, "", {})
        compared = f"not compared with what is released ({reason})"

    lines = [line for line in history.ledger_text.splitlines() if not line.startswith("#")]
    places = {id: place for place, id in enumerate(ledger)}
    if len(lines) != len(ledger):
        wrong = "not one line for each revision, a conflict's marks perhaps"
    elif not (wrong := ", ".join(changes(ledger, actual))) and (
        any(places[id] < places[parent] for id in ledger for parent in history.parents[id])
        or [*ledger][: len(released.ledger)] != [*released.ledger]
    ):
        wrong = "not in the order of upgrades"
    if wrong:
        raise CommandError(f"Run `{REPAIR}`, as {history.ledger.name} is wrong: {wrong}")
    config.print_stdout("%s revisions, head %s, %s", len(ledger), ["none", *ledger][-1], compared)
