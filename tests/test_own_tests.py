"""The tests that a service has: where they make their databases, and what they leave behind."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Render
from matrix import ASYNC, BROUGHT, DISTINCT, DRIVERS, PROGRAMS, Setup, setups
from project import Project
from sqlalchemy import URL, NullPool, create_engine

pytestmark = pytest.mark.slow

# What is committed in one test is gone in the next, even for a connection of its own.
COMMITS = """
import pytest
from alembic_guardrails import run_with_connection
from my_service.models.customer import Customer
from sqlalchemy import func, select, text

ADA = {"email": "ada@example.com", "name": "Ada"}


@pytest.mark.parametrize("number", [1, 2])
def test_commits(client, with_session, database, number):
    with open("databases.txt", "a") as file:
        print(database.database, file=file)
    count = text("SELECT count(*) FROM customers")
    before = run_with_connection(database, lambda connection: connection.scalar(count))
    with_session(lambda session: session.add(Customer(email="bob@example.com", name="Bob")))
    assert client.post("/customers", json=ADA).status_code == 201
    assert client.post("/customers", json=ADA).status_code == 409
    count = with_session(lambda session: session.scalar(select(func.count(Customer.id))))
    assert (before, count) == (0, 2)
"""
HANGS = """
import time
from sqlalchemy import text
from alembic_guardrails import run_with_connection


def test_hangs(database):
    folder = run_with_connection(database, lambda it: it.scalar(text("SHOW data_directory")))
    print(f"data: {folder}", flush=True)
    time.sleep(60)
"""


def databases(url: URL) -> set[str]:
    """The databases on a server."""
    if url.get_backend_name() == "postgresql":
        url, query = url.set(drivername="postgresql+psycopg"), "SELECT datname FROM pg_database"
    else:
        url, query = url.set(drivername="mysql+pymysql"), "SHOW DATABASES"
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return set(connection.exec_driver_sql(query).scalars())


@pytest.mark.parametrize("setup", setups(ASYNC, pytest.mark.sweep, among=DRIVERS))
def test_nothing_is_left_behind(service: Project, setup: Setup, database: URL) -> None:
    for name in ("test_a", "test_b"):
        (service.path / "tests" / f"{name}.py").write_text(COMMITS, encoding="utf-8")

    output = service.test("-n2", "--dist=loadfile", "tests/test_a.py", "tests/test_b.py")

    assert "4 passed" in output
    used = service.text("databases.txt").split()
    assert len(used) == 4
    assert len(set(used)) == 2, "each worker has its own"
    if not setup.backend.is_file:
        left = databases(database)
        assert database.database in left
        assert not left & set(used)
    else:
        assert not any(Path(name).exists() for name in used)


@pytest.mark.parametrize("setup", setups(PROGRAMS[:1], pytest.mark.sweep, among=DRIVERS))
def test_two_workers_share_them(service: Project) -> None:
    assert re.search(r"\d+ passed", service.test("-n2"))


@pytest.mark.parametrize(
    "end", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.sweep), signal.SIGKILL]
)
@pytest.mark.parametrize("setup", BROUGHT, ids=str)
def test_its_server_ends_with_the_run(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, end: signal.Signals
) -> None:
    project = render(**setup.answers())
    project.use(environment(setup))
    (project.path / "tests/test_hangs.py").write_text(HANGS, encoding="utf-8")

    with project.start("pytest", "-s", "tests/test_hangs.py") as run:
        assert run.stdout
        line = next(line for line in run.stdout if "data: " in line)
        folder = Path(line.partition("data: ")[2].strip())
        assert (folder / "postmaster.pid").exists()
        run.send_signal(end)
        run.communicate()

    deadline = time.monotonic() + 30
    while folder.parent.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not folder.parent.exists()


@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep, among=DRIVERS))
def test_a_server_that_does_not_answer(
    render: Render, environment: Callable[[Setup], Path], setup: Setup
) -> None:
    """One sentence says so, and what to do; none of it is the password."""
    project = render(**setup.answers())
    project.use(environment(setup))
    nowhere = f"{setup.backend.name}://user:s3cret@127.0.0.1:1/db"
    cases = {"TEST_DATABASE_URL": (nowhere, "Is TEST_DATABASE_URL right?")}
    if setup.backend.is_file:
        cases["TEST_DATABASE_URL"] = "elsewhere://db", "Is TEST_DATABASE_URL right?"
    elif not setup.backend.test_requirements:
        start = "Start `docker compose up --detach --wait db`, or name a server in"
        cases["DATABASE_URL"] = nowhere, start

    for name, (url, advice) in cases.items():
        project.environment[name] = url
        with project.start("pytest") as run:
            output, _ = run.communicate()
        del project.environment[name]
        assert run.returncode == pytest.ExitCode.USAGE_ERROR
        [line] = [line for line in output.splitlines() if line]
        assert re.match(r"ERROR: No database can be made for the tests: \S", line), output
        assert advice in line
        assert "s3cret" not in line
