"""The history file, `migrations/versions/history.txt`: an id a line, in upgrade order."""

import re
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from alembic_guardrails.files import write_whole

NAME = "history.txt"

REPAIR = "migrations repair"

TITLE = "# The revisions in upgrade order."

HEADER = f"{TITLE} After a conflict: {REPAIR}"

# The line above which the naming convention completes the names in revisions.
AS_WRITTEN = "# From here on, revisions run without the naming convention of the models."

# An id. In files from before 1.0 the digest of the revision follows it; it is not read any more.
LINE = re.compile(r"(?![<=>|]{7})(\S+)(?: [0-9a-f]{64})?")


class Recorded(NamedTuple):
    """The ids in a history file; it is tidy if each line is a comment or the only one of an id.

    `conventional` are the ids of revisions whose names the naming convention completes: those above
    the line that says so, and all in a file that was written before there was such a line.
    """

    ids: tuple[str, ...]
    is_tidy: bool
    conventional: tuple[str, ...] = ()


def parse(text: str) -> Recorded:
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
    return parse(file.read_text("utf-8") if file.exists() else "")


def write_ids(folder: Path, ids: Iterable[str]) -> None:
    """Write the history file in the folder of the revisions."""
    given = [*ids]
    before = {*read_ids(folder).conventional}
    older = [*takewhile(before.__contains__, given)]
    lines = (HEADER, *older, AS_WRITTEN, *given[len(older) :], "")
    write_whole(folder / NAME, "\n".join(lines))
