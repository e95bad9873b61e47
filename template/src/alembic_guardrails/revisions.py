"""Which revision the code needs; the database has its own in `alembic_version`."""

from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import String, column, select, table

# Asks a database for its revision.
CURRENT = select(column("version_num", String)).select_from(table("alembic_version"))


@dataclass(frozen=True)
class Revisions:
    """The revisions that the code brings along or has replaced, and the newest of them."""

    known: frozenset[str]
    heads: frozenset[str]

    def fit(self, current: set[str]) -> bool:
        """Whether the code can work with a database at these revisions.

        One that the code does not know is newer: the next release has migrated already, and its
        changes are such that this one works on until it is replaced.
        """
        return current == self.heads or not current <= self.known


def read_revisions(config_file: Path) -> Revisions:
    """Read the revisions from the migrations."""
    scripts = ScriptDirectory.from_config(Config(config_file))
    known = frozenset(script.revision for script in scripts.walk_revisions())
    return Revisions(known.union(read_superseded(scripts)), frozenset(scripts.get_heads()))


def read_superseded(scripts: ScriptDirectory) -> dict[str, Script]:
    """The revisions that `squash` has replaced, and by which one: a first one, in one file."""
    try:
        bases = scripts.get_revisions(scripts.get_bases())
    except KeyError as error:
        message = (
            f"Revision {error} is gone, and another follows it: `migrations repair` knows more"
        )
        raise CommandError(message) from error
    return {id: base for base in bases for id in getattr(base.module, "replaces", ())}
