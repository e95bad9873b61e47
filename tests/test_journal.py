"""Interrupted revisions on MariaDB and MySQL: they end as undisturbed ones do, or are refused."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from secrets import token_hex, token_urlsafe

import pytest
from alembic_guardrails.settings import MigrationSettings
from journals import Kill, Machine, Service, machine
from revisions import KINDS, Composed, compose, prepare
from servers import ServerUnavailable

pytestmark = pytest.mark.slow

REFUSAL = re.compile(r"FAILED: .* was interrupted [^\n]*`alembic stamp <revision>`[^\n]*\Z")

# Revisions that are composed at random, for each server; the first of them in an ordinary run.
SWEPT = 1000
SLICE = 4

WAYS = ["mended", "before", "sent", "after", "after", "after", "server"]


@pytest.fixture(scope="session", params=["mariadb", "mysql"])
def server(request: pytest.FixtureRequest, unavailable: Callable[[str], None]) -> Iterator[Machine]:
    """A server of these tests alone, because they kill it; a named one is left running."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(machine(request.param))
        except ServerUnavailable as error:
            unavailable(str(error))


@pytest.fixture
def services(server: Machine, tmp_path: Path) -> Iterator[Callable[[], Service]]:
    """Make services, each with an empty database."""
    with ExitStack() as stack:

        def make() -> Service:
            url = stack.enter_context(server.scratch_database())
            return Service(tmp_path / str(url.database), url, server)

        yield make


def settings(service: Service) -> MigrationSettings:
    """Return the settings for a service's database."""
    return MigrationSettings(service.url, migration_wait=20)


def finish(service: Service) -> bool:
    """Upgrade a service that was interrupted; return whether that was done and not refused."""
    if service.upgrade(settings(service)) == 0:
        return True
    last = service.log.read_text().strip().splitlines()[-1]
    assert REFUSAL.match(last), service.log.read_text()
    return False


def skip_what_is_forbidden(stock: Service, code: int) -> None:
    """Skip a revision that a named server forbids whoever runs it, by GTIDs that it enforces."""
    if code and "(1785," in stock.log.read_text():
        pytest.skip("The server enforces GTID consistency, which forbids the revision.")


@dataclass(frozen=True)
class Case:
    """A revision, how it is interrupted, and what a query then finds.

    Without a way it is only run; `is_broken` runs it with an error after its last statement. The
    body of the interrupted run is another one if there is an `earlier` one.
    """

    before: list[str]
    body: str
    kill: Kill | None = None
    is_broken: bool = False
    query: str = "SELECT 1"
    right: int = 1
    can_continue: bool = True
    earlier: str = ""


A = "CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, n INT)"
ONE = "INSERT INTO a (n) VALUES (1)"
# An index is a shorter way to all ids than this table is.
WIDE = "CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, n INT, name VARCHAR(50))"
THREE = "INSERT INTO a (n) VALUES (3), (2), (1)"
B = 'op.execute("CREATE TABLE b (n INT)")'
COUNT = "SELECT COUNT(*) FROM a"
N = "SELECT n FROM a"
FOLLOWS = "CREATE TABLE c (a_id INT, FOREIGN KEY (a_id) REFERENCES a (id) ON UPDATE CASCADE)"
LOG = "CREATE TABLE log (n INT)"
BACKFILL = """
a = sa.table("a", sa.column("id"), sa.column("n"))
backfill(sa.update(a).where(a.c.n == 1).values(n=7), a.c.id)
"""
INDEXES = (
    "SELECT COUNT(DISTINCT index_name) FROM information_schema.statistics"
    " WHERE table_schema = DATABASE() AND table_name = 'a'"
)
KEYS = (
    "SELECT COUNT(*) FROM information_schema.referential_constraints"
    " WHERE constraint_schema = DATABASE() AND table_name = 'a'"
)
ORM = """
class Base(orm.DeclarativeBase): pass
class A(Base):
    __tablename__ = "a"
    id = sa.Column(sa.Integer, primary_key=True)
    n = sa.Column(sa.Integer)
session = orm.Session(bind)
session.add_all([A(n=n) for n in range(5)])
session.flush()
session.commit()
"""

CASES = {
    "a query behind a comment": Case(
        [A, ONE], "assert len(bind.execute(text('-- which\\nSELECT n FROM a')).all()) == 1"
    ),
    "rows of a command": Case([A], "assert bind.execute(text('CHECK TABLE a')).all()"),
    "rows of a procedure": Case(
        [A, ONE, "CREATE PROCEDURE p() SELECT n FROM a"],
        "assert len(bind.execute(text('CALL p()')).all()) == 1",
    ),
    "the count of changed rows behind a comment": Case(
        [A, ONE], "assert bind.execute(text('-- all\\nUPDATE a SET n = n + 1')).rowcount == 1"
    ),
    "locked tables": Case(
        [A],
        'op.execute("LOCK TABLES a WRITE")\nop.execute("INSERT INTO a VALUES (1, 1)")\n'
        'op.execute("UNLOCK TABLES")',
        query=COUNT,
    ),
    "a function that writes": Case(
        [
            A,
            "CREATE FUNCTION f() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN"
            " INSERT INTO a (n) VALUES (9); RETURN 1; END",
        ],
        f'op.execute("SELECT f()")\n{B}',
        is_broken=True,
        query=COUNT,
        can_continue=False,
    ),
    "a variable of the session": Case(
        [A, ONE],
        'op.execute("SET @m = (SELECT MAX(id) + 1 FROM a)")\n'
        f'op.execute("INSERT INTO a (n) VALUES (@m)")\n{B}\n'
        'op.execute("INSERT INTO b (n) VALUES (@m)")',
        is_broken=True,
        query="SELECT n FROM b",
        right=2,
        can_continue=False,
    ),
    "the last number that was given out": Case(
        [A],
        f'op.execute("{ONE}")\n{B}\nop.execute("INSERT INTO b (n) VALUES (LAST_INSERT_ID())")',
        is_broken=True,
        query="SELECT n FROM b",
        can_continue=False,
    ),
    "rows of a session": Case(
        [A], f"{ORM}\n{B}", is_broken=True, query=COUNT, right=5, can_continue=False
    ),
    "an index without a name": Case(
        [A],
        'op.execute("ALTER TABLE a ADD INDEX (n)")',
        Kill("after", words="ADD INDEX"),
        query=INDEXES,
        right=2,
    ),
    "a foreign key without a name": Case(
        ["CREATE TABLE c (id INT PRIMARY KEY)", A],
        'op.execute("ALTER TABLE a ADD FOREIGN KEY (n) REFERENCES c (id)")',
        Kill("after", words="ADD FOREIGN"),
        query=KEYS,
    ),
    "an insert with a comment that commits itself": Case(
        [A],
        f"with op.get_context().autocommit_block():\n    op.execute('-- one\\n{ONE}')\n{B}",
        Kill("after", words="INSERT INTO a"),
        query=COUNT,
    ),
    "a table from a temporary one": Case(
        [A, ONE],
        'op.execute("CREATE TEMPORARY TABLE t AS SELECT * FROM a")\n'
        'op.execute("CREATE TABLE c AS SELECT *, SLEEP(0.1) FROM t")',
        Kill("server", words="SLEEP(0.1)", delay=0.05),
        query="SELECT COUNT(*) FROM c",
        can_continue=False,
    ),
    "a table without transactions": Case(
        [f"{A} ENGINE=MyISAM", ONE],
        f'op.execute("UPDATE a SET n = n + 1")\n{B}',
        Kill("after", words="UPDATE a"),
        query="SELECT n FROM a",
        right=2,
        can_continue=False,
    ),
    "a server that dies in a change of the schema": Case(
        [A, ONE],
        'op.execute("ALTER TABLE a ADD COLUMN m INT, ADD UNIQUE (m), FORCE")',
        Kill("server", words="ALTER TABLE a"),
        query=INDEXES,
        right=2,
    ),
    "a trigger that writes to a table without transactions": Case(
        [
            A,
            "CREATE TABLE m (n INT) ENGINE=MyISAM",
            "CREATE TRIGGER w AFTER INSERT ON a FOR EACH ROW INSERT INTO m VALUES (1)",
        ],
        f'op.execute("{ONE}")',
        Kill("after", words="INSERT INTO a"),
        query="SELECT COUNT(*) FROM m",
        can_continue=False,
    ),
    "a query before what it would see": Case(
        [A],
        f'n = bind.scalar(text("{COUNT}"))\nop.execute("{ONE}")\n{B}\n'
        'op.execute(f"INSERT INTO b VALUES ({n})")',
        is_broken=True,
        query="SELECT n FROM b",
        right=0,
        can_continue=False,
    ),
    "a query before what a trigger did that is gone": Case(
        [A, LOG, "CREATE TRIGGER w AFTER INSERT ON a FOR EACH ROW INSERT INTO log VALUES (1)"],
        f'n = bind.scalar(text("SELECT COUNT(*) FROM log"))\nop.execute("{ONE}")\n'
        f'op.execute("DROP TRIGGER w")\n{B}\nop.execute(f"INSERT INTO b VALUES ({{n}})")',
        is_broken=True,
        query="SELECT n FROM b",
        right=0,
        can_continue=False,
    ),
    "a query before an update that cascades": Case(
        [A, ONE, FOLLOWS, "INSERT INTO c VALUES (1)"],
        'n = bind.scalar(text("SELECT a_id FROM c"))\n'
        f'op.execute("UPDATE a SET id = 100")\n{B}\nop.execute(f"INSERT INTO b VALUES ({{n}})")',
        is_broken=True,
        query="SELECT n FROM b",
        can_continue=False,
    ),
    "a checksum before what changes it": Case(
        [A, ONE],
        f'n = bind.execute(text("CHECKSUM TABLE a")).one()[1]\nop.execute("{ONE}")\n{B}\n'
        'bind.execute(text("INSERT INTO b VALUES (:n)"), {"n": n == 0})',
        is_broken=True,
        query="SELECT n FROM b",
        right=0,
        can_continue=False,
    ),
    "a query of a table that is gone": Case(
        [A, ONE],
        f'n = bind.scalar(text("{COUNT}"))\nop.execute("DROP TABLE a")\n{B}\n'
        'op.execute(f"INSERT INTO b VALUES ({n})")',
        is_broken=True,
        query="SELECT n FROM b",
        can_continue=False,
    ),
    "the first row that a query finds, before an index": Case(
        [WIDE, THREE],
        f'n = bind.scalar(text("SELECT id FROM a LIMIT 1"))\n'
        f'op.execute("CREATE INDEX i ON a (n)")\n{B}\nop.execute(f"INSERT INTO b VALUES ({{n}})")',
        is_broken=True,
        query="SELECT n FROM b",
        can_continue=False,
    ),
    "the first row that a query finds, before it moves in an index": Case(
        [WIDE, THREE, "CREATE INDEX i ON a (n)"],
        f'n = bind.execute(text("SELECT id FROM a")).first()[0]\n'
        f'op.execute("UPDATE a SET n = -n")\n{B}\nop.execute(f"INSERT INTO b VALUES ({{n}})")',
        is_broken=True,
        query="SELECT n FROM b",
        right=3,
        can_continue=False,
    ),
    "a number of rows before an index": Case(
        [A, ONE],
        f'n = bind.scalar(text("{COUNT}"))\nop.execute("CREATE INDEX i ON a (n)")\n{B}\n'
        'op.execute(f"INSERT INTO b VALUES ({n})")',
        is_broken=True,
        query="SELECT n FROM b",
    ),
    "an event that is gone when it has happened": Case(
        [A],
        f'op.execute("CREATE EVENT e ON SCHEDULE AT CURRENT_TIMESTAMP DO {ONE}")',
        Kill("after", words="CREATE EVENT"),
        can_continue=False,
    ),
    "an event that stays": Case(
        [A],
        f"op.execute(\"CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2037-12-31' DO {ONE}\")",
        Kill("after", words="CREATE EVENT"),
        query="SELECT COUNT(*) FROM information_schema.events WHERE event_schema = DATABASE()",
    ),
    "numbers of rows that were rolled back": Case(
        [],
        f'op.execute("{A}")\nop.execute("CREATE INDEX i ON a (n)")\nop.execute("{ONE}")\n'
        f'{B}\nop.execute("INSERT INTO b VALUES (1)")',
        Kill("after", words=ONE),
        query="SELECT a.id FROM a JOIN b ON a.id = b.n",
    ),
    "numbers of rows of the last table that were rolled back": Case(
        [],
        f'{B}\nop.execute("{A} AUTO_INCREMENT=50")\nop.execute("{ONE}")',
        is_broken=True,
        query="SELECT id FROM a",
        right=50,
    ),
    "numbers of rows that were committed": Case(
        [],
        f"op.execute('{A}')\nop.execute('{ONE}')\n{B}\nop.execute('DELETE FROM a')\n"
        f"op.execute('CREATE TABLE c (n INT)')\nop.execute('{ONE}')",
        Kill("after", words="CREATE TABLE c"),
        query="SELECT id FROM a",
        right=2,
    ),
    "numbers of a table that is gone again": Case(
        [],
        f'op.execute("{A}")\n{B}\nop.execute("DROP TABLE a")',
        Kill("after", words="DROP TABLE a"),
    ),
    "a refusal that the revision catches": Case(
        [A, ONE],
        'changed = bind.execute(text("UPDATE a SET n = 2"))\n'
        f"{B}\ntry:\n    n = changed.rowcount\nexcept Exception:\n    n = -1\n"
        'op.execute(f"INSERT INTO b VALUES ({n})")',
        is_broken=True,
        query="SELECT n FROM b",
        can_continue=False,
    ),
    "an edit where the revision catches the refusal": Case(
        [A],
        "try:\n    op.execute('ALTER TABLE a ADD COLUMN x BIGINT')\nexcept Exception:\n    pass",
        earlier="op.execute('ALTER TABLE a ADD COLUMN x INT')",
        is_broken=True,
        query="SELECT COUNT(*) FROM information_schema.columns WHERE column_name = 'x'"
        " AND data_type = 'bigint' AND table_schema = DATABASE()",
        can_continue=False,
    ),
    "the last number, in a trigger": Case(
        [A, LOG, "CREATE TRIGGER w BEFORE INSERT ON log FOR EACH ROW SET NEW.n = LAST_INSERT_ID()"],
        f'op.execute("{ONE}")\n{B}\nop.execute("INSERT INTO log VALUES (0)")',
        is_broken=True,
        query="SELECT n FROM log",
        can_continue=False,
    ),
    "a rollback that is new": Case(
        [A],
        f'op.execute("{ONE}")\nop.execute("ROLLBACK")\n{B}',
        earlier=f'op.execute("{ONE}")\n{B}',
        is_broken=True,
        query=COUNT,
        right=0,
        can_continue=False,
    ),
    "a backfill that is new": Case(
        [A, ONE],
        f"{BACKFILL}\n{B}",
        earlier=B,
        is_broken=True,
        query=N,
        right=7,
        can_continue=False,
    ),
    "a backfill that is edited": Case(
        [A, ONE],
        f"{BACKFILL}\n{B}",
        earlier=f"{BACKFILL}\n{B}".replace("n=7", "n=8"),
        is_broken=True,
        query=N,
        right=7,
        can_continue=False,
    ),
    "a backfill that is gone": Case(
        [A, ONE], B, earlier=f"{B}\n{BACKFILL}", is_broken=True, query=N, can_continue=False
    ),
    "a backfill that is done": Case(
        [A, ONE],
        f"{BACKFILL}\nop.execute('UPDATE a SET n = 1')",
        is_broken=True,
        query=N,
    ),
    "a query before a backfill": Case(
        [A, ONE],
        f'n = bind.scalar(text("{N}"))\n{BACKFILL}\n{B}\n'
        'op.execute(f"INSERT INTO b VALUES ({n})")',
        is_broken=True,
        query="SELECT n FROM b",
        can_continue=False,
    ),
    "the driver's own connection": Case(
        [A],
        f'bind.connection.cursor().execute("{ONE}")\n{B}',
        is_broken=True,
        query=COUNT,
        can_continue=False,
    ),
    "another one of the driver's own": Case(
        [A],
        f'raw = bind.engine.raw_connection()\nraw.cursor().execute("{ONE}")\nraw.commit()\n'
        f"raw.close()\n{B}",
        is_broken=True,
        query=COUNT,
        can_continue=False,
    ),
    "a column that takes the place of another": Case(
        ["CREATE TABLE a (id INT PRIMARY KEY, x INT, y INT)", "INSERT INTO a VALUES (1, 2, 3)"],
        'op.execute("ALTER TABLE a DROP COLUMN x, CHANGE y x INT, ADD COLUMN y INT")',
        Kill("after", words="ALTER TABLE a"),
        query="SELECT x FROM a",
        right=3,
        can_continue=False,
    ),
    "a variable that a change of rows sets": Case(
        [A, ONE],
        'op.execute("SET @m = 5")\nop.execute("UPDATE a SET n = (@m := 6)")\n'
        f'{B}\nop.execute("INSERT INTO b (n) VALUES (@m)")',
        is_broken=True,
        query="SELECT n FROM b",
        right=6,
        can_continue=False,
    ),
    "a variable that a new table sets": Case(
        [A, ONE],
        'op.execute("SET @m = 5")\nop.execute("CREATE TABLE c AS SELECT @m := 6 AS n")\n'
        f'{B}\nop.execute("INSERT INTO b (n) VALUES (@m)")',
        is_broken=True,
        query="SELECT n FROM b",
        right=6,
        can_continue=False,
    ),
    "a procedure that rolls back": Case(
        [A, ONE, "CREATE PROCEDURE p() BEGIN ROLLBACK; UPDATE a SET n = n + 1; COMMIT; END"],
        'op.execute("CALL p()")',
        Kill("after", words="CALL p()"),
        query="SELECT n FROM a",
        right=2,
        can_continue=False,
    ),
    "a transaction of two phases": Case(
        [A, ONE],
        """op.execute("COMMIT")
op.execute("XA START 'x'")
op.execute("UPDATE a SET n = n + 1")
op.execute("XA END 'x'")
op.execute("XA COMMIT 'x' ONE PHASE")""",
        Kill("after", words="XA COMMIT"),
        query="SELECT n FROM a",
        right=2,
        can_continue=False,
    ),
    "two phases after a statement that has run": Case(
        [A, ONE],
        """op.execute("CREATE TABLE c (n INT)")
op.execute("CREATE TABLE d (n INT)")
op.execute("COMMIT")
op.execute("XA START 'x'")
op.execute("UPDATE a SET n = n + 1")
op.execute("XA END 'x'")
op.execute("XA COMMIT 'x' ONE PHASE")""",
        Kill("after", words="CREATE TABLE d"),
        query="SELECT n FROM a",
        right=2,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_statement_counts_once(case: Case, services: Callable[[], Service]) -> None:
    """Each case ends as it should without an interruption, and with one is never wrong."""
    undisturbed, interrupted = services(), services()
    if case.kill and case.kill.way == "server" and not interrupted.machine.can_be_killed:
        pytest.skip("The case kills its server, and the tests have not started this one.")
    for service in (undisturbed, interrupted):
        service.run(*case.before)
        service.write(case.body)
    if undisturbed.upgrade(settings(undisturbed)) != 0:
        stock = services()
        stock.run(*case.before)
        stock.write(case.body)
        skip_what_is_forbidden(stock, stock.upgrade(None))
        raise AssertionError(undisturbed.log.read_text())
    assert undisturbed.scalar(case.query) == case.right

    if case.is_broken:
        interrupted.write(f'{case.earlier or case.body}\nop.execute("nonsense")')
    if case.is_broken or case.kill:
        assert interrupted.upgrade(settings(interrupted), case.kill) != 0
        interrupted.machine.recover()
    interrupted.write(case.body)
    is_done = finish(interrupted)

    assert is_done == case.can_continue
    if is_done:
        assert interrupted.state() == undisturbed.state()
        assert interrupted.scalar(case.query) == case.right


ADDS_WHAT_IS_MISSING = """
if "n" not in {column["name"] for column in sa.inspect(bind).get_columns("a")}:
    op.add_column("a", sa.Column("n", sa.Integer))
if "m" not in {column["name"] for column in sa.inspect(bind).get_columns("a")}:
    op.add_column("a", sa.Column("m", sa.Integer))
"""


@pytest.mark.parametrize("is_repeatable", [True, False])
def test_a_repeatable_revision_runs_again(
    is_repeatable: bool, services: Callable[[], Service]
) -> None:
    """Its author has said so; without that it is refused, and the refusal says how to do that."""
    service = services()
    service.run("CREATE TABLE a (id INT PRIMARY KEY)")
    service.write(ADDS_WHAT_IS_MISSING, "repeatable = True" if is_repeatable else "")
    assert service.upgrade(settings(service), Kill("after", words="ADD COLUMN n")) != 0

    assert finish(service) == is_repeatable
    service.write(ADDS_WHAT_IS_MISSING, "repeatable = True")
    assert finish(service)
    assert (
        service.scalar(
            "SELECT COUNT(*) FROM information_schema.columns WHERE"
            " table_schema = DATABASE() AND table_name = 'a'"
        )
        == 3
    )


def test_a_revision_that_copies_each_table(services: Callable[[], Service]) -> None:
    """It sees none that stock Alembic does not have."""
    stock, guarded = services(), services()
    for service in (stock, guarded):
        service.run(A)
        service.write("""
            op.execute("CREATE TABLE b (id INT PRIMARY KEY)")
            metadata = sa.MetaData()
            metadata.reflect(op.get_bind())
            for name in sorted({*metadata.tables, *sa.inspect(op.get_bind()).get_table_names()}):
                op.create_table(f"shadow_{name}", sa.Column("id", sa.Integer))
        """)
    assert stock.upgrade(None) == 0, stock.log.read_text()
    assert guarded.upgrade(settings(guarded)) == 0, guarded.log.read_text()

    assert guarded.state() == stock.state()


def test_without_an_entry_there_is_no_statement(services: Callable[[], Service]) -> None:
    """Where a rollback undoes nothing, a journal that cannot be written stops the revision."""
    service = services()
    service.run(f"{A} ENGINE=MyISAM", ONE)
    service.write('op.execute("UPDATE a SET n = n + 1")')

    name, password, server = f"single_{token_hex(8)}", token_urlsafe(), service.machine.server
    server.create_user(name, password, str(service.url.database))
    try:
        service.run(f"ALTER USER {name}@'%' WITH MAX_USER_CONNECTIONS 1")
        alone = replace(service, url=service.url.set(username=name, password=password))
        assert alone.upgrade(settings(alone)) == 1
    finally:
        server.drop_user(name)
    assert "max_user_connections" in service.log.read_text()
    assert service.scalar("SELECT n FROM a") == 1
    assert service.upgrade(settings(service)) == 0, service.log.read_text()
    assert service.scalar("SELECT n FROM a") == 2


def compose_interruption(seed: int, backend: str) -> tuple[Composed, Kill | int]:
    """Return a revision, and how it is killed or after which of its pieces it fails."""
    random = Random(seed)
    revision = compose(random, backend)
    way = random.choice(WAYS)
    if way == "mended":
        return revision, random.randint(0, len(revision.pieces))
    return revision, Kill(way, random.randint(8, 60), random.random() * 0.03)


def check(seed: int, services: Callable[[], Service]) -> None:
    """Compare a revision composed at random with stock Alembic, undisturbed and interrupted."""
    stock, undisturbed, interrupted = services(), services(), services()
    backend = stock.machine.backend
    revision, interruption = compose_interruption(seed, backend)
    for service in (stock, undisturbed, interrupted):
        service.run(*prepare(backend))
        service.write(revision.body)
    about = f"seed {seed}, {interruption}:\n{revision.body}\n"
    code = stock.upgrade(None)
    skip_what_is_forbidden(stock, code)
    assert code == 0, about + stock.log.read_text()
    expected = stock.state()
    assert undisturbed.upgrade(settings(undisturbed)) == 0, about + undisturbed.log.read_text()
    assert undisturbed.state() == expected, about

    if isinstance(interruption, Kill):
        if interruption.way == "server" and not interrupted.machine.can_be_killed:
            interruption = replace(interruption, way="sent")
        interrupted.upgrade(settings(interrupted), interruption)
        interrupted.machine.recover()
    else:
        interrupted.write(revision.broken(interruption))
        assert interrupted.upgrade(settings(interrupted)) == 1, about
        interrupted.write(revision.body)
    if finish(interrupted):
        assert interrupted.state() == expected, about


@pytest.mark.parametrize("seed", range(SLICE))
def test_some_interrupted_revisions(seed: int, services: Callable[[], Service]) -> None:
    check(seed, services)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(SLICE, SWEPT))
def test_interrupted_revisions(seed: int, services: Callable[[], Service]) -> None:
    check(seed, services)


@pytest.mark.parametrize("backend", ["mariadb", "mysql"])
def test_every_kind_is_composed(backend: str) -> None:
    """Each kind of statement is in many revisions of the sweep, and each is interrupted often."""
    composed = [compose_interruption(seed, backend) for seed in range(SWEPT)]
    kinds = Counter(
        kind
        for revision, _ in composed
        for kind, expression in KINDS.items()
        if re.search(expression, revision.body)
    )
    ways = Counter(cut.way if isinstance(cut, Kill) else "mended" for _, cut in composed)

    assert not [kind for kind in KINDS if kinds[kind] < 15]
    assert min(ways[way] for way in WAYS) > 100
