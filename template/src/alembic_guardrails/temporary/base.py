"""What the temporary databases of all servers have in common."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from alembic_guardrails.temporary.sources import RevisionSource
from sqlalchemy import URL, Connection


@dataclass(frozen=True)
class Provisions:
    """What a database has beside tables, and revisions need not create.

    A setting has the words that come before its SET, its name and its value. A schema has its name,
    and whether it is in the search_path. An extension has the name of the schema that it is in.
    """

    settings: Sequence[tuple[str, str, str]] = ()
    schemas: Sequence[tuple[str, bool]] = (("public", True),)
    extensions: Sequence[tuple[str, str]] = ()


class TemporaryServer(Protocol):
    """What the module of each server in this package offers; SQLite needs none."""

    FORBIDDEN: Collection[int | str]
    """The codes of the errors for a user who may not create databases."""

    KEPT: tuple[str, ...]
    """How the names of objects begin that a database may have and is empty."""

    BEFORE_DROPS: Sequence[str]
    """What has to be executed before objects can be dropped in any order."""

    def grant(self, url: URL, /) -> str:
        """Return the statement that lets the user of `url` create databases."""

    def read_provisions(self, connection: Connection, /) -> Provisions:
        """Read what a database has beside tables."""

    def create_provisions(
        self, connection: Connection, provisions: Provisions, sources: Sequence[RevisionSource], /
    ) -> None:
        """Create what revisions with these sources do not create."""

    def create_search_path(self, connection: Connection, /) -> None:
        """Create the first schema of the search_path if none of it is there."""

    def read_objects(self, connection: Connection, /) -> dict[str, str]:
        """Return the name of each object, and the statement that drops it."""
