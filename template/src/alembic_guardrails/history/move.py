"""A revision that follows another one from now on, under a new id."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from alembic.util import CommandError
from alembic_guardrails.history.read import Revision
from alembic_guardrails.history.source import assign, insert_after, write

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


def move(script: Revision, parents: Sequence[str], ids: Mapping[str, str]) -> Move | None:
    """Move a revision to other parents, or return None if its file names them already.

    `ids` are the new ids of those that have moved before. A database that has run the revision
    lacks what comes before it now: the new id tells it from one that lacks nothing.

    Raises:
        CommandError: The revision joins branches, or its file is not plain enough to be changed.
    """
    now = tuple(ids.get(parent, parent) for parent in parents)
    needed = tuple(ids.get(name, name) for name in script.dependencies)
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
