"""Awkward passwords log in to servers that ask for them, and show up nowhere else."""

import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote, quote_plus

import pytest
from conftest import Connect, Render
from dotenv import dotenv_values
from drivers import MARIADB, POSTGRESQL, text_of
from fuzz import compose_env
from matrix import DRIVERS, FIRST, Setup, setups
from project import get
from rendering import rendered
from servers import Server
from sqlalchemy import URL, make_url

PASSWORDS = [
    "Pl4in-enough",
    *("a%b", "a%40b", "a@b", "a/b", "a#b", "a$b", "a$HOMEb", "a:b", "a?b", "pass word", "a+b"),
    *("a'b", 'a"b', "a\\b", "pässwörd"),
    "a%b%40@/#$HOME${HOME}:? +'\"\\pässwörd",
]
LOGGED_IN = [setup for setup in DRIVERS if not setup.backend.is_file]
KINDS = {(setup.backend.name, setup.is_async): setup for setup in reversed(LOGGED_IN)}.values()
# What a URL means does not depend on the driver.
ASKED = [setup for setup in FIRST if setup.backend in (POSTGRESQL, MARIADB)]


class Accounts:
    """Users of a server, each with a database and a password of their own."""

    def __init__(self, server: Server, backend: str, stack: ExitStack) -> None:
        self.server, self.backend, self.stack = server, backend, stack

    def open(self, password: str) -> URL:
        """Create a user and a database; return the URL with which they log in."""
        url = self.stack.enter_context(self.server.scratch_database())
        user = f"u_{url.database}"[:30]
        self.server.create_user(user, password, str(url.database))
        if self.backend != POSTGRESQL.name:  # there it goes with its database
            self.stack.callback(self.server.drop_user, user)
        return url.set(drivername=self.backend, username=user, password=password)


@pytest.fixture
def accounts(server: Callable[[str], Server], setup: Setup) -> Iterator[Accounts]:
    """Accounts on the set-up's server, gone after the test."""
    with ExitStack() as stack:
        yield Accounts(server(setup.backend.name), setup.backend.name, stack)


def spellings(password: str) -> set[str]:
    """How a password may be written in a file."""
    return {password, quote(password), quote(password, safe=""), quote_plus(password)}


# The plainest and the most awkward one; every driver logs in with all of them below.
@pytest.mark.slow
@pytest.mark.parametrize(
    "password",
    [
        PASSWORDS[0],
        *(pytest.param(password, marks=pytest.mark.sweep) for password in PASSWORDS[1:-1]),
        PASSWORDS[-1],
    ],
)
@pytest.mark.parametrize("setup", ASKED, ids=str)
def test_through_env_file_and_environment_but_never_to_git(
    copy: Render,
    environment: Callable[[Setup], Path],
    accounts: Accounts,
    setup: Setup,
    password: str,
) -> None:
    url = accounts.open(password)
    project = copy(**setup.answers(database_url=text_of(url)))
    project.use(environment(setup))

    project.git("init", "--quiet")
    project.commit()
    for spelling in spellings(password):
        assert project.git("grep", "--fixed-strings", "-e", spelling, check=False) == ""
    assert quote(password, safe="+") in project.text(".env")

    printed = project.run("alembic", "upgrade", "head")
    (project.path / ".env").unlink()
    complete = url.set(drivername=f"{setup.backend.name}+{setup.driver.name}")
    project.environment["DATABASE_URL"] = text_of(complete)
    printed += project.run("alembic", "downgrade", "base")
    project.environment["DATABASE_URL"] = text_of(url._replace(password=None))
    project.environment["DATABASE_PASSWORD"] = password
    printed += project.run("alembic", "upgrade", "head")

    assert printed.count("Running upgrade  -> 0001") == 2
    assert password not in printed


@pytest.fixture(scope="module")
def logins(server: Callable[[str], Server]) -> Iterator[Callable[[str], list[URL]]]:
    """Make users of one database with all passwords, once for all drivers."""
    with ExitStack() as stack:

        @cache
        def logins(backend: str) -> list[URL]:
            machine = server(backend)
            users = {f"u_{token_hex(8)}": password for password in PASSWORDS}
            for user in users:
                stack.callback(machine.drop_user, user)
            url = stack.enter_context(machine.scratch_database()).set(drivername=backend)
            for user, password in users.items():
                machine.create_user(user, password, str(url.database))
            return [url.set(username=user, password=value) for user, value in users.items()]

        yield logins


@pytest.mark.slow
@pytest.mark.parametrize("setup", LOGGED_IN, ids=str)
def test_every_driver_logs_in_with_all_of_them(
    logins: Callable[[str], list[URL]], setup: Setup, connect: Connect
) -> None:
    urls = dict(zip(PASSWORDS, map(text_of, logins(setup.backend.name)), strict=True))

    assert connect(setup, urls) == dict.fromkeys(PASSWORDS, "")


@pytest.mark.slow
@pytest.mark.parametrize("setup", setups(KINDS, pytest.mark.sweep, among=LOGGED_IN))
def test_a_refused_login_does_not_show_the_password(
    render: Render, environment: Callable[[Setup], Path], accounts: Accounts, setup: Setup
) -> None:
    url = accounts.open("right").set(password="wr0ng-secret")
    project = render(**setup.answers(database_url=text_of(url)))
    project.use(environment(setup))

    for command in (("upgrade", "head"), ("current", "--verbose")):
        printed = project.run("alembic", *command, check=False)
        assert "FAILED: The database cannot be reached (" in printed
        assert "Traceback" not in printed
        assert "wr0ng-secret" not in printed
    with project.serving() as address:
        code, text = get(f"{address}/health/ready")
    assert (code, "does not answer" in text) == (503, True)
    assert "The database does not answer: " in project.log
    assert "wr0ng-secret" not in text + project.log
    project.environment["DATABASE_URL"] = text_of(url).replace("@", ":wr0ng-secret@h:")
    printed = project.run("alembic", "current", check=False)
    assert "Write the port as a number" in printed
    assert "wr0ng-secret" not in printed


@pytest.mark.parametrize("password", [*PASSWORDS, "", "a${b", "a`b", "a'$b", "a\\`b", "a\"'b"])
def test_all_readers_of_env_get_the_password_as_it_is(password: str, tmp_path: Path) -> None:
    """Or there is none in it, and a comment says so."""
    url = URL.create(POSTGRESQL.name, "user", password or None, "localhost", None, "mydb")
    files = rendered(database_url=text_of(url))
    (tmp_path / ".env").write_text(files[".env"], encoding="utf-8")
    script = '. ./.env; printf "%s" "$DATABASE_PASSWORD"'
    sourced = subprocess.check_output(("sh", "-c", script), cwd=tmp_path, env={}, encoding="utf-8")

    by_python = dotenv_values(tmp_path / ".env").get("DATABASE_PASSWORD")
    by_compose = compose_env(files[".env"]).get("DATABASE_PASSWORD")

    if by_python is None:
        assert re.search("['\\\\]|[$][{]", password)
        assert re.search("[$`]", password)
        assert "needs DATABASE_PASSWORD in the environment" in files[".env"]
        assert by_compose is None
    else:
        assert by_python == by_compose == sourced == password


def test_a_shell_reads_the_url(tmp_path: Path) -> None:
    url = "postgresql+psycopg://u~:p%26@[::1]/my%20db?application_name=~a%20b&sslmode=require"
    (tmp_path / ".env").write_text(rendered(database_url=url)[".env"], encoding="utf-8")

    script = '. ./.env; printf "%s" "$DATABASE_URL"'
    sourced = subprocess.check_output(("sh", "-c", script), cwd=tmp_path, text=True)

    assert make_url(sourced) == make_url(url)
    assert dotenv_values(tmp_path / ".env")["DATABASE_URL"] == sourced


def test_nobody_else_can_read_the_password(copy: Render) -> None:
    project = copy()

    assert stat.S_IMODE((project.path / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((project.path / ".env.example").stat().st_mode) != 0o600
