"""The matrix of answers: list it for CI, render one entry of it, check that as CI does.

``uv run python tests/ci.py --help`` says how, docs/ci.md what for.
"""

import argparse
import fnmatch
import json
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "extensions"))

from copier import run_copy  # noqa: E402
from drivers import ParsedUrl, text_of  # noqa: E402
from matrix import SETUPS, Setup, label, options, part  # noqa: E402
from project import QUIETLY, CommandFailed, Project, copy_template  # noqa: E402
from rendering import rendered  # noqa: E402
from servers import SERVERS, ServerUnavailable  # noqa: E402

Case = tuple[Setup, dict[str, Any]]
# By name: the database set-ups with the defaults for all else, and every combination of answers.
DISTINCT: dict[str, Case] = {str(setup): (setup, {}) for setup in SETUPS}
EVERY: dict[str, Case] = {
    f"{setup}-{label(chosen)}": (setup, chosen) for setup, chosen in product(SETUPS, options())
}

# What the CI of a service runs; beside it, all migrations as SQL.
STEPS = """
git init --quiet
git add --all
git -c user.name=CI -c user.email=ci@example.com commit --quiet --message Rendered
uv sync
uv run ruff check
uv run ruff format --check
uv run mypy
uv run paracelsus inject --check docs/models.md
uv run migrations verify
uv run migrations sql > migrations.sql
uv run migrations lint
uv run pytest
uv run alembic upgrade head --sql
uv run alembic upgrade head
uv run alembic check
uv run alembic downgrade base
uv run alembic upgrade head
uv run migrations drift
uv run migrations plan --new --format markdown > plan.md
"""


def find(name: str) -> Case:
    """The set-up and the options of this name.

    Raises:
        SystemExit: there is nothing of this name.
    """
    cases = DISTINCT | EVERY
    if name not in cases:
        close = " or ".join(get_close_matches(name, cases)) or "what `list` prints"
        sys.exit(f"Nothing in the matrix is called {name}: try {close}")
    return cases[name]


def entry(name: str) -> dict[str, Any]:
    """What a job needs to know; the image is empty where the database is a file."""
    setup, chosen = find(name)
    answers = setup.answers(**chosen)
    database = ParsedUrl.parse(answers["database_url"]).choose(answers["driver"])
    server = None if database.is_file else database.server
    return {
        "name": name,
        "answers": answers,
        "build": " ".join(setup.driver.build),
        "url": database.ci_url("127.0.0.1"),
        "image": server.image if server else "",
        "port": server.port if server else 0,
        "variables": dict(database.ci_variables),
        "options": server.health_options if server else "",
    }


def render(name: str, directory: Path) -> Project:
    """Render the working tree's template into a directory that is new or empty.

    Raises:
        SystemExit: nothing has the name, or the directory is not empty.
    """
    setup, chosen = find(name)
    if directory.exists() and (directory.is_file() or any(directory.iterdir())):
        sys.exit(f"{directory} is not empty: name another directory")
    with TemporaryDirectory() as folder:
        template = copy_template(Path(folder))
        worker = run_copy(str(template), directory, data=setup.answers(**chosen), **QUIETLY)
    return Project(directory, dict(worker.answers.combined))


def steps(project: Project) -> list[str]:
    """The commands that check a project."""
    return STEPS.format(package=project.package).strip().splitlines()


@contextmanager
def database(setup: Setup) -> Iterator[str]:
    """The URL of a database: DATABASE_URL, else a file, else one on a private server.

    Raises:
        SystemExit: there is no server to be had here.
    """
    if setup.backend.is_file or "DATABASE_URL" in os.environ:
        yield os.environ.get("DATABASE_URL", entry(str(setup))["url"])
        return
    try:
        with SERVERS[setup.backend.name]() as server, server.scratch_database() as url:
            yield text_of(url.set(drivername=f"{setup.backend.name}+{setup.driver.name}"))
    except ServerUnavailable as error:
        sys.exit(f"There is no {setup.backend.title} here: {error}, or a database in DATABASE_URL")


def check(name: str, directory: Path) -> None:
    """Render, and run each step on a database.

    Raises:
        SystemExit: a step failed; the message has what it printed, and the line that repeats it.
    """
    project = render(name, directory)
    (project.path / ".env").unlink()  # git ignores it, so CI does not have it
    with database(find(name)[0]) as url:
        project.environment |= {"DATABASE_URL": url, "TEST_DATABASE_URL": url}
        project.environment["MIGRATION_BASE"] = "0" * 40  # a first push: nothing is released
        for step in steps(project):
            print(f"$ {step}", flush=True)
            try:
                print(project.run("bash", "-e", "-c", step), flush=True)
            except CommandFailed as error:
                again = f"uv run python tests/ci.py check {name} build/{name}"
                sys.exit(f"{error}\n{name} failed. To see it on your machine:\n\n    {again}\n")


def requirements() -> list[str]:
    """What the services of all set-ups install, with their tools."""
    every: set[str] = set()
    for setup in SETUPS:
        details = tomllib.loads(rendered(**setup.answers())["pyproject.toml"])
        every.update(details["project"]["dependencies"], details["build-system"]["requires"])
        every.update(*details["dependency-groups"].values())
    return sorted(every)


def audit(more: list[str]) -> int:
    """Ask for known vulnerabilities in the newest releases of what services install; return the
    exit code of `uv audit`."""
    project = {"name": '"services"', "version": '"0"', "requires-python": '">=3.11"'}
    project["dependencies"] = json.dumps(requirements(), indent=4)
    with TemporaryDirectory() as folder:
        lines = ["[project]", *(f"{name} = {value}" for name, value in project.items()), ""]
        Path(folder, "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")
        return subprocess.run(
            ("uv", "audit", "--preview-features", "audit-command", *more), cwd=folder, check=False
        ).returncode


def parse(line: list[str] | None) -> argparse.Namespace:
    """What a command line says; the program's own if there is none."""
    parser = argparse.ArgumentParser(description=__doc__, prog="tests/ci.py")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("list", help="print the names, one a line")
    command.add_argument("pattern", nargs="?", default="*", help="only those like this: '*async*'")
    command.add_argument("--every", action="store_true", help="every combination of answers")
    command.add_argument("--slice", type=part, default="1/1", help="2/6: the second of six parts")
    command.add_argument("--json", action="store_true", help="for GitHub's strategy.matrix")
    for name, does in (("render", "render one"), ("check", "render one, and run CI's steps")):
        command = commands.add_parser(name, help=does)
        command.add_argument("name", help="as `list` prints it")
        command.add_argument("directory", type=Path, help="a new or empty one")
    command = commands.add_parser("audit", help="look for vulnerabilities in what is installed")
    command.add_argument("options", nargs="*", help="for `uv audit`, after --")
    return parser.parse_args(line)


def main(line: list[str] | None = None) -> None:
    """Run the command that the command line names.

    Raises:
        SystemExit: it failed; the message says why.
    """
    arguments = parse(line)
    if arguments.command == "list":
        names = fnmatch.filter(EVERY if arguments.every else DISTINCT, arguments.pattern)
        names = names[arguments.slice]
        if not names:
            sys.exit(f"Nothing in this part of the matrix is called {arguments.pattern}")
        found = {"include": [entry(name) for name in names]}
        print(json.dumps(found) if arguments.json else "\n".join(names))
    elif arguments.command == "render":
        project = render(arguments.name, arguments.directory)
        commands = [f"cd {shlex.quote(str(project.path))}", *steps(project)]
        if not find(arguments.name)[0].backend.is_file:
            commands.insert(1, "$EDITOR .env    # DATABASE_URL: a database that is there")
        print(f"{arguments.name} is in {project.path}. Next:\n", *commands, sep="\n    ")
    elif arguments.command == "check":
        check(arguments.name, arguments.directory)
    else:
        sys.exit(audit(arguments.options))


if __name__ == "__main__":
    main()
