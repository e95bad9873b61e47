"""A rendered project, and how its commands are run."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from dotenv import dotenv_values
from matrix import ROOT

# What would change where a command of the service finds its settings or its environment, or make
# it slow: without bytecode, each start of Alembic takes seconds.
PRIVATE = {
    "DATABASE_PASSWORD",
    "DATABASE_URL",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "MIGRATION_DATABASE_PASSWORD",
    "MIGRATION_DATABASE_URL",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "TEST_DATABASE_URL",
    "UV_PROJECT_ENVIRONMENT",
    "VIRTUAL_ENV",
}

# Runs command lines of Alembic's one after the other.
ALEMBIC = """
import shlex, sys
from alembic.config import main
for line in sys.argv[1:]:
    main(shlex.split(line))
"""

# What Copier is told where nobody can be asked.
QUIETLY: dict[str, Any] = {"defaults": True, "unsafe": True, "quiet": True}


def copy_template(folder: Path) -> Path:
    """Copy the template without its history, which Copier would otherwise clone for each render."""
    shutil.copy(ROOT / "copier.yml", folder)
    for name in ("extensions", "template"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


class CommandFailed(AssertionError):
    """A command of the rendered project ended with an error."""


@dataclass
class Project:
    """A rendered project in its folder, with the answers that it was made from."""

    path: Path
    answers: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    log: str = ""
    exit_code: int | None = None

    @property
    def package(self) -> str:
        """The name under which the service is imported."""
        return str(self.answers["package_name"])

    @property
    def files(self) -> list[Path]:
        """The rendered files, sorted."""
        return sorted(path for path in self.path.rglob("*") if path.is_file())

    def text(self, name: str) -> str:
        """The content of one file."""
        return (self.path / name).read_text(encoding="utf-8")

    def use(self, commands: Path) -> None:
        """Run commands from this folder: of an environment that lacks nothing but the project."""
        self.environment["PATH"] = os.pathsep.join((str(commands), os.environ["PATH"]))
        self.environment["PYTHONPATH"] = "src"

    def start(self, *command: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start a command in the project's folder; what it prints, errors included, is piped."""
        inherited = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        variables = inherited | self.environment
        program = shutil.which(command[0], path=variables["PATH"]) or command[0]
        return subprocess.Popen(
            (program, *command[1:]),
            cwd=self.path,
            env=variables,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the project's folder; return what it prints, errors included.

        Raises:
            CommandFailed: its exit code is not 0, and ``check`` is set.
        """
        with self.start(*command) as process:
            output, _ = process.communicate()
        if check and process.returncode:
            raise CommandFailed(f"{' '.join(command)}\n{output}")
        return output

    def alembic(self, *lines: str) -> str:
        """Run Alembic's command lines in one process: most of the time of each is its imports."""
        return self.run("python", "-c", ALEMBIC, *lines)

    def test(self, *options: str) -> str:
        """Run its tests next to its database: a server of their own takes time to start."""
        settings = dotenv_values(self.path / ".env") | self.environment
        self.environment["TEST_DATABASE_URL"] = str(settings["DATABASE_URL"])
        return self.run("pytest", "-q", *options)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Run the service on a free port; yield its address once it answers.

        What it printed until its end is in ``self.log``, how it ended in ``self.exit_code``.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        with self.start("uvicorn", f"{self.package}.main:app", "--port", port) as server:
            try:
                assert server.stdout
                assert any("Uvicorn running" in line for line in server.stdout)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()
                self.log, _ = server.communicate(timeout=30)
                self.exit_code = server.returncode

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run git in the project."""
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        return self.run("git", *who, *arguments, check=check)

    def commit(self, message: str = "Commit") -> None:
        """Commit everything, also if nothing changed."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")


def get(address: str) -> tuple[int, str]:
    """Get a page; return its status and its text."""
    try:
        with urlopen(address, timeout=30) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
