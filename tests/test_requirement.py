"""The package as a requirement, in the place of the folder src/alembic_guardrails."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest
from conftest import Render
from context import guardrails_error
from copier import run_copy, run_update
from copier.errors import UserMessageError
from matrix import ROOT, SETUPS
from project import QUIETLY, Project, copy_template

FOLDER = "src/alembic_guardrails"
GOOD = [
    "",
    "alembic-guardrails",
    "alembic_guardrails >= 1.0, < 2",
    "alembic-guardrails @ git+https://example.com/template@v1.0.0",
    "alembic-guardrails[adopt] @ git+ssh://git@example.com/template.git@v1",
    "alembic-guardrails @ file:///srv/alembic_guardrails-1.0-py3-none-any.whl",
]
BAD = {
    "git+https://example.com/template": "Write a requirement",
    "alembic": "Require alembic-guardrails, not alembic",
    "alembic-guardrails @ ../template": "Give the address in full",
    'alembic-guardrails; python_version > "3"': "Give the address in full",
    "alembic-guardrails @ git+https://me:secret@example.com/template": "Leave the password out",
    "alembic-guardrails @ git+https://token@example.com/template": "Leave the password out",
    "alembic-guardrails @ https://[": "Write a requirement",
}


@pytest.mark.parametrize("requirement", GOOD)
def test_requirements_are_accepted(requirement: str) -> None:
    assert guardrails_error(requirement) == ""


@pytest.mark.parametrize("requirement", BAD)
def test_other_answers_are_refused_in_a_sentence(
    template: Path, tmp_path: Path, requirement: str
) -> None:
    with pytest.raises(UserMessageError, match=f"^guardrails: {BAD[requirement]}") as error:
        run_copy(str(template), tmp_path / "service", {"guardrails": requirement}, **QUIETLY)

    assert str(error.value).endswith(".")
    assert "secret" not in str(error.value)


def read_pyproject(folder: Path) -> dict[str, Any]:
    """Read a project's pyproject.toml."""
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


def names_and_bounds(requirements: list[str]) -> Iterator[tuple[str, str]]:
    """Return the names of requirements, without extras, and their lower bounds."""
    for requirement in requirements:
        if match := re.match(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", requirement):
            yield match[1], match[2]


def test_services_require_what_the_package_requires(render: Render) -> None:
    """With the same lower bounds: the package is tested with those of this repository."""
    own = read_pyproject(ROOT)["project"]
    service = read_pyproject(render(**SETUPS[0].answers(existing_database=True)).path)
    wanted = [*own["dependencies"], *own["optional-dependencies"]["adopt"]]
    given = [*service["project"]["dependencies"], *service["dependency-groups"]["dev"]]

    assert dict(names_and_bounds(given)).items() >= dict(names_and_bounds(wanted)).items()
    assert (
        read_pyproject(ROOT)["project"]["requires-python"]
        == (service["project"]["requires-python"])
    )
    assert own["scripts"] == service["project"]["scripts"]


@pytest.fixture
def repository(tmp_path: Path) -> Project:
    """This repository, as far as services take it as a requirement, with a release."""
    project = Project(tmp_path / "repository", {})
    project.path.mkdir()
    copy_template(project.path)
    shutil.copy(ROOT / "pyproject.toml", project.path)
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit()
    project.git("tag", "v1.0.0")
    return project


@pytest.mark.slow
@pytest.mark.usefixtures("edits_in_this_process")
def test_a_service_takes_the_package_as_a_requirement(
    repository: Project, tmp_path: Path, mypy_cache: Path
) -> None:
    requirement = f"alembic-guardrails @ git+{repository.path.as_uri()}@v1.0.0"
    service = Project(tmp_path / "service", {"package_name": "my_service"})
    run_copy(str(repository.path), service.path, **QUIETLY)
    service.git("init", "--quiet", "--initial-branch=main")
    service.commit("With the folder")
    before = {line for line in service.git("ls-files").splitlines() if line.startswith(FOLDER)}
    assert before

    def answer(guardrails: str) -> None:
        run_update(
            service.path, {"guardrails": guardrails}, vcs_ref="v1.0.0", overwrite=True, **QUIETLY
        )

    answer(requirement)

    assert not (service.path / FOLDER).exists()
    assert requirement in read_pyproject(service.path)["project"]["dependencies"]
    service.commit("With the requirement")
    service.run("uv", "sync", "--quiet")
    commands = service.path / ".venv" / "bin"
    service.environment["PATH"] = f"{commands}:{service.variables['PATH']}"
    installed = service.run("python", "-c", "import alembic_guardrails as it; print(it.__file__)")
    assert "site-packages" in installed
    service.run("migrations", "create")
    service.run("alembic", "upgrade", "head")
    assert "head 0001" in service.run("migrations", "verify")
    assert re.search(r"\d+ passed", service.run("pytest", "-q"))
    mypy = ("mypy", f"--cache-dir={mypy_cache}")
    for check in (("ruff", "check"), ("ruff", "format", "--check"), mypy):
        service.run(*check)

    service.commit("With uv.lock")
    answer("")

    service.commit("With the folder again")
    assert {
        line for line in service.git("ls-files").splitlines() if line.startswith(FOLDER)
    } == before
    assert "alembic-guardrails @" not in service.text("pyproject.toml")
    service.run("uv", "sync", "--quiet")
    installed = service.run("python", "-c", "import alembic_guardrails as it; print(it.__file__)")
    assert str(service.path / FOLDER) in installed
    service.run("migrations", "verify")


def test_the_image_can_fetch_the_requirement(copy: Render) -> None:
    requirement = "alembic-guardrails @ git+https://example.com/template@v1.0.0"

    assert "recommends git " in copy(guardrails=requirement).text("Dockerfile")
    assert "apt-get" not in copy().text("Dockerfile")


@pytest.mark.slow
@pytest.mark.parametrize("existing", [False, True])
def test_without_development_dependencies(render: Render, existing: bool) -> None:
    """What production needs works; what does not says which dependency it lacks."""
    service = render(**SETUPS[0].answers(existing_database=existing))
    service.run("uv", "sync", "--quiet", "--no-dev")
    commands = service.path / ".venv" / "bin"
    service.environment["PATH"] = f"{commands}:{service.variables['PATH']}"

    if existing:
        with closing(connect(service.path / "old.db")) as database:
            database.execute("CREATE TABLE authors (id INTEGER PRIMARY KEY)")
        said = service.run("migrations", "-x", "url=sqlite:///old.db", "adopt", check=False)
        assert re.search("FAILED: .*development dependenc", said), said
        assert "Traceback" not in said
    for command in ("create", "verify", "repair", "sql"):
        service.run("migrations", command)
    service.run("alembic", "upgrade", "head")
    written = service.run("alembic", "revision", "-m", "by hand")
    assert written.count("WARN") == 1
    service.run("alembic", "upgrade", "head")
    service.run("migrations", "drift")
