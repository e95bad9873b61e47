"""Temporary databases: empty ones for tests, and for revisions to build a schema in."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.connection import UnreachableError, run_with_connection
from alembic_guardrails.databases import run_on_server
from alembic_guardrails.dialects import module_for
from alembic_guardrails.errors import error_code, reason
from alembic_guardrails.schema.base import execute_verbatim
from alembic_guardrails.settings import read_settings
from alembic_guardrails.temporary.base import Provisions, TemporaryServer
from alembic_guardrails.temporary.sources import read_sources
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError


@contextmanager
def temporary_database(url: URL, config: Config | None = None) -> Iterator[URL]:
    """Create an empty database on the server of `url`, and drop it at the end.

    If `url` names a database, the new one gets the collation and the settings of that, and the
    schemas and extensions that it has and the revisions of `config` do not create. For SQLite it is
    a file in a temporary folder.

    Raises:
        UnreachableError: The server cannot be connected to.
        DBAPIError: The server refuses to create the database.
        CommandError: Something that the database needs cannot be created in it.
    """
    if url.get_backend_name() == "sqlite":
        with TemporaryDirectory() as folder:
            yield url.set(database=str(Path(folder, "temporary.db")))
        return
    temporary = url.set(database=f"{(url.database or 'temporary')[:40]}_{token_hex(8)}")
    run_on_server("CREATE DATABASE", temporary, like=url.database)
    try:
        provide(url, temporary, config)
        yield temporary
    finally:
        run_on_server("DROP DATABASE", temporary)


@contextmanager
def temporary_database_beside(config: Config, url: URL) -> Iterator[URL]:
    """Create an empty database to compare with that of `url`, and drop it at the end.

    If SCRATCH_DATABASE_URL names a database, it is used instead and emptied at the end.

    Raises:
        CommandError: The database cannot be created, or the one that is named is not empty.
    """
    named = read_settings(config).scratch_database_url
    is_file = url.get_backend_name() == "sqlite"
    with ExitStack() as stack:
        try:
            temporary = stack.enter_context(
                emptied_database(config, url, named)
                if named and not is_file
                else temporary_database(url, config)
            )
        except (DBAPIError, OSError) as error:
            message = f"No temporary database can be created to compare with: {reason(error)}"
            raise CommandError(f"{message}{advice(url, error)}") from error
        yield temporary


@contextmanager
def emptied_database(config: Config, url: URL, named: URL) -> Iterator[URL]:
    """Use a database that is empty, and drop at the end what was created in it.

    Raises:
        CommandError: It is not empty, or cannot be emptied.
    """
    server = server_of(url)
    before = run_with_connection(named, server.read_objects)
    if full := [name for name in before if not name.startswith(server.KEPT)]:
        raise CommandError(
            f"The database of SCRATCH_DATABASE_URL is not empty: it has {full[0]}. Name an empty"
            " database, because everything in it is dropped at the end."
        )
    try:
        provide(url, named, config, with_settings=False)
        yield named
    finally:
        run_with_connection(
            named, partial(drop_objects, server, before), isolation_level="AUTOCOMMIT"
        )


def drop_objects(server: TemporaryServer, kept: Collection[str], connection: Connection) -> None:
    """Drop all objects but those that are kept.

    Raises:
        CommandError: An object cannot be dropped.
    """
    objects = server.read_objects(connection)
    statements = [drop for name, drop in objects.items() if name not in kept]
    try:
        for statement in [*server.BEFORE_DROPS, *statements]:
            execute_verbatim(connection, statement)
    except DBAPIError as error:
        raise CommandError(
            f"The database of SCRATCH_DATABASE_URL could not be emptied: {reason(error)}"
        ) from error


def provide(url: URL, temporary: URL, config: Config | None, *, with_settings: bool = True) -> None:
    """Give a database what that of `url` has and the revisions of `config` do not create.

    Raises:
        CommandError: Something cannot be created.
    """
    server = server_of(url)
    try:
        provisions = run_with_connection(url, server.read_provisions)
    except UnreachableError:  # a server for tests need not have the database that its URL names
        provisions = Provisions()
    if not with_settings:
        provisions = replace(provisions, settings=[])
    sources = read_sources(config) if config else []

    def create(connection: Connection) -> None:
        server.create_provisions(connection, provisions, sources)

    run_with_connection(temporary, create, isolation_level="AUTOCOMMIT")
    # The settings of a database hold for connections from now on.
    run_with_connection(temporary, server.create_search_path, isolation_level="AUTOCOMMIT")


def advice(url: URL, error: BaseException) -> str:
    """Say what to do if the user may not create databases."""
    server = server_of(url)
    if not isinstance(error, DBAPIError) or error_code(error) not in server.FORBIDDEN:
        return ""
    return (
        f". Allow it with `{server.grant(url)}`, or name an empty database in SCRATCH_DATABASE_URL."
    )


def server_of(url: URL) -> TemporaryServer:
    """Return the module for the server of a URL."""
    server: TemporaryServer = module_for("temporary", url.get_backend_name())
    return server
