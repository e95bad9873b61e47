"""The report of a command that failed, on Alembic's command line and in a program."""

import io
import logging
import signal
import subprocess
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from alembic.config import main
from alembic_guardrails.guard import report
from alembic_guardrails.guard.failure import Activity, find_cause
from alembic_guardrails.guard.mysql import MySQLGuard
from alembic_guardrails.guard.postgresql import PostgreSQLGuard
from alembic_guardrails.guard.report import Report, write_report
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError, OperationalError, PendingRollbackError

from .conftest import Project

CREATE = 'op.create_table("a", sa.Column("b", sa.Integer, primary_key=True))'


@pytest.fixture(autouse=True)
def _hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own hook, as in a new process, and after the test the one that was there."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


def run(*arguments: str) -> tuple[BaseException | None, str]:
    """Run Alembic's command line as a process does; return what ended it, and what it printed."""
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        try:
            main(list(arguments))
        except SystemExit as error:
            return error, output.getvalue()
        except BaseException as error:
            sys.excepthook(*cast(Any, sys.exc_info()))
            return error, output.getvalue()
    return None, output.getvalue()


def test_an_error_of_the_database(project: Project) -> None:
    project.revision("one", CREATE)
    path = project.revision("two", 'op.execute("INSERT INTO missing VALUES (1)")', down="one")
    line = path.read_text("utf-8").splitlines().index("def upgrade() -> None:") + 2

    error, text = run("upgrade", "head")

    assert isinstance(error, OperationalError)
    assert text.splitlines() == [
        "FAILED:     no such table: missing",
        "revision:   upgrade one -> two, Revision two.",
        f"at:         migrations/versions/two.py:{line}, in upgrade",
        '                op.execute("INSERT INTO missing VALUES (1)")',
        "statement:  INSERT INTO missing VALUES (1)",
        "database:   Everything was rolled back. The database is at revision base.",
        "next:       Correct the revision, then run the command again.",
        "            `alembic --raiseerr ...` shows the whole traceback.",
    ]


def test_an_error_of_the_code_is_shown_where_it_is(project: Project) -> None:
    (project.path / "helper.py").write_text("def read():\n    return nonsense\n", "utf-8")
    project.revision("one", "import sys\nsys.path.insert(0, '.')\nimport helper\nhelper.read()")

    error, text = run("upgrade", "head")

    assert isinstance(error, NameError)
    lines = text.splitlines()
    assert lines[0] == "FAILED:     NameError: name 'nonsense' is not defined"
    assert "in upgrade" in lines[2]
    assert lines[3].strip() == "helper.read()"
    assert lines[4] == "at:         helper.py:2, in read"
    assert lines[5].strip() == "return nonsense"
    assert "statement:" not in text


@pytest.mark.parametrize("body", ["def", "import missing_module"])
def test_a_revision_that_cannot_be_imported(project: Project, body: str) -> None:
    project.revision("one", CREATE).write_text(f"revision = 'one'\n\n{body}\n", "utf-8")

    error, text = run("upgrade", "head")

    assert isinstance(error, (SyntaxError, ImportError))
    assert text.startswith(f"FAILED:     {type(error).__name__}: ")
    assert "at:         migrations/versions/one.py:3" in text
    assert "                " + body in text


@pytest.mark.parametrize(
    "commit",
    [
        "with op.get_context().autocommit_block():\n    pass",
        "op.get_bind().commit()",
        'op.execute("COMMIT")',
        # Commits by itself, unseen by SQLAlchemy.
        'op.get_bind().connection.driver_connection.executescript("SELECT 1;")',
    ],
)
@pytest.mark.parametrize("last", ["two", "three"])
def test_what_was_committed_stays(project: Project, commit: str, last: str) -> None:
    fail = 'op.execute("nonsense")'
    project.revision("one", "pass")
    project.revision(
        "two", "\n".join([CREATE, commit, *([fail] if last == "two" else [])]), down="one"
    )
    project.revision("three", fail, down="two")

    _, text = run("upgrade", "head")

    assert "What the command committed stays, the rest was rolled back." in text
    assert "next:       Correct the revision, let it skip what stays" in text
    with project.engine().connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM a").scalar() == 0
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert f"The database is at revision {version}." in text


def test_a_database_that_cannot_be_written(project: Project) -> None:
    project.revision("one", CREATE)
    project.revision(
        "two",
        'op.execute("PRAGMA query_only = 1")\nop.execute("INSERT INTO a VALUES (1)")',
        down="one",
    )
    _, text = run("upgrade", "head")
    assert "FAILED:     attempt to write a readonly database" in text
    assert "next:       Make the database writable" in text


def test_an_interrupted_command(project: Project) -> None:
    project.revision("one", "raise KeyboardInterrupt")
    error, text = run("upgrade", "head")
    assert isinstance(error, KeyboardInterrupt)
    assert text.startswith("FAILED:     The command was interrupted (Ctrl-C).")
    assert "next:       Run the command again." in text
    assert "raiseerr" not in text


def test_alembic_prints_its_own_errors(project: Project) -> None:
    project.revision("one", 'from alembic.util import CommandError\nraise CommandError("no")')
    error, text = run("upgrade", "head")
    assert isinstance(error, SystemExit)
    assert text == "FAILED: no\n"


def test_the_traceback_on_demand(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.revision("one", 'op.execute("nonsense")')

    _, text = run("--raiseerr", "upgrade", "head")
    assert "Traceback (most recent call last):" in text
    assert "FAILED" not in text

    with caplog.at_level(logging.DEBUG, "alembic.guard"):
        _, text = run("upgrade", "head")
    assert "Traceback (most recent call last):" in caplog.text
    assert text.startswith("FAILED:")


def test_a_program_gets_the_error(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.revision("one", 'op.execute("nonsense")')
    with pytest.raises(OperationalError):
        project.upgrade()
    assert sys.excepthook is sys.__excepthook__
    assert capsys.readouterr().err == ""


def test_a_hook_of_the_owners_stays(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, value, traceback: found.append(value))
    project.revision("one", 'op.execute("nonsense")')
    error, text = run("upgrade", "head")
    assert found == [error]
    assert text == ""


def test_another_error_has_its_traceback(project: Project) -> None:
    project.revision("one", 'op.execute("nonsense")')
    run("upgrade", "head")
    output = io.StringIO()
    with redirect_stderr(output):
        sys.excepthook(KeyError, KeyError("other"), None)
    assert output.getvalue() == "KeyError: 'other'\n"


def test_sigterm_ends_the_process_at_once_and_with_a_report(project: Project) -> None:
    project.revision(
        "one",
        """
        import os, signal, time
        os.kill(os.getpid(), signal.SIGTERM)
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n)"
        op.execute(f"{endless} SELECT max(i) FROM n")
        """,
    )
    package = Path(report.__file__).parents[2]
    code = f"import sys; sys.path[:0] = {[str(package), str(package.parents[1] / 'tests')]!r}\n"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}from alembic.config import main\nmain(['upgrade', 'head'])"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == -signal.SIGTERM
    assert result.stderr.startswith("FAILED:     The process was terminated (SIGTERM).")
    assert "at:         migrations/versions/one.py:" in result.stderr
    assert (
        "database:   Everything was rolled back. The database is at revision base." in result.stderr
    )


def test_nothing_of_it_is_left_when_a_command_succeeds(project: Project) -> None:
    project.revision("one", CREATE)
    threads = threading.active_count()
    error, _ = run("upgrade", "head")
    assert error is None
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert threading.active_count() == threads
    assert sys.excepthook is sys.__excepthook__


def database_error(
    *arguments: object, statement: str = "SELECT 1", lost: bool = False
) -> DBAPIError:
    return DBAPIError(statement, {}, Exception(*arguments), connection_invalidated=lost)


def test_a_rollback_that_fails_hides_nothing() -> None:
    first = database_error(2013, "Lost connection to MySQL server during query")
    second = PendingRollbackError("Can't reconnect until invalid transaction is rolled back")
    second.__context__ = first
    third = database_error(2006, "gone", statement="ROLLBACK TO SAVEPOINT a")
    third.__cause__ = third.orig
    cast(BaseException, third.orig).__context__ = second

    assert find_cause(third) is first
    assert find_cause(second) is first
    assert find_cause(first) is first


def test_what_was_handled_is_not_the_cause() -> None:
    handled = database_error({"C": "42P01", "M": "no view"}, statement="DROP VIEW a")
    error = database_error({"C": "42P01", "M": "no table"}, statement="CREATE VIEW a")
    aborted = database_error({"C": "25P02", "M": "aborted"})
    error.__context__ = handled
    aborted.__context__ = error

    assert find_cause(error) is error
    assert find_cause(aborted) is error


def test_what_a_revision_raises_is_the_cause() -> None:
    error = ValueError("mine")
    error.__cause__ = database_error(1062, "Duplicate entry")
    assert find_cause(error) is error


@pytest.mark.parametrize(
    ("guard", "error", "advice"),
    [
        (PostgreSQLGuard, database_error({"C": "42501", "M": "permission denied"}), "Grant"),
        (PostgreSQLGuard, database_error({"C": "25006", "M": "read-only"}), "Make the database"),
        (PostgreSQLGuard, database_error({"C": "53100", "M": "no space"}), "Free space"),
        (PostgreSQLGuard, database_error({"C": "57P01", "M": "terminating"}), "Check the database"),
        (PostgreSQLGuard, database_error("closed", lost=True), "Check the database"),
        (PostgreSQLGuard, database_error({"C": "42P01", "M": "missing"}), "Correct the revision,"),
        (MySQLGuard, database_error(1142, "denied"), "Grant"),
        (MySQLGuard, database_error(1114, "The table is full"), "Free space"),
        (MySQLGuard, database_error(1146, "missing"), "Correct the revision from this statement"),
    ],
)
def test_what_to_do_next(guard: Any, error: DBAPIError, advice: str) -> None:
    context = SimpleNamespace(
        connection=SimpleNamespace(in_transaction=lambda: False),
        opts={},
        config=SimpleNamespace(attributes={}),
        on_version_apply_callbacks=(),
    )
    activity = Activity()
    guard = guard(context, None, activity)
    activity.describe_state, activity.advise = guard.describe_state, guard.advise

    text = write_report(error, activity)

    assert f"\nnext:       {advice}" in text
    assert "\ndatabase:   Nothing was changed." in text


@given(message=st.text(), statement=st.text())
def test_a_report_fits_a_screen(message: str, statement: str) -> None:
    error = DBAPIError(statement, {}, Exception(message))
    text = write_report(error, Activity(describe_state=lambda: "State."))
    assert text.startswith("FAILED:")
    assert len(text.splitlines()) <= 24 - 5  # which Alembic and the guard have logged before
    assert all(len(line) <= 12 + report.WIDTH for line in text.split("\n"))


def test_long_texts_say_that_they_are_cut() -> None:
    report = Report()
    report.add("one", "a\n\nb\nc\nd", 2)
    report.add("two", "a\nb\nc", 2)
    report.add("three", "")
    assert str(report).splitlines() == [
        "one:        a",
        "            b",
        "            ... and 2 more lines",
        "two:        a",
        "            b",
        "            ... and 1 more line",
    ]


def test_a_package_that_is_missing_is_no_fault_of_a_revision() -> None:
    error = ModuleNotFoundError("No module named 'driver'")

    assert "next:       Install what is missing" in write_report(error, Activity())
