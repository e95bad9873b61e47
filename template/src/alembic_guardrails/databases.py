"""Databases that are created: for good, or next to another one and only for a while."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from alembic.util import CommandError
from alembic_guardrails.connection import UnreachableError, run_with_connection
from alembic_guardrails.errors import reason
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

# What a server has from the start, to connect to while another database is made.
MAINTENANCE = {"postgresql": "postgres"}

# What every new table takes over from its database.
DEFAULTS = text(
    "SELECT concat(' CHARACTER SET ', default_character_set_name,"
    " ' COLLATE ', default_collation_name)"
    " FROM information_schema.schemata WHERE schema_name = :name"
)


@contextmanager
def temporary_database(url: URL) -> Iterator[URL]:
    """Make an empty database on the server of `url`, with the defaults of the one it names.

    SQLite's is a file in a folder for temporary ones. Raises UnreachableError, or what the driver
    raises.
    """
    if url.get_backend_name() == "sqlite":
        with TemporaryDirectory() as folder:
            yield url.set(database=str(Path(folder, "scratch.db")))
        return
    scratch = url.set(database=f"{url.database or 'scratch'}"[:40] + f"_{token_hex(8)}")
    run_on_server("CREATE DATABASE", scratch, like=url.database)
    try:
        yield scratch
    finally:
        run_on_server("DROP DATABASE", scratch)


def create_database(url: URL) -> None:
    """Create the database of `url`, or the folder of a SQLite file, unless it is there.

    Raises UnreachableError, or what the driver raises.
    """
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    elif not can_connect(url):
        try:
            run_on_server("CREATE DATABASE", url, like=url.database)
        except DBAPIError:
            if not can_connect(url):  # nobody else was faster
                raise


def can_connect(url: URL) -> bool:
    """Whether the database of `url` can be connected to."""
    try:
        run_with_connection(url, lambda connection: None)
    except UnreachableError:
        return False
    return True


def run_on_server(statement: str, url: URL, like: str | None = None) -> None:
    """Create or drop the database that `url` names."""

    def execute(connection: Connection) -> None:
        name = connection.dialect.identifier_preparer.quote_identifier(str(url.database))
        defaults = ""
        if like and connection.dialect.name != "postgresql":
            defaults = connection.scalar(DEFAULTS, {"name": like}) or " CHARACTER SET utf8mb4"
        connection.exec_driver_sql(f"{statement} {name}{defaults}")

    server = url.set(database=MAINTENANCE.get(url.get_backend_name(), "information_schema"))
    run_with_connection(server, execute, isolation_level="AUTOCOMMIT")


@contextmanager
def temporary_database_beside(url: URL) -> Iterator[URL]:
    """Make an empty database next to another one, to try or to compare, and drop it at the end.

    Raises CommandError if it cannot be made.
    """
    with ExitStack() as stack:
        try:
            scratch = stack.enter_context(temporary_database(url))
        except (DBAPIError, OSError) as error:
            message = f"No scratch database can be made to compare with: {reason(error)}"
            raise CommandError(message) from error
        yield scratch
