"""The command that compares a database with one that its revisions build."""

from io import StringIO

import pytest
from alembic.util import CommandError
from alembic_guardrails.commands.create import create
from alembic_guardrails.commands.drift import ADVICE, drift
from sqlalchemy import text

from .conftest import Project


def execute(project: Project, *statements: str) -> None:
    """Execute statements in the database, without a revision."""
    with project.engine().begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def output_of(project: Project) -> str:
    """Run the command; return what it prints, and the error that it ends with."""
    config = project.config()
    assert isinstance(config.stdout, StringIO)
    try:
        drift(config)
    except CommandError as error:
        return f"{config.stdout.getvalue()}FAILED: {error}"
    assert "connection" not in config.attributes
    return config.stdout.getvalue()


@pytest.fixture
def migrated(project: Project) -> Project:
    """An environment whose database is at its only revision."""
    project.revision("a", 'op.execute("CREATE TABLE lines (id INTEGER PRIMARY KEY, t TEXT)")')
    project.upgrade()
    return project


def test_a_database_that_only_revisions_changed(migrated: Project) -> None:
    execute(migrated, "INSERT INTO lines (t) VALUES ('rows do not count')")

    assert output_of(migrated) == "The database is what the migrations make it, at revision a.\n"


def test_what_was_changed_without_a_revision_is_named(migrated: Project) -> None:
    execute(migrated, "CREATE INDEX by_t ON lines (t)", "CREATE TABLE queue_jobs (id INTEGER)")

    assert output_of(migrated) == (
        "error[only-in-database]: Only in the database: index by_t on table lines.\n"
        "    create index by_t on lines (t)\n"
        f"help: {ADVICE['only-in-database']}\n\n"
        "error[only-in-database]: Only in the database: table queue_jobs.\n"
        f"help: {ADVICE['only-in-database']}\n\n"
        "2 differences from revision a.\n"
    )

    ignored = migrated.path / "migrations" / "ignore.txt"
    ignored.write_text("table queue_*\nindex by_t*\n", encoding="utf-8")
    assert output_of(migrated).startswith("The database is what")


def test_a_database_at_base(migrated: Project) -> None:
    execute(migrated, "DELETE FROM alembic_version")

    said = output_of(migrated)
    assert said.startswith("error[only-in-database]: Only in the database: table lines.\n")
    assert said.endswith("\n\n1 difference from revision base.\n")
    execute(migrated, "DROP TABLE lines")
    assert output_of(migrated).startswith("The database is what")


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["DROP TABLE alembic_version"], "FAILED: The database has no revision yet: "),
        (
            ["INSERT INTO alembic_version VALUES ('b')"],
            "FAILED: The database is at several revisions: a, b.",
        ),
        (
            ["UPDATE alembic_version SET version_num = 'gone'"],
            "FAILED: The database is at revision gone, which is not among these migrations.",
        ),
    ],
)
def test_what_cannot_be_compared(migrated: Project, statements: list[str], message: str) -> None:
    execute(migrated, *statements)

    assert output_of(migrated).startswith(message)


def test_revisions_that_do_not_run_again(migrated: Project) -> None:
    migrated.revision("a", 'op.execute("CREATE TABLE lines")')

    assert output_of(migrated) == (
        "FAILED: The migrations cannot build a database to compare with: incomplete input"
    )


def test_a_database_that_cannot_be_read(migrated: Project) -> None:
    (migrated.path / "app.db").write_bytes(b"no database" * 1000)

    assert output_of(migrated) == "FAILED: The database cannot be read: file is not a database"


def test_create(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///new/app.db")
    for said in ("was created", "is there already"):
        config = project.config()
        create(config)
        assert isinstance(config.stdout, StringIO)
        assert config.stdout.getvalue() == (
            f"The folder of new/app.db {said}; `alembic upgrade head` brings its tables.\n"
        )
    assert (project.path / "new").is_dir()

    (project.path / "file").write_text("")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///file/app.db")
    with pytest.raises(CommandError, match=r"The database file/app.db cannot be created: "):
        create(project.config())
