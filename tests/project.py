"""A rendered project, and how its commands are run."""

import atexit
import json
import os
import py_compile
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.util import cache_from_source
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import NamedTemporaryFile, mkdtemp
from threading import RLock
from time import monotonic, sleep
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from dotenv import dotenv_values
from matrix import FIRST, ROOT

# What would change where a command of the service finds its settings or its environment or has its
# files, or make it slow: without bytecode, each start of Alembic takes seconds.
PRIVATE = {
    "DATABASE_PASSWORD",
    "DATABASE_URL",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "MIGRATION_DATABASE_PASSWORD",
    "MIGRATION_DATABASE_URL",
    "PYTEST_DEBUG_TEMPROOT",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "SCRATCH_DATABASE_URL",
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

# What runs in a fork.
SCRIPTS = ("alembic", "migrations", "pytest")
PYTHON = (("python", "-m"), ("python", "-c"))

# What the process that forks imports.
USUAL_DRIVERS = {setup.driver.name for setup in FIRST}

# Nothing that runs in a fork verifies certificates with the machine's list of them, which pymysql
# would read for each connection: it takes longer than most of what the connection is for.
NO_CERTIFICATES = {"SSL_CERT_FILE": os.devnull}

# What Copier is told where nobody can be asked.
QUIETLY: dict[str, Any] = {"defaults": True, "unsafe": True, "quiet": True}


def copy_template(folder: Path) -> Path:
    """Copy the template without its history, which Copier would otherwise clone for each render."""
    shutil.copy(ROOT / "copier.yml", folder)
    for name in ("extensions", "template"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@cache
def compile_package() -> dict[str, Path]:
    """Compile the modules that all services have; return where they are in `src/` and here.

    Python takes the bytecode while the text of the module is the one that was compiled.
    """
    source, compiled = ROOT / "template" / "src", Path(mkdtemp(prefix="bytecode-"))
    atexit.register(shutil.rmtree, compiled, ignore_errors=True)  # its folder may be gone
    places = {}
    for number, module in enumerate(sorted(source.glob("alembic_guardrails/**/*.py"))):
        path, mode = compiled / f"{number}.pyc", PycInvalidationMode.CHECKED_HASH
        py_compile.compile(str(module), str(path), doraise=True, invalidation_mode=mode)
        places[cache_from_source(str(module.relative_to(source)))] = path
    return places


class CommandFailed(AssertionError):
    """A command of the rendered project ended with an error."""


class Forks:
    """Runs commands of services in forks of one process: most of their time is for imports."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.lock = RLock()

    def ask(self, **request: Any) -> Any:
        """Have the process answer a request."""
        with self.lock:
            # It lives in the environment that is asked for first.
            self.process = self.process or subprocess.Popen(
                (Path(request["commands"]) / "python", ROOT / "tests" / "in_service" / "forks.py"),
                env={name: value for name, value in os.environ.items() if name not in PRIVATE},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self.process.stdin
            assert self.process.stdout
            print(json.dumps(request), file=self.process.stdin, flush=True)
            return json.loads(self.process.stdout.readline())

    def run(self, output: IO[str], **request: Any) -> tuple[int, str] | None:
        """Run a command; return its exit code and what it prints.

        Nothing is run, and nothing returned, while another thread's command runs.
        """
        if not self.lock.acquire(blocking=False):
            return None
        try:
            child = self.ask(output=output.name, **request)
            return self.ask(child=child), output.read()
        finally:
            self.lock.release()

    def close(self) -> None:
        """End the process."""
        if self.process:
            self.process.communicate()


FORKS = Forks()


@dataclass
class Project:
    """A rendered project in its folder, with the answers that it was made from."""

    path: Path
    answers: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    commands: Path | None = None
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

    def use(self, commands: Path, in_forks: bool = True) -> None:
        """Run commands from this folder: of an environment that lacks nothing but the project.

        In forks, unless it matters what starting a program takes.
        """
        self.commands = commands if in_forks else None
        self.environment["PATH"] = os.pathsep.join((str(commands), os.environ["PATH"]))
        self.environment["PYTHONPATH"] = "src"
        for name, compiled in compile_package().items():
            path = self.path / "src" / name
            if path.parent.parent.is_dir():
                path.parent.mkdir(exist_ok=True)
                shutil.copy(compiled, path)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of its commands."""
        inherited = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        return inherited | self.environment

    def start(self, *command: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start a command in the project's folder; what it prints, errors included, is piped."""
        variables = self.variables
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

    def request(self, *command: str) -> dict[str, Any]:
        """What the process that forks has to know of a command."""
        driver = self.answers.get("driver")
        return {
            "folder": str(self.path),
            "commands": str(self.commands),
            "variables": self.variables | NO_CERTIFICATES,
            "command": command,
            "driver": driver if driver in USUAL_DRIVERS else "",
        }

    def complete(self, *command: str) -> tuple[int, str]:
        """Run a command in the project's folder; return its exit code and what it prints, errors
        included. In an environment of its own, a service's own Python runs in a fork."""
        if self.commands and (command[0] in SCRIPTS or command[:2] in PYTHON):
            with NamedTemporaryFile("r", encoding="utf-8") as file:
                if done := FORKS.run(file, **self.request(*command)):
                    return done
        with self.start(*command) as process:
            output, _ = process.communicate()
        return process.returncode, output

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the project's folder; return what it prints, errors included.

        Raises:
            CommandFailed: its exit code is not 0, and ``check`` is set.
        """
        code, output = self.complete(*command)
        if check and code:
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
        port = find_free_port()
        command = ("uvicorn", f"{self.package}.main:app", "--port", port)
        with NamedTemporaryFile("r", encoding="utf-8") as output:
            child = FORKS.ask(output=output.name, **self.request(*command))
            ended, heard = partial(FORKS.ask, child=child, options=os.WNOHANG), ""
            try:
                while "Uvicorn running" not in heard:
                    self.exit_code = ended()
                    assert self.exit_code is None, heard + output.read()
                    sleep(0.02)
                    heard += output.read()
                yield f"http://127.0.0.1:{port}"
            finally:
                if self.exit_code is None:
                    os.kill(child, signal.SIGTERM)
                    deadline = monotonic() + 30
                    while (code := ended()) is None:
                        assert monotonic() < deadline
                        sleep(0.02)
                    self.exit_code = code
                self.log = output.read()

    def get_from(self, command: str, path: str) -> int:
        """Start a server with this command, get one page of it, and stop it; return the status."""
        port = find_free_port()
        with self.start(*shlex.split(command), "--port", port) as process:
            try:
                for _ in range(600):
                    assert process.poll() is None, process.communicate()[0]
                    with suppress(URLError):
                        return get(f"http://127.0.0.1:{port}{path}")[0]
                    sleep(0.1)
            finally:
                process.terminate()
        raise AssertionError(f"{command} does not answer")

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run git in the project."""
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        return self.run("git", *who, *arguments, check=check)

    def commit(self, message: str = "Commit") -> None:
        """Commit everything, also if nothing changed."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")


def find_free_port() -> str:
    """Return a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def get(address: str) -> tuple[int, str]:
    """Get a page; return its status and its text."""
    try:
        with urlopen(address, timeout=30) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
