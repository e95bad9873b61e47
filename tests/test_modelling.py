"""The typed models that are written from a database with everything that is hard in it."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pymysql
import pytest
from conftest import Render
from drivers import text_of
from matrix import ASYNC, DISTINCT, PROGRAMS, ROOT, Setup, setups
from project import Project
from sqlalchemy import URL

pytestmark = pytest.mark.slow

# Writes models of what is in the database, but for partitions, which are in a schema of their own.
GENERATE = """
import json, shutil
from pathlib import Path
from sqlalchemy import inspect
from alembic_guardrails import run_with_connection
from alembic_guardrails.adopt.modules import write_models
from my_service.models import Base
from my_service.settings import Settings

def work(connection):
    inspector = inspect(connection)
    schemas = [None]
    if connection.dialect.name == "postgresql":
        schemas += {*inspector.get_schema_names()} - {"public", "information_schema", "parts"}
    tables = [(schema, name) for schema in schemas for name in inspector.get_table_names(schema)]
    said, _ = write_models(connection, tables, Path("new"), Base, "my_service.models")
    for path in Path("new").iterdir():
        shutil.move(path, "src/my_service/models")
    print(json.dumps({".".join(filter(None, table)): words for table, words in said.items()}))

run_with_connection(Settings().database_url, work)
"""

# Follows relationships as an endpoint does; what SQLAlchemy warns of is an error.
QUERY = """
import asyncio, json, warnings
from sqlalchemy.exc import SAWarning
warnings.simplefilter("error", SAWarning)
from sqlalchemy import select
from sqlalchemy.orm import Session, configure_mappers, selectinload
from my_service.db.engine import make_engine
from my_service.models.tag import Tag
from my_service.models.user import User
from my_service.settings import Settings
configure_mappers()
url = Settings().database_url
engine = make_engine(url, 1)
tags = selectinload(Tag.users).selectinload(User.manager)
users = selectinload(User.users), selectinload(User.profile), selectinload(User.friends)
queries = select(Tag).options(tags).order_by(Tag.id), select(User).options(*users)

def read(tags, users):
    print(json.dumps({
        "tags": {tag.tag: sorted(user.name for user in tag.users) for tag in tags},
        "managed": {boss.name: [user.name for user in boss.users] for boss in users},
    }))

async def read_async():
    from sqlalchemy.ext.asyncio import AsyncSession
    async with AsyncSession(engine) as session:
        read(*[(await session.scalars(query)).all() for query in queries])
    await engine.dispose()

if url.get_dialect().is_async:
    asyncio.run(read_async())
else:
    with Session(engine) as session:
        read(*[session.scalars(query).all() for query in queries])
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


@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep, among=[*PROGRAMS, *ASYNC]))
def test_models_of_what_is_hard(
    existing: Project, setup: Setup, database: URL, mypy_cache: Path
) -> None:
    load(database, ROOT / "tests" / "existing" / f"models_{setup.backend.name}.sql")

    said = json.loads(existing.run("python", "-c", GENERATE).splitlines()[-1])

    assert said["users"] == "class User"
    assert said["Order Lines"] == "class OrderLine"
    assert said["user_tags"] == "Table user_tag: it links users and tags"
    assert said["log"] == "Table log: it has no primary key"
    assert "All checks passed!" in existing.run("ruff", "check")
    assert "already formatted" in existing.run("ruff", "format", "--check")
    assert "Success: no issues found" in existing.run("mypy", f"--cache-dir={mypy_cache}")
    assert "No new upgrade operations detected." in existing.alembic("stamp head", "check")
    existing.alembic("revision --autogenerate --message=nothing")
    (path,) = (existing.path / "migrations" / "versions").glob("*nothing.py")
    assert "op." not in path.read_text(encoding="utf-8")
    assert json.loads(existing.run("python", "-c", QUERY).splitlines()[-1]) == {
        "tags": {"red": ["Ann", "Ben"], "blue": ["Ann"]},
        "managed": {"Ann": ["Ben"], "Ben": []},
    }
