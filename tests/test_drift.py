"""The command that compares a database with its migrations."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pymysql
import pytest
from conftest import Render, Scratch
from drivers import text_of
from matrix import FIRST, Setup
from project import Project
from seeds import CHANGED, MADE
from sqlalchemy import URL

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("setup", FIRST, ids=str)]

REVISION = '''"""Everything that can drift."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = depends_on = None


def upgrade() -> None:
    for statement in {statements!r}:
        op.execute(statement.replace(":", "\\\\:"))
'''


@pytest.fixture
def database(scratch: Scratch, setup: Setup) -> URL:
    """An empty database for the set-up."""
    return scratch(setup)


@pytest.fixture
def service(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, database: URL
) -> Project:
    """The example service on an empty database."""
    project = render(**setup.answers(database_url=text_of(database), include_example=True))
    project.use(environment(setup))
    return project


def drift(service: Project) -> str:
    """What the command says."""
    return service.run("python", "-m", f"{service.package}.migrations", "drift", check=False)


def seeds(text: str) -> list[str]:
    """The statements, one a line."""
    return text.strip().splitlines()


def change(database: URL, statements: list[str]) -> None:
    """Run statements in a database, behind the migrations' back."""
    if database.get_backend_name() == "sqlite":
        with sqlite3.connect(str(database.database)) as file:
            for statement in statements:
                if rewritten := re.fullmatch(r"rewrite (\w+): (.*) ->(.*)", statement):
                    table, old, new = rewritten.groups()
                    file.execute("PRAGMA writable_schema = ON")
                    [(before,)] = file.execute(
                        "SELECT sql FROM sqlite_master WHERE name = ?", [table]
                    )
                    assert old in before or new.strip() in before, statement
                    after = before.replace(old, new.strip())
                    file.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", [after, table])
                    file.commit()
                    file.execute("PRAGMA writable_schema = RESET")
                else:
                    file.executescript(statement)
    elif database.get_backend_name() == "postgresql":
        arguments = database.translate_connect_args(username="user", database="dbname")
        with psycopg.connect(autocommit=True, **arguments) as server:
            for statement in statements:
                server.execute(statement.encode())
    else:
        arguments = database.translate_connect_args(username="user")
        with pymysql.connect(autocommit=True, **arguments) as client, client.cursor() as cursor:
            for statement in statements:
                for part in statement.split("; "):
                    cursor.execute(part)


def test_every_seed_is_named(service: Project, setup: Setup, database: URL) -> None:
    backend = "mariadb" if setup.backend.name == "mysql" else setup.backend.name
    made, changed = seeds(MADE[backend]), [it.split(" => ") for it in seeds(CHANGED[backend])]
    path = service.path / "migrations" / "versions" / "0002_everything.py"
    path.write_text(REVISION.format(statements=made), encoding="utf-8")
    service.run("alembic", "upgrade", "head")
    before = drift(service)
    assert "The database is what the migrations make it, at revision 0002." in before

    change(database, [statement for _, statement in changed])
    after = drift(service)

    found = re.findall(r"^(?:only in the (?:database|migrations)|different): (.*?):?$", after, re.M)
    missed = [words for words, _ in changed if words not in found]
    assert not missed, f"{missed}\n{after}"
    print(len(changed), "seeds", sorted(set(found) - {w for w, _ in changed}))
