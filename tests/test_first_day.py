"""The first day with a service: its database, a server for it, and what goes wrong there."""

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conftest import Render
from drivers import text_of
from matrix import ASYNC, BROUGHT, DRIVERS, Setup, setups
from project import Project
from servers import Server
from sqlalchemy import URL

pytestmark = pytest.mark.slow

# Both command lines, many times in one process.
RUN = """
import contextlib, io, json, os, pathlib, sys
from alembic.config import main as alembic
from alembic_guardrails.__main__ import main as migrations

results = {}
for case, (url, command) in json.loads(pathlib.Path("cases.json").read_text()).items():
    os.environ["DATABASE_URL"] = url
    sys.argv[1:] = command.split()
    code, said = 0, io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            migrations() if command == "create" else alembic()
        except SystemExit as end:
            code = end.code
    results[case] = [code, said.getvalue()]
print()
print(json.dumps(results))
"""


def outcomes(service: Project, cases: dict[str, tuple[URL, str]]) -> dict[str, tuple[int, str]]:
    """Run commands on databases, one after the other; return exit codes and what was said."""
    texts = {case: (text_of(url), command) for case, (url, command) in cases.items()}
    (service.path / "cases.json").write_text(json.dumps(texts), encoding="utf-8")
    results = json.loads(service.run("python", "-c", RUN).splitlines()[-1])
    return {case: (code, said) for case, (code, said) in results.items()}


def assert_one_sentence(outcome: tuple[int, str], beginning: str) -> None:
    """Demand a failure that is told in one line."""
    code, said = outcome
    # Alembic says it once more in its log.
    [line] = [line for line in said.splitlines() if not line.startswith(("INFO ", "ERROR "))]
    assert line.startswith(f"FAILED: {beginning}")
    assert code not in (0, None)


@pytest.mark.parametrize("setup", setups(ASYNC, pytest.mark.sweep, among=DRIVERS))
def test_the_database_is_made(
    service: Project, setup: Setup, database: URL, server: Callable[[str], Server]
) -> None:
    missing = database.set(database=f"{database.database}-folder/app.db")
    if not setup.backend.is_file:
        missing = database
        server(setup.backend.name).drop_database(str(database.database))

    results = outcomes(
        service,
        {
            "too early": (missing, "upgrade head"),
            "made": (missing, "create"),
            "migrated": (missing, "upgrade head"),
            "made again": (missing, "create"),
            "compared": (missing, "check"),
        },
    )

    assert_one_sentence(results.pop("too early"), "The database cannot be reached (")
    assert {code for code, _ in results.values()} == {0}, results
    assert "Running upgrade  -> 0001" in results["migrated"][1]


@pytest.mark.parametrize(
    "setup",
    setups(
        ASYNC, pytest.mark.sweep, among=[setup for setup in DRIVERS if not setup.backend.is_file]
    ),
)
def test_what_keeps_it_from_being_made(
    service: Project, database: URL, setup: Setup, server: Callable[[str], Server]
) -> None:
    machine, name = server(setup.backend.name), str(database.database)
    machine.create_user(name, "s3cret", name)
    mine = database.set(username=name, password="s3cret")
    cases = {
        "unreachable": mine.set(port=1),
        "refused": mine.set(password="s3cret2"),
        "not allowed": mine.set(database=f"{name}_2"),
    }

    commands = {"create": "cannot be created: ", "upgrade head": "cannot be reached ("}
    results = outcomes(
        service,
        {
            f"{command} {case}": (url, command)
            for command in commands
            for case, url in cases.items()
        },
    )

    machine.drop_database(name)
    machine.drop_user(name)
    for case, outcome in results.items():
        words = next(words for command, words in commands.items() if case.startswith(command))
        assert words in outcome[1]
        assert_one_sentence(outcome, "The database ")
        assert "s3cret" not in outcome[1]


@pytest.mark.parametrize("setup", BROUGHT, ids=str)
def test_a_server_for_whoever_has_none(
    render: Render, environment: Callable[[Setup], Path], setup: Setup
) -> None:
    """It serves the database in .env, and keeps it until the next time."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"{setup.backend.name}://ada:s3cret@localhost:{port}/db"
    project = render(**setup.answers(database_url=url))
    project.use(environment(setup))
    with TemporaryDirectory() as folder:
        # The tests' own folder is closed to the account that replaces root.
        os.chmod(folder, 0o755)
        project.path = project.path.rename(Path(folder, "service"))
        for commands in (("create", "upgrade head"), ("current --check-heads",)):
            with project.start("python", "tests/server.py") as running:
                assert running.stdout
                assert f"port {port}" in running.stdout.readline()
                for command in commands:
                    program = ["alembic"]
                    if command == "create":
                        program = ["migrations"]
                    project.run(*program, *command.split())
                running.send_signal(signal.SIGINT)
                said, _ = running.communicate()
            assert running.returncode == 0
            assert "Traceback" not in said
        assert project.git("init", "--quiet") == ""
        assert ".postgresql" not in project.git("status", "--short", "--untracked-files=all")


@pytest.mark.parametrize("setup", BROUGHT, ids=str)
def test_a_server_elsewhere_is_not_started(
    render: Render, environment: Callable[[Setup], Path], setup: Setup
) -> None:
    project = render(
        **setup.answers(database_url=f"{setup.backend.name}://u:s3cret@example.com/db")
    )
    project.use(environment(setup))

    said = project.run("python", "tests/server.py", check=False)

    assert said == "DATABASE_URL has to name localhost, a user and a password, to be served here.\n"
