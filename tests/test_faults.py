"""Fault injection: races, kills, errors inside a revision, locks. See tests/in_service."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Render, Scratch
from drivers import MARIADB, text_of
from matrix import DISTINCT, PROGRAMS, ROOT, SERVED, SETUPS, Setup, setups
from project import Project

pytestmark = pytest.mark.slow

IN_SERVICE = ROOT / "tests" / "in_service"


@pytest.fixture
def service(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, scratch: Scratch
) -> Project:
    """A service with six revisions, and with the tests that run in its environment."""
    url = text_of(scratch(setup))
    project = render(**setup.answers(database_url=url, include_example=True))
    project.use(environment(setup))
    shutil.copytree(IN_SERVICE, project.path / "in_service", ignore=shutil.ignore_patterns("chain"))
    for revision in (IN_SERVICE / "chain").glob("*.py"):
        shutil.copy(revision, project.path / "migrations" / "versions")
    return project


def run_tests(service: Project, *arguments: str) -> None:
    """Run tests in the service's environment, and check that they pass."""
    output = service.run("pytest", "-q", "--tb=short", *arguments)
    assert re.search(r"\d+ passed", output)
    print(output)


@pytest.mark.parametrize("setup", setups(SERVED[:1], pytest.mark.sweep))
def test_faults(service: Project) -> None:
    service.environment["ON_ONE_DATABASE"] = "1"
    run_tests(service, "in_service/faults.py")


@pytest.mark.parametrize("setup", [setup for setup in PROGRAMS if setup is not SERVED[0]], ids=str)
def test_faults_that_differ_by_database(service: Project) -> None:
    run_tests(service, "in_service/faults.py")


@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep, among=PROGRAMS))
def test_what_a_failure_prints(service: Project) -> None:
    run_tests(service, "in_service/failures.py")


@pytest.mark.sweep
@pytest.mark.parametrize("setup", [setup for setup in SETUPS if setup not in PROGRAMS], ids=str)
def test_what_a_failure_prints_with_every_driver(service: Project) -> None:
    run_tests(service, "in_service/failures.py")


@pytest.mark.sweep
@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_all_races(service: Project) -> None:
    service.environment["ROUNDS"] = "5"
    run_tests(service, "in_service/races.py")


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_a_race(service: Project) -> None:
    service.environment["ROUNDS"] = "1"
    run_tests(service, "in_service/races.py")


@pytest.mark.sweep
@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_all_kills(service: Project) -> None:
    service.environment["POINTS"] = "0:1"
    run_tests(service, "-s", "in_service/kills.py")


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_some_kills(service: Project, setup: Setup) -> None:
    """Where each statement commits, twice as many kills are tried."""
    service.environment["POINTS"] = "7:23" if setup.backend is MARIADB else "7:46"
    run_tests(service, "in_service/kills.py")
