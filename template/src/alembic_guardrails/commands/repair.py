"""Put one head after the other, and the history file in order."""

from importlib.util import cache_from_source
from pathlib import Path

from alembic.config import Config
from alembic_guardrails.history import History, Released, changes, keep, write
from alembic_guardrails.history.file import digests, entries

MOVED = """%s follows %s now, no longer %s. A database that has run it already needs:
  alembic downgrade %s && alembic stamp %s && alembic upgrade head"""


def repair(config: Config) -> None:
    """Bring the ledger in line with the files; where there are two heads, put one after the other.

    What is released stays; else what is committed, else what is older. It changes all or nothing.

    Raises:
        CommandError: a released revision was changed, or two heads need a person.
    """
    history = History(config)
    ledger = entries(history.ledger_text)
    try:
        released = history.released()
    except OSError:
        known = history.squashed(dict([*ledger.items()][:-1]), ledger)
        released = Released(known, "the ledger, above its last line", ledger)
    keep(released, digests(history.texts))

    def precedence(head: str) -> tuple[int, int, str]:
        lineage, ledgers = history.lineages[head], (released.ledger, released.committed)
        upstream, here = (len(lineage & ledger.keys()) for ledger in ledgers)
        return -upstream, -here, history.paths[head].name

    order: list[str] = []
    moved: dict[str, tuple[str, str]] = {}
    for head in sorted(history.lineages, key=precedence):
        branch = [id for id in history.texts if id in history.lineages[head] - set(order)]
        if order:
            moved[branch[0]] = order[-1], history.moved(branch, order[-1], released)
        order += branch
    texts = history.texts | {id: text for id, (_, text) in moved.items()}
    mended = digests({id: texts[id] for id in dict.fromkeys((*released.ledger, *order))})

    for id, (parent, text) in moved.items():
        history.paths[id].write_text(text, "utf-8")
        # Python would take bytecode of the same second for current: the size has not changed.
        Path(cache_from_source(str(history.paths[id]))).unlink(missing_ok=True)
        before = "".join(history.parents[id]) or "base"
        config.print_stdout(MOVED, id, parent, before, parent, before)
    write(history, mended)
    for change in changes(ledger, mended):
        config.print_stdout("%s", change)
    config.print_stdout("%s revisions, head %s", len(mended), ["none", *mended][-1])
