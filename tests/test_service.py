"""A service for each database and driver, on a real server."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Render, Scratch
from drivers import text_of
from matrix import DRIVERS, FIRST, KINDS, PROGRAMS, SETUPS, Setup, setups
from project import Project, get
from servers import Server
from sqlalchemy import URL

pytestmark = pytest.mark.slow

# What differs by driver, on MySQL as on MariaDB; CI's job for each set-up has all.
every_driver = pytest.mark.parametrize("setup", setups([*DRIVERS, *FIRST], pytest.mark.sweep))


MORE = """
    payer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"), index=True)
    discount: Mapped[Decimal] = mapped_column(Numeric(12, 2), server_default="0")


class Visit(Base):
    __tablename__ = "visits"

    id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[InvoiceStatus]
    details: Mapped[dict[str, int]] = mapped_column(JSON)
    twice: Mapped[int | None] = mapped_column(Computed("invoice_id * 2"))
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id"), index=True)
"""


def body(project: Project, message: str) -> str:
    """What the revision with this message does, without the comments of the generator."""
    [path] = (project.path / "migrations" / "versions").glob(f"*_{message}.py")
    text = re.sub(r"\n+    # ###.*", "", path.read_text(encoding="utf-8"))
    return text[text.index("def upgrade") :]


@every_driver
def test_sql_without_a_database(service: Project, database: URL) -> None:
    (service.path / ".env").unlink()
    nobody = database._replace(password=None)
    assert text_of(nobody).partition("://")[2] in service.text("alembic.ini").replace("%%", "%")

    sql = service.run("alembic", "upgrade", "head", "--sql")

    assert re.search(r"CREATE TABLE .?customers", sql)
    assert "INSERT INTO alembic_version" in sql


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_the_url_on_the_command_line_wins(service: Project, setup: Setup, scratch: Scratch) -> None:
    other = f"url={text_of(scratch(setup))}"

    service.run("alembic", "-x", other, "upgrade", "head")

    assert "0001 (head)" in service.run("alembic", "-x", other, "current")
    assert "0001" not in service.run("alembic", "current")


@every_driver
def test_the_initial_revision_is_what_autogenerate_writes(service: Project) -> None:
    shipped = body(service, "initial")
    (service.path / "migrations/versions/0001_initial.py").unlink()

    service.run("alembic", "revision", "--autogenerate", "-m", "generated")

    assert body(service, "generated") == shipped


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_without_the_example(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, database: URL
) -> None:
    project = render(**setup.answers(database_url=text_of(database), include_example=False))
    project.use(environment(setup))
    shipped = body(project, "initial")

    project.alembic("upgrade head", "check")
    assert re.search(r"\d+ passed", project.test())
    project.run("alembic", "downgrade", "base")
    (project.path / "migrations/versions/0001_initial.py").unlink()
    project.run("alembic", "revision", "--autogenerate", "-m", "generated")
    assert body(project, "generated") == shipped


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_up_down_up_again_and_on(service: Project) -> None:
    service.alembic("upgrade head", "check", "downgrade base", "upgrade head")

    model = service.path / "src" / service.package / "models" / "customer.py"
    column = "    phone: Mapped[str | None] = mapped_column(String(30))\n"
    model.write_text(model.read_text(encoding="utf-8") + column, encoding="utf-8")
    service.alembic("revision --autogenerate -m phone", "upgrade head", "check")

    calls = re.findall(r"op\.(\w+)\(", body(service, "phone").replace("op.batch_alter_table(", ""))
    assert calls == ["add_column", "drop_column"]
    service.run("migrations", "drift")


@every_driver
def test_the_service_is_ready_once_its_database_is_migrated(service: Project) -> None:
    with service.serving() as address:
        assert get(f"{address}/health")[0] == 200
        code, text = get(f"{address}/health/ready")
        assert code == 503
        assert "at revision none, the service needs 0001" in text
        service.run("alembic", "upgrade", "head")
        assert get(f"{address}/health/ready")[0] == 200
        assert get(f"{address}/customers") == (200, '{"items":[],"total":0}')


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_generated_revisions_go_up_and_down(service: Project) -> None:
    """With what Alembic alone gets wrong: a foreign key's index on MySQL, an enum's type on
    PostgreSQL, a number's default on MariaDB."""
    service.run("alembic", "upgrade", "head")
    model = service.path / "src" / service.package / "models" / "invoice.py"
    before = model.read_text(encoding="utf-8")
    imported = before.replace("import CheckConstraint,", "import JSON, CheckConstraint, Computed,")
    model.write_text(imported + MORE, encoding="utf-8")
    service.alembic("revision --autogenerate -m come", "upgrade head", "check")
    service.test("tests/test_migrations.py")

    model.write_text(before, encoding="utf-8")
    service.alembic(
        "revision --autogenerate -m go",
        *("upgrade head", "check", "downgrade base", "upgrade head", "check"),
    )


@pytest.mark.parametrize("setup", [setup for setup in KINDS.values() if not setup.kind[2]], ids=str)
def test_a_hundred_requests_at_once(service: Project) -> None:
    """More than there are threads or connections: nobody waits for what only another can free."""
    service.run("alembic", "upgrade", "head")
    with service.serving() as address, ThreadPoolExecutor(100) as clients:
        answers = list(clients.map(get, [f"{address}/customers"] * 200))

    assert {status for status, _ in answers} == {200}


@pytest.mark.parametrize("setup", setups(PROGRAMS[1:2], pytest.mark.sweep, among=DRIVERS))
def test_the_commands_of_its_readme(
    render: Render,
    setup: Setup,
    database: URL,
    environment: Callable[[Setup], Path],
    server: Callable[[str], Server],
) -> None:
    """In an environment of its own, from its pyproject.toml alone."""
    environment(setup)  # skips where the driver cannot be built
    if not setup.backend.is_file:
        server(setup.backend.name).drop_database(str(database.database))
    project = render(**setup.answers(database_url=text_of(database)))
    blocks = re.findall(r"```sh\n(.*?)\n```", project.text("README.md"), re.DOTALL)
    start, tests = blocks[:2]
    migrate, serve = start.rsplit(" &&\n", 1)

    assert "Running upgrade  -> 0001" in project.run("sh", "-c", migrate)
    assert project.get_from(serve, "/health/ready") == 200
    assert re.search(r"\d+ passed", project.run("sh", "-c", tests))
    for check in blocks[2].split(" && "):
        if "mypy" not in check:
            project.run("sh", "-c", check)
