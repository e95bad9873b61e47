"""What deploys a service: who migrates and who serves, the image, compose, Kubernetes."""

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from copy import deepcopy
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml
from conftest import Render
from drivers import POSTGRESQL, text_of
from image import Image
from kubernetes_validate import validate
from matrix import DRIVERS, FIRST, PROGRAMS, ROOT, SERVED, SETUPS, Setup, setups
from project import CommandFailed, Project, get
from servers import Server
from sqlalchemy import URL, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

IN_SERVICE = ROOT / "tests" / "in_service"
REFUSED = r"(?i)denied|must be owner"

# Python's name for the file that migrations would go to, for each case.
WHERE = """
import argparse, json, os
from alembic.config import Config
from alembic_guardrails.settings import read_settings
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
    return {name: f"{SETUPS[0].backend.name}:///{value}" for name, value in named.items() if value}


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
def test_a_mistyped_option_migrates_nothing(lone: Project) -> None:
    lone.environment |= to("mine.db")

    said = lone.run("alembic", "-x", "URL=sqlite:///other.db", "upgrade", "head", check=False)

    assert 'FAILED: Unknown option "-x URL=...": write "-x url=..."' in said
    assert not list(lone.path.glob("*.db"))


@pytest.mark.slow
def test_tests_never_touch_the_database_that_migrations_are_for(lone: Project) -> None:
    with (lone.path / ".env").open("a") as file:
        file.write(f"MIGRATION_DATABASE_URL={to('from_file.db')['MIGRATION_DATABASE_URL']}\n")

    variables = to("from_environment.db")
    lone.environment |= {name.lower(): value for name, value in variables.items()}

    assert re.search(r"\d+ passed", lone.run("pytest", "-q"))

    assert not list(lone.path.glob("*.db"))


@pytest.mark.slow
@pytest.mark.parametrize("setup", setups(SERVED[:1], pytest.mark.sweep, among=DRIVERS))
def test_eight_replicas_start_at_once(service: Project) -> None:
    shutil.copytree(IN_SERVICE, service.path / "in_service", ignore=shutil.ignore_patterns("chain"))

    output = service.run("pytest", "-q", "--tb=short", "in_service/replicas.py")

    assert re.search(r"\d+ passed", output)


def sql(url: URL, script: str) -> None:
    """Run a script, as whom the URL names."""
    driver = "psycopg" if url.get_backend_name() == POSTGRESQL.name else "pymysql"
    engine = create_engine(
        url.set(drivername=f"{url.get_backend_name()}+{driver}"),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        execution_options={"no_parameters": True},
    )
    with engine.connect() as connection:
        for statement in script.split(";\n"):
            connection.exec_driver_sql(statement)


def block(text: str, language: str) -> str:
    """The only block in a language of a page."""
    [found] = re.findall(rf"```{language}\n(.*?)\n```", text, re.DOTALL)
    return str(found)


def post(address: str, **content: str) -> int:
    """Post JSON; return the status."""
    body, headers = json.dumps(content).encode(), {"Content-Type": "application/json"}
    with urlopen(Request(address, body, headers), timeout=30) as response:
        return int(response.status)


@pytest.mark.slow
@pytest.mark.parametrize(
    "setup", [setup for setup in PROGRAMS if not setup.backend.is_file], ids=str
)
def test_one_user_migrates_and_another_serves(
    render: Render,
    environment: Callable[[Setup], Path],
    server: Callable[[str], Server],
    setup: Setup,
) -> None:
    """With the SQL that the service's documentation has."""
    running, backend = server(setup.backend.name), setup.backend.name
    with ExitStack() as stack:
        stack.callback(running.drop_user, "migrator")
        stack.callback(running.drop_user, "service")
        admin = stack.enter_context(running.scratch_database()).set(drivername=backend)
        project = render(**setup.answers(database_url=text_of(admin), include_example=True))
        project.use(environment(setup))
        accounts = block(project.text("docs/deploying.md"), "sql")
        sql(admin, accounts)
        passwords = re.findall("'(change this.*?)'", accounts)
        migrator, service = (
            admin.set(username=user, password=password)
            for user, password in zip(("migrator", "service"), passwords, strict=True)
        )
        project.environment |= {
            "DATABASE_PASSWORD": passwords[1],
            "DATABASE_URL": text_of(service._replace(password=None)),
            "MIGRATION_DATABASE_PASSWORD": passwords[0],
            "MIGRATION_DATABASE_URL": text_of(migrator._replace(password=None)),
        }

        project.run("alembic", "upgrade", "head")
        with project.serving() as address:
            assert get(f"{address}/health/ready")[0] == 200
            assert post(f"{address}/customers", name="Ada", email="ada@example.com") == 201
            assert json.loads(get(f"{address}/customers")[1])["total"] == 1
        for statement in ("CREATE TABLE mine (id int)", "DROP TABLE invoices"):
            with pytest.raises(DBAPIError, match=REFUSED):
                sql(service, statement)
        refused = project.run(
            "alembic", "-x", f"url={text_of(service)}", "downgrade", "base", check=False
        )
        assert re.search(REFUSED, refused)
        assert not [password for password in passwords if f"'{password}'" in refused]

        assert "Running downgrade 0001" in project.run("alembic", "downgrade", "base")


@pytest.mark.parametrize("setup", FIRST, ids=str)
def test_who_waits_for_whom(render: Render, setup: Setup) -> None:
    """The service for its migrations, and whoever stops it for its requests."""
    project = render(**setup.answers())
    services = yaml.safe_load(project.text("compose.yaml"))["services"]
    command = re.findall("(?m)^CMD (.*)", project.text("Dockerfile"))[-1]
    patience = int(json.loads(command)[-1])

    assert services["migrate"]["command"] == "alembic upgrade head"
    assert services["api"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"}
    }
    assert "/health/ready" in services["api"]["healthcheck"]["test"][-1]
    assert int(services["api"]["stop_grace_period"].removesuffix("s")) > patience
    if not setup.backend.is_file:
        deployment = yaml.safe_load(project.text("deploy/kubernetes/deployment.yaml"))
        pod = deployment["spec"]["template"]["spec"]
        pause = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1])
        assert pod["terminationGracePeriodSeconds"] > pause + patience


def test_manifests_are_what_kubernetes_takes(render: Render) -> None:
    folder = render(**SERVED[0].answers()).path / "deploy" / "kubernetes"
    job, deployment, service = (
        yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))
        for name in ("migrate", "deployment", "service")
    )
    before = yaml.safe_load(block((folder / "README.md").read_text("utf-8"), "yaml"))

    pod = deployment["spec"]["template"]["spec"]
    with_init = deepcopy(deployment)
    with_init["spec"]["template"]["spec"] |= before
    # The schema asks for a name, where Kubernetes makes one.
    named = job | {"metadata": {"name": job["metadata"]["generateName"] + "x"}}
    for resource in (named, deployment, service, with_init):
        validate(resource, "1.37", strict=True)

    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    migrating = job["spec"]["template"]["spec"]
    assert migrating["containers"][0].items() >= before["initContainers"][0].items()
    for spec in (pod, migrating):
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    # Each knows one of the two addresses.
    knows = [
        [variable["name"] for variable in spec["containers"][0]["env"]] for spec in (pod, migrating)
    ]
    assert knows == [["DATABASE_URL"], ["MIGRATION_DATABASE_URL"]]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.slow
def test_the_image_migrates_serves_and_ends(lone: Project, tmp_path: Path) -> None:
    """Its steps, without an engine: of this machine are Python, uv and the user."""
    (lone.path / "src" / "my_service" / "__pycache__").mkdir(exist_ok=True)
    (lone.path / "src" / "my_service" / "__pycache__" / "old.pyc").touch()
    image = Image(lone.path, tmp_path / "stages")

    assert {path.name for path in image.path(".").iterdir()} == {
        ".venv",
        "alembic.ini",
        "migrations",
    }
    assert not list((tmp_path / "stages").rglob("old.pyc"))
    assert [step.split()[0] for step in image.other_steps] == ["pip", "useradd"]
    assert f"--uid {image.user} " in image.other_steps[-1]
    assert "PYTHONDONTWRITEBYTECODE" not in image.variables

    container = Project(image.path("."), lone.answers, dict(image.variables))
    container.environment["DATABASE_URL"] = f"{SETUPS[0].backend.name}:///{tmp_path}/data.db"
    container.run("migrations", "create")
    assert "Running upgrade  -> 0001" in container.run("alembic", "upgrade", "head")
    # What production needs, without a development dependency.
    assert "head 0001" in container.run("migrations", "verify")
    for command in ("drift", "repair", "sql"):
        container.run("migrations", command)
    written = container.run("alembic", "revision", "-m", "by hand")
    assert written.count("WARN") == 1
    assert "ruff is a development dependency" in written
    [revision] = container.path.glob("migrations/versions/*by_hand.py")
    assert "import sqlalchemy as sa\nfrom alembic import op\n" in revision.read_text("utf-8")
    container.run("alembic", "upgrade", "head")
    port = str(free_port())
    serve, healthy = (
        [word.replace(image.port, port) for word in image.commands[name]]
        for name in ("CMD", "HEALTHCHECK")
    )
    with pytest.raises(CommandFailed):
        container.run(*healthy)
    with container.start(*serve) as server:
        assert server.stdout
        assert any("Uvicorn running" in line for line in server.stdout)
        container.run(*healthy)
        assert get(f"http://127.0.0.1:{port}/health/ready")[0] == 200
        server.terminate()
        assert "Application shutdown complete" in server.communicate(timeout=30)[0]


PGBOUNCER = """
[databases]
* = host={host} port={port} user={username} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {free}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
"""


@pytest.fixture
def pooler(
    server: Callable[[str], Server], unavailable: Callable[[str], None], tmp_path: Path
) -> Iterator[int]:
    """The port of a PgBouncer that hands out sessions by transaction."""
    if not (program := shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")):
        unavailable("install the package pgbouncer")
        return
    port = free_port()
    parts = server(POSTGRESQL.name).url.translate_connect_args()
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(PGBOUNCER.format(**parts, free=port))
    who = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
    with settings.open() as file:
        process = subprocess.Popen(
            (program, "-q", "/dev/stdin"), stdin=file, stderr=subprocess.DEVNULL, user=who
        )
    with process:
        try:
            while process.poll() is None:
                with (
                    suppress(ConnectionRefusedError),
                    socket.create_connection(("127.0.0.1", port)),
                ):
                    break
            assert process.poll() is None
            yield port
        finally:
            process.terminate()


@pytest.mark.sweep
@pytest.mark.slow
@pytest.mark.parametrize("setup", [setup for setup in SETUPS if setup.backend.pooler], ids=str)
def test_behind_a_pooler(service: Project, setup: Setup, database: URL, pooler: int) -> None:
    """Migrations are refused; the service works as its documentation says, on any version."""
    service.run("alembic", "upgrade", "head")
    through = database.set(port=pooler)
    service.environment["DATABASE_URL"] = text_of(through)

    refused = service.run("alembic", "downgrade", "base", check=False)
    service.environment["MIGRATION_DATABASE_URL"] = text_of(database)
    assert "Set MIGRATION_DATABASE_URL to the address of the server itself" in refused
    assert "Running downgrade" in service.run("alembic", "downgrade", "base")
    service.run("alembic", "upgrade", "head")

    engine = service.path / "src" / service.package / "db" / "engine.py"
    text = engine.read_text("utf-8")
    page = service.text("docs/pooler.md")
    if setup.driver.unprepared:
        above, before, after = text.partition("# The statement that each")
        call = "DRIVER.connect_args_for(url)"
        assert f"{call} | UNPREPARED" in page
        below = after.replace(call, f"{call} | UNPREPARED")
        assert below != after
        changed = f"{above}{block(page, 'python')}\n{before}{below}"
        engine.write_text(changed, encoding="utf-8")
    else:
        assert "Nothing else has to be set" in page
    with service.serving() as address, ThreadPoolExecutor(30) as clients:
        addresses = [f"{address}/customers", f"{address}/health/ready"] * 150
        assert {status for status, _ in clients.map(get, addresses)} == {200}
