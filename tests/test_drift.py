"""The command that compares a database with its migrations."""

import json
import os
import re
import sqlite3
from collections.abc import Callable

import pexpect
import psycopg
import pymysql
import pytest
from conftest import Scratch
from drivers import text_of
from matrix import PROGRAMS, ROOT, SERVED, Setup, setups
from project import Project
from servers import Server
from sqlalchemy import URL

pytestmark = pytest.mark.slow

REVISION = '''"""Everything that can drift."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = depends_on = None


def upgrade():
    for statement in {statements!r}:
        op.execute(statement)
'''

# Prints what the command raises for each of several databases.
RUN = """
import json, os, sys
from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.commands.drift import drift
said = {}
for name, url in json.load(open("urls.json", encoding="utf-8")).items():
    os.environ["DATABASE_URL"] = url
    try:
        drift(Config("alembic.ini"))
    except CommandError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


def drift(service: Project) -> str:
    """What the command says."""
    return service.run("migrations", "drift", check=False)


def change(database: URL, statements: list[str]) -> None:
    """Run statements in a database, behind the migrations' back."""
    backend = database.get_backend_name()
    if backend == "sqlite":
        with sqlite3.connect(str(database.database)) as file:
            for statement in statements:
                file.executescript(f"PRAGMA writable_schema = ON; {statement};")
                file.execute("PRAGMA writable_schema = RESET")
    elif backend == "postgresql":
        arguments = database.translate_connect_args(username="user", database="dbname")
        with psycopg.connect(autocommit=True, **arguments) as server:
            for statement in statements:
                server.execute(statement.encode())
    else:
        arguments = database.translate_connect_args(username="user")
        with pymysql.connect(autocommit=True, **arguments) as client, client.cursor() as cursor:
            for statement in statements:
                for part in statement.split(";\n"):
                    cursor.execute(part)


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_every_seed_is_named(service: Project, setup: Setup, database: URL) -> None:
    """The seeds' files make things, then change each in the way that the comment names."""
    text = (ROOT / "tests" / "seeds" / f"{setup.backend.name}.sql").read_text(encoding="utf-8")
    blocks = [block.strip().removesuffix(";") for block in text.split("\n\n")]
    made = [" ".join(block.split()) for block in blocks if not block.startswith("--")]
    seeds = dict(
        block.removeprefix("-- ").split("\n", 1) for block in blocks if block.startswith("--")
    )
    assert len(seeds) > 40
    path = service.path / "migrations" / "versions" / "0002_everything.py"
    path.write_text(REVISION.format(statements=made), encoding="utf-8")
    service.run("alembic", "upgrade", "head")
    assert drift(service) == "The database is what the migrations make it, at revision 0002.\n"

    change(database, list(seeds.values()))
    said = drift(service)

    found = re.findall(r"^error\[[a-z-]+\]: (?:Only|Different) in the [^:]+: (.*)\.$", said, re.M)
    assert not seeds.keys() - set(found), said
    assert said.endswith(f"\n{len(found)} differences from revision 0002.\n")


@pytest.mark.parametrize("setup", SERVED[:1], ids=str)
def test_public_that_was_created_again_is_no_difference(service: Project, database: URL) -> None:
    change(database, ["DROP SCHEMA public CASCADE", "CREATE SCHEMA public"])
    service.run("alembic", "upgrade", "head")
    assert drift(service) == "The database is what the migrations make it, at revision 0001.\n"


@pytest.mark.parametrize("setup", PROGRAMS[:1], ids=str)
def test_progress_on_a_terminal(service: Project) -> None:
    service.run("alembic", "upgrade", "head")
    command = "migrations drift"

    environment = dict(os.environ) | service.environment
    shown = pexpect.run(command, cwd=str(service.path), env=environment, encoding="utf-8")

    assert "\x1b[KBuilding a database to compare with: 1 of 1 revisions, " in str(shown)
    assert drift(service).startswith("The database is what")


def revisions(*names: str) -> list[str]:
    """Statements that write revisions into a database."""
    rows = [f"INSERT INTO alembic_version VALUES ('{name}')" for name in names]
    return ["CREATE TABLE alembic_version (version_num varchar(32))", *rows]


@pytest.mark.parametrize("setup", setups(PROGRAMS, pytest.mark.sweep))
def test_what_cannot_be_compared(
    service: Project, setup: Setup, scratch: Scratch, server: Callable[[str], Server]
) -> None:
    new, unknown, forked = scratch(setup), scratch(setup), scratch(setup)
    change(unknown, revisions("gone"))
    change(forked, revisions("0001", "other"))
    cases = {
        "new": (new, "The database has no revision yet: `alembic upgrade head` comes first."),
        "unknown": (
            unknown,
            "The database is at revision gone, which is not among these migrations.",
        ),
        "forked": (forked, "The database is at several revisions: 0001, other."),
    }
    if setup in SERVED:
        mine = scratch(setup)
        machine = server(setup.backend.name)
        name = str(mine.database)
        machine.create_user(name, "s3cret", name)
        limited = mine.set(username=name, password="s3cret")
        change(limited, revisions("0001"))
        cases["limited"] = limited, "No temporary database can be created to compare with: "
        cases["refused"] = limited.set(password="s3cret2"), "The database cannot be read: "
        cases["unreachable"] = limited.set(port=1), "The database cannot be read: "
    urls = {case: text_of(url) for case, (url, _) in cases.items()}
    (service.path / "urls.json").write_text(json.dumps(urls), encoding="utf-8")

    output = service.run("python", "-c", RUN)

    said = json.loads(output.splitlines()[-1])
    for case, (_, sentence) in cases.items():
        assert said[case].startswith(sentence), said
        assert len(said[case].splitlines()) == 1
    assert "s3cret" not in output
    if setup in SERVED:
        machine.drop_database(name)
        machine.drop_user(name)
