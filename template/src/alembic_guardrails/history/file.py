"""The history file, `migrations/versions/history.txt`: an id a line, in upgrade order."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from alembic_guardrails.files import write_whole

NAME = "history.txt"

REPAIR = "migrations repair"

HEADER = f"# The revisions in upgrade order. After a conflict: {REPAIR}"

# An id. In files from before 1.0 the digest of the revision follows it; it is not read any more.
LINE = re.compile(r"(?![<=>|]{7})(\S+)(?: [0-9a-f]{64})?")


class Recorded(NamedTuple):
    """The ids in a history file; it is tidy if each line is a comment or the only one of an id."""

    ids: tuple[str, ...]
    is_tidy: bool


def parse(text: str) -> Recorded:
    """Read the text of a history file."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    ids = dict.fromkeys(match[1] for match in map(LINE.fullmatch, lines) if match)
    return Recorded((*ids,), len(ids) == len(lines))


def read_ids(folder: Path) -> Recorded:
    """Read the history file in the folder of the revisions; one that is missing has no ids."""
    file = folder / NAME
    return parse(file.read_text("utf-8") if file.exists() else "")


def write_ids(folder: Path, ids: Iterable[str]) -> None:
    """Write the history file in the folder of the revisions."""
    write_whole(folder / NAME, "\n".join((HEADER, *ids, "")))
