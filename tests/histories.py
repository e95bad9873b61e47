"""Histories from elsewhere: how stock Alembic and a service run them, and what each leaves."""

import os
import re
import shutil
import signal
from difflib import ndiff
from itertools import chain, groupby
from pathlib import Path
from random import Random
from time import sleep

from alembic_guardrails.schema.sqlite import read
from drivers import text_of
from legacy import dump as dump_all
from matrix import ROOT, Setup
from project import CommandFailed, Project
from sqlalchemy import URL, create_engine

FOLDER = ROOT / "tests" / "old_histories"
# A folder of more histories: each is a folder of revisions, in which the folder `path`, if there
# is one, has the modules that the revisions import.
MORE = os.environ.get("TEST_HISTORIES")

STOCK_INI = """
[alembic]
script_location = %(here)s/migrations
sqlalchemy.url = {url}
"""
STOCK_ENV = """
from alembic import context
from sqlalchemy import create_engine

with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()  # which Alembic does not where a revision has committed
"""
# The line of a traceback that names the error.
ERROR = re.compile(r"(?:\w+\.)*\w+(?:Error|Exception|Undefined\w*)\b|\((?!Background)")
# What revisions that insert rows make anew in each run.
RANDOM = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{32}\b"
    r"|datetime\.datetime\([^)]*\)|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?"
)
# The indexes of a table of MySQL, in the text of a tuple.
KEYS = re.compile(r"(?:(?:, *)?\\n  (?:UNIQUE |FULLTEXT |SPATIAL )?KEY `(?:(?!,?\\n).)*)+")
# What stock Alembic loses when it rebuilds a table of SQLite, and a service keeps.
KEPT = ("+ constraint ", "+ index ", "+ trigger ")
# The line that Alembic logs before each revision.
RUNNING = "Running upgrade"
# What `repair` says of branches that it cannot put in a line.
MERGE = re.compile(r"Join the heads with `alembic (merge .*?)`")
# The journal's sentence about a revision that it cannot continue.
REFUSED = re.compile(r"^FAILED: .* was interrupted .*", re.MULTILINE)


def dump(url: URL) -> str:
    """Return all of a schema and its rows, but for what is random or the time in them.

    A batch writes the definition of a table of SQLite in words and an order of its own, and several
    indexes of a new table are made in the order of a set.
    """
    text = RANDOM.sub("RANDOM", dump_all(url))
    if url.get_backend_name() in ("mysql", "mariadb"):
        text = KEYS.sub(lambda keys: sort_lines(keys[0]), text)
        runs = groupby(text.splitlines(), lambda line: line.startswith("("))
        # The dump sorts rows with what is random in them.
        text = "\n".join(chain(*(sorted(lines) if is_row else lines for is_row, lines in runs)))
    if url.get_backend_name() != "sqlite":
        return text
    engine = create_engine(url)
    with engine.connect() as connection:
        schema = [f"{name}: {definition}" for name, definition in read(connection)]
    engine.dispose()
    rows = [line for line in text.splitlines() if line.startswith("INSERT")]
    return "\n".join(sorted((*schema, *rows)))


def sort_lines(text: str) -> str:
    """Return lines of a CREATE statement, in the text of a tuple, in the order of the alphabet."""
    lines = [line.removesuffix(",") for line in text.split("\\n")]
    return ",\\n".join(sorted(lines))


def differences(found: str, expected: str) -> list[str]:
    """Return the lines of two dumps that differ, but for what only the first one has kept."""
    lines = ndiff(expected.splitlines(), found.splitlines())
    return [line for line in lines if line[0] in "+-" and not line.startswith(KEPT)]


def find_histories() -> dict[str, Path]:
    """Return the folders of revisions by their names."""
    folders = [FOLDER, *([Path(MORE)] if MORE else [])]
    return {
        path.name: path
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.is_dir() and any(path.glob("*.py"))
    }


def put_revisions(history: Path, project: Project) -> None:
    """Copy the revisions of a history into a project, and let them import what they need."""
    versions = project.path / "migrations" / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    for file in history.glob("*.py"):
        shutil.copy(file, versions)
    paths = (project.environment.get("PYTHONPATH"), str(history / "path"))
    project.environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def stock_project(history: Path, path: Path, url: URL, setup: Setup, commands: Path) -> Project:
    """Make a project in which Alembic runs the revisions of a history as it is."""
    (path / "migrations").mkdir(parents=True)
    with_driver = url.set(drivername=f"{setup.backend.name}+{setup.driver.name}")
    text = text_of(with_driver).replace("%", "%%")
    (path / "alembic.ini").write_text(STOCK_INI.format(url=text), "utf-8")
    (path / "migrations" / "env.py").write_text(STOCK_ENV, "utf-8")
    project = Project(path, {})
    project.use(commands)
    put_revisions(history, project)
    return project


def move_in(history: Path, project: Project) -> None:
    """Put the revisions of a history into a new service, as docs/migrating.md says."""
    (project.path / "migrations" / "versions" / "0001_initial.py").unlink()
    put_revisions(history, project)
    if merge := MERGE.search(project.run("migrations", "repair", check=False)):
        project.run("alembic", *merge[1].split())
    project.run("migrations", "repair")


def kill_and_finish(service: Project, database: URL, random: Random, revisions: int) -> str | None:
    """Kill an upgrade at a random moment, upgrade again, and return the dump.

    None if the journal refuses to go on. A revision that the kill comes after is one of all.
    """
    started = random.randint(1, revisions)
    process = service.start("alembic", "upgrade", "heads")
    assert process.stdout
    for line in process.stdout:
        started -= RUNNING in line
        if not started:
            break
    sleep(random.expovariate(50))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    code, output = service.complete("alembic", "upgrade", "heads")
    if code and REFUSED.search(output):
        return None
    assert code == 0, output
    return dump(database)


def reason_of(failure: CommandFailed) -> str:
    """Return the line in which a command says why it failed, and not where to read more."""
    lines = str(failure).strip().splitlines()
    return next(line for line in reversed(lines) if ERROR.match(line))
