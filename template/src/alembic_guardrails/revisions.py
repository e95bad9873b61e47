"""The revisions that the code needs, to compare with `alembic_version` in the database."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails._alembic import revisions_in_any_order
from sqlalchemy import String, column, select, table

# A statement that returns the revisions of a database.
CURRENT = select(column("version_num", String)).select_from(table("alembic_version"))

# The tables that migrations keep for themselves: they belong to no schema that is compared.
VERSION_TABLE: Final = "alembic_version"
JOURNAL_TABLE: Final = "alembic_journal"
OWN_TABLES: Final = frozenset((VERSION_TABLE, JOURNAL_TABLE))


@dataclass(frozen=True)
class Revisions:
    """The revisions that the code has, or had before it squashed or moved them, and the newest."""

    known: frozenset[str]
    heads: frozenset[str]

    def fit(self, current: set[str]) -> bool:
        """Whether the code works with a database at these revisions.

        It does at its own heads, and at a revision that it does not know: that one belongs to the
        next release, which has migrated already and whose changes this release can work with.
        """
        return current == self.heads or not current <= self.known


def read_revisions(config_file: Path) -> Revisions:
    """Read the revisions of the migrations that `config_file`, an alembic.ini, is for.

    Raises:
        CommandError: The history cannot be read.
    """
    directory = ScriptDirectory.from_config(Config(config_file))
    known = frozenset(script.revision for script in directory.walk_revisions())
    older = {*read_superseded(directory), *read_moved(directory)}
    return Revisions(known.union(older), frozenset(directory.get_heads()))


class Place(NamedTuple):
    """What a revision that was moved is now, and what it followed before."""

    script: Script
    parent: str | None


def read_moved(directory: ScriptDirectory) -> dict[str, Place]:
    """Return the ids that revisions had before `repair` moved them.

    A database at such an id has run the revision, but perhaps not what comes before it now.

    Raises:
        CommandError: A revision follows one that does not exist.
    """
    read_bases(directory)
    return {
        old: Place(script, parent)
        for script in revisions_in_any_order(directory)
        for old, parent in getattr(script.module, "moved_from", {}).items()
    }


def read_superseded(directory: ScriptDirectory) -> dict[str, Script]:
    """Return the revisions that `squash` has replaced, each with the revision that replaces it.

    Raises:
        CommandError: A revision follows one that does not exist.
    """
    return {
        superseded: base
        for base in read_bases(directory)
        for superseded in getattr(base.module, "replaces", ())
    }


def read_bases(directory: ScriptDirectory) -> list[Script]:
    """Return the revisions that follow none.

    Raises:
        CommandError: A revision follows one that does not exist.
    """
    try:
        return [*filter(None, directory.get_revisions(directory.get_bases()))]
    except KeyError as error:
        raise CommandError(
            f"Revision {error} does not exist, but another one follows it. Run `migrations repair`"
            " to see which."
        ) from error
