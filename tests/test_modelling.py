"""The typed models that are written from a database with everything that is hard in it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pymysql
import pytest
from conftest import Render
from drivers import text_of
from matrix import ASYNC, PROGRAMS, ROOT, Setup, setups
from project import Project
from sqlalchemy import URL

pytestmark = pytest.mark.slow

# Schemas that hold nothing but partitions.
GENERATE = """
import json, shutil, sys, time
from pathlib import Path
from sqlalchemy import inspect
from my_service.db.standalone import with_connection
from my_service.migrations.modelling import write_models
from my_service.settings import Settings

def work(connection):
    inspector = inspect(connection)
    default = connection.dialect.default_schema_name
    schemas = [None]
    if connection.dialect.name == "postgresql":
        hidden = (default, "information_schema", "parts")
        schemas += [name for name in inspector.get_schema_names() if name not in hidden]
    tables = [
        (schema, name)
        for schema in schemas for name in inspector.get_table_names(schema)
        if name != "alembic_version"
    ]
    started = time.monotonic()
    said = write_models(connection, tables, Path("new"))
    print(time.monotonic() - started, file=sys.stderr)
    for path in Path("new").iterdir():
        shutil.move(path, "src/my_service/models")
    print(json.dumps({".".join(filter(None, table)): it for table, it in said.items()}))

with_connection(Settings().database_url, work)
"""


def load(database: URL, path: Path) -> None:
    """Run a file of SQL in a database."""
    script = path.read_text(encoding="utf-8")
    backend = database.get_backend_name()
    if backend == "sqlite":
        with closing(sqlite3.connect(str(database.database))) as file:
            file.executescript(script)
    elif backend == "postgresql":
        arguments = database.translate_connect_args(username="user", database="dbname")
        with psycopg.connect(autocommit=True, **arguments) as server:
            server.execute(script.encode())
    else:
        arguments = database.translate_connect_args(username="user")
        with pymysql.connect(autocommit=True, **arguments) as client, client.cursor() as cursor:
            for statement in script.split(";\n"):
                if statement.strip():
                    cursor.execute(statement)


@pytest.fixture
def existing(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, database: URL
) -> Project:
    """A service on a database that has tables."""
    project = render(
        **setup.answers(
            database_url=text_of(database), existing_database=True, include_example=False
        )
    )
    project.use(environment(setup))
    return project


@pytest.mark.parametrize("setup", setups(PROGRAMS, pytest.mark.sweep, among=[*PROGRAMS, *ASYNC]))
def test_models_of_what_is_hard(existing: Project, setup: Setup, database: URL) -> None:
    load(database, ROOT / "tests" / "existing" / f"models_{setup.backend.name}.sql")
    print(existing.run("python", "-c", GENERATE))
    print(existing.run("ruff", "check", check=False))
    print(existing.run("ruff", "format", "--check", check=False))
    print(existing.run("mypy", check=False))
    print(existing.run("alembic", "stamp", "head", check=False))
    print(existing.run("alembic", "check", check=False)[-9000:])
    import shutil

    shutil.rmtree("/tmp/mkeep", ignore_errors=True)
    shutil.copytree(existing.path, "/tmp/mkeep")
    raise AssertionError()
