"""Put one head after the other, and the history file in order."""

from collections.abc import Iterator

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic_guardrails.history.read import History, arrange, find_folder, read_files
from alembic_guardrails.history.released import assume_released, check_released, read_released
from alembic_guardrails.history.repair import (
    Plan,
    compare,
    find_mentions,
    follow_moves,
    plan_repair,
    write_plan,
)
from alembic_guardrails.output import count, relative


def repair(config: Config) -> None:
    """Bring the history file in line with the revisions; put one of two heads after the other.

    What is released stays; else what is committed, else what is older. A revision that is moved
    gets a new id, and so do those that follow it: that tells databases which ran it before. It
    changes all or nothing.

    Raises:
        CommandError: A released revision was changed, or two heads need a person.
    """
    directory = ScriptDirectory.from_config(config)
    scripts = read_files(directory)
    followed, left = follow_moves(scripts)
    history = arrange(followed, find_folder(directory))
    try:
        released = read_released(history)
    except OSError:
        released = assume_released(history)
    check_released(history, released)
    plan = plan_repair(history, released, scripts)
    write_plan(history.folder, plan, left)
    for sentence in describe(history, plan):
        config.print_stdout("%s", sentence)


def describe(history: History, plan: Plan) -> Iterator[str]:
    """Say what has become of the revisions, and what depends on their ids."""
    ids = {move.before.revision: move.revision for move in plan.moves}
    parents = dict(zip(plan.ids[1:], plan.ids, strict=False))
    for move in plan.moves:
        yield (
            f"{move.before.revision} follows {parents[move.revision]} now, no longer"
            f" {move.parent or 'base'}, and has a new id: {move.revision}"
        )
    if ids:
        yield "A database that has run the old id learns from `alembic upgrade head` what to do."
        folder = relative(str(history.folder))
        yield f"Next: `git add {folder}`, then `git commit` or `git rebase --continue`."
    if mentions := find_mentions(ids):
        yield f"These name revisions that have a new id: {', '.join(mentions)}"
    before = [ids.get(revision, revision) for revision in history.recorded.ids]
    yield from compare(before, plan.ids)
    yield f"{count(len(plan.ids), 'revision')}, head {['none', *plan.ids][-1]}"
