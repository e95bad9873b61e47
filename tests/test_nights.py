"""What goes wrong at night: races, kills, errors half-way, locks. See tests/inside."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Render, Scratch
from drivers import MARIADB, text_of
from matrix import PROGRAMS, ROOT, SERVED, SETUPS, Setup, setups
from project import Project

pytestmark = pytest.mark.slow

INSIDE = ROOT / "tests" / "inside"


@pytest.fixture
def service(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, scratch: Scratch
) -> Project:
    """A service with six revisions, and with the programs that run inside of it."""
    url = text_of(scratch(setup))
    project = render(**setup.answers(database_url=url, include_example=True))
    project.use(environment(setup))
    shutil.copytree(INSIDE, project.path / "inside", ignore=shutil.ignore_patterns("chain"))
    for revision in (INSIDE / "chain").glob("*.py"):
        shutil.copy(revision, project.path / "migrations" / "versions")
    return project


def passed(service: Project, *arguments: str) -> None:
    """Run tests inside of the service."""
    output = service.run("pytest", "-q", "--tb=short", *arguments)
    assert re.search(r"\d+ passed", output)
    print(output)


@pytest.mark.parametrize("setup", setups(SERVED[:1], pytest.mark.sweep))
def test_nights(service: Project) -> None:
    service.environment["ALIKE"] = "too"
    passed(service, "inside/nights.py")


@pytest.mark.parametrize("setup", [it for it in PROGRAMS if it is not SERVED[0]], ids=str)
def test_nights_that_are_not_alike(service: Project) -> None:
    passed(service, "inside/nights.py")


@pytest.mark.sweep
@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_all_races(service: Project) -> None:
    service.environment["ROUNDS"] = "5"
    passed(service, "inside/races.py")


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_a_race(service: Project) -> None:
    service.environment["ROUNDS"] = "1"
    passed(service, "inside/races.py")


@pytest.mark.sweep
@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_all_kills(service: Project) -> None:
    service.environment["POINTS"] = "0:1"
    passed(service, "-s", "inside/kills.py")


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_some_kills(service: Project, setup: Setup) -> None:
    """Twice as many where each statement is committed by itself."""
    service.environment["POINTS"] = "7:23" if setup.backend is MARIADB else "7:46"
    passed(service, "inside/kills.py")
