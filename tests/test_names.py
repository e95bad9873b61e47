"""Project and package names: a service that works, or one sentence and nothing written."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Render
from context import InvalidAnswer, is_taken
from copier import run_copy
from copier.errors import UserMessageError
from drivers import NAMES_OF_DRIVERS
from linters import check_style
from matrix import FIRST, SETUPS, Setup

GOOD = {
    "My Service": "my_service",
    "my project": "my_project",
    "my-project": "my_project",
    "Ünï cödé": "uni_code",
    "API v2.1": "api_v2_1",
    "x": "x",
    "a" * 40: "a" * 40,
    # Names of Python's and of what the service installs: the package is called otherwise.
    "class": "class_service",
    "json": "json_service",
    "alembic": "alembic_service",
    "FastAPI": "fastapi_service",
    "python-dotenv": "python_dotenv_service",
    "tests": "tests_service",
    "Test": "test_service",
    "con": "con_service",
    "COM1": "com1_service",
}
BAD = {
    "": "Give the service a name",
    "   ": "Give the service a name",
    "../evil": "Start with a letter",
    "/etc/passwd": "Start with a letter",
    'a"b': "then use letters",
    "a'b": "then use letters",
    "a/b": "then use letters",
    "a\\b": "then use letters",
    "a\nb": "then use letters",
    "a\n": "then use letters",
    "{{ 7 * 7 }}": "Start with a letter",
    "a{{ 7 }}": "then use letters",
    "1abc": "Start with a letter",
    "-": "Start with a letter",
    "注文": "Start with a Latin letter",
    "a" * 120: "Use at most 40 characters, not 120",
    "A" + "注" * 20: "a wide one counts twice",
}
BAD_PACKAGES = ["class", "json", "fastapi", "tests", "a-b", "A", "1a", "", "a.b", "../a", "a" * 41]


@pytest.mark.parametrize(("name", "package"), GOOD.items(), ids=lambda text: repr(text)[:20])
def test_names_that_become_packages(render: Render, name: str, package: str) -> None:
    project = render(project_name=name)

    assert project.package == package
    assert (project.path / "src" / package / "main.py").is_file()
    assert f'name = "{package.replace("_", "-")}"' in project.text("pyproject.toml")
    assert f"# {name}\n" in project.text("README.md")


@pytest.mark.parametrize("name", ["x", "a" * 40, "A" + "注" * 19, "\uff21cme Сервис"])
def test_names_that_ruff_has_nothing_against(render: Render, name: str) -> None:
    project = render(project_name=name)

    check_style(project.path)


@pytest.mark.parametrize("name", ["null", "true", "on"])
@pytest.mark.parametrize("setup", FIRST[:2], ids=str)
def test_names_that_yaml_takes_for_something_else(render: Render, setup: Setup, name: str) -> None:
    project = render(**setup.answers(project_name=name))

    assert yaml.safe_load(project.text("compose.yaml"))["name"] == name


@pytest.mark.parametrize("way", ["default", "data"])
@pytest.mark.parametrize(("name", "reason"), BAD.items(), ids=lambda text: repr(text)[:20])
def test_names_that_are_refused(
    template: Path, tmp_path: Path, name: str, reason: str, way: str
) -> None:
    given: dict[str, Any] = {"data" if way == "data" else "user_defaults": {"project_name": name}}

    with pytest.raises(ValueError, match=reason) as caught:
        run_copy(str(template), tmp_path / "out" / "to", defaults=True, unsafe=True, **given)

    assert list(tmp_path.iterdir()) == []
    assert isinstance(caught.value, UserMessageError) == (way == "data")


@pytest.mark.parametrize("name", BAD_PACKAGES)
def test_packages_that_are_refused(template: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserMessageError, match="package_name: "):
        run_copy(str(template), tmp_path / "to", data={"package_name": name}, unsafe=True)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["project_name", "database_url", "include_example", "ci"])
def test_null_is_no_answer(template: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserMessageError, match=f"{name}: Give it a value"):
        run_copy(str(template), tmp_path / "to", data={name: None}, defaults=True, unsafe=True)

    assert list(tmp_path.iterdir()) == []


def test_an_error_wraps_at_words() -> None:
    """On the screen; as a text it is one line."""
    sentence = f"driver: Choose one of {', '.join(f'driver{number}' for number in range(20))}."

    error = InvalidAnswer(sentence)

    lines = error.message.splitlines()
    assert len(lines) > 1
    assert all(len(line) < 80 for line in lines)
    assert " ".join(lines) == str(error) == sentence


def copier(template: Path, destination: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Copier's command line."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "copier", "copy", "--trust", "--defaults", "--quiet"),
            *arguments,
            str(template),
            str(destination),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


ANSWERS: list[dict[str, str]] = [
    {"project_name": "../evil"},
    {"database_url": "postgresql://u:s3cr3t@h:port/db"},
    {"project_name": "a\nb"},
    {"database_url": "nonsense"},
    {"driver": "nonsense"},
    {"database_url": "postgresql://h/db", "driver": "nonsense"},
    {"package_name": "json"},
    {"ci": "jenkins"},
    {"container": "maybe"},
    {"datbase_url": "sqlite:///x.db"},
]
# What is wrong is found in the same way, wherever an answer comes from: in a file a few are enough.
WAYS = [
    pytest.param(way, answers, marks=pytest.mark.sweep if way == "--data-file" and at % 4 else ())
    for way in ("--data", "--data-file")
    for at, answers in enumerate(ANSWERS)
]


@pytest.mark.slow
@pytest.mark.parametrize(("way", "answers"), WAYS, ids=str)
def test_command_line_answers_with_one_sentence(
    template: Path, tmp_path: Path, answers: dict[str, str], way: str
) -> None:
    arguments = [f"--data={name}={answer}" for name, answer in answers.items()]
    if way == "--data-file":
        (tmp_path / "answers.yml").write_text(yaml.safe_dump(answers), encoding="utf-8")
        arguments = [f"--data-file={tmp_path / 'answers.yml'}"]

    result = copier(template, tmp_path / "to", *arguments)

    assert result.returncode == 1
    assert re.fullmatch(r"(\x1b\[\d+m)*\w+: [A-Z].*\.(\x1b\[\d+m)*\n", result.stderr), result.stderr
    assert "s3cr3t" not in result.stderr
    assert not (tmp_path / "to").exists()


def test_a_file_is_no_destination(template: Path, tmp_path: Path) -> None:
    (tmp_path / "to").write_text("mine", encoding="utf-8")

    result = copier(template, tmp_path / "to")

    assert result.returncode == 1
    assert " ".join(result.stderr.split()).endswith("is a file: name a folder.")
    assert (tmp_path / "to").read_text(encoding="utf-8") == "mine"


def test_what_is_in_the_destination_stays(template: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / ".env").write_text("DATABASE_URL=sqlite:///mine.db\n", encoding="utf-8")

    assert copier(template, tmp_path, "--data=project_name=../evil").returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "notes.txt"]
    assert copier(template, tmp_path, "--overwrite").returncode == 0
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / ".env").read_text(encoding="utf-8") == "DATABASE_URL=sqlite:///mine.db\n"


def test_trust_is_asked_for(template: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "copier",
        "copy",
        "--defaults",
        str(template),
        str(tmp_path / "to"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 4
    assert "jinja_extensions" in result.stderr
    assert "--trust" in result.stderr
    assert not (tmp_path / "to").exists()


NAMES_OF_INSTALLED = """
from importlib.metadata import distributions, packages_distributions
names = {d.metadata["Name"] for d in distributions()} | set(packages_distributions())
print(*sorted(filter(str.isidentifier, (name.lower().replace("-", "_") for name in names))))
"""


@pytest.mark.slow
@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_no_name_of_a_dependency_is_free(
    environment: Callable[[Setup], Path], setup: Setup
) -> None:
    """A package or distribution of the same name would hide what the service needs."""
    python = environment(setup) / "python"
    names = subprocess.check_output([python, "-c", NAMES_OF_INSTALLED], text=True).split()

    assert "sqlalchemy" in names
    possible = [name for name in names if not name.startswith("_")]
    free = {name for name in possible if not is_taken(name, NAMES_OF_DRIVERS)}
    assert not free, f"add to TAKEN in extensions/context.py: {' '.join(sorted(free))}"
