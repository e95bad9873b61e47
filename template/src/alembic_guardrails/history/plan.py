"""What `repair` changes: a plan, which nothing is written for yet."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alembic.util import CommandError
from alembic_guardrails.history.compare import is_same_code
from alembic_guardrails.history.move import OF_PLACE, Move, move
from alembic_guardrails.history.read import History, Revision, find_moved
from alembic_guardrails.history.released import Released


@dataclass(frozen=True)
class Plan:
    """The revisions to move, and the ids of all in the order of the history file."""

    moves: tuple[Move, ...]
    ids: tuple[str, ...]


def follow_moves(scripts: Sequence[Revision]) -> tuple[list[Revision], list[Path]]:
    """Have revisions follow what they followed before that was moved, under its new id.

    Return them, and the files of what was moved that are still there.

    Raises:
        CommandError: The old and the new file of a revision differ.
    """
    moved = find_moved(scripts)
    known = {script.revision: script for script in scripts}
    left = [known[old] for old in moved if old in known]
    for old in left:
        new = known[moved[old.revision]]
        if not is_same_code(old.path.read_bytes(), new.path.read_bytes(), OF_PLACE):
            raise CommandError(
                f"{old.revision} has moved, and is {new.revision} now, but their files differ:"
                f" bring the changes to {new.path.name}, and delete {old.path.name}"
            )
    return [
        replace(script, parents=tuple(moved.get(parent, parent) for parent in script.parents))
        for script in scripts
        if script not in left
    ], [script.path for script in left]


def plan_repair(history: History, released: Released, scripts: Iterable[Revision]) -> Plan:
    """Put one head after the other: what is released comes first, then what is committed.

    `scripts` are the revisions as their files have them.

    Raises:
        CommandError: Only a person can join the heads.
    """
    order: list[str] = []
    parents = {revision: script.parents for revision, script in history.revisions.items()}
    for head in sort_heads(history, released):
        branch = [revision for revision in history.lineage(head) if revision not in {*order}]
        if order:
            check_movable(history, branch, order[-1], released)
            parents[branch[0]] = (order[-1],)
        order += branch
    written = {script.revision: script for script in scripts}
    moves: dict[str, Move] = {}
    for revision in order:
        ids = {old: each.revision for old, each in moves.items()}
        if made := move(written[revision], parents[revision], ids):
            moves[revision] = made
    ids = {old: each.revision for old, each in moves.items()}
    listed = dict.fromkeys((*released.ids, *order))
    return Plan((*moves.values(),), tuple(ids.get(revision, revision) for revision in listed))


def sort_heads(history: History, released: Released) -> list[str]:
    """Sort the heads: who has more that is released, or committed, or the first name of a file."""

    def precedence(head: str) -> tuple[int, int, str]:
        lineage = {*history.lineage(head)}
        counts = (len(lineage & {*known}) for known in (released.ids, released.committed))
        upstream, here = counts
        return -upstream, -here, history.revisions[head].path.name

    return sorted(history.heads, key=precedence)


def check_movable(history: History, branch: Sequence[str], parent: str, released: Released) -> None:
    """Check that a branch can follow another revision.

    Raises:
        CommandError: A part of the branch is released or has a merge in it.
    """
    head = branch[-1]
    if any(
        revision in released.ids or len(history.revisions[revision].parents) > 1
        for revision in branch
    ):
        why = f"what leads to {head} is released or has a merge in it, and stays"
        raise CommandError(f"Join {parent} and {head} with `alembic merge heads`: {why}")


def compare(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Say what became of the ids in a history file, in words."""
    for revision in dict.fromkeys((*before, *after)):
        if revision not in after:
            yield f"{revision} is gone"
        elif revision not in before:
            yield f"{revision} is new"
