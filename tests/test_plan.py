"""The command that shows what pending revisions will do, against real servers."""

import json
from collections.abc import Callable, Iterator
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
from alembic_guardrails.plan import Effect, Observer
from alembic_guardrails.plan.render import describe
from conftest import Scratch
from drivers import text_of
from matrix import DISTINCT, PROGRAMS, Setup, setups
from operations import MORE, OPERATIONS, TABLES
from project import Project
from sqlalchemy import URL, Connection, create_engine

pytestmark = pytest.mark.slow

OUTSIDE = "CONCURRENTLY"


def in_short(effects: list[Effect]) -> str:
    """What a statement does, in a text for each table."""
    texts = (
        f"{effect.table}: "
        + ", ".join(filter(None, (effect.lock, effect.stops.value, describe(effect))))
        for effect in effects
    )
    return "; ".join(sorted(texts))


def watch(connection: Connection, sql: str) -> list[Effect]:
    """What a statement does that a revision runs."""
    observer = Observer(connection)
    script: Any = SimpleNamespace(revision="", doc="", path="")
    with observer.observing(script):
        observer.mark(lambda: connection.exec_driver_sql(sql))()
    [planned] = observer.planned[-1].statements
    return [*planned.effects]


@pytest.fixture
def connect(scratch: Scratch) -> Callable[[Setup, str], Iterator[Connection]]:
    """Connect to databases with tables."""

    def connected(setup: Setup, sql: str) -> Iterator[Connection]:
        level = {"isolation_level": "AUTOCOMMIT"} if OUTSIDE in sql else {}
        drivername = f"{setup.backend.name}+{setup.driver.name}"
        engine = create_engine(scratch(setup).set(drivername=drivername), **level)
        with engine.connect() as connection:
            for statement in (*TABLES, *MORE.get(setup.backend.name, ())):
                connection.exec_driver_sql(statement)
            connection.commit()
            yield connection
        engine.dispose()

    return connected


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_each_operation_does_what_the_documentation_says(
    setup: Setup, connect: Callable[[Setup, str], Iterator[Connection]]
) -> None:
    server = setup.backend.name
    known = [operation for operation in OPERATIONS if operation.expected(server)]
    assert len(known) >= (11 if setup.backend.is_file else 25)

    found = {}
    for operation in known:
        for connection in connect(setup, operation.statement(server)):
            found[operation.name] = in_short(watch(connection, operation.statement(server)))

    assert found == {operation.name: operation.expected(server) for operation in known}


REVISIONS = {
    "0002_phone.py": """
        import sqlalchemy as sa
        from alembic import op

        revision, down_revision = "0002", "0001"


        def upgrade():
            op.add_column("customers", sa.Column("phone", sa.String(40)))
            op.create_index("ix_customers_phone", "customers", ["phone"])


        def downgrade():
            op.drop_index("ix_customers_phone", "customers")
            with op.batch_alter_table("customers") as batch:
                batch.drop_column("phone")
    """,
    "0003_names.py": """
        from alembic import op

        revision, down_revision = "0003", "0002"


        def upgrade():
            op.execute("UPDATE customers SET name = 'x' WHERE id = 5")


        def downgrade():
            pass
    """,
    "0004_one_way.py": """
        from alembic import op

        revision, down_revision = "0004", "0003"


        def upgrade():
            op.drop_table("invoices")


        def downgrade():
            raise NotImplementedError("there is no way back")
    """,
}


@pytest.fixture
def pending(service: Project) -> Project:
    """A service whose database lacks three revisions."""
    service.run("alembic", "upgrade", "head")
    for name, text in REVISIONS.items():
        path = service.path / "migrations" / "versions" / name
        path.write_text(dedent(text), encoding="utf-8")
    return service


@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep, among=PROGRAMS))
def test_pending_revisions(pending: Project, setup: Setup, database: URL) -> None:
    before = pending.run("migrations", "drift"), pending.run("alembic", "current")

    plan = json.loads(pending.run("migrations", "plan", "--format", "json"))

    assert (pending.run("migrations", "drift"), pending.run("alembic", "current")) == before
    assert (plan["current"], plan["note"]) == (["0001"], "")
    phone, names, one_way = plan["revisions"]
    assert [each["revision"] for each in plan["revisions"]] == ["0002", "0003", "0004"]
    assert [len(each["statements"]) for each in plan["revisions"]] == [2, 1, 1]
    for statement in phone["statements"]:
        [effect] = statement["effects"]
        assert (effect["table"], effect["stops"] != "") == ("customers", True)
        assert effect["bytes"] is None or effect["bytes"] > 0
    assert one_way["way_back"] == "no: there is no way back"
    assert names["way_back"] == phone["way_back"] == "not tried, because 0004 cannot be taken back"
    assert "ban-drop-table" in {finding["rule"] for finding in one_way["findings"]}


@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep, among=PROGRAMS))
def test_what_can_be_taken_back(pending: Project) -> None:
    (pending.path / "migrations" / "versions" / "0004_one_way.py").unlink()

    plan = json.loads(pending.run("migrations", "plan", "--format", "json"))

    ways = [revision["way_back"] for revision in plan["revisions"]]
    assert ways == ["yes", "the schema, but not the rows"]


@pytest.mark.parametrize("setup", PROGRAMS[:2], ids=str)
def test_text_and_markdown(pending: Project, setup: Setup) -> None:
    text = pending.run("migrations", "plan")
    markdown = pending.run("migrations", "plan", "--format", "markdown")

    assert text.startswith("3 revisions are pending; the database is at 0001.\n")
    assert "/0002_phone.py\n0002\n" in text
    assert "  1. ALTER TABLE customers ADD " in text
    assert "Can it be taken back? No: there is no way back." in text
    assert "| statement | table | rows | size | lock | stops | does |" in markdown
    assert "| `1. DROP TABLE invoices` | " in markdown


@pytest.mark.parametrize("setup", PROGRAMS[:1], ids=str)
def test_new_revisions_on_an_empty_database(pending: Project) -> None:
    """In CI, where the database has nothing: what is released is not shown."""
    pending.git("init", "--quiet", "--initial-branch=main")
    pending.git("add", "migrations/versions/0001_initial.py", "migrations/versions/history.txt")
    pending.git("commit", "--quiet", "--message=Released")
    pending.run("alembic", "downgrade", "base")

    plan = json.loads(pending.run("migrations", "plan", "--new", "--format", "json"))

    assert plan["current"] == ["0001"]
    assert [revision["revision"] for revision in plan["revisions"]] == ["0002", "0003", "0004"]


@pytest.mark.parametrize("setup", PROGRAMS[:1], ids=str)
def test_nothing_is_pending(service: Project) -> None:
    service.run("alembic", "upgrade", "head")

    said = service.run("migrations", "plan")

    assert said == "Nothing is pending: the database is at 0001.\n"


@pytest.mark.parametrize("setup", PROGRAMS[1:2], ids=str)
def test_without_a_database(pending: Project, database: URL) -> None:
    pending.environment["DATABASE_URL"] = text_of(database.set(host="127.0.0.1", port=1))

    plan = json.loads(pending.run("migrations", "plan", "--format", "json"))

    assert plan["note"].startswith("Nothing is measured, because the database cannot be reached: ")
    assert [revision["revision"] for revision in plan["revisions"]][-1] == "0004"
    assert plan["revisions"][1]["statements"][0] == {
        "sql": "ALTER TABLE customers ADD COLUMN phone VARCHAR(40)",
        "line": None,
        "effects": [],
    }


@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep, among=PROGRAMS))
def test_a_revision_that_fails(pending: Project) -> None:
    path = pending.path / "migrations" / "versions" / "0003_names.py"
    path.write_text(path.read_text("utf-8").replace("UPDATE customers", "UPDATE nothing"), "utf-8")

    said = pending.run("migrations", "plan", check=False)

    assert "FAILED: Revision 0003 does not run in a temporary database: " in said
