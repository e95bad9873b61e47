"""Temporary databases: empty ones for tests, and for revisions to build a schema in."""

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Protocol

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from alembic_guardrails.connection import UnreachableError, run_with_connection
from alembic_guardrails.databases import create_on_server, drop_on_server
from alembic_guardrails.dialects import module_for
from alembic_guardrails.errors import error_code, reason
from alembic_guardrails.schema import execute_verbatim
from alembic_guardrails.settings import read_settings
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

# Calls that create a schema or an extension; where an argument is no text, it is computed.
CALLS = {"CreateSchema": "schema", "PGExtension": "extension"}


class RevisionSource:
    """The source of a revision, read without importing it."""

    def __init__(self, text: str) -> None:
        nodes = [*ast.walk(ast.parse(text))]
        self.texts = {
            node.value
            for node in nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        self.calls = {kind for node in nodes for kind in called_kinds(node)}

    def creates(self, kind: str, name: str) -> bool:
        """Whether the revision creates a schema or an extension.

        Where it computes a name, each text in it can be the name.
        """
        head = rf"\bCREATE\s+{kind}\s+(?:IF\s+NOT\s+EXISTS\s+)?"
        if self.has(rf'{head}(?:"{re.escape(name)}"|{re.escape(name)}(?![\w$-]))'):
            return True
        is_computed = kind in self.calls or self.has(head + r'"?(?:\Z|[%{])')
        return is_computed and name in self.texts

    def drops_public(self) -> bool:
        """Whether the revision drops the schema `public`."""
        return self.has(r'\bDROP\s+SCHEMA\s+(?:IF\s+EXISTS\s+)?"?public\b')

    def has(self, pattern: str) -> bool:
        """Whether a pattern is in one of the texts."""
        return any(re.search(pattern, text, re.IGNORECASE) for text in self.texts)


def is_mentioned(sources: Sequence[RevisionSource], name: str) -> bool:
    """Whether a text in one of some revisions has a name in it."""
    return any(source.has(rf"(?<![\w$]){re.escape(name)}(?![\w$])") for source in sources)


def called_kinds(node: ast.AST) -> Iterator[str]:
    """Return the kind of object that a call creates, if it is one that creates something."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in CALLS:
            yield CALLS[name]


def read_sources(config: Config) -> list[RevisionSource]:
    """Read the source of all revisions."""
    revisions = ScriptDirectory.from_config(config).walk_revisions()
    return [RevisionSource(Path(script.path).read_text("utf-8")) for script in revisions]


def is_created(sources: Sequence[RevisionSource], kind: str, name: str) -> bool:
    """Whether one of some revisions creates a schema or an extension."""
    return any(source.creates(kind, name) for source in sources)


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
    create_on_server(temporary, like=url.database)
    try:
        provide(url, temporary, config)
        yield temporary
    finally:
        drop_on_server(temporary)


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
