"""Projects rendered from the template, and databases to migrate."""

import gc
import json
import os
import runpy
import shutil
import signal
import subprocess
import sysconfig
from argparse import ArgumentTypeError
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import ExitStack
from contextvars import Context
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

import pytest
from drivers import text_of
from filelock import FileLock
from jinja2 import Environment
from matrix import SETUPS, Setup, part
from places import temporary_files_in_memory
from plumbum import local
from project import FORKS, CommandFailed, Project, copy_template
from pytest_copie.plugin import Copie
from rendering import complete, rendered, write
from servers import SERVERS, Server, ServerUnavailable
from sqlalchemy import URL, Connection, create_engine, make_url

# The tools that the tests call are those of their own environment.
os.environ["PATH"] = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))


# Names the folder for what is installed once for all workers.
INSTALLED = "TEST_INSTALLED"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-databases",
        action="store_true",
        help="fail where a database server or a driver cannot be had, instead of skipping",
    )
    parser.addoption("--slice", default="1/1", help="2/6: only the second of six even parts")


def pytest_xdist_auto_num_workers() -> int:
    """More workers than cores: many tests wait, for a lock, a server or a program."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_itemcollected(item: pytest.Item) -> None:
    """What is left to a sweep is slow, too: `-m "not slow"` takes the place of `-m "not sweep"`."""
    if item.get_closest_marker("sweep"):
        item.add_marker(pytest.mark.slow)


def pytest_configure(config: pytest.Config) -> None:
    """Prepare what the workers inherit: where their files are, and how programs are interrupted."""
    if not hasattr(config, "workerinput"):
        stack = ExitStack()
        config.add_cleanup(stack.close)
        disk = stack.enter_context(temporary_files_in_memory())
        stack.enter_context(pytest.MonkeyPatch.context()).setenv(INSTALLED, str(disk))
    # A shell's background jobs, and what `nohup` starts, ignore SIGINT, and so do their children.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A handler, unlike SIG_IGN, ends with the process that has it.
        signal.signal(signal.SIGINT, lambda *_: None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are collected, and look for none among them later: they stay
    until the end, and there are thousands. What a test leaves is worth a look less often."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(100_000)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not in the slice, of what marks and names have selected."""
    try:
        chosen = items[part(config.getoption("--slice"))]
    except ArgumentTypeError as error:
        raise pytest.UsageError(f"--slice: {error}") from error
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


COMPILED: dict[Hashable, Any] = {}


@pytest.fixture(autouse=True)
def compile_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile each template and each path once, for tests that are not about rendering.

    Wherever a template is: Copier's updates clone it into folders with new names.
    """
    compile_template: Callable[..., Any] = Environment.compile

    def compile_or_remember(
        environment: Environment, source: Any, name: Any = None, file: Any = None, *options: Any
    ) -> Any:
        key = (source, name, options, frozenset(environment.extensions))
        if key not in COMPILED:
            COMPILED[key] = compile_template(environment, source, name, file, *options)
        return COMPILED[key]

    monkeypatch.setattr(Environment, "compile", compile_or_remember)


@pytest.fixture
def edits_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run edits.py without a process of its own, as if it had one: here each template is compiled
    but once. It has one where a test runs Copier's command line."""
    start = subprocess.run

    def run(command: Any, **options: Any) -> subprocess.CompletedProcess[Any]:
        if not Path(command[1]).match("extensions/edits.py"):
            return start(command, **options)
        code: object = 0
        with pytest.MonkeyPatch.context() as patch:
            for name, value in options["env"].items():
                patch.setenv(name, value)
            patch.setattr("sys.argv", command[1:])
            try:
                Context().run(runpy.run_path, command[1], run_name="__main__")
            except SystemExit as end:
                code = end.code
        return subprocess.CompletedProcess(command, int(bool(code)))

    monkeypatch.setattr("subprocess.run", run)
    # Git's file modes are those of the files here, and asking it for each takes time.
    monkeypatch.setattr("copier._main.Worker._sync_git_index_executable_bit", lambda *_: None)


@pytest.fixture(scope="session", autouse=True)
def forks() -> Iterator[None]:
    """End the process that runs commands of services, if there is one."""
    yield
    FORKS.close()


@pytest.fixture(scope="session", autouse=True)
def no_certificates() -> Iterator[None]:
    """Keep pymysql from reading the machine's list of certificates for each connection: nothing in
    this process verifies any with it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ssl.SSLContext.load_default_certs", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def unavailable(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Skip the test for this reason, or fail it where everything has to be there."""
    required = request.config.getoption("--require-databases")
    return pytest.fail if required else pytest.skip


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it is in the working tree."""
    return copy_template(tmp_path_factory.mktemp("template"))


class Render(Protocol):
    """Render a project with these answers, and the defaults for the rest."""

    def __call__(self, **answers: Any) -> Project: ...


@pytest.fixture
def copy(copie: Copie, template: Path) -> Render:
    """Render with pytest-copie, which keeps errors to itself: raise them."""

    def copy(**answers: Any) -> Project:
        # As on a machine without git: Copier asks it about each file, for half of its time.
        with local.env(PATH=""):
            result = copie.copy(extra_answers=answers, template_dir=template)
        if result.exception:
            raise result.exception
        assert result.project_dir
        return Project(result.project_dir, result.answers)

    return copy


@pytest.fixture
def render(tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Write what Copier writes, as test_render.py shows for all answers, in a tenth of its time."""

    def render(**answers: Any) -> Project:
        folder = tmp_path_factory.mktemp("service") / "service"
        return Project(write(rendered(**answers), folder), complete(answers))

    return render


@pytest.fixture(scope="session")
def server(unavailable: Callable[[str], None]) -> Iterator[Callable[[str], Server]]:
    """Start the server for a backend when it is first asked for."""
    running: dict[object, Server] = {}
    with ExitStack() as stack:

        def start(backend: str) -> Server:
            maker = SERVERS[backend]
            if maker not in running:
                try:
                    running[maker] = stack.enter_context(maker())
                except ServerUnavailable as error:
                    unavailable(str(error))
            return running[maker]

        yield start


# Drivers without async, which are in this repository's environment.
SYNC_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "sqlite": "sqlite",
}


@pytest.fixture(params=SYNC_DRIVERS)
def connection(
    request: pytest.FixtureRequest, server: Callable[[str], Server]
) -> Iterator[Connection]:
    """A connection to an empty database of each kind, in this process."""
    driver = SYNC_DRIVERS[request.param]
    with ExitStack() as stack:
        if driver == "sqlite":
            url = make_url("sqlite://")
        else:
            url = stack.enter_context(server(request.param).scratch_database())
        engine = create_engine(url.set(drivername=driver))
        stack.callback(engine.dispose)
        yield stack.enter_context(engine.connect())


@pytest.fixture(scope="session")
def environment(unavailable: Callable[[str], None]) -> Callable[[Setup], Path]:
    """Install what a service with this driver requires, once for all workers; return where its
    commands are."""
    installed = Path(os.environ[INSTALLED])

    def install(setup: Setup) -> Path:
        name = setup.driver.name
        folder = installed / f"environment_{name}"
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                answers = setup.answers(existing_database=True)  # which requires more
                write(rendered(**answers), folder)
            if (done := folder / ".venv" / "done").exists():
                return done.parent / "bin"
            try:
                linked = Project(folder, {}, {"UV_LINK_MODE": "hardlink"})
                linked.run("uv", "sync", "--quiet", "--no-install-project")
                # What installing the project would make of its [project.scripts].
                script = done.parent / "bin" / "migrations"
                script.write_text(SCRIPT.format(python=script.with_name("python")))
                script.chmod(0o755)
                measure_coverage_in(done.parent)
                done.touch()
            except CommandFailed as error:
                if not setup.driver.build:
                    raise
                needs = ", ".join(setup.driver.build)
                unavailable(f"{name} has no wheel; to build it, install {needs} ({error})")
        return folder / ".venv" / "bin"

    return cache(install)


@pytest.fixture
def mypy_cache(environment: Callable[[Setup], Path], tmp_path: Path) -> Path:
    """A cache of mypy's that knows what all services install: reading that takes most of its time,
    and is done once for all workers."""
    commands = environment(SETUPS[0])
    cache = Path(os.environ[INSTALLED]) / "mypy"
    with FileLock(f"{cache}.lock"):
        if not cache.exists():
            project = Project(commands.parent.parent, {})
            project.use(commands)
            project.run("mypy", f"--cache-dir={cache}")
    return Path(shutil.copytree(cache, tmp_path / "mypy"))


class Scratch(Protocol):
    """Make an empty database for a set-up; the URL names no driver."""

    def __call__(self, setup: Setup) -> URL: ...


@pytest.fixture
def scratch(server: Callable[[str], Server], tmp_path: Path) -> Iterator[Scratch]:
    """Databases that are gone after the test."""
    with ExitStack() as stack:

        def make(setup: Setup) -> URL:
            if setup.backend.is_file:
                return make_url(f"{setup.backend.name}:///{tmp_path / token_hex(4)}.db")
            url = stack.enter_context(server(setup.backend.name).scratch_database())
            return url.set(drivername=setup.backend.name)

        yield make


@pytest.fixture
def database(scratch: Scratch, setup: Setup) -> URL:
    """An empty database for the set-up."""
    return scratch(setup)


@pytest.fixture
def kind_of_service() -> dict[str, bool]:
    """What is answered for `service` beside its database; a module can have its own."""
    return {"include_example": True}


@pytest.fixture
def service(
    render: Render,
    environment: Callable[[Setup], Path],
    setup: Setup,
    database: URL,
    kind_of_service: dict[str, bool],
) -> Project:
    """A service on an empty database: that of the example, unless a module says otherwise."""
    project = render(**setup.answers(database_url=text_of(database), **kind_of_service))
    project.use(environment(setup))
    return project


def measure_coverage_in(environment: Path) -> None:
    """Have the programs of an environment measure coverage, if the tests themselves do.

    https://coverage.readthedocs.io/en/latest/subprocess.html
    """
    if "COVERAGE_PROCESS_CONFIG" in os.environ or "COVERAGE_PROCESS_START" in os.environ:
        python = environment / "bin" / "python"
        subprocess.run(
            ("uv", "pip", "install", "--quiet", f"--python={python}", "coverage"), check=True
        )
        [packages] = (environment / "lib").glob("python*/site-packages")
        hook = "import coverage; coverage.process_startup()\n"
        (packages / "measure_coverage.pth").write_text(hook, encoding="utf-8")


SCRIPT = """#!{python}
from alembic_guardrails.__main__ import main
main()
"""

CONNECT = """
import json, sys
from sqlalchemy import text
from alembic_guardrails import run_with_connection
from my_service.db.driver import DRIVER
results = {}
for name, url in json.load(open("urls.json", encoding="utf-8")).items():
    try:
        run_with_connection(DRIVER.parse_url(url), lambda it: it.execute(text("SELECT 1")))
        results[name] = ""
    except BaseException as error:
        results[name] = f"{type(error).__name__}: {error}"
print(json.dumps(results))
"""


class Connect(Protocol):
    """Connect to named URLs as a service with this driver; say what went wrong, if anything."""

    def __call__(self, setup: Setup, urls: dict[str, str]) -> dict[str, str]: ...


@pytest.fixture
def connect(render: Render, environment: Callable[[Setup], Path]) -> Connect:
    """Connections from the environment of a service."""

    def connect(setup: Setup, urls: dict[str, str]) -> dict[str, str]:
        project = render(**setup.answers())
        project.use(environment(setup))
        (project.path / "urls.json").write_text(json.dumps(urls), encoding="utf-8")
        results = json.loads(project.run("python", "-c", CONNECT).splitlines()[-1])
        assert isinstance(results, dict)
        return results

    return connect
