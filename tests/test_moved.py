"""Databases of servers that ran a revision before it was moved; SQLite's are in tests/guardrails.

At each stage of a merge and of a rebase, and killed while they are mended.
"""

import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic_guardrails import Driver
from drivers import text_of
from guardrails.conftest import ENV, INI, VARIABLES, Project
from guardrails.team import Team, moved_ids
from matrix import DISTINCT, PROGRAMS, SERVED, Setup, setups
from servers import Server
from sqlalchemy import URL, Engine, MetaData, create_engine, event

pytestmark = pytest.mark.slow

PROGRAMS_SERVED = [setup for setup in PROGRAMS if setup in SERVED]

# What alembic.ini names, by the backend.
DRIVERS = {
    setup.backend.name: Driver(f"{setup.backend.name}+{setup.driver.name}", [setup.backend.name])
    for setup in PROGRAMS_SERVED
}


class ServerTeam(Team):
    """A team whose databases are on a server, and whose revisions have several statements."""

    up = """
table = op.create_table(
    "t_{0}", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("n", sa.Integer())
)
op.bulk_insert(table, [{{"n": 1}}, {{"n": 2}}])
op.add_column("t_{0}", sa.Column("m", sa.Integer(), server_default="0"))
op.execute("UPDATE t_{0} SET n = n + 1")
op.create_index("i_{0}", "t_{0}", ["n"])
"""
    down = """
op.drop_index("i_{0}", "t_{0}")
op.drop_column("t_{0}", "m")
op.drop_table("t_{0}")
"""

    def __init__(
        self, project: Project, monkeypatch: pytest.MonkeyPatch, make: Callable[[], URL]
    ) -> None:
        self.make = make
        self.urls: dict[str, str] = {}
        super().__init__(project, monkeypatch)

    def url(self, name: str) -> str:
        if name not in self.urls:
            self.urls[name] = text_of(self.make())
        return self.urls[name]

    def state(self, name: str) -> dict[str, Any]:
        """The columns, indexes and rows of each table; rows have their numbers left out."""
        engine, metadata = create_engine(self.url(name)), MetaData()
        found: dict[str, Any] = {}
        with engine.connect() as connection:
            metadata.reflect(connection)
            for table in metadata.sorted_tables:
                columns = [column for column in table.columns if column.name != "id"]
                rows = connection.execute(table.select().with_only_columns(*columns)).all()
                found[table.name] = (
                    sorted(f"{column.name} {column.type}" for column in table.columns),
                    sorted(str(index.name) for index in table.indexes),
                    Counter(map(tuple, rows)),
                )
        engine.dispose()
        return found

    def empty(self, name: str) -> None:
        """Drop all tables of a database."""
        engine, metadata = create_engine(self.url(name)), MetaData()
        with engine.begin() as connection:
            metadata.reflect(connection)
            metadata.drop_all(connection)
        engine.dispose()

    def follow(self, way: str) -> None:
        """Do what the messages say, one way of two, until the database is at the head."""
        for _ in range(5):
            said = self.say(command.upgrade, "head")
            if not said:
                return
            advice = re.findall(rf"`(alembic {way} (?!head)\S+)`", said)
            assert advice, said
            assert self.run(advice[0]) == ""
        raise AssertionError(said)


@pytest.fixture(params=setups(DISTINCT, pytest.mark.sweep, PROGRAMS_SERVED))
def team(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: Callable[[str], Server],
) -> Iterator[ServerTeam]:
    """A team whose databases are on one program's server."""
    setup: Setup = request.param
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    ini = INI.replace("guardrails.minimal:DRIVER", "test_moved:DRIVER")
    monkeypatch.setattr("test_moved.DRIVER", DRIVERS[setup.backend.name], raising=False)
    ini = ini.replace("sqlite:///app.db", setup.backend.example)
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text(ini, encoding="utf-8")
    (tmp_path / "migrations" / "env.py").write_text(ENV, encoding="utf-8")
    with ExitStack() as stack:

        def make() -> URL:
            url = stack.enter_context(server(setup.backend.name).scratch_database())
            return url.set(drivername=DRIVERS[setup.backend.name].name)

        yield ServerTeam(Project(tmp_path), monkeypatch, make)


STAGES = ["nothing", "base", "r0", "a", "b", "more", "a and b", "head"]


@pytest.mark.parametrize("kind", ["merge", pytest.param("rebase", marks=pytest.mark.sweep)])
def test_every_stage_is_told_or_mended(team: ServerTeam, kind: str) -> None:
    """Databases that have run nothing, everything, or any part of it, by both ways.

    Of the history before it, or as "a and b" and "head" of the one after it.
    """
    ways = ("upgrade", "downgrade")
    team.add("b", "r0")
    team.add("more", "b")
    for way in ways:
        for stage in ("r0", "b", "more"):
            team.build(f"{stage} {way}", stage)
        team.build(f"base {way}", "more")
        assert team.run("alembic downgrade base") == ""
    team.release("a", "r0")
    team.git("switch", "--quiet", "main")
    for way in ways:
        team.build(f"a {way}", "a")
    team.git("switch", "--quiet", "feature")
    getattr(team, kind)()
    moved = moved_ids(team)
    assert team.ids() == ["r0", "a", moved["b"], moved["more"]]
    team.build("expected", "head")
    expected = team.state("expected")
    for way in ways:
        team.build(f"a and b {way}", moved["b"])
        team.build(f"head {way}", "head")

    for stage in STAGES:
        for way in ways:
            name = f"{stage} {way}"
            team.use(name)
            said = team.say(command.current)
            if stage in moved:
                assert said.startswith(f"refused: The database is at {stage}: {stage} was moved")
                assert "It lacks a: run `alembic upgrade a`" in said
                assert "or `alembic downgrade r0`" in said
                before = team.state(name)
                assert team.say(command.upgrade, "head") == said
                assert team.state(name) == before
            else:
                assert "refused" not in said
            team.follow(way)
            assert team.state(name) == expected, name


def kill_at(point: int, run: Callable[[], str]) -> int:
    """Run a command in a fork that is killed before (2n) or after (2n + 1) its n-th statement."""
    seen = 0

    def kill(*_: object) -> None:
        nonlocal seen
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    child = os.fork()
    if not child:
        code = 1
        try:
            event.listen(Engine, "before_cursor_execute", kill)
            event.listen(Engine, "after_cursor_execute", kill)
            code = len(run())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check_kills(team: ServerTeam, way: str, first: int, step: int) -> int:
    """Kill what mends a database at each so many points, do it again, and compare; count."""
    team.add("b", "r0")
    team.add("more", "b")
    path = team.project.path
    before = Project(shutil.copytree(path, path.with_name(f"{path.name}_before")))
    team.release("a", "r0")
    team.merge()
    team.build("expected", "head")
    expected = team.state("expected")
    team.use("killed")
    advice = {"upgrade": "alembic upgrade a", "downgrade": "alembic downgrade r0"}[way]
    for point in range(first, 10_000, step):
        team.empty("killed")
        before.upgrade("more")
        code = kill_at(point, lambda: team.run(advice))
        if code == 0:
            return len(range(first, point, step))
        assert code == -signal.SIGKILL
        team.follow(way)
        assert team.state("killed") == expected, f"point {point}"
    raise AssertionError("it never ends")


@pytest.mark.parametrize("way", ["upgrade", "downgrade"])
def test_some_kills_while_it_is_mended(team: ServerTeam, way: str) -> None:
    assert check_kills(team, way, first=21, step=14) >= 2


@pytest.mark.sweep
@pytest.mark.parametrize("way", ["upgrade", "downgrade"])
def test_all_kills_while_it_is_mended(team: ServerTeam, way: str) -> None:
    assert check_kills(team, way, first=0, step=1) >= 40
