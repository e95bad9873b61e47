"""Histories that move in: they end in the schema that stock Alembic makes of them."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from conftest import Render, Scratch
from drivers import text_of
from histories import (
    differences,
    dump,
    find_histories,
    kill_and_finish,
    move_in,
    reason_of,
    stock_project,
)
from matrix import PROGRAMS, Setup
from project import CommandFailed, Project
from sqlalchemy import URL

pytestmark = pytest.mark.slow

HISTORIES = find_histories()
KILLS = 20


@pytest.fixture
def expected(
    request: pytest.FixtureRequest,
    scratch: Scratch,
    setup: Setup,
    environment: Callable[[Setup], Path],
    tmp_path: Path,
) -> str:
    """What stock Alembic makes of a history; the test is over where that fails."""
    url = scratch(setup)
    history = HISTORIES[request.getfixturevalue("history")]
    stock = stock_project(history, tmp_path / "stock", url, setup, environment(setup))
    try:
        stock.run("alembic", "upgrade", "heads")
    except CommandFailed as failure:
        pytest.skip(f"stock Alembic fails: {reason_of(failure)}")
    return dump(url)


@pytest.fixture
def moved_in(
    expected: str,
    render: Render,
    setup: Setup,
    database: URL,
    environment: Callable[[Setup], Path],
    history: str,
) -> Project:
    """A new service that begins with a history."""
    answers = setup.answers(database_url=text_of(database), include_example=False)
    service = render(**answers)
    service.use(environment(setup))
    move_in(HISTORIES[history], service)
    return service


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
@pytest.mark.parametrize("history", HISTORIES)
def test_same_schema_as_stock(
    moved_in: Project, database: URL, expected: str, setup: Setup, history: str
) -> None:
    moved_in.run("alembic", "upgrade", "heads")

    assert differences(dump(database), expected) == []
    moved_in.run("migrations", "drift")
    assert "Traceback" not in moved_in.run("migrations", "lint", check=False)
    moved_in.git("init", "--quiet", "--initial-branch=main")
    moved_in.commit()
    if len([*HISTORIES[history].glob("*.py")]) > 1:
        assert "a dry run" in moved_in.run("migrations", "squash", "head", "--dry-run")


@pytest.mark.sweep
@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
@pytest.mark.parametrize("history", HISTORIES)
def test_killed_and_finished(
    moved_in: Project, scratch: Scratch, expected: str, setup: Setup, history: str
) -> None:
    random = Random(f"{history} {setup}")
    revisions = len(moved_in.run("alembic", "history").splitlines())
    refused = 0
    for _ in range(KILLS):
        url = scratch(setup)
        moved_in.environment["DATABASE_URL"] = text_of(url)
        ended = kill_and_finish(moved_in, url, random, revisions)
        refused += ended is None
        assert ended is None or differences(ended, expected) == []
    print(f"{history} on {setup}: killed {KILLS} times, refused {refused} times")
