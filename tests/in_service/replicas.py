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
from runner import LOG, alembic, empty, end, on_database, start

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
    """Processes that serve, each on a port that it alone can have, and what they answered."""

    def __init__(self, first: Callable[[], object]) -> None:
        self.sockets = [socket.socket() for _ in range(REPLICAS)]
        for it in self.sockets:
            it.bind(("127.0.0.1", 0))
        self.processes = [start(lambda it=it: (first(), serve(it))) for it in self.sockets]
        self.answers: list[list[str]] = [[] for _ in self.sockets]

    def ask(self) -> set[str]:
        """Ask each whether it is ready."""
        for one, answers in zip(self.sockets, self.answers, strict=True):
            answers.append(ask(one.getsockname()[1], "/health/ready"))
        return {answers[-1] for answers in self.answers}

    def wait_for(self, answer: str) -> None:
        """Ask until all answer this."""
        wait(lambda: self.ask() == {answer})

    def stop(self) -> None:
        """End all of them, as who deploys does; none has ended by itself or with an error."""
        for process in self.processes:
            os.kill(process, signal.SIGTERM)
        assert {end(process) for process in self.processes} <= {0, -signal.SIGTERM}
        for it in self.sockets:
            it.close()


def serve(on: socket.socket) -> None:
    """Serve until the end."""
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[on])


def migrate() -> None:
    """Do what the migrate step does."""
    main(["upgrade", "head"])


def ask(port: int, path: str) -> str:
    """Get a page; return its status and what it says, or that nobody is there."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
            return f"{response.status}"
    except HTTPError as error:
        return f"{error.code} {json.load(error)['reason']}"
    except URLError:
        return "refused"


def wait(until: Callable[[], object]) -> None:
    """Wait for something that comes soon."""
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline, LOG.read_text()
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _database() -> Iterator[None]:
    """A database at 0001, and a revision that ends when it is told."""
    for file in (STARTED, GO, LOG):
        file.unlink(missing_ok=True)
    empty()
    assert alembic("upgrade", "0001") == 0, LOG.read_text()
    REVISION.write_text(REVISION_TEXT, encoding="utf-8")


@pytest.fixture
def replicas() -> Iterator[Callable[..., Replicas]]:
    """Start replicas that are gone after the test."""
    with ExitStack() as stack:

        def begin(first: Callable[[], object] = lambda: None) -> Replicas:
            started = Replicas(first)
            stack.callback(started.stop)
            return started

        yield begin


def revisions() -> list[str]:
    """Where the database is."""
    return on_database(lambda it: list(it.scalars(CURRENT)))


def ran_once() -> bool:
    """Whether one process ran the revision, and no other."""
    return LOG.read_text().count("Running upgrade 0001 -> 0002") == 1


def test_each_migrates_before_it_serves(replicas: Callable[..., Replicas]) -> None:
    """As init containers do."""
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
    """As compose's migrate step and the Job do."""
    GO.touch()
    assert end(start(migrate)) == 0
    eight = replicas()
    eight.wait_for("200")

    assert ran_once()
    assert {answer for answers in eight.answers for answer in answers} <= {"refused", "200"}


def test_nobody_serves_too_early(replicas: Callable[..., Replicas]) -> None:
    """As in a rollout that did not wait for its migrations."""
    migration = start(migrate)
    wait(STARTED.exists)
    eight = replicas()
    early = "503 The database is at revision 0001, the service needs 0002."
    eight.wait_for(early)
    assert [ask(it.getsockname()[1], "/health") for it in eight.sockets] == ["200"] * REPLICAS

    GO.touch()
    assert end(migration) == 0
    eight.wait_for("200")

    assert ran_once()
    for answers in eight.answers:
        assert set(answers[: answers.index("200")]) <= {"refused", early}
