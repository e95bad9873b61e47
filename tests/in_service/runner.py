"""Run Alembic many times from one process in a service's environment, each time in a fork."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.config import main
from alembic_guardrails import run_with_connection
from my_service.settings import DatabaseSettings
from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

URL = DatabaseSettings().database_url
LOG = Path("runs.log")


def start(work: Callable[[], object]) -> int:
    """Call `work` in a fork, whose output goes to the log; return the fork's process id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        sys.stdout = sys.stderr = LOG.open("a", buffering=1)
        work()
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def end(child: int) -> int:
    """Wait for a fork; return its exit code, or minus the number of the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_alembic(*arguments: str) -> int:
    """Run Alembic's command line in a fork; return its exit code."""
    return end(start(lambda: main(list(arguments))))


def run_at_once(runners: int, *arguments: str) -> list[int]:
    """Run Alembic in forks that begin at the same time; return their exit codes."""
    waiting, go = os.pipe()

    def run() -> None:
        os.close(go)
        os.read(waiting, 1)
        main(list(arguments))

    children = [start(run) for _ in range(runners)]
    os.close(waiting)
    os.close(go)
    return [end(child) for child in children]


def run_and_kill(point: int, *arguments: str) -> int:
    """Run Alembic, and kill it before (point 2n) or after (2n + 1) its n-th statement.

    Also those of which no event tells.
    """
    seen = 0

    def kill() -> None:
        nonlocal seen
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    def counted(execute: Callable[..., None]) -> Callable[..., None]:
        def execute_or_kill(*arguments: Any) -> None:
            kill()
            execute(*arguments)
            kill()

        return execute_or_kill

    def work() -> None:
        for name in ("do_execute", "do_execute_no_params", "do_executemany"):
            setattr(DefaultDialect, name, counted(getattr(DefaultDialect, name)))
        main(list(arguments))

    return end(start(work))


def run_and_kill_after(words: str, *arguments: str) -> int:
    """Run Alembic, and kill it after the first statement that contains these words."""

    def kill(_: object, __: object, statement: str, *others: object) -> None:
        if words in statement:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        event.listen(Engine, "after_cursor_execute", kill)
        main(list(arguments))

    return end(start(work))


def run_on_database(work: Callable[[sa.Connection], Any]) -> Any:
    """Call `work` with a connection of its own, commit, and return the result."""

    def committed(connection: sa.Connection) -> Any:
        result = work(connection)
        connection.commit()
        return result

    return run_with_connection(URL, committed)


def execute(statement: str) -> None:
    """Execute a statement, and commit."""
    run_on_database(lambda connection: connection.exec_driver_sql(statement).close())


def fetch_rows(query: str) -> list[Any]:
    """Return the rows of a query."""
    return list(run_on_database(lambda connection: connection.exec_driver_sql(query).all()))


def fetch_value(query: str) -> Any:
    """Return the first value of a query."""
    return run_on_database(lambda connection: connection.exec_driver_sql(query).scalar())


def read_state() -> set[str]:
    """Return a line for each column, key, constraint, index and row of the database."""

    def read(connection: sa.Connection) -> set[str]:
        inspector = sa.inspect(connection)
        lines = set()
        for name in inspector.get_table_names():
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            # Timestamps are the only values that differ between two runs.
            stable = [
                column for column in table.columns if not isinstance(column.type, sa.DateTime)
            ]
            stable.sort(key=lambda column: column.name)
            for items in (
                inspector.get_columns(name),
                [inspector.get_pk_constraint(name)],
                inspector.get_foreign_keys(name),
                inspector.get_unique_constraints(name),
                inspector.get_check_constraints(name),
                inspector.get_indexes(name),
                connection.execute(sa.select(*stable)).all(),
            ):
                lines |= {f"{name}: {item}" for item in items}
        return lines

    lines: set[str] = run_on_database(read)
    return lines


def drop_all() -> None:
    """Drop all tables of the database."""
    if URL.get_backend_name() == "sqlite":
        for suffix in ("", "-journal"):
            Path(f"{URL.database}{suffix}").unlink(missing_ok=True)
        return

    def drop(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
            return
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        for name in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f"DROP TABLE `{name}`")
        connection.exec_driver_sql("SET foreign_key_checks = 1")

    run_on_database(drop)
