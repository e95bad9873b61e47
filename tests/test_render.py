"""Every answer combination, rendered and read by whatever will read it."""

import ast
import configparser
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Hashable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Render
from dotenv import dotenv_values
from jinja2 import Environment
from linters import against_editorconfig, check_rights, check_style, lint, lint_yaml
from matrix import FIRST, KINDS, SETUPS, Setup, combinations, options, setups
from project import Project
from rendering import rendered, write
from sqlalchemy import make_url

PARSERS: dict[str, Callable[[str], object]] = {
    ".ini": lambda text: configparser.ConfigParser().read_string(text),
    ".json": json.loads,
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".yaml": lambda text: yaml.load(text, yaml.CSafeLoader),
    ".yml": lambda text: yaml.load(text, yaml.CSafeLoader),
}
RUFF_READS = (".py", ".toml")
LEFTOVERS = re.compile(r"(?<!\$)\{\{|\{%|\{#|Undefined")


@pytest.fixture
def compile_once() -> None:
    """Render as users do: nothing is shared with another render."""


def contents(project: Project) -> dict[str, bytes]:
    """Every rendered file and what is in it."""
    return {str(path.relative_to(project.path)): path.read_bytes() for path in project.files}


@cache
def read(name: str, text: str) -> None:
    """Read a file, which many combinations share, as a person and as a program."""
    path = Path(name)
    assert not LEFTOVERS.search(name + text), name
    assert list(against_editorconfig(name, text)) == [], name
    # Markdown has Python in it.
    empty_lines = 2 if path.suffix in {".mako", ".md", ".py"} else 1
    assert "\n" * (empty_lines + 2) not in text, f"{name}: a run of empty lines"
    assert not text.endswith("\n\n"), f"{name}: its end"
    PARSERS.get(path.suffix, str)(text)


@pytest.mark.parametrize("setup", setups())
def test_every_combination_reads_as_if_written_by_hand(setup: Setup, tmp_path: Path) -> None:
    """Rendered without Copier, which renders the same, as the next test shows."""
    different: dict[Hashable, dict[str, str]] = {}
    for chosen in options():
        files = rendered(**setup.answers(**chosen))
        for name, text in files.items():
            read(name, text)
        python = {name: text for name, text in files.items() if name.endswith(RUFF_READS)}
        different[tuple(python.items())] = python
    for number, python in enumerate(different.values()):
        write(python, tmp_path / str(number))
    check_style(tmp_path)


@pytest.mark.parametrize(("setup", "chosen"), combinations())
def test_copier_renders_what_the_tests_read(
    copy: Render, setup: Setup, chosen: dict[str, Any]
) -> None:
    project = copy(**setup.answers(**chosen))

    assert project.answers.items() >= (chosen | {"driver": setup.driver.name}).items()
    again = yaml.safe_load(project.text(".copier-answers.yml"))
    again["database_url"] = dotenv_values(project.path / ".env")["DATABASE_URL"]
    files = rendered(**again)
    assert contents(project) == {name: text.encode() for name, text in files.items()}
    given = rendered(**setup.answers(**chosen))
    assert {name for name in files if files[name] != given.get(name)} <= {".copier-answers.yml"}


def test_rendering_compiles_each_text_once(copy: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copier would compile each part of each path, and the name of the answers file with it."""
    compiled: Counter[str] = Counter()
    compile_template: Callable[..., Any] = Environment.compile

    def count(environment: Environment, source: Any, *arguments: Any) -> Any:
        if isinstance(source, str):
            compiled[source] += 1
        return compile_template(environment, source, *arguments)

    monkeypatch.setattr(Environment, "compile", count)
    project = copy()

    assert len(compiled) > len(project.files)
    assert {text for text, times in compiled.items() if times > 1} == set()


WITHOUT_SQLALCHEMY = """
import sys
sys.modules["sqlalchemy"] = None  # as if it were not installed
from copier import run_copy
template, url, folder = sys.argv[1:]
run_copy(template, folder, {"database_url": url}, defaults=True, unsafe=True, quiet=True)
"""


def test_copier_needs_no_sqlalchemy(template: Path, tmp_path: Path) -> None:
    url = "postgresql://u:p@h/db?sslmode=require&connect_timeout=3"
    arguments = (str(template), url, str(tmp_path / "service"))

    subprocess.run((sys.executable, "-c", WITHOUT_SQLALCHEMY, *arguments), check=True)

    written = dotenv_values(tmp_path / "service" / ".env")["DATABASE_URL"]
    assert make_url(str(written)) == make_url(url.replace("://", "+psycopg://"))


@pytest.mark.parametrize("setup", FIRST, ids=str)
def test_rendering_twice_gives_the_same_bytes(copy: Render, setup: Setup) -> None:
    assert contents(copy(**setup.answers())) == contents(copy(**setup.answers()))


def python(setup: Setup, include_example: bool) -> dict[str, str]:
    """The Python of a service, but for the values in it that are its driver's."""
    files = rendered(**setup.answers(include_example=include_example))
    return {
        name: text.replace(setup.backend.now, "CURRENT_TIMESTAMP")
        for name, text in files.items()
        if name.endswith((".py", "docs/models.md")) and not name.endswith("db/driver.py")
    }


@pytest.mark.parametrize("include_example", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_python_is_the_same_for_all_drivers_of_a_kind(
    kind: tuple[bool, bool, bool], include_example: bool
) -> None:
    """What the type checker says of one service it says of all of its kind."""
    first, *others = [python(setup, include_example) for setup in SETUPS if setup.kind == kind]
    for other in others:
        assert other == first


# Beside the database, a driver decides about what is installed to build it.
BUILT = [setup for setup in SETUPS if setup.driver.build]


@pytest.mark.slow
@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize(
    "setups",
    [
        pytest.param([*FIRST, *BUILT], id="some"),
        pytest.param(SETUPS, id="all", marks=pytest.mark.sweep),
    ],
)
def test_ci_container_and_settings_pass_their_linters(
    tmp_path: Path, setups: Collection[Setup], ci: str
) -> None:
    """All at once: most linters take longer to start than to read."""
    for setup in setups:
        write(rendered(**setup.answers(ci=ci)), tmp_path / str(setup))

    def files(name: str) -> list[str]:
        found = [str(tmp_path / str(setup) / name) for setup in setups]
        assert all(map(os.path.exists, found))
        return found

    schema = ("check-jsonschema", "--quiet", "--builtin-schema")
    lint_yaml(tmp_path)
    lint(*schema, "vendor.compose-spec", *files("compose.yaml"))
    lint("hadolint", *files("Dockerfile"))
    lint("prek", "validate-config", *files(".pre-commit-config.yaml"))
    lint("validate-pyproject", *files("pyproject.toml"))
    if ci == "gitlab":
        lint(*schema, "vendor.gitlab-ci", *files(".gitlab-ci.yml"))
        lint(*schema, "vendor.renovate", *files("renovate.json"))
    else:
        workflows = files(".github/workflows/ci.yml")
        lint(*schema, "vendor.github-workflows", *workflows)
        lint(*schema, "vendor.dependabot", *files(".github/dependabot.yml"))
        for workflow in workflows:
            check_rights(Path(workflow))


@pytest.mark.parametrize("setup", FIRST, ids=str)
def test_server_in_ci_is_the_one_that_the_url_names(render: Render, setup: Setup) -> None:
    github = render(**setup.answers(ci="github"))
    gitlab = render(**setup.answers(ci="gitlab"))

    job = yaml.safe_load(github.text(".github/workflows/ci.yml"))["jobs"]["test"]
    other = yaml.safe_load(gitlab.text(".gitlab-ci.yml"))["test"]

    assert ("services" in job) == ("services" in other) == (not setup.backend.is_file)
    if not setup.backend.is_file:
        assert job["services"]["db"]["image"] == setup.backend.server.image
        assert other["services"][0]["name"] == setup.backend.server.image
        assert "@127.0.0.1:" in job["env"]["DATABASE_URL"]
        assert "@db:" in other["variables"]["DATABASE_URL"]
