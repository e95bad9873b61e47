"""Temporary databases on PostgreSQL."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from alembic.util import CommandError
from alembic_guardrails.errors import error_code, reason
from alembic_guardrails.schema import execute_verbatim
from alembic_guardrails.temporary import Provisions, RevisionSource, is_created, is_mentioned
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

# insufficient_privilege: https://www.postgresql.org/docs/current/errcodes-appendix.html
FORBIDDEN: Collection[int | str] = ("42501",)

KEPT: tuple[str, ...] = ("schema ", "extension ")

BEFORE_DROPS: Sequence[str] = ()

# Of the database, and of the user in it. Those of the user alone hold in each database.
SETTINGS = text("""
SELECT CASE setrole WHEN 0 THEN 'DATABASE' ELSE 'ROLE CURRENT_USER IN DATABASE' END,
    split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) setting
WHERE datname = current_database() AND (setrole = 0 OR setrole::regrole = CURRENT_USER::regrole)
ORDER BY 1, 2
""")

# PostgreSQL stores these as lists of names, each in quotes if it needs them.
LISTS = ("search_path", "session_preload_libraries", "local_preload_libraries", "temp_tablespaces")

SCHEMAS = text("""
SELECT CAST(nspname AS text), nspname = ANY (current_schemas(false)) FROM pg_namespace n
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_depend
    WHERE classid = 'pg_namespace'::regclass AND objid = n.oid AND deptype = 'e')
ORDER BY oid
""")

# In the order in which they were created, and so can be created.
EXTENSIONS = text("""
SELECT CAST(extname AS text), CAST(nspname AS text)
FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace ORDER BY e.oid
""")

# What is not in an extension, with the statement that drops it.
OBJECTS = text("""
WITH extended AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
schema (oid) AS (
    SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
),
object (class, oid, kind) AS (
    SELECT 'pg_namespace'::regclass::oid, oid, 'SCHEMA' FROM schema
    UNION ALL
    SELECT 'pg_extension'::regclass, oid, 'EXTENSION' FROM pg_extension
    UNION ALL
    SELECT 'pg_class'::regclass, oid, CASE relkind WHEN 'v' THEN 'VIEW'
        WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE'
        WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END
    FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
    AND relnamespace IN (TABLE schema)
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, 'ROUTINE' FROM pg_proc WHERE pronamespace IN (TABLE schema)
    UNION ALL
    SELECT 'pg_type'::regclass, oid, 'TYPE' FROM pg_type
    WHERE typtype IN ('d', 'e', 'r') AND typnamespace IN (TABLE schema)
)
SELECT pg_describe_object(class, oid, 0),
    format('DROP %s IF EXISTS %s CASCADE', kind, identity)
FROM object, pg_identify_object(class, oid, 0)
WHERE (class, oid) NOT IN (TABLE extended)
AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = object.oid AND classid = class
    AND deptype = 'i' AND kind IN ('ROUTINE', 'SEQUENCE'))
""")


def grant(url: URL) -> str:
    """Return the statement that lets the user of `url` create databases."""
    return f"ALTER ROLE {url.username or 'CURRENT_USER'} CREATEDB"


def read_provisions(connection: Connection) -> Provisions:
    """Read the settings, the schemas and the extensions of a database."""
    return Provisions(
        [(target, name, value) for target, name, value in connection.execute(SETTINGS).all()],
        [(name, is_in_path) for name, is_in_path in connection.execute(SCHEMAS).all()],
        [(name, schema) for name, schema in connection.execute(EXTENSIONS).all()],
    )


def create_provisions(
    connection: Connection, provisions: Provisions, sources: Sequence[RevisionSource]
) -> None:
    """Create the schemas and extensions that revisions do not create, and set the settings.

    Raises:
        CommandError: An extension cannot be created.
    """
    installed = {name for name, _ in connection.execute(EXTENSIONS).all()}
    extensions = [
        (name, schema)
        for name, schema in provisions.extensions
        if name not in installed and not is_created(sources, "extension", name)
    ]
    homes = {schema for _, schema in extensions}
    present = {*connection.scalars(SCHEMAS)}
    for schema, is_in_path in provisions.schemas:
        # Nobody needs another one: somebody created it without a revision.
        is_needed = is_in_path or schema in homes or is_mentioned(sources, schema)
        if is_needed and schema not in present and not is_created(sources, "schema", schema):
            execute_verbatim(connection, f"CREATE SCHEMA {quote_name(schema)}")
    for name, schema in extensions:
        create_extension(connection, name, schema)
    is_extra = "public" in present and "public" not in dict(provisions.schemas)
    if is_extra and not any(source.drops_public() for source in sources):
        execute_verbatim(connection, "DROP SCHEMA public")
    database = quote_name(str(connection.scalar(text("SELECT current_database()"))))
    for target, name, value in provisions.settings:
        with suppressing_forbidden():  # those that the server's administrator has set
            setting = f"SET {name} TO {setting_value(name, value)}"
            execute_verbatim(connection, f"ALTER {target} {database} {setting}")


def create_extension(connection: Connection, name: str, schema: str) -> None:
    """Create an extension in a schema.

    Raises:
        CommandError: The user may not do that, or the schema is missing.
    """
    try:
        execute_verbatim(
            connection, f"CREATE EXTENSION {quote_name(name)} SCHEMA {quote_name(schema)}"
        )
    except DBAPIError as error:
        raise CommandError(
            f"Extension {name}, which no revision creates, cannot be created in a temporary"
            f" database: {reason(error)}. Name an empty database that has it in"
            " SCRATCH_DATABASE_URL."
        ) from error


def create_search_path(connection: Connection) -> None:
    """Create the first schema of the search_path if none of them is there."""
    if connection.scalar(text("SELECT current_schema()")) is None:
        names = split_names(str(connection.scalar(text("SHOW search_path"))))
        user = str(connection.scalar(text("SELECT CAST(CURRENT_USER AS text)")))
        for name in names[:1]:
            schema = user if name == "$user" else name
            execute_verbatim(connection, f"CREATE SCHEMA {quote_name(schema)}")


def read_objects(connection: Connection) -> dict[str, str]:
    """Return the name of each object that no extension brings, and the statement that drops it."""
    return {str(name): str(drop) for name, drop in connection.execute(OBJECTS).all()}


def quote_name(name: str) -> str:
    """Quote a name."""
    return '"' + name.replace('"', '""') + '"'


def split_names(value: str) -> list[str]:
    """Split a list of names as PostgreSQL stores it."""
    names = re.findall(r'"((?:[^"]|"")*)"|([^\s,"]+)', value)
    return [quoted.replace('""', '"') or plain for quoted, plain in names]


def setting_value(name: str, value: str) -> str:
    """Write the value of a setting for SET; a list is several values."""
    values = split_names(value) if name in LISTS else [value]
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values or [""])


@contextmanager
def suppressing_forbidden() -> Iterator[None]:
    """Go on if the user may not execute a statement."""
    try:
        yield
    except DBAPIError as error:
        if error_code(error) not in FORBIDDEN:
            raise
