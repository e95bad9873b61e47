"""Every answer combination, rendered and read by whatever will read it."""

import ast
import configparser
import json
import os
import re
import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Render
from copier import run_copy
from linters import against_editorconfig, check_rights, lint, lint_yaml
from matrix import FIRST, KINDS, SETUPS, Setup, combinations
from project import QUIETLY, Project

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


def contents(project: Project) -> dict[str, bytes]:
    """Every rendered file and what is in it."""
    return {str(path.relative_to(project.path)): path.read_bytes() for path in project.files}


@pytest.fixture(scope="session")
def clean() -> set[int]:
    """What ruff has read already: most options change no Python."""
    return set()


@pytest.mark.parametrize(("setup", "chosen"), combinations())
def test_every_combination_reads_as_if_written_by_hand(
    render: Render, setup: Setup, chosen: dict[str, Any], clean: set[int]
) -> None:
    project = render(**setup.answers(**chosen))

    assert project.answers.items() >= (chosen | {"driver": setup.driver.name}).items()
    for path in project.files:
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(project.path))
        assert not LEFTOVERS.search(name + text), name
        assert list(against_editorconfig(path)) == [], name
        # Markdown has Python in it.
        empty_lines = 2 if path.suffix in {".mako", ".md", ".py"} else 1
        assert "\n" * (empty_lines + 2) not in text, f"{name}: a run of empty lines"
        assert not text.endswith("\n\n"), f"{name}: its end"
        PARSERS.get(path.suffix, str)(text)
    python = {name: text for name, text in contents(project).items() if name.endswith(RUFF_READS)}
    if (seen := hash(tuple(python.items()))) not in clean:
        lint("ruff", "check", "--no-cache", "--quiet", str(project.path))
        lint("ruff", "format", "--no-cache", "--quiet", "--check", str(project.path))
        clean.add(seen)


@pytest.mark.parametrize("setup", FIRST, ids=str)
def test_rendering_twice_gives_the_same_bytes(render: Render, setup: Setup) -> None:
    assert contents(render(**setup.answers())) == contents(render(**setup.answers()))


@pytest.mark.slow
@pytest.mark.parametrize("include_example", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_python_is_the_same_for_all_drivers_of_a_kind(
    render: Render, kind: tuple[bool, bool, bool], include_example: bool
) -> None:
    """What the type checker says of one service it says of all of its kind."""

    def python(setup: Setup) -> dict[str, str]:
        project = render(**setup.answers(include_example=include_example))
        drivername = f"{setup.backend.name}+{setup.driver.name}"
        return {
            name: re.sub(r"(?m)^(CONNECT_ARGS|DATABASES|KEYS): .*", "", data.decode())
            .replace(drivername, "")
            .replace(setup.backend.now, "CURRENT_TIMESTAMP")
            for name, data in contents(project).items()
            if name.endswith((".py", "docs/models.md"))
        }

    first, *others = [python(setup) for setup in SETUPS if setup.kind == kind]
    for other in others:
        assert other == first


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize(
    "setups",
    [
        pytest.param(FIRST, id="first"),
        # Beside these, a driver decides about what is installed to build it.
        pytest.param([it for it in SETUPS if it.driver.build], id="built", marks=pytest.mark.slow),
        pytest.param(SETUPS, id="all", marks=pytest.mark.sweep),
    ],
)
def test_ci_container_and_settings_pass_their_linters(
    template: Path, tmp_path: Path, setups: Collection[Setup], ci: str
) -> None:
    """All at once: most linters take longer to start than to read."""
    for setup in setups:
        run_copy(str(template), tmp_path / str(setup), data=setup.answers(ci=ci), **QUIETLY)

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

    assert ("services" in job) == ("services" in other) == (setup.backend.server is not None)
    if setup.backend.server:
        assert job["services"]["db"]["image"] == setup.backend.server.image
        assert other["services"][0]["name"] == setup.backend.server.image
        assert "@127.0.0.1:" in job["env"]["DATABASE_URL"]
        assert "@db:" in other["variables"]["DATABASE_URL"]
