"""Create the database."""

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.databases import create_database
from alembic_guardrails.errors import reason
from alembic_guardrails.settings import read_settings
from sqlalchemy.exc import DBAPIError


def create(config: Config) -> None:
    """Create the database, or the folder of a SQLite file, unless it is there.

    Raises:
        CommandError: The database cannot be created.
    """
    url = read_settings(config).database_url
    try:
        is_new = create_database(url)
    except (DBAPIError, OSError) as error:
        raise CommandError(
            f"The database {url.database} cannot be created: {reason(error)}"
        ) from error
    # A SQLite file comes with the first connection.
    is_file = url.get_backend_name() == "sqlite"
    name = f"The folder of {url.database}" if is_file else f"The database {url.database}"
    said = "was created" if is_new else "is there already"
    config.print_stdout("%s %s; `alembic upgrade head` brings its tables.", name, said)
