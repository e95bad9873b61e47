"""How a service starts, logs, waits, answers what its OpenAPI schema says, and ends."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from signal import SIGTERM
from threading import Thread
from time import sleep
from typing import Any

import psycopg
import pytest
from conftest import Render
from drivers import text_of
from matrix import ASYNC, DRIVERS, FIRST, PROGRAMS, SERVED, SETUPS, Setup, setups
from project import Project, get
from sqlalchemy import URL

pytestmark = pytest.mark.slow

POSTGRESQL = [setup for setup in SERVED if setup.backend.linters]
# A sync and an async one on PostgreSQL, whose server says who is connected.
BOTH = [next(setup for setup in POSTGRESQL if setup.is_async is kind) for kind in (False, True)]
FILES = [
    next(setup for setup in SETUPS if setup.backend is FIRST[0].backend and not setup.is_async)
]

SLOW = '''

from pathlib import Path

from sqlalchemy import select

from my_service.db.session import SessionDep


@app.get("/slow")
{async_}def slow(session: SessionDep) -> int | None:
    """Hold a connection until a file says otherwise."""
    answer = {await_}session.scalar(select(42))
    Path("started").touch()
    while not Path("go").exists():
        {pause}
    return answer
'''


def make_slow(service: Project, is_async: bool) -> None:
    """Give the service an endpoint that answers once there is a file called `go`."""
    words = (
        {"async_": "async ", "await_": "await ", "pause": "await asyncio.sleep(0.05)"}
        if is_async
        else {"async_": "", "await_": "", "pause": "__import__('time').sleep(0.05)"}
    )
    main = service.path / "src" / service.package / "main.py"
    main.write_text(main.read_text(encoding="utf-8") + SLOW.format(**words), encoding="utf-8")


def records(log: str) -> Iterator[dict[str, Any]]:
    """The records of a log in JSON; anything else in it is an error."""
    for line in log.splitlines():
        record = json.loads(line)
        assert record.keys() >= {"time", "level", "logger", "message", "request_id"}
        assert datetime.fromisoformat(record["time"]).utcoffset() == timedelta(0)
        yield record


@pytest.mark.parametrize("setup", BOTH, ids=str)
def test_a_request_is_answered_before_the_end(
    service: Project, database: URL, setup: Setup
) -> None:
    """What SIGTERM does while a request is worked on, and what the log has of it."""
    make_slow(service, setup.is_async)
    service.environment |= {"LOG_FORMAT": "json", "LOG_LEVEL": "debug"}

    def release(port: int) -> None:
        """Let the request end once nobody can connect any more."""
        while socket.socket().connect_ex(("127.0.0.1", port)) == 0:
            sleep(0.05)
        (service.path / "go").touch()

    with ThreadPoolExecutor() as threads:
        with service.serving() as address:
            answer = threads.submit(get, f"{address}/slow?token=hidden")
            while not (service.path / "started").exists():
                sleep(0.05)
            released = threads.submit(release, int(address.rpartition(":")[2]))
        assert answer.result() == (200, "42")
        released.result()

    # Once it has ended well, uvicorn dies of the signal as if it had not caught it.
    assert service.exit_code == -SIGTERM
    log = list(records(service.log))
    assert log[-2]["message"] == "Application shutdown complete."
    [access] = [record for record in log if record["logger"] == "uvicorn.access"]
    assert access.items() >= {"method": "GET", "path": "/slow", "status": 200}.items()
    assert len(access["request_id"]) == 32
    assert "hidden" not in service.log
    assert database.password
    assert database.password not in service.log
    with psycopg.connect(text_of(database.set(database="postgres"))) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        while connection.execute(query, [database.database]).fetchone() != (0,):
            sleep(0.05)


@pytest.mark.parametrize("setup", FILES, ids=str)
def test_the_end_comes_whatever_a_request_does(service: Project) -> None:
    make_slow(service, is_async=False)
    service.environment["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"] = "1"

    with ThreadPoolExecutor() as threads, service.serving() as address:
        answer = threads.submit(get, f"{address}/slow")
        while not (service.path / "started").exists():
            sleep(0.05)
    with pytest.raises(OSError, match="closed"):
        answer.result()

    assert "timeout graceful shutdown exceeded" in service.log
    assert "Application shutdown complete." in service.log


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"ALEMBIC_CONFIG": "missing.ini"},
            "DATABASE_URL: Field required; ALEMBIC_CONFIG: Path does not point to a file"
            " (.env.example lists all settings)",
        ),
        (
            {"DATABASE_URL": " sqlite:///secret.db?pgbouncer=true\n"},
            "DATABASE_URL: pysqlite does not take 'pgbouncer' (.env.example lists all settings)",
        ),
        (
            {"DATABASE_URL": "ada:secret@localhost/db", "LOG_LEVEL": "loud"},
            "LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR';"
            " DATABASE_URL: Write a database URL, such as sqlite:///app.db"
            " (.env.example lists all settings)",
        ),
    ],
)
@pytest.mark.parametrize("setup", FILES, ids=str)
def test_what_keeps_it_from_starting_is_said_in_a_sentence(
    service: Project, variables: dict[str, str], sentence: str
) -> None:
    (service.path / ".env").unlink()
    service.environment |= variables

    with service.start("uvicorn", f"{service.package}.main:app") as process:
        log, _ = process.communicate()

    assert process.returncode == 3
    assert f" {sentence}\n" in log
    assert "Traceback" not in log
    assert "secret" not in log


@contextmanager
def unreachable() -> Iterator[int]:
    """A port that neither accepts nor refuses connections."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "setup",
    setups(
        BOTH[:1],
        pytest.mark.sweep,
        among=[setup for setup in DRIVERS if not setup.backend.is_file],
    ),
)
def test_an_unreachable_database_is_soon_given_up(
    render: Render, environment: Any, setup: Setup
) -> None:
    """The client waits for half a minute, a system for two."""
    with unreachable() as port:
        url = f"{setup.backend.name}://ada:secret@127.0.0.1:{port}/db"
        service = render(**setup.answers(database_url=url))
        service.use(environment(setup))
        with service.serving() as address:
            code, text = get(f"{address}/health/ready")

    assert code == 503
    assert "The database does not answer." in text
    assert "secret" not in service.log


class Relay(Thread):
    """Hands on what is sent to its port and what is answered, until it falls silent."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(daemon=True)
        self.target = (host, port)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.is_silent = False
        self.ends: list[socket.socket] = []

    def run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.server.accept()
                server = socket.create_connection(self.target)
                self.ends += (client, server)
                for ends in ((client, server), (server, client)):
                    Thread(target=self.hand_on, args=ends, daemon=True).start()

    def stop(self) -> None:
        """Hang up: some drivers take leave of a server before they let a service end."""
        for end in (self.server, *self.ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def hand_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.is_silent:
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("setup", setups(ASYNC + PROGRAMS[-1:], pytest.mark.sweep, among=SERVED))
def test_a_database_that_falls_silent_is_soon_given_up(
    render: Render, environment: Any, setup: Setup, database: URL
) -> None:
    """Connections stay open: only the check itself knows that it has waited for long."""
    relay = Relay(str(database.host), int(database.port or 0))
    relay.start()
    url = database.set(host="127.0.0.1", port=relay.port)
    service = render(**setup.answers(database_url=text_of(url)))
    service.use(environment(setup))
    service.run("alembic", "upgrade", "head")

    with service.serving() as address:
        assert get(f"{address}/health/ready")[0] == 200
        relay.is_silent = True
        code, text = get(f"{address}/health/ready")
        assert get(f"{address}/health")[0] == 200
        relay.stop()

    assert (code, "The database does not answer." in text) == (503, True)


@pytest.mark.parametrize(
    ("setup", "examples"),
    [
        pytest.param(BOTH[0], 3, id="few"),
        *(
            pytest.param(setup, 100, id=str(setup), marks=pytest.mark.sweep)
            for setup in (*PROGRAMS, BOTH[1])
        ),
    ],
)
def test_openapi_says_what_the_service_does(service: Project, examples: int) -> None:
    service.run("alembic", "upgrade", "head")

    with service.serving() as address:
        service.run(
            *("schemathesis", "run", f"{address}/openapi.json", "--checks=all", "--no-color"),
            *("--continue-on-failure", f"--max-examples={examples}"),
        )
