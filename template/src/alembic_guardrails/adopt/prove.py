"""The proof that a revision builds what a database has."""

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.errors import reason
from alembic_guardrails.ignore import FILE
from alembic_guardrails.output import count
from alembic_guardrails.schema import reword_views
from alembic_guardrails.schema.compare import differences
from alembic_guardrails.temporary.build import build_schema
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

LONGEST_EXCERPT = 100


def build_baseline(
    config: Config, connection: Connection, revision: str, live: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Build an empty database up to the first revision.

    Returns its schema, and that of the live database in words to compare with it.

    Raises:
        CommandError: The database refuses a statement.
    """
    try:
        built = build_schema(config, connection, revision)
    except DBAPIError as error:
        statement = " ".join((error.statement or "").split())[:LONGEST_EXCERPT]
        raise CommandError(
            f"The schema cannot be built a second time: {reason(error)}, at `{statement}`. List"
            f" what is to be left out in migrations/{FILE}, or correct it in the database."
        ) from error
    live = reword_views(connection, live, built)
    connection.commit()
    return built, live


def check_same(config: Config, live: dict[str, str], built: dict[str, str]) -> None:
    """Check that a database and what its baseline revision builds are the same.

    Raises:
        CommandError: They differ; the differences are printed.
    """
    if found := differences(live, built, ("database", "baseline revision")):
        config.print_stdout("%s\n", "\n".join(found))
        raise CommandError(
            f"{count(len(found), 'difference')} between the database and what its baseline revision"
            f" builds: list what is not yours in migrations/{FILE}."
        )
