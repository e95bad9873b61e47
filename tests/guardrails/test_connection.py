"""`run_with_connection()`, inside and outside of an event loop, with a sync and an async driver."""

import asyncio
import threading
from pathlib import Path

import pytest
from alembic_guardrails import UnreachableError, run_with_connection
from alembic_guardrails.connection import is_event_loop_running
from sqlalchemy import URL, Connection, NullPool, text

SQLITE = URL.create("sqlite+pysqlite")
# Its server is a port that refuses connections.
NOBODY = URL.create("mysql+pymysql", "user", "secret", "127.0.0.1", 1, "database")
DRIVERS = ["sqlite+pysqlite", "sqlite+aiosqlite"]


def one(connection: Connection) -> int:
    return int(connection.execute(text("SELECT 1")).scalar_one())


def thread(connection: Connection) -> int:
    return threading.get_ident()


@pytest.mark.parametrize("driver", DRIVERS)
def test_outside_of_an_event_loop(driver: str) -> None:
    assert not is_event_loop_running()
    assert run_with_connection(URL.create(driver), one) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_inside_of_an_event_loop(driver: str) -> None:
    async def run() -> int:
        assert is_event_loop_running()
        return run_with_connection(URL.create(driver), one)

    assert asyncio.run(run()) == 1


def test_only_an_async_driver_in_an_event_loop_needs_a_thread() -> None:
    async def run(driver: str) -> int:
        return run_with_connection(URL.create(driver), thread)

    here = threading.get_ident()
    assert run_with_connection(URL.create("sqlite+aiosqlite"), thread) == here
    assert asyncio.run(run("sqlite+pysqlite")) == here
    assert asyncio.run(run("sqlite+aiosqlite")) != here


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_the_work_raises_is_raised(driver: str) -> None:
    def fail(connection: Connection) -> None:
        raise KeyError("mine")

    async def run() -> None:
        run_with_connection(URL.create(driver), fail)

    with pytest.raises(KeyError, match="mine"):
        run_with_connection(URL.create(driver), fail)
    with pytest.raises(KeyError, match="mine"):
        asyncio.run(run())


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_file_that_cannot_be_opened(driver: str, tmp_path: Path) -> None:
    url = URL.create(driver, database=str(tmp_path / "missing" / "app.db"))

    with pytest.raises(UnreachableError, match=r"^unable to open database file$"):
        run_with_connection(url, one)


def test_a_server_that_cannot_be_reached() -> None:
    with pytest.raises(UnreachableError, match="Can't connect to MySQL server") as caught:
        run_with_connection(NOBODY, one)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, ConnectionError)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_connection_is_closed_and_has_the_options(driver: str) -> None:
    def keep(connection: Connection) -> Connection:
        assert connection.engine.url.drivername == driver
        assert connection.dialect.name == "sqlite"
        assert isinstance(connection.engine.pool, NullPool)
        return connection

    connection = run_with_connection(URL.create(driver), keep, logging_name="mine")
    assert connection.closed
    assert connection.engine.logging_name == "mine"


def test_what_is_not_committed_is_rolled_back(tmp_path: Path) -> None:
    url = SQLITE.set(database=str(tmp_path / "app.db"))

    def create(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE a (b INTEGER)"))
        connection.commit()
        connection.execute(text("INSERT INTO a VALUES (1)"))

    run_with_connection(url, create)

    count = text("SELECT count(*) FROM a")
    assert run_with_connection(url, lambda connection: connection.scalar(count)) == 0
