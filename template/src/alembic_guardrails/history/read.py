"""The revisions of a service, as their files and the history file have them.

The history file is `migrations/versions/history.txt`: an id a line, in upgrade order.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError, to_tuple
from alembic_guardrails._alembic import load_revisions
from alembic_guardrails.files import write_whole

NAME = "history.txt"

REPAIR = "migrations repair"

TITLE = "# The revisions in upgrade order."

HEADER = f"{TITLE} After a conflict: {REPAIR}"

# The line above which the naming convention completes the names in revisions.
AS_WRITTEN = "# From here on, revisions run without the naming convention of the models."

# An id. In files from before 1.0 the digest of the revision follows it; it is not read any more.
LINE = re.compile(r"(?![<=>|]{7})(\S+)(?: [0-9a-f]{64})?")

BY_HAND = "Restore or repair a revision's file by hand, or finish an interrupted `squash`"


class HistoryError(CommandError):
    """The history is not as it has to be; `verify` reports it as a finding.

    `rule` is a short name for what is wrong, and `path` the file where it is seen.
    """

    def __init__(self, message: str, rule: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.path = path


class Recorded(NamedTuple):
    """The ids in a history file; it is tidy if each line is a comment or the only one of an id.

    `conventional` are the ids of revisions whose names the naming convention completes: those above
    the line that says so, and all in a file that was written before there was such a line.
    """

    ids: tuple[str, ...]
    is_tidy: bool
    conventional: tuple[str, ...] = ()


def parse_ids(text: str) -> Recorded:
    """Read the text of a history file."""
    every_line = text.splitlines()
    lines = [line for line in every_line if not line.startswith("#")]
    ids = find_ids(lines)
    if AS_WRITTEN in every_line:
        older = find_ids(takewhile(lambda line: line != AS_WRITTEN, every_line))
    else:
        older = ids if any(line.startswith(TITLE) for line in every_line) else ()
    return Recorded(ids, len(ids) == len(lines), older)


def find_ids(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the ids in lines of a history file, each once."""
    return (*dict.fromkeys(match[1] for match in map(LINE.fullmatch, lines) if match),)


def read_ids(folder: Path) -> Recorded:
    """Read the history file in the folder of the revisions; one that is missing has no ids."""
    file = folder / NAME
    return parse_ids(file.read_text("utf-8") if file.exists() else "")


def write_ids(folder: Path, ids: Iterable[str]) -> None:
    """Write the history file in the folder of the revisions."""
    given = [*ids]
    before = {*read_ids(folder).conventional}
    older = [*takewhile(before.__contains__, given)]
    lines = (HEADER, *older, AS_WRITTEN, *given[len(older) :], "")
    write_whole(folder / NAME, "\n".join(lines))


@dataclass(frozen=True)
class Revision:
    """A revision's file, and what it says of others.

    `replaces` are the revisions that `squash` put this one in the place of. `moved_from` has the
    ids that this one had before `repair` moved it, and what it followed then.
    """

    revision: str
    path: Path
    parents: tuple[str, ...]
    dependencies: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    moved_from: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """The revisions by their ids, in upgrade order, and the ids in the history file."""

    folder: Path
    revisions: Mapping[str, Revision]
    recorded: Recorded

    @cached_property
    def heads(self) -> list[str]:
        """The revisions that no other follows."""
        followed = {parent for script in self.revisions.values() for parent in script.parents}
        return [revision for revision in self.revisions if revision not in followed]

    @cached_property
    def superseded(self) -> dict[str, str]:
        """The revisions that `squash` has replaced, and which one takes the place of each."""
        return {
            old: script.revision for script in self.revisions.values() for old in script.replaces
        }

    def lineage(self, head: str) -> list[str]:
        """Return a revision and all that it needs, in upgrade order."""
        return find_lineage(self.revisions, [head])


def needed_by(script: Revision, known: Mapping[str, Revision]) -> list[str]:
    """Return the revisions that have to run before one; labels of branches are left out."""
    return [*script.parents, *(name for name in script.dependencies if name in known)]


def find_lineage(revisions: Mapping[str, Revision], heads: Collection[str]) -> list[str]:
    """Return revisions and all that they need, in upgrade order, in which they are given."""
    needed = {*heads}
    for revision in reversed([*revisions]):
        if revision in needed:
            needed |= {*needed_by(revisions[revision], revisions)}
    return [revision for revision in revisions if revision in needed]


def read_history(config: Config) -> History:
    """Read the revisions, and the history file.

    Raises:
        HistoryError: A file cannot be read, an id is in two files, or a revision follows one that
            is missing.
    """
    directory = ScriptDirectory.from_config(config)
    return arrange(read_files(directory), find_folder(directory))


def find_folder(directory: ScriptDirectory) -> Path:
    """Return the folder of the revisions; of several that of the history file."""
    if len(directory.version_locations) < 2:
        return Path(directory.versions).resolve()
    folders = [Path(location) for location in directory.version_locations]
    return next((each for each in folders if (each / NAME).exists()), folders[0]).resolve()


def read_files(directory: ScriptDirectory) -> list[Revision]:
    """Read the file of each revision, also of those that make no history together.

    Raises:
        HistoryError: A file is no Python, as with the marks of a conflict in it, or follows itself.
    """
    try:
        scripts = load_revisions(directory)
    except (SyntaxError, RevisionError) as error:
        raise HistoryError(f"{BY_HAND}: {error}", "unreadable-revision", file_of(error)) from error
    return [*map(describe, scripts)]


def file_of(error: Exception) -> Path | None:
    """Return the file that an error is about, if it says so."""
    name = getattr(error, "filename", None)
    return Path(name) if name else None


def describe(script: Script) -> Revision:
    """Return what the history needs of a revision."""
    return Revision(
        script.revision,
        Path(script.path),
        to_tuple(script.down_revision, ()),
        to_tuple(script.dependencies, ()),
        to_tuple(getattr(script.module, "branch_labels", None), ()),
        tuple(getattr(script.module, "replaces", ())),
        dict(getattr(script.module, "moved_from", {})),
    )


def arrange(scripts: Iterable[Revision], folder: Path) -> History:
    """Return the history that revisions make together.

    Raises:
        HistoryError: An id is in two files, or a revision follows one that is missing.
    """
    given = sorted(scripts, key=lambda script: script.path)
    known = {script.revision: script for script in given}
    moved = find_moved(given)
    for revision in known.keys() & moved.keys():
        message = f"Run `{REPAIR}`: {revision} has moved, and is {moved[revision]} now"
        raise HistoryError(message, "moved-revision", known[revision].path)
    labels = find_labels(given)
    for script in given:
        for parent in (*script.parents, *({*script.dependencies} - labels)):
            if parent not in known:
                message = explain_missing(parent, script.revision, given)
                raise HistoryError(message, "missing-revision", script.path)
    counted = Counter(script.revision for script in given)
    if twice := [revision for revision, count in counted.items() if count > 1]:
        message = f"{BY_HAND}: Revision {twice[0]} is present more than once"
        raise HistoryError(message, "duplicate-revision", known[twice[0]].path)
    graph = {script.revision: needed_by(script, known) for script in given}
    try:
        order = [*TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = ", ".join(error.args[1])
        message = f"{BY_HAND}: These revisions follow each other: {circle}"
        raise HistoryError(message, "circle", known[error.args[1][0]].path) from error
    return History(folder, {revision: known[revision] for revision in order}, read_ids(folder))


def find_labels(scripts: Iterable[Revision]) -> set[str]:
    """Return the labels of branches.

    Raises:
        HistoryError: Two branches have the same one.
    """
    labeled: dict[str, str] = {}
    for script in scripts:
        for label in script.labels:
            if labeled.get(label, script.revision) != script.revision:
                raise HistoryError(
                    f"{labeled[label]} and {script.revision} have the same branch label, {label}:"
                    " take it out of one of the files by hand",
                    "duplicate-label",
                    script.path,
                )
            labeled[label] = script.revision
    return {*labeled}


def find_moved(scripts: Iterable[Revision]) -> dict[str, str]:
    """Return the ids that revisions had before they were moved, and which they have now.

    Raises:
        HistoryError: Two files have been made of one revision.
    """
    moved: dict[str, str] = {}
    for script in scripts:
        for old in script.moved_from:
            if old in moved:
                raise HistoryError(
                    f"{moved[old]} and {script.revision} were the same revision, {old}, before they"
                    " were moved: delete the file of one",
                    "duplicate-revision",
                    script.path,
                )
            moved[old] = script.revision
    return moved


def explain_missing(parent: str, child: str, scripts: Sequence[Revision]) -> str:
    """Say what to do with a revision that follows a missing one."""
    if new := find_moved(scripts).get(parent):
        return f"Run `{REPAIR}`: {child} follows {parent}, which has moved, and is {new} now"
    for squash in scripts:
        if parent in squash.replaces and child in squash.replaces:
            return f"{child} is gone, as {squash.revision} replaces it: delete its file"
        if parent in squash.replaces:
            return (
                f"{child} follows {parent}, which {squash.revision} replaces: set down_revision in"
                f" its file to the newest revision, then run `{REPAIR}`; a database that has run"
                f" it already first goes back to {parent} with the code of before"
            )
    return f"{BY_HAND}: Revision {parent}, which {child} follows, is not present"
