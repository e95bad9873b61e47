"""The settings of migrations: where they come from, which wins, and what is said of wrong ones."""

from argparse import Namespace
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails import Driver, MigrationSettings, read_settings
from alembic_guardrails.settings import find_encoding, resolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Project

# A driver that alembic.ini names in a test.
DRIVER = Driver("server+driver", ["server"])


def database(project: Project, *options: str) -> str | None:
    """Return the file that migrations would run on."""
    config = project.config()
    config.cmd_opts = Namespace(x=list(options))
    return read_settings(config).database_url.database


def write_env(text: str, encoding: str = "utf-8") -> None:
    """Write `.env`."""
    Path(".env").write_text(text, encoding=encoding)


def test_the_defaults(project: Project) -> None:
    wanted = MigrationSettings(read_settings(project.config()).database_url)

    assert read_settings(project.config()) == wanted
    assert wanted.database_url.database == "app.db"


def test_which_database_wins(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write_env("DATABASE_URL=sqlite:///file.db\n")
    assert database(project) == "file.db"
    write_env("DATABASE_URL=sqlite:///file.db\nMIGRATION_DATABASE_URL=sqlite:///own.db\n")
    assert database(project) == "own.db"
    # It may name another database than what `.env` is about.
    monkeypatch.setenv("DATABASE_URL", "sqlite:///environment.db")
    assert database(project) == "environment.db"
    monkeypatch.setenv("migration_database_url", "sqlite:///own-environment.db")
    assert database(project) == "own-environment.db"
    assert database(project, "url=sqlite:///x.db", "tenant=7") == "x.db"


@pytest.mark.parametrize("key", ["URL", "uri", "database_url", "db-url"])
def test_a_mistyped_option(project: Project, key: str) -> None:
    with pytest.raises(CommandError, match=f'"-x {key}=...": write "-x url=..."'):
        database(project, f"{key}=sqlite:///x.db")


def test_each_user_has_a_password(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    ini = project.path / "alembic.ini"
    served = ini.read_text("utf-8").replace("minimal:DRIVER", "test_settings:DRIVER")
    ini.write_text(served, encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL", "server://service@h/db")
    monkeypatch.setenv("DATABASE_PASSWORD", "one")
    monkeypatch.setenv("MIGRATION_DATABASE_PASSWORD", "two")
    assert read_settings(project.config()).database_url.password == "one"
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "server://migrator@h/db")
    assert read_settings(project.config()).database_url.password == "two"
    config = project.config()
    config.cmd_opts = Namespace(x=["url=server://me@h/db"])
    assert read_settings(config).database_url.password is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_of_the_file(project: Project, encoding: str) -> None:
    write_env("DATABASE_URL='sqlite:///fährt.db'\n", encoding)

    assert database(project) == "fährt.db"


def test_the_last_of_two_names_counts_even_without_a_value(project: Project) -> None:
    """As in pydantic-settings, for which names have no case."""
    write_env("DATABASE_URL=sqlite:///file.db\ndatabase_url\n")

    assert database(project) == "app.db"


def test_an_unknown_encoding(project: Project) -> None:
    write_env("DATABASE_URL='sqlite:///fährt.db'\n", "latin-1")

    with pytest.raises(CommandError, match=r"^Save \.env in UTF-8"):
        database(project)


def test_a_file_that_is_missing_has_an_encoding(project: Project) -> None:
    assert find_encoding(".env") == "utf-8-sig"


def test_every_wrong_setting_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///app.db?mode=memory")
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "nonsense")
    monkeypatch.setenv("MIGRATION_WAIT", "soon")
    monkeypatch.setenv("MIGRATION_LOCK_TIMEOUT", "0")
    monkeypatch.setenv("MIGRATION_STATEMENT_TIMEOUT", "-1")

    with pytest.raises(CommandError) as caught:
        read_settings(project.config())

    assert str(caught.value).split("; ") == [
        "DATABASE_URL: pysqlite does not take 'mode'",
        "MIGRATION_DATABASE_URL: Write a database URL, such as sqlite:///app.db",
        "MIGRATION_WAIT: Input should be a valid number, of seconds",
        "MIGRATION_LOCK_TIMEOUT: Input should be greater than 0",
        "MIGRATION_STATEMENT_TIMEOUT: Input should be greater than or equal to 0",
    ]


@settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_seconds(project: Project, seconds: float) -> None:
    """Every number of seconds is read as it is, or refused; none is taken for another."""
    write_env(f"MIGRATION_WAIT={seconds!r}\n")

    if 0 <= seconds < float("inf"):
        assert read_settings(project.config()).migration_wait == seconds
    else:
        with pytest.raises(CommandError, match="MIGRATION_WAIT: Input should be"):
            read_settings(project.config())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Add `driver = <module>:<name>`"),
        ("driver = guardrails.minimal:Base", "names no Driver"),
        ("driver = guardrails.minimal:MISSING", "no attribute"),
        ("driver = guardrails.missing:DRIVER", "No module named"),
    ],
)
def test_alembic_ini_names_the_driver(project: Project, line: str, said: str) -> None:
    ini = project.path / "alembic.ini"
    text = ini.read_text("utf-8").replace("driver = guardrails.minimal:DRIVER", line)
    ini.write_text(text, encoding="utf-8")

    with pytest.raises(CommandError, match=said):
        read_settings(project.config())


def test_an_option_names_an_object(project: Project) -> None:
    assert resolve(Config(str(project.path / "alembic.ini")), "models").__name__ == "Base"
