"""The revisions of a database, where they are among these migrations."""

from alembic.script import ScriptDirectory
from alembic_guardrails.history.moved import check_not_moved
from alembic_guardrails.history.superseded import check_not_superseded
from alembic_guardrails.own_tables import VERSION_TABLE
from alembic_guardrails.revisions import CURRENT
from sqlalchemy import Connection, inspect


def read_current(directory: ScriptDirectory, connection: Connection) -> list[str] | None:
    """Return the revisions of the database; None if Alembic has never run there.

    Raises:
        CommandError: A revision was moved or superseded; the message says what the database needs.
    """
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    current = [*connection.scalars(CURRENT)]
    check_not_superseded(directory, current)
    check_not_moved(directory, current)
    return current
