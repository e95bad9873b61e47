"""Fault injection on one database, in a service's environment."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
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
    drop_all,
    end,
    execute,
    fetch_rows,
    fetch_value,
    read_state,
    run_alembic,
    run_and_kill_after,
    run_at_once,
    run_on_database,
    start,
)

DIALECT = URL.get_backend_name()
IS_MYSQL = DIALECT in ("mysql", "mariadb")
VERSIONS = Path("migrations/versions")
LOCK = {
    "postgresql": f"SELECT pg_advisory_lock({PostgreSQLGuard.LOCK_KEY})",
    "sqlite": "BEGIN IMMEDIATE",
}.get(DIALECT, "SELECT GET_LOCK(CONCAT('alembic:', SHA2(DATABASE(), 224)), 0)")

only_postgresql = pytest.mark.skipif(DIALECT != "postgresql", reason="PostgreSQL only")
only_sqlite = pytest.mark.skipif(DIALECT != "sqlite", reason="SQLite only")
only_servers = pytest.mark.skipif(DIALECT == "sqlite", reason="SQLite has one lock for everything")
# Run on one database, because it is the same on all of them; see test_faults.py.
on_one_database = pytest.mark.skipif(
    "ON_ONE_DATABASE" not in os.environ, reason="the same on all databases"
)
only_mysql = pytest.mark.skipif(not IS_MYSQL, reason="only MySQL and MariaDB have a journal")

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
    """A database at revision 0005, and no revision after it but 0006."""
    LOG.unlink(missing_ok=True)
    drop_all()
    assert run_alembic("upgrade", "0005") == 0, LOG.read_text()
    LOG.unlink()
    yield
    (VERSIONS / "faulty.py").unlink(missing_ok=True)


def write_revision(*body: str, after: str = "0005") -> None:
    """Write the revision "faulty", with these lines, after another revision."""
    text = REVISION.format(after=after, body="\n    ".join(body))
    (VERSIONS / "faulty.py").write_text(text, encoding="utf-8")


def fail(*arguments: str) -> str:
    """Run Alembic, check that it fails, and return its output."""
    LOG.unlink(missing_ok=True)
    assert run_alembic(*arguments) != 0
    return LOG.read_text()


@contextmanager
def another_session(*statements: str) -> Iterator[threading.Event]:
    """Run statements in a transaction that stays open until the event is set or the block ends."""
    ready, ended = threading.Event(), threading.Event()

    def hold(connection: sa.Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement).close()
        ready.set()
        ended.wait(60)

    thread = threading.Thread(target=run_with_connection, args=(URL, hold))
    thread.start()
    assert ready.wait(10)
    try:
        yield ended
    finally:
        ended.set()
        thread.join()


CREATE_A = 'op.create_table("a", sa.Column("id", sa.Integer, primary_key=True))'


def test_an_error_is_rolled_back_or_can_be_repaired() -> None:
    insert = 'op.execute("INSERT INTO a (id) VALUES (1)")'
    add = 'op.add_column("a", sa.Column("note", sa.String(9)))'
    before = read_state()
    write_revision(CREATE_A, insert, add, insert.replace("1)", "2)"), 'op.execute("nonsense")')
    assert "nonsense" in fail("upgrade", "faulty")
    if IS_MYSQL:
        assert "was interrupted after 3 statements" in fail("downgrade", "0004")
        write_revision(
            CREATE_A.replace('"a"', '"b"'),
            insert,
            add,
            'op.execute("INSERT INTO a (id) VALUES (2)")',
        )
        assert "does not go on from there" in fail("upgrade", "faulty")
        write_revision(CREATE_A)
        assert "does not go on from there" in fail("upgrade", "faulty")
    else:
        assert read_state() == before

    write_revision(CREATE_A, insert, add, 'op.execute("INSERT INTO a (id) VALUES (2)")')
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()

    rows = fetch_rows("SELECT id FROM a ORDER BY id")
    assert [row.id for row in rows] == [1, 2]
    assert not any(line.startswith("alembic_journal") for line in read_state())


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
    """A lock that is not available does not make the revision run again."""
    write_revision(IDS)
    with another_session("SELECT * FROM customers") as ended:
        threading.Timer(3, ended.set).start()
        assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()
    assert "a lock is not available, trying again" in LOG.read_text()
    wanted = "SELECT extra - (SELECT id FROM remarks WHERE body = 'x') FROM customers WHERE id = 1"
    assert fetch_value(wanted) == 0


@only_mysql
def test_results_of_an_interrupted_run_are_not_made_up() -> None:
    write_revision(IDS, 'op.execute("nonsense")')
    fail("upgrade", "faulty")
    write_revision(IDS)
    assert "reads what one of its statements did before" in fail("upgrade", "faulty")


@only_mysql
def test_other_values_are_another_revision() -> None:
    copy = """connection = op.get_bind()
    for body in connection.scalars(sa.text("SELECT body FROM remarks ORDER BY body")).all():
        connection.execute(sa.text("INSERT INTO audit2 VALUES (:body)"), {"body": body})"""
    drop = 'op.drop_column("remarks", "body")'
    table = 'op.create_table("audit2", sa.Column("body", sa.String(200)))'
    write_revision(table, copy, 'op.drop_column("remarks", "nothing")')
    fail("upgrade", "faulty")
    new = "INSERT INTO remarks (customer_id, body) VALUES (1, '0')"
    execute(new)
    write_revision(table, copy, drop)
    fail("upgrade", "faulty")
    assert any("remarks: {'name': 'body'" in line for line in read_state())


@only_mysql
def test_a_revision_that_commits_goes_on_after_its_last_commit() -> None:
    each = """connection = op.get_bind()
    for number in range(5):
        connection.execute(sa.text("INSERT INTO a (id) VALUES (:id)"), dict(id=number + 1))
        connection.commit()
        {interrupt}"""
    kill = 'number == 2 and __import__("os").kill(__import__("os").getpid(), 9)'
    write_revision(CREATE_A, each.format(interrupt=kill))
    assert run_alembic("upgrade", "faulty") == -signal.SIGKILL
    write_revision(CREATE_A, each.format(interrupt="pass"))
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()
    rows = fetch_rows("SELECT id FROM a ORDER BY id")
    assert [row.id for row in rows] == [1, 2, 3, 4, 5]


BACKFILL = """
    customers = sa.table("customers", sa.column("id"), sa.column("moved"))
    undone = sa.update(customers).where(customers.c.moved < 10)
    backfill(undone.values(moved=customers.c.moved + 10), customers.c.id, size=2)"""


def read_moved() -> list[int]:
    """Return how often each customer was changed, in order."""
    rows = fetch_rows("SELECT moved FROM customers")
    return sorted(row.moved for row in rows)


def test_a_backfill_goes_on_where_it_was_killed() -> None:
    """Each row is changed once: in batches that are committed, on SQLite all or none."""
    write_revision(BACKFILL)
    count = len(read_moved())
    for done in (2, 4):
        assert run_and_kill_after("UPDATE customers", "upgrade", "faulty") == -signal.SIGKILL
        assert read_moved().count(12) == (0 if DIALECT == "sqlite" else done)
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()
    assert read_moved() == [12] * count
    if DIALECT != "sqlite":
        assert f"customers: {count - 4} of {count - 4} rows" in LOG.read_text()


@only_postgresql
def test_a_backfill_survives_a_deadlock() -> None:
    write_revision(BACKFILL)
    first, second = (
        f"UPDATE customers SET moved = moved WHERE id = {customer}" for customer in (1, 2)
    )
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"

    def cross(connection: sa.Connection) -> None:
        """Lock a row of the first batch, then the row that the batch has locked meanwhile."""
        connection.exec_driver_sql(second).close()
        migration = start(lambda: main(["upgrade", "faulty"]))
        while not fetch_value(waiting):
            time.sleep(0.05)
        connection.exec_driver_sql(first).close()
        connection.commit()
        assert end(migration) == 0, LOG.read_text()

    run_with_connection(URL, cross)
    assert set(read_moved()) == {12}


@only_mysql
def test_a_backfill_between_journaled_statements_goes_on() -> None:
    write_revision(CREATE_A, BACKFILL, CREATE_A.replace('"a"', '"b"'))
    count = len(read_moved())
    assert run_and_kill_after("UPDATE customers", "upgrade", "faulty") == -signal.SIGKILL
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()
    assert read_moved() == [12] * count
    assert {line.partition(":")[0] for line in read_state()} >= {"a", "b"}


@only_postgresql
@pytest.mark.parametrize("first", [True, False])
def test_a_backfill_is_alone_in_its_revision(first: bool) -> None:
    write_revision(*((BACKFILL, CREATE_A) if first else (CREATE_A, BACKFILL)))
    assert "needs a revision of its own" in fail("upgrade", "faulty")
    assert not any(line.startswith("a:") for line in read_state())


@on_one_database
def test_a_backfill_needs_a_condition() -> None:
    write_revision(BACKFILL.replace(".where(customers.c.moved < 10)", ""))
    assert "needs a WHERE" in fail("upgrade", "faulty")


@on_one_database
def test_the_sql_of_a_backfill_is_one_statement() -> None:
    write_revision(BACKFILL)
    assert run_alembic("upgrade", "0005:faulty", "--sql") == 0
    assert LOG.read_text().count("UPDATE customers SET moved=(customers.moved + 10)") == 1


@only_mysql
def test_a_swap_of_names_is_not_undone() -> None:
    write_revision(
        'op.execute("CREATE TABLE new LIKE remarks")',
        'op.execute("RENAME TABLE remarks TO old, new TO remarks, old TO new")',
        'op.execute("DROP TABLE new")',
    )
    assert run_and_kill_after("RENAME TABLE", "upgrade", "faulty") == -signal.SIGKILL
    for _ in range(2):
        assert "nobody knows what `RENAME TABLE remarks TO old" in fail("upgrade", "faulty")
    assert fetch_rows("SELECT 1 FROM remarks") == []


@only_mysql
def test_a_first_statement_that_fails_is_forgotten() -> None:
    write_revision('op.execute("nonsense")')
    fail("upgrade", "faulty")
    assert not any(line.startswith("alembic_journal") for line in read_state())


@only_mysql
def test_a_stamp_at_the_current_revision_ends_an_interruption() -> None:
    write_revision(CREATE_A, 'op.execute("nonsense")')
    fail("upgrade", "faulty")
    execute("DROP TABLE a")
    assert run_alembic("stamp", "0005") == 0, LOG.read_text()
    write_revision(CREATE_A)
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()
    assert any(line.startswith("a: ") for line in read_state())


@only_mysql
def test_an_interrupted_downgrade_comes_first() -> None:
    write_revision(CREATE_A)
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()
    text = REVISION.format(after="0005", body=CREATE_A)
    half_way = text.replace('table("a")', 'table("a")\n    op.execute("nonsense")')
    (VERSIONS / "faulty.py").write_text(half_way, encoding="utf-8")
    fail("downgrade", "0005")
    assert "was interrupted after 1 statements" in fail("upgrade", "faulty")
    assert run_alembic("stamp", "--purge", "0005") == 0, LOG.read_text()
    write_revision(CREATE_A)
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()


@only_mysql
def test_the_journal_is_not_seen_by_check_and_ends_with_a_stamp() -> None:
    write_revision(CREATE_A, 'op.execute("nonsense")')
    fail("upgrade", "faulty")
    assert any(line.startswith("alembic_journal") for line in read_state())
    execute("UPDATE alembic_version SET version_num = 'faulty'")

    assert "alembic_journal" not in fail("check")
    assert run_alembic("stamp", "0005") == 0, LOG.read_text()
    assert not any(line.startswith("alembic_journal") for line in read_state())


def test_an_existing_table_is_not_one_of_an_interrupted_run() -> None:
    execute("CREATE TABLE a (other INTEGER)")
    write_revision('op.add_column("remarks", sa.Column("extra", sa.Integer))', CREATE_A)
    for _ in range(2):
        assert "already exists" in fail("upgrade", "faulty")


@only_postgresql
def test_a_killed_client_frees_its_lock_soon() -> None:
    write_revision('op.execute("SELECT pg_sleep(60)")')
    child = start(lambda: main(["upgrade", "faulty"]))

    def sleepers(connection: sa.Connection) -> int:
        asleep = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
        return len(connection.exec_driver_sql(f"{asleep} AND state = 'active'").all())

    while not run_on_database(sleepers):
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    killed = time.monotonic()
    end(child)
    take = f"SELECT pg_try_advisory_lock({PostgreSQLGuard.LOCK_KEY})"
    while not fetch_value(take):
        assert time.monotonic() < killed + 30
        time.sleep(0.02)
    seconds = time.monotonic() - killed
    print(f"lock free after {seconds:.2f} s")
    assert seconds < 2


def test_four_runners_build_one_index() -> None:
    assert run_at_once(4, "upgrade", "0006") == [0] * 4, LOG.read_text()
    assert any("ix_customers_last" in line for line in read_state())
    assert run_at_once(4, "downgrade", "0005") == [0] * 4, LOG.read_text()


@only_postgresql
def test_an_invalid_index_is_built_again() -> None:
    def leave_invalid_index(connection: sa.Connection) -> None:
        connection.exec_driver_sql(
            "CREATE UNIQUE INDEX CONCURRENTLY ix_customers_last ON customers (moved)"
        )

    with pytest.raises(sa.exc.DBAPIError):
        run_with_connection(URL, leave_invalid_index, isolation_level="AUTOCOMMIT")
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    assert fetch_value(invalid) == 1

    assert run_alembic("upgrade", "0006") == 0, LOG.read_text()

    assert fetch_value(invalid) == 0
    assert any("ix_customers_last" in line and "['last']" in line for line in read_state())


@only_postgresql
@pytest.mark.parametrize("first", [True, False])
def test_a_concurrent_index_is_alone_in_its_revision(first: bool) -> None:
    index = 'create_index_concurrently("ix_a", "remarks", ["body"])'
    write_revision(*((index, CREATE_A) if first else (CREATE_A, index)))

    assert "needs a revision of its own" in fail("upgrade", "faulty")
    assert not any(line.startswith("a:") for line in read_state())

    write_revision(index)
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()


CONCURRENT = 'op.create_index("ix_a", "remarks", ["body"], postgresql_concurrently=True)'
IN_BLOCK = f"with op.get_context().autocommit_block():\n        {CONCURRENT}"


@only_postgresql
@pytest.mark.parametrize(
    ("body", "works"),
    [
        ('create_index_concurrently("ix_a", "remarks", ["body"])', True),
        (IN_BLOCK, True),
        (CONCURRENT, False),
        (CONCURRENT.replace("create_index", "drop_index").replace(', ["body"]', ""), False),
        ('op.execute("CREATE INDEX CONCURRENTLY ix_a ON remarks (body)")', False),
        ('op.execute("REINDEX TABLE CONCURRENTLY remarks")', False),
    ],
)
def test_concurrent_statements_work_or_lint_names_them(body: str, works: bool) -> None:
    write_revision(body)
    lint = [sys.executable, "-m", "alembic_guardrails", "lint", "--rev-range", "faulty:faulty"]
    result = subprocess.run(lint, capture_output=True, text=True)
    named = "ban-concurrent-index-creation-in-transaction" in result.stdout

    if works:
        assert (result.returncode, named) == (0, False), result
        assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()
    else:
        assert (result.returncode, named) == (1, True), result
        assert "Use create_index_concurrently" in fail("upgrade", "faulty")


@only_servers
def test_readers_do_not_wait_behind_a_change_that_waits() -> None:
    write_revision('op.add_column("customers", sa.Column("extra", sa.Integer))')
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
    with another_session("SELECT * FROM customers") as ended:
        reader.start()
        threading.Timer(6, ended.set).start()
        begun = time.monotonic()
        code = run_alembic("upgrade", "faulty")
    alive.clear()
    reader.join()

    assert code == 0, LOG.read_text()
    assert time.monotonic() - begun > 5
    assert "a lock is not available, trying again" in LOG.read_text()
    print(f"worst stall {worst:.2f} s")
    assert worst < 3  # without limits a reader waits as long as the session is open


def start_and_wait_for(text: str, *arguments: str) -> int:
    """Start Alembic in a fork, and wait until it has logged this; return the process id."""
    child = start(lambda: main([*arguments]))
    while text not in (LOG.read_text() if LOG.exists() else ""):
        time.sleep(0.05)
    return child


COUNTED = """print("it runs")
    op.create_table("a", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO a (id) VALUES (1)")
    op.add_column("customers", sa.Column("extra", sa.Integer))"""


@only_postgresql
def test_a_revision_without_its_lock_runs_again_from_its_start() -> None:
    write_revision(COUNTED)
    with another_session("SELECT * FROM customers") as ended:
        child = start_and_wait_for("trying again", "upgrade", "faulty")
        ended.set()
        assert end(child) == 0, LOG.read_text()
    assert LOG.read_text().count("it runs") > 1
    assert fetch_value("SELECT count(*) FROM a") == 1


ELSEWHERE = """with op.get_bind().engine.begin() as connection:
        connection.exec_driver_sql({})"""
INSERT = '"INSERT INTO a (id) VALUES (1)"'
DRIVER = "op.get_bind().connection"
RAW = f"    raw.cursor().execute({INSERT})\n    raw.commit()\n    raw.close()"


@only_postgresql
@pytest.mark.parametrize(
    ("body", "runs_again"),
    [
        (f"op.execute({INSERT})\n    op.execute('COMMIT')", False),
        pytest.param(
            *(f'op.get_bind().exec_driver_sql({INSERT[:-1]}; COMMIT")', False),
            marks=pytest.mark.skipif(
                URL.get_dialect().driver == "asyncpg", reason="asyncpg runs one statement at a time"
            ),
        ),
        (f"op.execute({INSERT})\n    op.get_bind().commit()", False),
        (ELSEWHERE.format(INSERT), False),
        (f"{DRIVER}.cursor().execute({INSERT})\n    {DRIVER}.commit()", False),
        pytest.param(
            *(f'{DRIVER}.dbapi_connection.cursor().execute({INSERT[:-1]}; COMMIT")', False),
            marks=pytest.mark.skipif(
                URL.get_dialect().driver == "asyncpg", reason="asyncpg runs one statement at a time"
            ),
        ),
        (f"raw = op.get_bind().engine.raw_connection()\n{RAW}", False),
        (ELSEWHERE.format('"SELECT 1"') + f"\n    op.execute({INSERT})", True),
        ("op.execute(LEFT.pop())", True),
    ],
)
def test_no_lock_that_is_missed_makes_a_revision_do_things_twice(
    body: str, runs_again: bool
) -> None:
    execute("CREATE TABLE a (id integer)")
    write_revision(body, 'op.add_column("customers", sa.Column("extra", sa.Integer))')
    path = VERSIONS / "faulty.py"
    path.write_text(f"LEFT = [{INSERT}]\n{path.read_text('utf-8')}", "utf-8")
    with another_session("SELECT * FROM customers") as ended:
        threading.Timer(2, ended.set).start()
        assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()

    assert ("trying again" in LOG.read_text()) is runs_again
    assert fetch_value("SELECT count(*) FROM a") == 1


@only_postgresql
def test_a_revision_that_is_killed_while_it_waits_leaves_nothing() -> None:
    before = read_state()
    write_revision(COUNTED)
    with another_session("SELECT * FROM customers"):
        child = start_and_wait_for("trying again", "upgrade", "faulty")
        os.kill(child, signal.SIGKILL)
        assert end(child) == -signal.SIGKILL
    assert read_state() == before
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()
    assert fetch_value("SELECT count(*) FROM a") == 1


@only_postgresql
@pytest.mark.parametrize(
    "change",
    ["SET lock_timeout = '9s'", "RESET ALL", "SELECT set_config('lock_timeout', '0', false)"],
)
def test_a_revision_begins_with_the_limit_whatever_the_one_before_has_set(change: str) -> None:
    write_revision(f'op.execute("{change}")')
    shown = """print("limit", op.get_bind().exec_driver_sql("SHOW lock_timeout").scalar())"""
    second = REVISION.replace('"faulty"', '"second"').format(after="faulty", body=shown)
    path = VERSIONS / "second.py"
    path.write_text(second, encoding="utf-8")
    try:
        assert run_alembic("upgrade", "second") == 0, LOG.read_text()
    finally:
        path.unlink()
    assert "limit 300ms" in LOG.read_text()


@only_postgresql
def test_a_revision_that_changes_a_table_costs_nothing_but_its_transaction() -> None:
    execute("CREATE TABLE first (id integer)")
    write_revision('op.add_column("first", sa.Column("one", sa.Integer))')

    def upgrade() -> None:
        sa.event.listen(sa.Engine, "begin", lambda _: print("= BEGIN"))
        sa.event.listen(sa.Engine, "commit", lambda _: print("= COMMIT"))
        sa.event.listen(
            sa.Engine, "before_cursor_execute", lambda *given: print("=", *given[2].split()[:3])
        )
        main(["upgrade", "faulty"])

    assert end(start(upgrade)) == 0, LOG.read_text()
    statements = [line for line in LOG.read_text().splitlines() if line.startswith("= ")]
    at = statements.index("= ALTER TABLE first")
    # The limit is sent once for the command, with its first revision.
    assert statements[at - 2 : at + 3] == [
        "= BEGIN",
        "= SELECT set_config('lock_timeout', '300ms',",
        "= ALTER TABLE first",
        "= UPDATE alembic_version SET",
        "= COMMIT",
    ]


def test_the_wait_for_the_lock_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATION_WAIT", "0.5")
    before = read_state()
    with another_session(LOCK):
        text = fail("upgrade", "head")
        assert run_alembic("current") == 0
    assert "Waiting for another migration" in text
    assert "still holds the lock on this database after 0.5 s" in text
    assert "Traceback" not in text
    assert read_state() == before


@on_one_database
def test_settings_that_cannot_be_used_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATION_WAIT", "soon")
    monkeypatch.setenv("MIGRATION_LOCK_TIMEOUT", "0")
    last = fail("upgrade", "head").splitlines()[-1]
    assert last.startswith("FAILED: MIGRATION_WAIT: Input should be a valid number")
    assert "MIGRATION_LOCK_TIMEOUT: Input should be greater than 0" in last
    assert "Traceback" not in LOG.read_text()


@only_servers
def test_a_statement_can_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATION_STATEMENT_TIMEOUT", "0.5")
    # On MySQL, sleep() returns early, without an error.
    many = "count(*) FROM information_schema.collations a JOIN " + " JOIN ".join(
        f"information_schema.collations {name}" for name in "bcde"
    )
    slow = {"postgresql": "pg_sleep(30)", "mysql": many, "mariadb": "sleep(30)"}[DIALECT]
    write_revision(f'op.execute("SELECT {slow}")')
    begun = time.monotonic()
    text = fail("upgrade", "faulty")
    limits = ("statement_timeout = 500ms", "max_execution_time = 500", "max_statement_time = 0.5")
    assert any(limit in text for limit in limits)
    assert time.monotonic() - begun < 20


def test_rows_outlive_the_rebuild_of_their_parent() -> None:
    count = "SELECT count(*) FROM remarks"
    assert fetch_value(count) == 7
    assert run_alembic("downgrade", "0003") == 0, LOG.read_text()
    assert run_alembic("upgrade", "0005") == 0, LOG.read_text()
    assert fetch_value(count) == 7


@only_sqlite
def test_new_orphans_are_refused() -> None:
    execute("UPDATE remarks SET customer_id = 99 WHERE id = 8")
    before = read_state()
    write_revision('op.execute("DELETE FROM customers WHERE id < 4")')
    assert "3 other rows than before would refer to rows that do not exist, in remarks" in fail(
        "upgrade", "faulty"
    )
    assert read_state() == before
    write_revision(CREATE_A)
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()


@only_sqlite
def test_foreign_keys_that_cannot_be_checked_are_no_error() -> None:
    odd = "CREATE TABLE odd (name TEXT REFERENCES customers (first))"
    execute(odd)
    write_revision(CREATE_A)
    assert run_alembic("upgrade", "faulty") == 0, LOG.read_text()
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

    run_on_database(downgrade)
    count = "SELECT count(*) FROM notes"
    assert fetch_value(count) == 7


@on_one_database
def test_success_means_the_revision_that_was_asked_for() -> None:
    lose = 'lambda connection: connection.exec_driver_sql("ROLLBACK")'
    write_revision(f'sa.event.listen(op.get_bind(), "commit", {lose}, once=True)')
    assert "The database is at 0005, not at faulty" in fail("upgrade", "faulty")


@on_one_database
def test_a_connection_used_too_early_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    early = "alembic_guardrails.environment.extend_reflection"
    monkeypatch.setattr(early, lambda connection: connection.scalar(sa.select(1)))

    assert "used the connection before context.configure()" in fail("upgrade", "head")


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


@on_one_database
@pytest.mark.parametrize("way", [from_a_lifespan, from_a_thread, on_a_connection])
def test_programs_migrate_and_keep_their_loggers(way: Callable[[], None]) -> None:
    handlers, level = list(logging.root.handlers), logging.root.level
    way()
    assert any("ix_customers_last" in line for line in read_state())
    assert (logging.root.handlers, logging.root.level) == (handlers, level)
    assert not logging.getLogger("my_service.main").disabled


def test_a_callers_transaction_is_the_callers() -> None:
    write_revision(CREATE_A)
    before = read_state()

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
        assert read_state() == before
    run_with_connection(URL, upgrade)
    assert "faulty" in str(read_state())
    assert run_at_once(2, "upgrade", "faulty") == [0, 0], LOG.read_text()
