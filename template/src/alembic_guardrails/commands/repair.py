"""Put one head after the other, and the history file in order."""

from alembic.config import Config
from alembic_guardrails.history.plan import compare, plan_repair
from alembic_guardrails.history.read import read_history
from alembic_guardrails.history.released import assume_released, check_released, read_released
from alembic_guardrails.history.write import write_plan

MOVED = """%s follows %s now, no longer %s. A database that has run it already needs:
  alembic downgrade %s && alembic stamp %s && alembic upgrade head"""


def repair(config: Config) -> None:
    """Bring the history file in line with the revisions; put one of two heads after the other.

    What is released stays; else what is committed, else what is older. It changes all or nothing.

    Raises:
        CommandError: A released revision was changed, or two heads need a person.
    """
    history = read_history(config)
    try:
        released = read_released(history)
    except OSError:
        released = assume_released(history)
    check_released(history, released)
    plan = plan_repair(history, released)
    write_plan(history.folder, plan)
    for move in plan.moves:
        given = (move.revision, move.parent, move.before, move.parent, move.before)
        config.print_stdout(MOVED, *given)
    for change in compare(history.recorded.ids, plan.ids):
        config.print_stdout("%s", change)
    config.print_stdout("%s revisions, head %s", len(plan.ids), ["none", *plan.ids][-1])
