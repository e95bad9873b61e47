"""Changes of the revisions' files and of the history file."""

from collections.abc import Iterable
from importlib.util import cache_from_source
from pathlib import Path

from alembic.config import Config
from alembic_guardrails.files import replacing
from alembic_guardrails.history.file import write_ids
from alembic_guardrails.history.plan import Plan
from alembic_guardrails.history.read import read_history


def write_plan(folder: Path, plan: Plan, left: Iterable[Path] = ()) -> None:
    """Write what `repair` has planned, and delete what is left of moved revisions.

    A run that is killed can be repeated: old files go when all new ones are there, and the history
    file is written last.
    """
    for move in plan.moves:
        with replacing(move.path) as part:
            part.write_bytes(move.source)
        # Python would take bytecode of the same second for current if the size has not changed.
        Path(cache_from_source(str(move.path))).unlink(missing_ok=True)
    moved = [move.before.path for move in plan.moves if move.before.path != move.path]
    for path in (*left, *moved):
        path.unlink()
    write_ids(folder, plan.ids)


def add_to_history(config: Config, path: Path) -> None:
    """Add the revision in a file to the history file.

    Raises:
        CommandError: The revisions cannot be read.
    """
    history = read_history(config)
    file = path.resolve()  # as Alembic has those that it reads
    new = (each for each, script in history.revisions.items() if script.path == file)
    write_ids(history.folder, dict.fromkeys((*history.recorded.ids, *new)))
