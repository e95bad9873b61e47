"""Fault injection on one database, run in a service's environment."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config, main
from alembic.util import CommandError
from alembic_guardrails import run_with_connection
from alembic_guardrails.guard.postgresql import PostgreSQLGuard
from runner import (
    LOG,
    URL,
    alembic,
    alembic_killed_after,
    at_once,
    empty,
    end,
    on_database,
    start,
    state,
)

DIALECT = URL.get_backend_name()
IS_MYSQL = DIALECT in ("mysql", "mariadb")
VERSIONS = Path("migrations/versions")
LOCK = {
    "postgresql": f"SELECT pg_advisory_lock({PostgreSQLGuard.LOCK_KEY})",
    "sqlite": "BEGIN IMMEDIATE",
}.get(DIALECT, "SELECT GET_LOCK(CONCAT('alembic:', SHA2(DATABASE(), 224)), 0)")

only_postgresql = pytest.mark.skipif(DIALECT != "postgresql", reason="PostgreSQL's own")
only_sqlite = pytest.mark.skipif(DIALECT != "sqlite", reason="SQLite's own")
only_servers = pytest.mark.skipif(DIALECT == "sqlite", reason="SQLite has one lock for everything")
# What other databases have as well; see test_faults.py.
alike = pytest.mark.skipif("ALIKE" not in os.environ, reason="what is alike on all databases")
only_mysql = pytest.mark.skipif(not IS_MYSQL, reason="only MySQL and MariaDB need a journal")

REVISION = """
import sqlalchemy as sa
from alembic import op
from alembic_guardrails.op import backfill
from alembic_guardrails.op import create_index_concurrently

revision = "faulty"
down_revision = "{after}"


def upgrade():
    {body}


def downgrade():
    op.drop_table("a")
"""


@pytest.fixture(autouse=True)
def _database() -> Iterator[None]:
    """A database at revision 0005, and no revision beyond."""
    LOG.unlink(missing_ok=True)
    empty()
    assert alembic("upgrade", "0005") == 0, LOG.read_text()
    LOG.unlink()
    yield
    (VERSIONS / "faulty.py").unlink(missing_ok=True)


def write(*body: str, after: str = "0005") -> None:
    """Write a revision after another one, which then has no other successor."""
    text = REVISION.format(after=after, body="\n    ".join(body))
    (VERSIONS / "faulty.py").write_text(text, encoding="utf-8")


def said(*arguments: str) -> str:
    """Run Alembic, which has to fail; return what it said."""
    LOG.unlink(missing_ok=True)
    assert alembic(*arguments) != 0
    return LOG.read_text()


@contextmanager
def another_session(*statements: str) -> Iterator[threading.Event]:
    """Run statements in a transaction that stays open until its event is set, or to the end."""
    ready, over = threading.Event(), threading.Event()

    def hold(connection: sa.Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement).close()
        ready.set()
        over.wait(60)

    thread = threading.Thread(target=run_with_connection, args=(URL, hold))
    thread.start()
    assert ready.wait(10)
    try:
        yield over
    finally:
        over.set()
        thread.join()


A = 'op.create_table("a", sa.Column("id", sa.Integer, primary_key=True))'


def test_an_error_half_way_leaves_no_trace_or_can_be_mended() -> None:
    insert = 'op.execute("INSERT INTO a (id) VALUES (1)")'
    add = 'op.add_column("a", sa.Column("note", sa.String(9)))'
    before = state()
    write(A, insert, add, insert.replace("1)", "2)"), 'op.execute("nonsense")')
    assert "nonsense" in said("upgrade", "faulty")
    if IS_MYSQL:
        assert "was interrupted after 3 statements" in said("downgrade", "0004")
        write(A.replace('"a"', '"b"'), insert, add, 'op.execute("INSERT INTO a (id) VALUES (2)")')
        assert "does not go on from there" in said("upgrade", "faulty")
        write(A)
        assert "does not go on from there" in said("upgrade", "faulty")
    else:
        assert state() == before

    write(A, insert, add, 'op.execute("INSERT INTO a (id) VALUES (2)")')
    assert alembic("upgrade", "faulty") == 0, LOG.read_text()

    rows = on_database(lambda it: it.exec_driver_sql("SELECT id FROM a ORDER BY id").all())
    assert [row.id for row in rows] == [1, 2]
    assert not any(line.startswith("alembic_journal") for line in state())


IDS = """connection = op.get_bind()
    columns = sa.Column("customer_id", sa.Integer), sa.Column("body", sa.String(200))
    remarks = sa.Table(
        "remarks", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *columns
    )
    connection.execute(remarks.insert().values(customer_id=1, body="new"))
    new = connection.execute(remarks.insert().values(customer_id=1, body="x"))
    op.add_column("customers", sa.Column("extra", sa.Integer))
    found = new.inserted_primary_key[0]
    connection.execute(sa.text(f"UPDATE customers SET extra = {found} WHERE id = 1"))"""


@only_mysql
def test_what_was_read_before_a_lock_stays_true() -> None:
    """The revision is not run again for a lock, and results of an earlier run are not made up."""
    write(IDS)
    with another_session("SELECT * FROM customers") as over:
        threading.Timer(3, over.set).start()
        assert alembic("upgrade", "faulty") == 0, LOG.read_text()
    assert "a lock is not available, trying again" in LOG.read_text()
    wanted = "SELECT extra - (SELECT id FROM remarks WHERE body = 'x') FROM customers WHERE id = 1"
    assert on_database(lambda it: it.exec_driver_sql(wanted).scalar()) == 0


@only_mysql
def test_what_an_interrupted_revision_read_is_not_made_up() -> None:
    write(IDS, 'op.execute("nonsense")')
    said("upgrade", "faulty")
    write(IDS)
    assert "reads what one of its statements did before" in said("upgrade", "faulty")


@only_mysql
def test_other_values_are_another_revision() -> None:
    copy = """connection = op.get_bind()
    for body in connection.scalars(sa.text("SELECT body FROM remarks ORDER BY body")).all():
        connection.execute(sa.text("INSERT INTO audit2 VALUES (:body)"), {"body": body})"""
    drop = 'op.drop_column("remarks", "body")'
    table = 'op.create_table("audit2", sa.Column("body", sa.String(200)))'
    write(table, copy, 'op.drop_column("remarks", "nothing")')
    said("upgrade", "faulty")
    new = "INSERT INTO remarks (customer_id, body) VALUES (1, '0')"
    on_database(lambda it: it.exec_driver_sql(new))
    write(table, copy, drop)
    said("upgrade", "faulty")
    assert any("remarks: {'name': 'body'" in line for line in state())


@only_mysql
def test_a_revision_that_commits_goes_on_after_its_last_commit() -> None:
    each = """connection = op.get_bind()
    for number in range(5):
        connection.execute(sa.text("INSERT INTO a (id) VALUES (:id)"), dict(id=number + 1))
        connection.commit()
        {interrupt}"""
    kill = 'number == 2 and __import__("os").kill(__import__("os").getpid(), 9)'
    write(A, each.format(interrupt=kill))
    assert alembic("upgrade", "faulty") == -signal.SIGKILL
    write(A, each.format(interrupt="pass"))
    assert alembic("upgrade", "faulty") == 0, LOG.read_text()
    rows = on_database(lambda it: it.exec_driver_sql("SELECT id FROM a ORDER BY id").all())
    assert [row.id for row in rows] == [1, 2, 3, 4, 5]


BACKFILL = """
    customers = sa.table("customers", sa.column("id"), sa.column("moved"))
    undone = sa.update(customers).where(customers.c.moved < 10)
    backfill(undone.values(moved=customers.c.moved + 10), customers.c.id, size=2)"""


def moved() -> list[int]:
    """How often customers were moved."""
    rows = on_database(lambda it: it.exec_driver_sql("SELECT moved FROM customers").all())
    return sorted(row.moved for row in rows)


def test_a_backfill_goes_on_where_it_was_killed() -> None:
    """Each row is changed once: in batches that are committed, or on SQLite all or none."""
    write(BACKFILL)
    count = len(moved())
    for done in (2, 4):
        assert alembic_killed_after("UPDATE customers", "upgrade", "faulty") == -signal.SIGKILL
        assert moved().count(12) == (0 if DIALECT == "sqlite" else done)
    assert alembic("upgrade", "faulty") == 0, LOG.read_text()
    assert moved() == [12] * count
    if DIALECT != "sqlite":
        assert f"customers: {count - 4} of {count - 4} rows" in LOG.read_text()


@only_postgresql
def test_a_backfill_survives_a_deadlock() -> None:
    write(BACKFILL)
    first, second = (f"UPDATE customers SET moved = moved WHERE id = {it}" for it in (1, 2))
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"

    def cross(connection: sa.Connection) -> None:
        """Take a row of the first batch, then the one that the batch has by then."""
        connection.exec_driver_sql(second).close()
        migration = start(lambda: main(["upgrade", "faulty"]))
        while not on_database(lambda it: it.exec_driver_sql(waiting).scalar()):
            time.sleep(0.05)
        connection.exec_driver_sql(first).close()
        connection.commit()
        assert end(migration) == 0, LOG.read_text()

    run_with_connection(URL, cross)
    assert set(moved()) == {12}


@only_mysql
def test_a_backfill_after_what_is_journaled_goes_on_as_well() -> None:
    write(A, BACKFILL, A.replace('"a"', '"b"'))
    count = len(moved())
    assert alembic_killed_after("UPDATE customers", "upgrade", "faulty") == -signal.SIGKILL
    assert alembic("upgrade", "faulty") == 0, LOG.read_text()
    assert moved() == [12] * count
    assert {line.partition(":")[0] for line in state()} >= {"a", "b"}


@only_postgresql
@pytest.mark.parametrize("first", [True, False])
def test_a_backfill_shares_its_revision_with_nothing(first: bool) -> None:
    write(*((BACKFILL, A) if first else (A, BACKFILL)))
    assert "needs a revision of its own" in said("upgrade", "faulty")
    assert not any(line.startswith("a:") for line in state())


@alike
def test_a_backfill_needs_to_know_what_is_done() -> None:
    write(BACKFILL.replace(".where(customers.c.moved < 10)", ""))
    assert "needs a WHERE" in said("upgrade", "faulty")


@alike
def test_the_sql_of_a_backfill_is_one_statement() -> None:
    write(BACKFILL)
    assert alembic("upgrade", "0005:faulty", "--sql") == 0
    assert LOG.read_text().count("UPDATE customers SET moved=(customers.moved + 10)") == 1


@only_mysql
def test_a_swap_is_not_swapped_back() -> None:
    write(
        'op.execute("CREATE TABLE new LIKE remarks")',
        'op.execute("RENAME TABLE remarks TO old, new TO remarks, old TO new")',
        'op.execute("DROP TABLE new")',
    )
    assert alembic_killed_after("RENAME TABLE", "upgrade", "faulty") == -signal.SIGKILL
    for _ in range(2):
        assert "nobody knows whether its last statement ran" in said("upgrade", "faulty")
    assert on_database(lambda it: it.exec_driver_sql("SELECT 1 FROM remarks").all()) == []


@only_mysql
def test_a_first_statement_that_fails_is_forgotten() -> None:
    write('op.execute("nonsense")')
    said("upgrade", "faulty")
    assert not any(line.startswith("alembic_journal") for line in state())


@only_mysql
def test_a_stamp_where_the_database_is_ends_an_interruption() -> None:
    write(A, 'op.execute("nonsense")')
    said("upgrade", "faulty")
    on_database(lambda it: it.exec_driver_sql("DROP TABLE a"))
    assert alembic("stamp", "0005") == 0, LOG.read_text()
    write(A)
    assert alembic("upgrade", "faulty") == 0, LOG.read_text()
    assert any(line.startswith("a: ") for line in state())


@only_mysql
def test_an_interrupted_downgrade_comes_first() -> None:
    write(A)
    assert alembic("upgrade", "faulty") == 0, LOG.read_text()
    text = REVISION.format(after="0005", body=A)
    half_way = text.replace('table("a")', 'table("a")\n    op.execute("nonsense")')
    (VERSIONS / "faulty.py").write_text(half_way, encoding="utf-8")
    said("downgrade", "0005")
    assert "was interrupted after 1 statements" in said("upgrade", "faulty")
    assert alembic("stamp", "--purge", "0005") == 0, LOG.read_text()
    write(A)
    assert alembic("upgrade", "faulty") == 0, LOG.read_text()


@only_mysql
def test_the_journal_is_not_seen_by_check_and_ends_with_a_stamp() -> None:
    write(A, 'op.execute("nonsense")')
    said("upgrade", "faulty")
    assert any(line.startswith("alembic_journal") for line in state())
    on_database(lambda it: it.exec_driver_sql("UPDATE alembic_version SET version_num = 'faulty'"))

    assert "alembic_journal" not in said("check")
    assert alembic("stamp", "0005") == 0, LOG.read_text()
    assert not any(line.startswith("alembic_journal") for line in state())


def test_an_existing_table_is_not_taken_for_an_interrupted_one() -> None:
    on_database(lambda it: it.exec_driver_sql("CREATE TABLE a (other INTEGER)"))
    write('op.add_column("remarks", sa.Column("extra", sa.Integer))', A)
    for _ in range(2):
        assert "already exists" in said("upgrade", "faulty")


@only_postgresql
def test_a_killed_client_frees_its_lock_soon() -> None:
    write('op.execute("SELECT pg_sleep(60)")')
    child = start(lambda: main(["upgrade", "faulty"]))

    def sleepers(connection: sa.Connection) -> int:
        asleep = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
        return len(connection.exec_driver_sql(f"{asleep} AND state = 'active'").all())

    while not on_database(sleepers):
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    killed = time.monotonic()
    end(child)
    take = f"SELECT pg_try_advisory_lock({PostgreSQLGuard.LOCK_KEY})"
    while not on_database(lambda it: it.exec_driver_sql(take).scalar()):
        assert time.monotonic() < killed + 30
        time.sleep(0.02)
    seconds = time.monotonic() - killed
    print(f"lock free after {seconds:.2f} s")
    assert seconds < 2


def test_four_runners_build_one_index() -> None:
    assert at_once(4, "upgrade", "0006") == [0] * 4, LOG.read_text()
    assert any("ix_customers_last" in line for line in state())
    assert at_once(4, "downgrade", "0005") == [0] * 4, LOG.read_text()


@only_postgresql
def test_an_invalid_index_is_built_anew() -> None:
    def leave_invalid_index(connection: sa.Connection) -> None:
        connection.exec_driver_sql(
            "CREATE UNIQUE INDEX CONCURRENTLY ix_customers_last ON customers (moved)"
        )

    with pytest.raises(sa.exc.DBAPIError):
        run_with_connection(URL, leave_invalid_index, isolation_level="AUTOCOMMIT")
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    assert on_database(lambda it: it.exec_driver_sql(invalid).scalar()) == 1

    assert alembic("upgrade", "0006") == 0, LOG.read_text()

    assert on_database(lambda it: it.exec_driver_sql(invalid).scalar()) == 0
    assert any("ix_customers_last" in line and "['last']" in line for line in state())


@only_postgresql
@pytest.mark.parametrize("first", [True, False])
def test_a_concurrent_index_shares_its_revision_with_nothing(first: bool) -> None:
    index = 'create_index_concurrently("ix_a", "remarks", ["body"])'
    write(*((index, A) if first else (A, index)))

    assert "needs a revision of its own" in said("upgrade", "faulty")
    assert not any(line.startswith("a:") for line in state())

    write(index)
    assert alembic("upgrade", "faulty") == 0, LOG.read_text()


@only_servers
def test_readers_do_not_wait_behind_a_change_that_waits() -> None:
    write('op.add_column("customers", sa.Column("extra", sa.Integer))')
    worst = 0.0

    def read(connection: sa.Connection) -> None:
        nonlocal worst
        while alive.is_set():
            begun = time.monotonic()
            connection.exec_driver_sql("SELECT count(*) FROM customers").scalar()
            connection.rollback()
            worst = max(worst, time.monotonic() - begun)
            time.sleep(0.01)

    alive = threading.Event()
    alive.set()
    reader = threading.Thread(target=run_with_connection, args=(URL, read))
    with another_session("SELECT * FROM customers") as over:
        reader.start()
        threading.Timer(6, over.set).start()
        begun = time.monotonic()
        code = alembic("upgrade", "faulty")
    alive.clear()
    reader.join()

    assert code == 0, LOG.read_text()
    assert time.monotonic() - begun > 5
    assert "a lock is not available, trying again" in LOG.read_text()
    print(f"worst stall {worst:.2f} s")
    assert worst < 3  # without limits, it is as long as the session


def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATION_WAIT", "0.5")
    before = state()
    with another_session(LOCK):
        text = said("upgrade", "head")
        assert alembic("current") == 0
    assert "Waiting for another migration" in text
    assert "still holds the lock on this database after 0.5 s" in text
    assert "Traceback" not in text
    assert state() == before


@alike
def test_odd_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATION_WAIT", "soon")
    monkeypatch.setenv("MIGRATION_LOCK_TIMEOUT", "0")
    last = said("upgrade", "head").splitlines()[-1]
    assert last.startswith("FAILED: MIGRATION_WAIT: Input should be a valid number")
    assert "MIGRATION_LOCK_TIMEOUT: Input should be greater than 0" in last
    assert "Traceback" not in LOG.read_text()


@only_servers
def test_a_statement_can_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATION_STATEMENT_TIMEOUT", "0.5")
    sleep = "pg_sleep(30)" if DIALECT == "postgresql" else "sleep(30)"
    write(f'op.execute("SELECT {sleep}")')
    begun = time.monotonic()
    text = said("upgrade", "faulty")
    assert "statement_timeout = 500ms" in text or "max_statement_time = 0.5" in text
    assert time.monotonic() - begun < 20


def test_rows_outlive_the_rebuild_of_their_parent() -> None:
    count = "SELECT count(*) FROM remarks"
    assert on_database(lambda it: it.exec_driver_sql(count).scalar()) == 7
    assert alembic("downgrade", "0003") == 0, LOG.read_text()
    assert alembic("upgrade", "0005") == 0, LOG.read_text()
    assert on_database(lambda it: it.exec_driver_sql(count).scalar()) == 7


@only_sqlite
def test_rows_that_refer_to_nothing_are_refused_if_they_are_new() -> None:
    on_database(lambda it: it.exec_driver_sql("UPDATE remarks SET customer_id = 99 WHERE id = 8"))
    before = state()
    write('op.execute("DELETE FROM customers WHERE id < 4")')
    assert "3 more rows than before would refer to rows that do not exist, in remarks" in said(
        "upgrade", "faulty"
    )
    assert state() == before
    write(A)
    assert alembic("upgrade", "faulty") == 0, LOG.read_text()


@only_sqlite
def test_keys_that_cannot_be_checked_stop_nobody() -> None:
    odd = "CREATE TABLE odd (name TEXT REFERENCES customers (first))"
    on_database(lambda it: it.exec_driver_sql(odd))
    write(A)
    assert alembic("upgrade", "faulty") == 0, LOG.read_text()
    assert "Foreign keys cannot be checked: foreign key mismatch" in LOG.read_text()


@only_sqlite
def test_rows_survive_a_connection_that_enforces_foreign_keys() -> None:
    def downgrade(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.commit()
        config = Config("alembic.ini", attributes={"connection": connection})
        command.downgrade(config, "0002")
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        with pytest.raises(CommandError, match="cannot be turned off"):
            command.upgrade(config, "head")

    on_database(downgrade)
    count = "SELECT count(*) FROM notes"
    assert on_database(lambda it: it.exec_driver_sql(count).scalar()) == 7


@alike
def test_success_means_the_revision_that_was_asked_for() -> None:
    lose = 'lambda it: it.exec_driver_sql("ROLLBACK")'
    write(f'sa.event.listen(op.get_bind(), "commit", {lose}, once=True)')
    assert "The database is at 0005, not at faulty" in said("upgrade", "faulty")


@alike
def test_a_connection_used_too_early_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    early = "alembic_guardrails.environment.reflect_actions"
    monkeypatch.setattr(early, lambda connection: connection.scalar(sa.select(1)))

    assert "used the connection before context.configure()" in said("upgrade", "head")


def from_a_lifespan() -> None:
    async def lifespan() -> None:
        command.upgrade(Config("alembic.ini"), "0006")

    asyncio.run(lifespan())


def from_a_thread() -> None:
    thread = threading.Thread(target=command.upgrade, args=(Config("alembic.ini"), "0006"))
    thread.start()
    thread.join()


def on_a_connection() -> None:
    def upgrade(connection: sa.Connection) -> None:
        command.upgrade(Config("alembic.ini", attributes={"connection": connection}), "0006")

    run_with_connection(URL, upgrade)


@alike
@pytest.mark.parametrize("way", [from_a_lifespan, from_a_thread, on_a_connection])
def test_programs_migrate_and_keep_their_loggers(way: Callable[[], None]) -> None:
    handlers, level = list(logging.root.handlers), logging.root.level
    way()
    assert any("ix_customers_last" in line for line in state())
    assert (logging.root.handlers, logging.root.level) == (handlers, level)
    assert not logging.getLogger("my_service.main").disabled


def test_a_callers_transaction_is_the_callers() -> None:
    write(A)
    before = state()

    def upgrade(connection: sa.Connection) -> None:
        with connection.begin():
            command.upgrade(Config("alembic.ini", attributes={"connection": connection}), "faulty")

    def try_it(connection: sa.Connection) -> None:
        with connection.begin() as transaction:
            config = Config("alembic.ini", attributes={"connection": connection})
            command.upgrade(config, "faulty")
            transaction.rollback()

    if not IS_MYSQL:
        run_with_connection(URL, try_it)
        assert state() == before
    run_with_connection(URL, upgrade)
    assert "faulty" in str(state())
    assert at_once(2, "upgrade", "faulty") == [0, 0], LOG.read_text()
