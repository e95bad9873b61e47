"""The file `migrations/versions/history.txt`."""

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from alembic_guardrails.files import write_whole

Ledger = dict[str, str]

REPAIR = "migrations repair"

HEADER = f"# The revisions in upgrade order. After a conflict: {REPAIR}"

LINE = re.compile(r"^(\S+) ([0-9a-f]{64})$", re.MULTILINE)


def entries(text: str) -> Ledger:
    """The lines of a ledger that are a revision's."""
    return dict(LINE.findall(text))


def digests(texts: Mapping[str, str]) -> Ledger:
    """What the ledger says of revisions with these texts."""
    return {id: sha256(text.encode()).hexdigest() for id, text in texts.items()}


def write_ledger(file: Path, ledger: Ledger) -> None:
    """Write a ledger to a file."""
    lines = (HEADER, *(f"{id} {digest}" for id, digest in ledger.items()), "")
    write_whole(file, "\n".join(lines))
