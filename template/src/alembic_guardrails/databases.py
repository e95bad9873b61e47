"""Create and drop databases on a server."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from alembic_guardrails.connection import UnreachableError, run_with_connection
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

# A database that each server has, to connect to while another one is created.
MAINTENANCE = {"postgresql": "postgres", "mysql": "information_schema"}
MAINTENANCE["mariadb"] = MAINTENANCE["mysql"]

# A revision can leave a session open in a temporary database. The others drop it all the same.
DROP_OPTIONS = {"postgresql": " WITH (FORCE)"}

# Each new table of MySQL and MariaDB takes over what its database has.
MYSQL_DEFAULTS = text(
    "SELECT concat(' CHARACTER SET ', default_character_set_name,"
    " ' COLLATE ', default_collation_name)"
    " FROM information_schema.schemata WHERE schema_name = :name"
)

POSTGRESQL_DATABASES = text(
    "SELECT CAST(datname AS text), CAST(to_jsonb(d) AS text), pg_encoding_to_char(encoding)"
    " FROM pg_database d WHERE datname IN (:name, 'template1')"
)

# The columns of pg_database that hold the locale; each version has some of them.
LOCALE_COLUMNS = (
    "encoding", "datlocprovider", "datcollate", "datctype", "daticulocale", "datlocale",
    "daticurules",
)  # fmt: skip


def create_database(url: URL) -> bool:
    """Create the database of `url`, or the folder of a SQLite file, unless it is there.

    Returns whether it was created.

    Raises:
        UnreachableError: The server cannot be connected to.
        DBAPIError: The server refuses to create the database.
    """
    if url.get_backend_name() == "sqlite":
        folder = Path(str(url.database)).parent
        is_missing = not folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        return is_missing
    if can_connect(url):
        return False
    try:
        create_on_server(url, like=url.database)
    except DBAPIError:
        if not can_connect(url):  # another process can have created it
            raise
        return False
    return True


def can_connect(url: URL) -> bool:
    """Whether the database of `url` can be connected to."""
    try:
        run_with_connection(url, lambda connection: None)
    except UnreachableError:
        return False
    return True


def create_on_server(url: URL, like: str | None = None) -> None:
    """Create the database of `url`; `like` is one whose collation it gets."""

    def statement(connection: Connection, name: str) -> str:
        options = COLLATIONS[connection.dialect.name](connection, like) if like else ""
        return f"CREATE DATABASE {name}{options}"

    run_on_server(url, statement)


def drop_on_server(url: URL) -> None:
    """Drop the database of `url`, also while sessions are open in it."""

    def statement(connection: Connection, name: str) -> str:
        return f"DROP DATABASE {name}{DROP_OPTIONS.get(connection.dialect.name, '')}"

    run_on_server(url, statement)


def run_on_server(url: URL, statement: Callable[[Connection, str], str]) -> None:
    """Run a statement about the database of `url`, of which it gets the quoted name."""

    def execute(connection: Connection) -> None:
        name = connection.dialect.identifier_preparer.quote_identifier(str(url.database))
        connection.exec_driver_sql(statement(connection, name))

    server = url.set(database=MAINTENANCE[url.get_backend_name()])
    run_with_connection(server, execute, isolation_level="AUTOCOMMIT")


def mysql_collation(connection: Connection, like: str) -> str:
    """Return the options for the character set and the collation of a database."""
    return connection.scalar(MYSQL_DEFAULTS, {"name": like}) or " CHARACTER SET utf8mb4"


def postgresql_collation(connection: Connection, like: str) -> str:
    """Return the options for the encoding and the locale of a database.

    None are needed where they are those of `template1`, from which the server copies each database.
    """
    rows = connection.execute(POSTGRESQL_DATABASES, {"name": like}).all()
    databases = {name: json.loads(columns) | {"encoding": code} for name, columns, code in rows}
    return locale_options(databases.get(like, databases["template1"]), databases["template1"])


def locale_options(database: Mapping[str, Any], default: Mapping[str, Any]) -> str:
    """Return the options that give a database the locale of another one, unless it is the default.

    Both are rows of pg_database, with the name of the encoding.
    """
    if all(database.get(name) == default.get(name) for name in LOCALE_COLUMNS):
        return ""
    provider = database.get("datlocprovider")  # there since PostgreSQL 15
    locale = database.get("datlocale") or database.get("daticulocale")
    options = {
        "ENCODING": database["encoding"],
        "LC_COLLATE": database["datcollate"],
        "LC_CTYPE": database["datctype"],
        "LOCALE_PROVIDER": {"b": "builtin", "c": "libc", "i": "icu"}.get(str(provider)),
        "BUILTIN_LOCALE": locale if provider == "b" else None,
        "ICU_LOCALE": locale if provider == "i" else None,
        "ICU_RULES": database.get("daticurules"),
    }
    quoted = {name: str(value).replace("'", "''") for name, value in options.items() if value}
    return " TEMPLATE template0" + "".join(f" {name} '{value}'" for name, value in quoted.items())


COLLATIONS: dict[str, Callable[[Connection, str], str]] = {
    "mysql": mysql_collation,
    "mariadb": mysql_collation,
    "postgresql": postgresql_collation,
}
