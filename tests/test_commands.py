"""Each command and each piece of Python in the documentation, run page by page as it is written.

What stands for something of the reader's is filled in, questions take their defaults, and `uv run`
takes an environment that is there. A command that is new on a page fails that page's test.
"""

import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import ci
import pictures
import pytest
from conftest import Render
from copier import run_copy
from matrix import ROOT, SETUPS, Setup
from project import QUIETLY, Project

SQLITE = SETUPS[0]
slow = pytest.mark.slow


def blocks(page: str, language: str) -> list[str]:
    """The code on a page, in one language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text)


def commands(page: str) -> list[str]:
    """The commands on a page, each in one line."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    return [re.sub(r" +# .*", "", line) for line in lines]


def test_no_page_is_left_out() -> None:
    """But those that are made from the code, which other tests run."""
    pages = {ROOT / "README.md", *(ROOT / "docs").rglob("*.md")}
    pages -= {ROOT / "docs" / f"{name}.md" for name in ("recipes", "rules")}
    with_code = {
        (name, language)
        for name in (path.relative_to(ROOT).as_posix() for path in pages)
        for language in re.findall(
            r"(?m)^ *```(python|sh)$", (ROOT / name).read_text(encoding="utf-8")
        )
    }
    here = Path(__file__).read_text(encoding="utf-8")
    tested = {(name, "sh") for name in re.findall(r' commands\("(.+?)"\)', here)}
    tested |= set(re.findall(r' blocks\("(.+?)", "(python)"\)', here))

    assert tested == with_code


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Project:
    """The template as a repository with a release, and what `uv run` needs."""
    project = Project(shutil.copytree(template, tmp_path / "template"), {})
    shutil.copy(ROOT / "pyproject.toml", project.path)
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit()
    project.git("tag", "v1.0.0")
    return project


@pytest.fixture
def service(render: Render, environment: Callable[[Setup], Path]) -> Project:
    """The example service on SQLite."""
    return installed(render(**SQLITE.answers(include_example=True)), environment(SQLITE))


def installed(project: Project, programs: Path) -> Project:
    """A project under version control, for which `uv run` finds everything installed."""
    project.use(programs)
    project.environment |= {"UV_NO_SYNC": "1", "UV_PROJECT_ENVIRONMENT": str(programs.parent)}
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit()
    return project


def sh(project: Project, command: str) -> str:
    """Run a command in a project's folder, as a shell does; return what it prints."""
    if " --defaults " not in command:  # Copier asks, which other tests answer
        command = re.sub(" (copy|update) --trust", r" \1 --trust --defaults", command)
    return project.run("sh", "-e", "-c", command)


@slow
def test_readme(repository: Project) -> None:
    """The second command is what `.ci/run` ends with, as another test says."""
    [make, _] = commands("README.md")

    output = sh(repository, make.removeprefix("pip install uv && "))

    assert "Running upgrade  -> 0001" in output
    assert (repository.path.parent / "my-service" / "app.db").exists()


@slow
def test_generating(repository: Project, tmp_path: Path) -> None:
    where = Project(tmp_path, {})
    for command in commands("docs/generating.md"):
        filled_in = command.replace(pictures.ADDRESS, str(repository.path))
        sh(where, filled_in)

        answers = (tmp_path / "my-service" / ".copier-answers.yml").read_text(encoding="utf-8")
        for name, value in re.findall(r"--data (\w+)=(\"[^\"]+\"|\S+)", command):
            assert f"{name}: {value.strip(chr(34))}" in answers.replace("+asyncpg", "")
        shutil.rmtree(tmp_path / "my-service")


@pytest.mark.sweep
def test_updating(repository: Project, tmp_path: Path) -> None:
    [update, undo, change] = commands("docs/updating.md")
    answers = {"database_url": "postgresql://h/db", "driver": "psycopg"}
    run_copy(str(repository.path), tmp_path / "service", answers, **QUIETLY)
    service = Project(tmp_path / "service", {})
    service.git("init", "--quiet", "--initial-branch=main")
    service.commit()
    with (repository.path / "template" / "README.md.jinja").open("a", encoding="utf-8") as page:
        page.write("New in the second version.\n")
    repository.commit()
    repository.git("tag", "v2.0.0")

    sh(service, update)
    assert "New in the second version." in service.text("README.md")

    (service.path / "left-over.rej").touch()
    sh(service, undo)
    assert "New in the second version." not in service.text("README.md")
    assert service.git("status", "--porcelain") == ""

    assert "asyncpg" not in service.text("pyproject.toml")
    sh(service, change)
    assert "asyncpg" in service.text("pyproject.toml")


@slow
def test_migrating(service: Project) -> None:
    [repair, *_] = commands("docs/migrating.md")
    [caller, repeatable, index] = blocks("docs/migrating.md", "python")
    verify = ("migrations", "verify")

    connected = "from sqlalchemy import create_engine\nengine = create_engine('sqlite:///app.db')\n"
    connected += "with engine.connect() as connection:\n    " + caller.replace("\n", "\n    ")
    service.run("python", "-c", connected)
    assert asks(service, "SELECT version_num FROM alembic_version") == [("0001",)]

    service.run("alembic", "revision", "--message", "index")
    [revision] = (service.path / "migrations" / "versions").glob("*_index.py")
    head = revision.read_text(encoding="utf-8").partition("def upgrade")[0]
    revision.write_text(head + repeatable + index, encoding="utf-8")
    service.run(*verify)
    sh(service, repair)
    service.run(*verify)
    assert f"A  {revision.relative_to(service.path)}" in service.git("status", "--porcelain")

    for step, count in (("upgrade head", 1), ("downgrade -1", 0)):
        service.run("alembic", *step.split())
        named = "SELECT count(*) FROM sqlite_master WHERE name = 'ix_customers_name'"
        assert asks(service, named) == [(count,)]


@slow
def test_a_history_from_another_project(
    render: Render, environment: Callable[[Setup], Path]
) -> None:
    service = installed(render(**SQLITE.answers(include_example=False)), environment(SQLITE))
    versions = service.path / "migrations" / "versions"
    old = service.path.parent / "old" / "migrations" / "versions"
    old.mkdir(parents=True)
    for name, parent in (("a1", "None"), ("b2", '"a1"')):
        revision = REVISION.format(id=name, parent=parent)
        (old / f"{name}.py").write_text(revision, encoding="utf-8")
    shutil.rmtree(service.path / ".git")
    names = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    service.environment |= dict.fromkeys(names, "test@example.com")

    [_, *history, drift] = commands("docs/migrating.md")
    for command in history:
        sh(service, command)

    assert [path.name for path in versions.glob("*.py")] == ["b2_squashed.py"]
    service.run("alembic", "upgrade", "head")
    assert len(asks(service, "SELECT name FROM sqlite_master WHERE name LIKE 'made_by_%'")) == 2
    sh(service, drift.replace("postgresql://app@db/scratch", "sqlite:///scratch.db"))


REVISION = """
from alembic import op

revision, down_revision = "{id}", {parent}

def upgrade():
    op.execute("CREATE TABLE made_by_{id} (id INTEGER)")

def downgrade():
    op.execute("DROP TABLE made_by_{id}")
"""


@slow
def test_adopting(render: Render, environment: Callable[[Setup], Path]) -> None:
    service = installed(render(**SQLITE.answers(existing_database=True)), environment(SQLITE))
    asks(service, "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    [look, take_over] = commands("docs/adopting.md")

    assert "class Author" in sh(service, look)
    assert service.git("status", "--porcelain") == ""
    assert "at revision 0001" in sh(service, take_over)

    assert "Mapped[str]" in service.text("src/my_service/models/author.py")
    assert asks(service, "SELECT version_num FROM alembic_version") == [("0001",)]


@slow
def test_the_rules_of_a_service(service: Project) -> None:
    """What AGENTS.md says to run; other tests start the server and check the code."""
    [listed] = re.findall(r"(?ms)^```sh\n(.*?)^```", service.text("AGENTS.md"))
    lines = [re.sub(r" +# .*", "", line) for line in listed.splitlines()]
    lines.remove("uv run fastapi dev")
    lines.remove("uv run ruff check --fix && uv run ruff format && uv run mypy")
    lines[lines.index("uv run pytest")] += " --collect-only --quiet"

    for line in lines:
        sh(service, line)

    assert asks(service, "SELECT version_num FROM alembic_version") == [("0001",)]


def asks(service: Project, query: str) -> list[tuple[object, ...]]:
    """What is in the service's database."""
    with closing(sqlite3.connect(service.path / "app.db")) as database:
        return database.execute(query).fetchall()


def test_ci(capsys: pytest.CaptureFixture[str]) -> None:
    """The last two run in tests of their own."""
    [*lists, check, audit] = (
        shlex.split(command.removeprefix("uv run python tests/ci.py "))
        for command in commands("docs/ci.md")
    )

    assert (ci.parse(check).command, ci.parse(audit).command) == ("check", "audit")
    for command in lists:
        ci.main(command)
        assert capsys.readouterr().out


@slow
def test_contributing() -> None:
    """Commands for the tests select some; the others are what CI and the commits' hooks run.

    What names no file selects from one that has tests of each kind: collecting all takes long.
    """
    automatic = "".join(
        (ROOT / name).read_text(encoding="utf-8").replace("--only-group docs ", "")
        for name in (".github/workflows/ci.yml", ".pre-commit-config.yaml")
    )
    for line in commands("docs/contributing.md"):
        for command in line.split(" && "):
            command = re.sub(r"^(TEST_\w+=\S+\s+)+", "", command)
            if command == "uv run python tests/pictures.py":
                continue  # a test below
            if not command.startswith("uv run pytest"):
                assert re.search(rf"(?m)(run|entry): {re.escape(command)}$", automatic), command
            elif command != "uv run pytest":
                selection = shlex.split(command.removeprefix("uv run "))
                selection += [] if "tests/" in command else ["tests/test_passwords.py"]
                Project(ROOT, {}).run(*selection, "--collect-only", "--quiet", "-n0")


@pytest.mark.sweep
def test_benchmarks(tmp_path: Path) -> None:
    """In short."""
    measure, *_ = commands("docs/benchmarks.md")
    root = Project(ROOT, {}, {"UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment")})

    assert "alembic upgrade head" in sh(root, f"{measure} --quick")


@pytest.mark.sweep
def test_pictures(tmp_path: Path) -> None:
    """Those that are there are of another day."""
    pictures.main(tmp_path)

    shown = {
        "questions": "Does the database have tables already?",
        "review": "Check failure on line",
        "run": "error[adding-required-field]",
    }
    for name, text in shown.items():
        for folder in (tmp_path, pictures.PICTURES):
            picture = ElementTree.parse(folder / f"{name}.svg")
            assert text in " ".join(picture.getroot().itertext())
