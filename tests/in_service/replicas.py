"""Start eight replicas at once while a migration runs, in each way that deploying.md describes."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import uvicorn
from alembic.config import main
from alembic_guardrails import CURRENT
from my_service.main import app
from runner import LOG, drop_all, end, run_alembic, run_on_database, start

REPLICAS = 8
STARTED, GO = Path("started"), Path("go")
REVISION = Path("migrations/versions/0002_slow.py")
REVISION_TEXT = f"""
import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    Path("{STARTED}").touch()
    while not Path("{GO}").exists():
        time.sleep(0.01)
    op.create_table("slow", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("slow")
"""


class Replicas:
    """Processes that serve, each on a port of its own, and their answers."""

    def __init__(self, first: Callable[[], object]) -> None:
        self.sockets = [socket.socket() for _ in range(REPLICAS)]
        for each in self.sockets:
            each.bind(("127.0.0.1", 0))
        self.processes = [start(lambda on=each: (first(), serve(on))) for each in self.sockets]
        self.answers: list[list[str]] = [[] for _ in self.sockets]

    def ask(self) -> set[str]:
        """Ask each process whether it is ready; return the different answers."""
        for each, answers in zip(self.sockets, self.answers, strict=True):
            answers.append(ask(each.getsockname()[1], "/health/ready"))
        return {answers[-1] for answers in self.answers}

    def wait_for(self, answer: str) -> None:
        """Ask until all processes give this answer."""
        wait(lambda: self.ask() == {answer})

    def stop(self) -> None:
        """Terminate all processes, and check that none of them has ended with an error."""
        for process in self.processes:
            os.kill(process, signal.SIGTERM)
        assert {end(process) for process in self.processes} <= {0, -signal.SIGTERM}
        for each in self.sockets:
            each.close()


def serve(on: socket.socket) -> None:
    """Serve until the process is terminated."""
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[on])


def migrate() -> None:
    """Run what the migrate step runs."""
    main(["upgrade", "head"])


def ask(port: int, path: str) -> str:
    """Get a page; return its status, the reason for an error, or that the port refuses."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
            return f"{response.status}"
    except HTTPError as error:
        return f"{error.code} {json.load(error)['reason']}"
    except URLError:
        return "refused"


def wait(until: Callable[[], object]) -> None:
    """Wait until the function returns something true, for a minute at most."""
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline, LOG.read_text()
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _database() -> Iterator[None]:
    """A database at 0001, and a second revision that runs until the file `go` exists."""
    for file in (STARTED, GO, LOG):
        file.unlink(missing_ok=True)
    drop_all()
    assert run_alembic("upgrade", "0001") == 0, LOG.read_text()
    REVISION.write_text(REVISION_TEXT, encoding="utf-8")


@pytest.fixture
def replicas() -> Iterator[Callable[..., Replicas]]:
    """Start replicas, and stop them after the test."""
    with ExitStack() as stack:

        def begin(first: Callable[[], object] = lambda: None) -> Replicas:
            started = Replicas(first)
            stack.callback(started.stop)
            return started

        yield begin


def revisions() -> list[str]:
    """Return the revisions of the database."""
    return run_on_database(lambda connection: list(connection.scalars(CURRENT)))


def ran_once() -> bool:
    """Whether exactly one process ran the revision."""
    return LOG.read_text().count("Running upgrade 0001 -> 0002") == 1


def test_each_migrates_before_it_serves(replicas: Callable[..., Replicas]) -> None:
    """As in init containers."""
    eight = replicas(migrate)
    wait(STARTED.exists)
    wait(lambda: LOG.read_text().count("Waiting for another migration") == REPLICAS - 1)
    assert eight.ask() == {"refused"}

    GO.touch()
    eight.wait_for("200")

    assert revisions() == ["0002"]
    assert ran_once()
    for answers in eight.answers:
        assert set(answers[: answers.index("200")]) == {"refused"}


def test_one_migrates_before_all_serve(replicas: Callable[..., Replicas]) -> None:
    """As in the migrate step of compose.yaml and in the Job."""
    GO.touch()
    assert end(start(migrate)) == 0
    eight = replicas()
    eight.wait_for("200")

    assert ran_once()
    assert {answer for answers in eight.answers for answer in answers} <= {"refused", "200"}


def test_no_replica_serves_too_early(replicas: Callable[..., Replicas]) -> None:
    """As in a rollout that does not wait for its migrations."""
    migration = start(migrate)
    wait(STARTED.exists)
    eight = replicas()
    early = "503 The database is at revision 0001, the service needs 0002."
    eight.wait_for(early)
    assert [ask(each.getsockname()[1], "/health") for each in eight.sockets] == ["200"] * REPLICAS

    GO.touch()
    assert end(migration) == 0
    eight.wait_for("200")

    assert ran_once()
    for answers in eight.answers:
        assert set(answers[: answers.index("200")]) <= {"refused", early}
