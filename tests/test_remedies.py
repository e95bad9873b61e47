"""The code that lint advises: it runs on real databases, and lint has nothing against it."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from textwrap import dedent

import pytest
from alembic import command
from alembic.config import Config
from alembic_guardrails import Driver
from alembic_guardrails.lint import remedies
from lint_output import History, printed
from lint_seeds import UNSAFE, base_text, plain_text, revision_text, seeds
from servers import Server
from sqlalchemy import URL, make_url

INI = """
[alembic]
script_location = %(here)s/migrations
version_locations = %(here)s
path_separator = newline

[guardrails]
driver = test_remedies:{driver}
models = guardrails.minimal:Base
"""
ENV = """
from alembic_guardrails import run_migrations
from guardrails.minimal import Base

run_migrations(target_metadata=Base.metadata)
"""

SQLITE = Driver("sqlite+pysqlite", ("sqlite",), is_file=True)
POSTGRESQL = Driver("postgresql+psycopg", ("postgresql",), parameters={"host": str})
MYSQL = Driver(
    "mysql+pymysql", ("mysql", "mariadb"), parameters={"unix_socket": str, "charset": str}
)
DRIVERS = {"sqlite": "SQLITE", "postgresql": "POSTGRESQL", "mariadb": "MYSQL", "mysql": "MYSQL"}

# Advice without code: nothing that a revision could do is safe, or only its author knows the code.
WITHOUT_CODE = {
    "ban-drop-database",
    "error-in-code",
    "syntax-error",
    "unnamed-constraint",
    "unused-allow",
}


# What no migration can run at all: the guard has a transaction, and Alembic a table of its own.
ALONE = "VACUUM|LOCK TABLES|FLUSH TABLES"


def blocks(text: str) -> list[tuple[str, str]]:
    """Take the code out of what lint prints: where each block belongs, and its lines."""
    parts = re.split(rf"(?m)^    # ({'|'.join(map(re.escape, PLACES))})$", text)
    return [
        (where, dedent(re.split(r"(?m)^(?:error|warning)\[", code)[0]).strip("\n"))
        for where, code in zip(parts[1::2], parts[2::2], strict=True)
    ]


PLACES = (
    remedies.THIS,
    remedies.OWN,
    remedies.NEXT,
    remedies.LATER,
    remedies.WAY_BACK,
)

CASES = [
    pytest.param(
        *(backend, number),
        id=f"{backend}-{number}",
        marks=pytest.mark.sweep if backend == "mysql" else (),  # advised as for MariaDB
    )
    for backend in DRIVERS
    for number, (_, rules) in enumerate(seeds(UNSAFE, backend))
    if not rules <= WITHOUT_CODE
]


@pytest.fixture
def database(
    server: Callable[[str], Server], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[URL]:
    """An empty database of a kind."""
    backend = request.getfixturevalue("backend")
    if backend == "sqlite":
        yield make_url(f"sqlite:///{tmp_path / 'app.db'}")
        return
    with ExitStack() as stack:
        yield stack.enter_context(server(backend).scratch_database())


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "number"), CASES)
def test_code_that_is_advised_runs_and_is_clean(
    backend: str, number: int, database: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body, _ = seeds(UNSAFE, backend)[number]
    text = revision_text("seed", "first", body)
    advised = blocks(printed(History(backend).lint("seed.py", text)))
    if not advised:
        assert re.search(ALONE, body), "no code"
        return
    Path("seed.py").unlink()

    history = History(backend)
    before = "first"
    for place, (where, code) in enumerate(advised):
        way_back = where == remedies.WAY_BACK
        back = f"op.execute('DROP TABLE IF EXISTS t')\n{code}"
        upgrade, downgrade = (upgrade_of(text), back) if way_back else (code, "pass")
        revision = plain_text(f"r{place}", before, upgrade, downgrade)
        assert not history.lint(f"r{place}.py", revision), revision
        before = f"r{place}"

    config = write_environment(backend, database, monkeypatch)
    command.upgrade(config, "head")
    if any(where == remedies.WAY_BACK for where, _ in advised):
        command.downgrade(config, "first")
        command.upgrade(config, "head")


def upgrade_of(text: str) -> str:
    """Return the body of upgrade()."""
    [body] = re.findall(r"(?s)def upgrade\(\):\n(.+?)\n\n\ndef", text)
    return dedent(body)


def write_environment(backend: str, url: URL, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Write what Alembic needs beside the revisions in the current folder."""
    Path("migrations").mkdir()
    Path("alembic.ini").write_text(INI.format(driver=DRIVERS[backend]), encoding="utf-8")
    Path("migrations/env.py").write_text(ENV, encoding="utf-8")
    Path("base.py").write_text(base_text(backend), encoding="utf-8")
    address = url.set(drivername=backend).render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", address)
    return Config("alembic.ini", stdout=StringIO(), attributes={"configure_logger": False})
