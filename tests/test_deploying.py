"""What deploys a service: who migrates and who serves, the image, compose, Kubernetes."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Render
from matrix import SETUPS
from project import Project

# Python's name for the file that migrations would go to, for each case.
WHERE = """
import argparse, json, os
from alembic.config import Config
from my_service.migrations.settings import read_settings
for case in json.load(open("cases.json")):
    os.environ.update(case["environment"])
    open(".env", "w").writelines(f"{name}={value}\\n" for name, value in case[".env"].items())
    options = argparse.Namespace(x=case["options"])
    print(read_settings(Config("alembic.ini", cmd_opts=options)).database_url.database)
    for name in case["environment"]:
        del os.environ[name]
"""


@pytest.fixture
def lone(render: Render, environment: Callable[..., Path]) -> Project:
    """A service that needs no server."""
    project = render(**SETUPS[0].answers())
    project.use(environment(SETUPS[0]))
    return project


def to(migrations: str | None = None, service: str | None = None) -> dict[str, str]:
    """Settings that name files for migrations and for the service."""
    named = {"MIGRATION_DATABASE_URL": migrations, "DATABASE_URL": service}
    return {name: f"{SETUPS[0].backend.name}:///{it}" for name, it in named.items() if it}


@pytest.mark.slow
def test_where_migrations_go(lone: Project) -> None:
    scheme = SETUPS[0].backend.name
    cases = {
        "app.db": ({}, {}, []),
        "a": ({}, to(service="a"), []),
        "b": ({}, to("b", "a"), []),
        "c": (to(service="c"), to(service="a"), []),
        # What the environment is about may be another database than what .env is about.
        "d": (to(service="d"), to("b", "a"), []),
        "e": (to("e"), to("b", "a"), []),
        "f": (to("f", "c"), to("b", "a"), []),
        "g": (to("f", "c"), to("b", "a"), [f"url={scheme}:///g"]),
    }
    names = ("environment", ".env", "options")
    text = json.dumps([dict(zip(names, case, strict=True)) for case in cases.values()])
    (lone.path / "cases.json").write_text(text)

    assert lone.run("python", "-c", WHERE).split() == list(cases)


@pytest.mark.slow
def test_tests_never_touch_the_database_that_migrations_are_for(lone: Project) -> None:
    with (lone.path / ".env").open("a") as file:
        file.write(f"MIGRATION_DATABASE_URL={to('from_file.db')['MIGRATION_DATABASE_URL']}\n")

    assert re.search(r"\d+ passed", lone.run("pytest", "-q"))
    lone.environment |= to("from_environment.db")
    assert re.search(r"\d+ passed", lone.run("pytest", "-q"))

    assert not list(lone.path.glob("*.db"))
