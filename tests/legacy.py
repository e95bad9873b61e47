"""Databases that are older than the code: how they are made, and all that is in them as text."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from matrix import ROOT
from servers import postgresql_programs
from sqlalchemy import URL

FOLDER = ROOT / "tests" / "existing"
# A folder with the original scripts of Chinook, which are too large for this repository.
ORIGINAL = os.environ.get("TEST_CHINOOK")
ORIGINALS = {
    "postgresql": "Chinook_PostgreSql.sql",
    "mysql": "Chinook_MySql.sql",
    "mariadb": "Chinook_MySql.sql",
    "sqlite": "Chinook_Sqlite.sql",
}
# How these begin with a database of their own.
ELSEWHERE = re.compile(r"(?:\s|/\*.*?\*/)*(?:(?:DROP|CREATE) DATABASE|USE|\\c)\b", re.DOTALL)
# What a statement needs, in the line above it.
EXTENSION = re.compile(r"(?m)^-- with (.+)$")
OURS = {"alembic_version", "alembic_journal"}
# What pg_dump writes anew each time.
RESTRICT = re.compile(r"^\\(?:un)?restrict .*\n", re.MULTILINE)


def family(url: URL) -> str:
    """The kind of database behind a URL, by the name that files have."""
    return url.get_backend_name()


@cache
def statements(schema: str, database: str) -> list[str]:
    """The statements of `hard` or `chinook` for a kind of database."""
    if schema == "chinook" and ORIGINAL:
        text = Path(ORIGINAL, ORIGINALS[database]).read_text(encoding="utf-8-sig")
        parts = re.split(r";[ \t]*\n", text)
        return [part for part in parts if part.strip() and not ELSEWHERE.match(part)]
    folder = FOLDER if schema == "hard" else FOLDER / schema
    # Both read one script of Chinook.
    name = "mariadb" if (schema, database) == ("chinook", "mysql") else database
    return (folder / f"{name}.sql").read_text(encoding="utf-8").split("\n;;\n")


def connect(url: URL) -> Any:
    """Connect to a database, with what each statement does committed."""
    if family(url) == "sqlite":
        file = sqlite3.connect(str(url.database), isolation_level=None)
        file.execute("PRAGMA foreign_keys = ON")
        return file
    if family(url) == "postgresql":
        arguments = url.translate_connect_args(username="user", database="dbname")
        return psycopg.connect(autocommit=True, **arguments)
    return pymysql.connect(autocommit=True, **url.translate_connect_args(username="user"))


def execute(url: URL, commands: Iterable[str]) -> None:
    """Run statements one by one."""
    with closing(connect(url)) as connection, closing(connection.cursor()) as cursor:
        for command in commands:
            cursor.execute(command)


def load(url: URL, schema: str) -> None:
    """Fill a database with `hard` or `chinook`, but for extensions that its server lacks."""
    has: set[str] = set()
    if family(url) == "postgresql":
        has = {name for (name,) in rows(url, "SELECT name FROM pg_available_extensions")}
    found = ((EXTENSION.search(line), line) for line in statements(schema, family(url)))
    execute(url, (line for extension, line in found if not extension or extension[1] in has))


def rows(url: URL, query: str) -> list[tuple[Any, ...]]:
    """What a query finds."""
    with closing(connect(url)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def revisions(url: URL) -> list[str]:
    """The revisions that a database is stamped with."""
    try:
        return [name for (name,) in rows(url, "SELECT version_num FROM alembic_version")]
    except (psycopg.errors.UndefinedTable, pymysql.err.ProgrammingError, sqlite3.OperationalError):
        return []


# --- Dumps --------------------------------------------------------------------------------------


def dump(url: URL) -> str:
    """All of a database's schema and rows, but for what migrations keep for themselves."""
    return DUMPS[family(url)](url)


def dump_postgresql(url: URL) -> str:
    """What pg_dump writes, of sequences and unlogged tables as well."""
    programs = postgresql_programs()
    assert programs
    target = url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [f"{programs}/pg_dump", *(f"--exclude-table=public.{name}" for name in OURS), target]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return RESTRICT.sub("", result.stdout)


def dump_mariadb(url: URL) -> str:
    """What `SHOW CREATE` says of everything, and all rows: hidden columns and history as well."""
    with closing(connect(url)) as connection, closing(connection.cursor()) as cursor:
        return "\n".join(lines_of_mariadb(cursor))


# The things of a database: their kind as SHOW CREATE has it, and their name.
THINGS = """
SELECT CASE table_type WHEN 'BASE TABLE' THEN 'TABLE' WHEN 'SYSTEM VERSIONED' THEN 'TABLE'
    ELSE table_type END, table_name FROM information_schema.tables WHERE table_schema = database()
UNION SELECT routine_type, routine_name FROM information_schema.routines
WHERE routine_schema = database()
UNION SELECT 'TRIGGER', trigger_name FROM information_schema.triggers
WHERE trigger_schema = database()
UNION SELECT 'EVENT', event_name FROM information_schema.events WHERE event_schema = database()
ORDER BY 1, 2
"""
COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = database() AND table_name = %s ORDER BY ordinal_position
"""


def lines_of_mariadb(cursor: Any) -> Iterator[str]:
    """Each thing's definition, and below it the rows, sorted."""
    cursor.execute(THINGS)
    for kind, name in cursor.fetchall():
        if name in OURS:
            continue
        quoted = quote(name)
        cursor.execute(f"SHOW CREATE {kind.replace('SYSTEM ', '')} {quoted}")
        definition = cursor.fetchone()
        yield f"{kind} {definition}"
        if kind in ("TABLE", "SEQUENCE"):
            cursor.execute(COLUMNS, (name,))
            columns = ", ".join(quote(column) for (column,) in cursor.fetchall()) or "*"
            history = "FOR SYSTEM_TIME ALL" if "WITH SYSTEM VERSIONING" in str(definition) else ""
            cursor.execute(f"SELECT {columns} FROM {quoted} {history}")
            yield from sorted(map(repr, cursor.fetchall()))


def quote(name: str) -> str:
    """Quote a name as MariaDB does."""
    return "`{}`".format(name.replace("`", "``"))


def dump_sqlite(url: URL) -> str:
    """What sqlite3's own dump writes, and what its header says."""
    if not Path(str(url.database)).exists():
        return ""
    with closing(connect(url)) as file:
        file.text_factory = lambda value: value.decode(errors="backslashreplace")
        settings = [file.execute(f"PRAGMA {name}").fetchone() for name in HEADER]
        lines = (line for line in file.iterdump() if not any(name in line for name in OURS))
        return "\n".join((repr(settings), *lines))


HEADER = ("application_id", "encoding", "journal_mode", "page_size", "user_version")
DUMPS = {
    "postgresql": dump_postgresql,
    "mysql": dump_mariadb,
    "mariadb": dump_mariadb,
    "sqlite": dump_sqlite,
}
