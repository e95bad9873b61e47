"""Temporary databases on MySQL and MariaDB."""

from collections.abc import Collection, Sequence

from alembic_guardrails.schema.mysql import list_objects, quote_name
from alembic_guardrails.temporary import Provisions, RevisionSource
from sqlalchemy import URL, Connection

# ER_DBACCESS_DENIED_ERROR:
# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
FORBIDDEN: Collection[int | str] = (1044,)

KEPT: tuple[str, ...] = ()

BEFORE_DROPS: Sequence[str] = ("SET SESSION foreign_key_checks = 0",)


def grant(url: URL) -> str:
    """Return the statement that lets the user of `url` create temporary databases."""
    pattern = str(url.database)[:40].replace("\\", r"\\").replace("_", r"\_").replace("%", r"\%")
    return rf"GRANT ALL ON {quote_name(pattern)[:-1]}\_%`.* TO {quote_name(url.username or '')}"


def read_provisions(connection: Connection) -> Provisions:
    """Return nothing: a database has a collation, which it is created with, and objects."""
    return Provisions()


def create_provisions(
    connection: Connection, provisions: Provisions, sources: Sequence[RevisionSource]
) -> None:
    """Create nothing."""


def create_search_path(connection: Connection) -> None:
    """Create nothing: there is no search_path."""


def read_objects(connection: Connection) -> dict[str, str]:
    """Return the name of each object, and the statement that drops it."""
    return {
        f"{kind} {name}{parent}": f"DROP {kind.upper()} IF EXISTS {quote_name(name)}"
        for kind, name, parent in list_objects(connection)
    }
