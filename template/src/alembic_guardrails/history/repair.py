"""What `verify` checks of the history, and what `repair` changes in it."""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.util import cache_from_source
from pathlib import Path

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.files import replacing
from alembic_guardrails.history.read import (
    NAME,
    REPAIR,
    History,
    HistoryError,
    Revision,
    find_moved,
    read_history,
    write_ids,
)
from alembic_guardrails.history.released import Released, check_released, read_released
from alembic_guardrails.history.source import assign, insert_after, is_same_code, write

# What a revision's file says of its place in the history.
OF_PLACE = ("revision", "down_revision", "depends_on", "moved_from")

MOVED_FROM = b"""
# The ids that it had before it was moved, and what it followed then. Databases may be there.
moved_from: dict[str, str | None] = %s
"""


@dataclass(frozen=True)
class Move:
    """A revision before and after it is moved, and its file then."""

    before: Revision
    revision: str
    parent: str | None
    path: Path
    source: bytes


def move(
    script: Revision, parents: Sequence[str], needed: Sequence[str], ids: Mapping[str, str]
) -> Move | None:
    """Move a revision to other parents, or return None if its file names them already.

    `needed` are the revisions that it depends on besides.
    `ids` are the new ids of those that have moved before. A database that has run the revision
    lacks what comes before it now: the new id tells it from one that lacks nothing.

    Raises:
        CommandError: The revision joins branches, or its file is not plain enough to be changed.
    """
    now = tuple(ids.get(parent, parent) for parent in parents)
    needed = tuple(ids.get(name, name) for name in needed)
    if (now, needed) == (script.parents, script.dependencies):
        return None
    if len(now) != 1 or len(script.parents) > 1:
        raise CommandError(f"Set down_revision = {now} in {script.path} by hand: it joins branches")
    [parent] = now
    before = "".join(script.parents) or None
    moved_from = dict(script.moved_from)
    revision = next((old for old, known in moved_from.items() if known == parent), None)
    revision = revision or make_id(script, parent)
    moved_from.pop(revision, None)
    moved_from[script.revision] = before
    values: dict[str, object] = {"revision": revision, "down_revision": parent}
    if needed != script.dependencies:
        values["depends_on"] = needed
    path = rename(script.path, script.revision, revision)
    return Move(script, revision, before, path, edit(script, values, moved_from))


def make_id(script: Revision, parent: str) -> str:
    """Return the id of a revision at another place: the same, whoever moves it there."""
    first = next(iter(script.moved_from), script.revision)
    return sha256(f"{first} after {parent}".encode()).hexdigest()[:12]


def edit(
    script: Revision, values: dict[str, object], moved_from: Mapping[str, str | None]
) -> bytes:
    """Return the file of a revision with other values.

    Raises:
        CommandError: The file does not assign them plainly.
    """
    source = script.path.read_bytes()
    try:
        if script.moved_from:
            source = assign(source, {**values, "moved_from": {**moved_from}})
        else:
            source = assign(source, values)
            lines = MOVED_FROM % write({**moved_from})
            source = insert_after(source, "down_revision", lines[1:])
    except ValueError as error:
        wanted = ", ".join(f"{name} = {write(value).decode()}" for name, value in values.items())
        wanted += f" and moved_from = {dict(moved_from)}"
        raise CommandError(f"Set {wanted} in {script.path} by hand") from error
    for pattern, name in ((rb"Revision(?: ID)?:", "revision"), (rb"Revises:", "down_revision")):
        line = rb"\1 " + str(values[name]).encode()
        source = re.sub(rb"(?m)^(%s)[^\r\n]*" % pattern, line, source, count=1)
    return source


def rename(path: Path, old: str, new: str) -> Path:
    """Return the path with another id in the file's name, if the old one is in there."""
    name = re.sub(rf"(?<![^\W_]){re.escape(old)}(?![^\W_])", new, path.stem, count=1)
    return path.with_name(f"{name}{path.suffix}")


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
        replace(
            script,
            parents=tuple(moved.get(parent, parent) for parent in script.parents),
            dependencies=tuple(moved.get(name, name) for name in script.dependencies),
        )
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
        if order and branch:
            check_movable(history, branch, released)
            parents[branch[0]] = (order[-1],)
        order += branch
    check_chain(history.heads, parents)
    written = {script.revision: script for script in scripts}
    moves: dict[str, Move] = {}
    for revision in order:
        ids = {old: each.revision for old, each in moves.items()}
        needed = history.revisions[revision].dependencies
        if made := move(written[revision], parents[revision], needed, ids):
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


def name_merge(heads: Iterable[str]) -> str:
    """Return the command that joins heads.

    `alembic merge heads` leaves out those on which others depend.
    """
    return f"`alembic merge {' '.join(heads)}`"


def check_movable(history: History, branch: Sequence[str], released: Released) -> None:
    """Check that a branch can follow another revision.

    Raises:
        CommandError: A part of the branch is released or has a merge in it.
    """
    head = branch[-1]
    if any(
        revision in released.ids or len(history.revisions[revision].parents) > 1
        for revision in branch
    ):
        raise CommandError(
            f"Join the heads with {name_merge(history.heads)}: what leads to {head} is released or"
            " has a merge in it, and stays"
        )


def check_chain(heads: Sequence[str], parents: Mapping[str, Sequence[str]]) -> None:
    """Check that one of several heads is left, after each revision follows its parents.

    Raises:
        CommandError: The branches depend on one another, so that neither can follow the other.
    """
    followed = {parent for names in parents.values() for parent in names}
    if sum(revision not in followed for revision in parents) > 1:
        raise CommandError(
            f"Join the heads with {name_merge(heads)}: because of `depends_on` in revisions, one"
            " branch cannot follow another"
        )


def compare(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Say what became of the ids in a history file, in words."""
    for revision in dict.fromkeys((*before, *after)):
        if revision not in after:
            yield f"{revision} is gone"
        elif revision not in before:
            yield f"{revision} is new"


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

    The file starts anew where nothing is here of what it lists: another history has moved in.

    Raises:
        CommandError: The revisions cannot be read.
    """
    history = read_history(config)
    file = path.resolve()  # as Alembic has those that it reads
    new = (each for each, script in history.revisions.items() if script.path == file)
    listed = history.recorded.ids
    known = listed if history.revisions.keys() & {*listed} else ()
    write_ids(history.folder, dict.fromkeys((*known, *new)))


def find_mentions(revisions: Collection[str]) -> list[str]:
    """Find the files in the service's folder of tests that name one of some revisions."""
    return [
        path.as_posix()
        for path in sorted(Path("tests").rglob("*.py"))
        if any(
            isinstance(node, ast.Constant) and node.value in revisions
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
        )
    ]
