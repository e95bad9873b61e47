"""What revisions call: on a SQLite file, and as SQL for other databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from alembic_guardrails import op
from alembic_guardrails.guard.journal import INFO
from hypothesis import given
from hypothesis import strategies as st

from .conftest import Project

ROWS = sa.table("rows", sa.column("id", sa.Integer), sa.column("done", sa.Integer))


@contextmanager
def offline(dialect: str) -> Iterator[StringIO]:
    """Run operations as `alembic upgrade --sql` does; yield what they print."""
    output = StringIO()
    options = {"as_sql": True, "output_buffer": output, "literal_binds": True}
    with Operations.context(MigrationContext.configure(dialect_name=dialect, opts=options)):
        yield output


@contextmanager
def online() -> Iterator[sa.Connection]:
    """Run operations on a database in memory."""
    connection = sa.create_engine("sqlite://").connect()
    with connection, Operations.context(MigrationContext.configure(connection)):
        yield connection


def test_all_that_is_public_is_documented_with_an_example() -> None:
    public = {name for name in vars(op) if not name.startswith("_")}
    assert public == set(op.__all__)
    for name in op.__all__:
        text = getattr(op, name).__doc__
        assert "For example" in text
        assert f"{name}(" in text
        assert "Args:" in text


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "sqlite"])
def test_the_sql_of_a_concurrent_index(dialect: str) -> None:
    with offline(dialect) as output:
        op.create_index_concurrently("ix", "rows", ["done"], unique=True)
        op.drop_index_concurrently("ix", "rows")

    sql = output.getvalue().replace("`", "")
    if dialect == "postgresql":
        assert "COMMIT;\n\nCREATE UNIQUE INDEX CONCURRENTLY ix ON rows (done);\n\nBEGIN;" in sql
        assert "COMMIT;\n\nDROP INDEX CONCURRENTLY IF EXISTS ix;\n\nBEGIN;" in sql
    else:
        assert "CREATE UNIQUE INDEX ix ON rows (done);" in sql
        assert "DROP INDEX ix" in sql
        assert "CONCURRENTLY" not in sql


def test_an_index_on_sqlite() -> None:
    with online() as connection:
        connection.exec_driver_sql('CREATE TABLE "rows" (id INTEGER, done INTEGER)')
        op.create_index_concurrently("ix", "rows", ["done"])
        assert [index["name"] for index in sa.inspect(connection).get_indexes("rows")] == ["ix"]
        op.drop_index_concurrently("ix", "rows")
        assert sa.inspect(connection).get_indexes("rows") == []


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "sqlite"])
def test_the_sql_of_a_backfill_is_one_statement(dialect: str) -> None:
    statement = sa.update(ROWS).where(ROWS.c.done == 0).values(done=1)
    with offline(dialect) as output:
        op.backfill(statement, ROWS.c.id)
    assert output.getvalue().count("UPDATE ") == 1


@pytest.mark.parametrize("statement", [sa.update(ROWS).values(done=1), sa.delete(ROWS)])
def test_a_backfill_needs_a_condition(statement: Any) -> None:
    with online(), pytest.raises(CommandError, match=r"^A backfill needs a WHERE"):
        op.backfill(statement, ROWS.c.id)


def test_a_backfill_on_sqlite_changes_all_rows() -> None:
    with online() as connection:
        connection.exec_driver_sql('CREATE TABLE "rows" (id INTEGER, done INTEGER)')
        connection.exec_driver_sql('INSERT INTO "rows" VALUES (1, 0), (2, 0), (3, 5)')
        op.backfill(sa.update(ROWS).where(ROWS.c.done == 0).values(done=1), ROWS.c.id, size=1)
        op.backfill(sa.delete(ROWS).where(ROWS.c.done == 5), ROWS.c.id)
        assert connection.execute(sa.select(ROWS)).all() == [(1, 1), (2, 1)]


# SQLite ends a statement at a null character, and no driver takes half of a surrogate pair.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(written=TEXTS)
def test_sql_is_run_as_it_is_written(written: str) -> None:
    quoted = written.replace("'", "''")
    with online() as connection:
        op.run_sql(["CREATE TABLE texts (value TEXT)", f"INSERT INTO texts VALUES ('{quoted}')"])
        assert connection.exec_driver_sql("SELECT value FROM texts").scalar() == written


DROP = ('DROP TABLE "rows"', "DROP VIEW shown", "DROP TABLE other")


def test_tables_that_exist_are_not_created_again() -> None:
    with online() as connection:
        op.require_missing_tables(DROP)
        connection.exec_driver_sql('CREATE TABLE "rows" (id INTEGER)')
        with pytest.raises(CommandError, match=r"already has the table rows.*`migrations adopt`"):
            op.require_missing_tables(DROP)
        op.require_missing_tables(DROP[1:])


def test_tables_that_an_interrupted_run_created_are_no_error() -> None:
    progress = SimpleNamespace(is_behind=False)
    with online() as connection:
        connection.exec_driver_sql('CREATE TABLE "rows" (id INTEGER)')
        connection.info[INFO] = progress
        with pytest.raises(CommandError):
            op.require_missing_tables(DROP)
        progress.is_behind = True
        op.require_missing_tables(DROP)


def test_tables_with_rows_are_not_dropped() -> None:
    with online() as connection:
        connection.exec_driver_sql('CREATE TABLE "rows" (id INTEGER)')
        connection.exec_driver_sql("CREATE TABLE other (id INTEGER)")
        op.require_empty_tables(DROP)
        connection.exec_driver_sql("INSERT INTO other VALUES (1)")
        with pytest.raises(CommandError, match=r"^The table other has rows") as caught:
            op.require_empty_tables(DROP)
        assert isinstance(caught.value, NotImplementedError)


def test_no_database_can_be_asked_offline() -> None:
    with offline("sqlite"):
        op.require_missing_tables(DROP)
        with pytest.raises(NotImplementedError, match="Run the downgrade without --sql"):
            op.require_empty_tables(DROP)


def test_in_a_revision(project: Project) -> None:
    project.revision(
        "one",
        """
        from alembic_guardrails.op import require_missing_tables, run_sql
        require_missing_tables(["DROP TABLE shares"])
        run_sql(["CREATE TABLE shares (percent TEXT DEFAULT '10%:x')"])
        """,
        """
        from alembic_guardrails.op import require_empty_tables, run_sql
        require_empty_tables(["DROP TABLE shares"])
        run_sql(["DROP TABLE shares"])
        """,
    )
    project.upgrade()
    with project.engine().begin() as connection:
        connection.exec_driver_sql("INSERT INTO shares DEFAULT VALUES")
    with pytest.raises(CommandError, match="The table shares has rows"):
        command.downgrade(project.config(), "base")
    with project.engine().begin() as connection:
        connection.exec_driver_sql("DELETE FROM shares WHERE percent = '10%:x'")
    command.downgrade(project.config(), "base")
