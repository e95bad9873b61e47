"""What `repair` changes: a plan, which nothing is written for yet."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.util import CommandError
from alembic_guardrails.history.read import History
from alembic_guardrails.history.released import Released
from alembic_guardrails.history.source import assign


@dataclass(frozen=True)
class Move:
    """A revision that follows another one from now on, and what its file is then."""

    revision: str
    path: Path
    before: str
    parent: str
    source: bytes


@dataclass(frozen=True)
class Plan:
    """The revisions to move, and the ids of all in the order of the history file."""

    moves: tuple[Move, ...]
    ids: tuple[str, ...]


def plan_repair(history: History, released: Released) -> Plan:
    """Put one head after the other: what is released comes first, then what is committed.

    Raises:
        CommandError: Only a person can join the heads.
    """
    order: list[str] = []
    moves: list[Move] = []
    for head in sort_heads(history, released):
        branch = [each for each in history.lineage(head) if each not in {*order}]
        if order:
            moves.append(move(history, branch, order[-1], released))
        order += branch
    return Plan((*moves,), (*dict.fromkeys((*released.ids, *order)),))


def sort_heads(history: History, released: Released) -> list[str]:
    """Sort the heads: who has more that is released, or committed, or the first name of a file."""

    def precedence(head: str) -> tuple[int, int, str]:
        lineage = {*history.lineage(head)}
        counts = (len(lineage & {*known}) for known in (released.ids, released.committed))
        upstream, here = counts
        return -upstream, -here, history.revisions[head].path.name

    return sorted(history.heads, key=precedence)


def move(history: History, branch: Sequence[str], parent: str, released: Released) -> Move:
    """Have the first revision of a branch follow another one.

    Raises:
        CommandError: A part of the branch is released or has a merge in it, or the file does not
            say plainly which revision it follows.
    """
    first, head = history.revisions[branch[0]], branch[-1]
    if any(is_fixed(history, each, released) for each in branch):
        why = f"what leads to {head} is released or has a merge in it, and stays"
        raise CommandError(f"Join {parent} and {head} with `alembic merge heads`: {why}")
    try:
        source = assign(first.path.read_bytes(), {"down_revision": parent})
    except ValueError as error:
        hint = f'Set down_revision = "{parent}" in {first.path} by hand'
        raise CommandError(hint) from error
    source = re.sub(rb"(?m)^Revises:[^\r\n]*", f"Revises: {parent}".encode(), source, count=1)
    return Move(first.revision, first.path, "".join(first.parents) or "base", parent, source)


def is_fixed(history: History, revision: str, released: Released) -> bool:
    """Whether a revision cannot follow another one."""
    return revision in released.ids or len(history.revisions[revision].parents) > 1


def compare(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Say what became of the ids in a history file, in words."""
    for revision in dict.fromkeys((*before, *after)):
        if revision not in after:
            yield f"{revision} is gone"
        elif revision not in before:
            yield f"{revision} is new"
