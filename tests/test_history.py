"""The history of the schema: forks conflict in git, are mended, and nothing released changes."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from conftest import Render
from matrix import FIRST, SETUPS, Setup
from project import CommandFailed, Project

SQLITE = SETUPS[0]
VERSIONS = "migrations/versions"
LEDGER = f"{VERSIONS}/history.txt"
HISTORY = ("python", "-m", "my_service.migrations")
NO_DATABASE = "postgresql://127.0.0.1:1/none"

REVISION = '''"""Revision {id}.

Revision: {id}
Revises: {down}
"""

import sqlalchemy as sa
from alembic import op

revision: str = "{id}"
down_revision: str | None = "{down}"


def upgrade() -> None:
    op.create_table("table_{id}", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade() -> None:
    op.drop_table("table_{id}")
'''

# Runs many cases in one process: importing Alembic is what takes the time.
TRY = """
import io, json, os, sys
from pathlib import Path
from alembic.config import Config
from alembic.util import CommandError
from my_service.migrations import history

folder = Path("migrations/versions")
start = {path.name: path.read_bytes() for path in folder.glob("*.*")}
environment = dict(os.environ)

def now():
    return {path.name: path.read_bytes().decode() for path in folder.glob("*.*")}

def write(files):
    for path in folder.glob("*.*"):
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)

results = {}
for name, case in json.load(open("cases.json", encoding="utf-8")).items():
    changed = {name: text.encode() for name, text in case["files"].items() if text is not None}
    gone = {name for name, text in case["files"].items() if text is None}
    write({name: content for name, content in (start | changed).items() if name not in gone})
    os.environ.update(case["environment"])
    said = []
    before = now()
    for command in case["commands"]:
        out = io.StringIO()
        try:
            getattr(history, command)(Config("alembic.ini", stdout=out))
            said.append(out.getvalue())
        except CommandError as error:
            said.append("refused: " + str(error))
    results[name] = {"said": said, "files": now(), "same": before == now()}
    os.environ.clear()
    os.environ.update(environment)
write(start)
print(json.dumps(results))
"""


def revision(id: str, down: str) -> tuple[str, str]:
    """The file name and the text of a revision, as Alembic writes them."""
    return f"2026_{id}.py", REVISION.format(id=id, down=down)


def line(text: str) -> str:
    """What the ledger says of a revision with this text."""
    [id] = re.findall(r'(?m)^revision.*"(.+)"', text)
    return f"{id} {sha256(text.encode()).hexdigest()}\n"


@pytest.mark.parametrize("include_example", [True, False])
@pytest.mark.parametrize("setup", FIRST, ids=str)
def test_the_ledger_is_rendered_with_the_first_revision(
    render: Render, setup: Setup, include_example: bool
) -> None:
    project = render(**setup.answers(include_example=include_example))

    comment, entry = project.text(LEDGER).splitlines(keepends=True)
    assert comment.startswith("# ")
    assert entry == line(project.text(f"{VERSIONS}/0001_initial.py"))


@pytest.fixture
def service(render: Render, environment: Callable[[Setup], Path]) -> Project:
    """A service in a git repository, on the branch main; no command can reach a database."""
    project = render(**SQLITE.answers(project_name="My Service", include_example=False))
    project.use(environment(SQLITE))
    project.environment |= {"DATABASE_URL": NO_DATABASE, "PYTHONDONTWRITEBYTECODE": "1"}
    project.git("init", "--quiet", "--initial-branch=main")
    commit(project)
    return project


def commit(project: Project, **revisions: str) -> None:
    """Commit everything, after adding revisions: ids, and what they follow."""
    ledger = project.path / LEDGER
    for id, down in revisions.items():
        name, text = revision(id, down)
        (project.path / VERSIONS / name).write_text(text, encoding="utf-8")
        ledger.write_text(project.text(LEDGER) + line(text), encoding="utf-8")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message=Commit")
