"""Services that take over a database which is older than they are."""

import json
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest
from conftest import Scratch
from drivers import text_of
from legacy import dump, execute, family, load, revisions, rows
from matrix import ASYNC, PROGRAMS, SERVED, SETUPS, Setup, setups
from project import Project, get
from servers import Server
from sqlalchemy import URL

pytestmark = pytest.mark.slow

# Beside one set-up of each program, an async one on the program that has most.
USUAL = {(setup, "hard") for setup in PROGRAMS} | {(setup, "chinook") for setup in PROGRAMS[:1]}
USUAL |= {(setup, "chinook") for setup in ASYNC if setup.backend.name == "postgresql"}
CASES = [
    pytest.param(*case, id=f"{case[0]}-{case[1]}", marks=() if case in USUAL else pytest.mark.sweep)
    for case in product(SETUPS, ("hard", "chinook"))
    # This driver takes %s in a default for a parameter; docs/adopting.md says so.
    if (case[0].driver.name, case[1]) != ("mariadbconnector", "hard")
]
POSTGRESQL = [setup for setup in PROGRAMS if setup.backend.name == "postgresql"]

# Says of several steps what each raises, or finds.
CLAIMS = """
import asyncio, json, os
from alembic import command
from alembic.config import Config
from my_service.db.engine import make_engine
from alembic_guardrails import run_with_connection
from alembic_guardrails.commands.drift import drift
from alembic_guardrails.commands.verify import verify
from alembic_guardrails import snapshot
from my_service.models import Base
from my_service.db.driver import DRIVER
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

urls = json.load(open("urls.json", encoding="utf-8"))
said = {}


def step(name, database, work, *arguments):
    os.environ["DATABASE_URL"] = urls[database]
    try:
        said[name] = work(*arguments)
    except Exception as error:
        said[name] = f"{type(error).__name__}: {error}"


def alembic(work, *arguments):
    code = work(Config("alembic.ini"), *arguments)
    return f"exit code {code}" if code else ""


def look():
    return run_with_connection(DRIVER.parse_url(os.environ["DATABASE_URL"]), snapshot)


def query():
    engine = make_engine(DRIVER.parse_url(os.environ["DATABASE_URL"]), 1)
    if not engine.dialect.is_async:
        with Session(engine) as session:
            return read(session)

    async def run():
        from sqlalchemy.ext.asyncio import AsyncSession

        async with AsyncSession(engine) as session:
            found = await session.run_sync(read)
        await engine.dispose()
        return found

    return asyncio.run(run())


def read(session):
    for table in Base.metadata.tables.values():
        if table.columns:
            session.execute(select(table)).all()
    return {
        f"{mapper.class_.__name__}.{name}": sum(
            bool(getattr(row, name))
            for row in session.scalars(
                select(mapper.class_).options(selectinload(getattr(mapper.class_, name)))
            )
        )
        for mapper in Base.registry.mappers
        for name in mapper.relationships.keys()
    }


step("check", "live", alembic, command.check)
step("drift", "live", alembic, drift)
step("verify", "live", alembic, verify)
step("live", "live", look)
step("query", "live", query)
step("back", "live", alembic, command.downgrade, "base")
step("empty", "empty", look)
step("upgrade", "empty", alembic, command.upgrade, "head")
step("built", "empty", look)
step("downgrade", "empty", alembic, command.downgrade, "base")
step("left", "empty", look)
step("again", "empty", alembic, command.upgrade, "head")
step("rebuilt", "empty", look)
print()
print(json.dumps(said))
"""

# Says what each of several adoptions is refused for.
REFUSED = """
import json, os
from alembic.config import Config
from alembic.util import CommandError
from alembic_guardrails.commands.adopt import adopt

said = {}
for name, (url, options) in json.load(open("urls.json", encoding="utf-8")).items():
    os.environ["DATABASE_URL"] = url
    try:
        adopt(Config("alembic.ini"), **options)
        said[name] = "nothing"
    except CommandError as error:
        said[name] = str(error)
print()
print(json.dumps(said))
"""

GIFT = '''"""Gifts."""

from sqlalchemy.orm import Mapped, mapped_column

from my_service.db.base import Base


class Gift(Base):
    """What came after the adoption."""

    __tablename__ = "gifts"

    id: Mapped[int] = mapped_column(primary_key=True)
    weight: Mapped[int | None]
'''

# How often a run is killed.
MOMENTS = 8
REBUILD = """
from alembic import op


def upgrade() -> None:
    with op.batch_alter_table("visits", recreate="always"):
        pass


def downgrade() -> None:
    with op.batch_alter_table("visits", recreate="always"):
        pass
"""

# What a schema has lost or gained elsewhere, in Chinook, and how the difference is named.
CHANGES = {
    "postgresql": ("ALTER TABLE album ADD COLUMN rating integer", "column rating of table album"),
    "mysql": ("ALTER TABLE Album ADD COLUMN Rating integer", "column Rating of table Album"),
    "mariadb": ("ALTER TABLE Album ADD COLUMN Rating integer", "column Rating of table Album"),
    "sqlite": ("ALTER TABLE Album ADD COLUMN Rating integer", "column rating of table Album"),
}
CHINOOK = """
    Album Artist Customer Employee Genre Invoice InvoiceLine MediaType Playlist PlaylistTrack Track
""".split()


def named(name: str, setup: Setup) -> str:
    """A name of Chinook's as the database has it."""
    if setup.backend.name != "postgresql":
        return name
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


@pytest.fixture
def kind_of_service() -> dict[str, bool]:
    """For a database that has its tables already."""
    return {"existing_database": True}


def adopt(service: Project, *options: str) -> str:
    """Run the command; return what it prints."""
    return service.run("migrations", "adopt", *options)


def refusal(service: Project, *options: str) -> str:
    """Run the command, which has to fail with one sentence; return all that it prints."""
    command = ("migrations", "adopt", *options)
    with service.start(*command) as process:
        output, _ = process.communicate()
    assert process.returncode, output
    assert "Traceback" not in output
    assert len(re.findall(r"(?m)^ *FAILED: \S", output)) == 1, output
    return output


def files(service: Project) -> dict[str, bytes]:
    """What is in the service's folder, but for what tools keep there."""
    return {
        path.relative_to(service.path).as_posix(): path.read_bytes()
        for path in service.files
        if not re.search(r"/(__pycache__|\.\w+_cache)/", path.as_posix())
        and path.name != "urls.json"
    }


def claims(service: Project, live: URL, empty: URL) -> dict[str, str | dict[str, str]]:
    """What the steps of CLAIMS say."""
    urls = {"live": text_of(live), "empty": text_of(empty)}
    (service.path / "urls.json").write_text(json.dumps(urls), encoding="utf-8")
    said: dict[str, str | dict[str, str]] = json.loads(
        service.run("python", "-c", CLAIMS).splitlines()[-1]
    )
    return said


def assert_same(one: str | dict[str, str], other: str | dict[str, str]) -> None:
    """Fail with what two schemas do not have in common, if there is anything."""
    assert isinstance(one, dict), one
    assert isinstance(other, dict), other
    names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    shown = "\n".join(f"{name}:\n  {one.get(name)}\n  {other.get(name)}" for name in names[:20])
    assert not names, f"{len(names)} differences\n{shown}"


def assert_no_password(service: Project, url: URL, *outputs: str) -> None:
    """Demand that the password is in the one file that git ignores."""
    if not url.password:
        return
    password = str(url.password)
    assert not any(password in output for output in outputs)
    found = [name for name, content in files(service).items() if password.encode() in content]
    assert set(found) <= {".env"}


@pytest.mark.parametrize(("setup", "schema"), CASES)
def test_a_database_becomes_an_ordinary_one(
    service: Project,
    setup: Setup,
    schema: str,
    database: URL,
    scratch: Scratch,
    subtests: pytest.Subtests,
    mypy_cache: Path,
) -> None:
    """One adoption, and all that has to be true after it; in the ordinary run, once per program."""
    small = schema == "chinook"
    whole = (setup, schema) not in USUAL or (setup in PROGRAMS and not small)
    load(database, schema)
    before, rendered = dump(database), files(service)
    assert "migrations/versions/0001_initial.py" not in rendered

    if small:
        shown = adopt(service, "--dry-run")
        with subtests.test("before it there is nothing to test"):
            nothing = "ERROR: There is no revision yet: "
            assert nothing in service.run("pytest", "-q", check=False)
        with subtests.test("a dry run changes nothing"):
            assert files(service) == rendered
            assert revisions(database) == []
            assert dump(database) == before
            assert named("InvoiceLine", setup) in shown

    output = adopt(service)
    adopted = files(service)

    with subtests.test("what it makes"):
        assert revisions(database) == ["0001"]
        assert adopted.keys() > rendered.keys()
        assert b'\nrevision: str = "0001"\n' in adopted["migrations/versions/0001_baseline.py"]
        assert "migrations/ignore.txt" in adopted
        changed = {name for name in rendered if adopted[name] != rendered[name]}
        assert changed <= {
            "docs/models.md",
            "migrations/ignore.txt",
            "migrations/versions/history.txt",
        }
    if not small and setup not in SERVED:
        with subtests.test("what becomes of rows whose parents go"):
            visits = adopted[f"src/{service.package}/models/visit.py"].decode()
            assert 'ondelete="CASCADE", onupdate="SET NULL"' in visits
    with subtests.test("nothing else changes in the database"):
        assert dump(database) == before
    with subtests.test("it says what it took over"):
        if small:
            assert not [table for table in CHINOOK if named(table, setup) not in output]
    with subtests.test("the password stays where it was"):
        assert_no_password(service, database, output)

    said = claims(service, database, scratch(setup))
    for name in ("check", "drift", "verify", "upgrade", "downgrade", "again"):
        with subtests.test(name):
            assert said[name] == ""
    with subtests.test("the baseline builds the same"):
        assert_same(said["live"], said["built"])
    with subtests.test("its downgrade leaves nothing"):
        assert_same(said["empty"], said["left"])
    with subtests.test("twice is once"):
        assert_same(said["built"], said["rebuilt"])
    with subtests.test("no way back over rows"):
        assert said["back"]
        assert revisions(database) == ["0001"]
        assert dump(database) == before
    with subtests.test("queries through relationships"):
        related = said["query"]
        assert isinstance(related, dict), related
        assert len(related) > 10
        if small:
            assert all(related.values()), related
        assert any(related.values())

    with subtests.test("check says nothing else"):
        assert noise(service) == []
    with subtests.test("ruff"):
        service.run("ruff", "check")
        service.run("ruff", "format", "--check")
    if small:
        with subtests.test("a second run is refused"):
            assert "0001" in refusal(service)
            assert files(service) == adopted
        with subtests.test("production"):
            follow(service, setup, scratch)
            assert files(service) == adopted
    if not whole:
        return

    with subtests.test("what comes next is only what is new"):
        assert_only_what_is_new(service, database)
    with subtests.test("its tests"):
        assert re.search(r"\d+ passed", service.test())
    if setup not in SERVED and not small:
        with subtests.test("a rebuild keeps what becomes of rows whose parents go"):
            service.run("alembic", "revision", "--message=net")
            [path] = (service.path / "migrations" / "versions").glob("*_net.py")
            head, _, _ = path.read_text(encoding="utf-8").partition("def upgrade")
            path.write_text(head + REBUILD, encoding="utf-8")
            service.run("migrations", "repair")
            service.alembic("upgrade head", "downgrade -1", "upgrade head", "check")
            with closing(sqlite3.connect(str(database.database))) as connection:
                [key] = connection.execute("PRAGMA foreign_key_list(visits)").fetchall()
            assert key[5:7] == ("SET NULL", "CASCADE")
        with subtests.test("what was found stays so when it is squashed"):
            service.git("init", "--quiet", "--initial-branch=main")
            service.commit()
            service.run("migrations", "squash", "head")
            [path] = (service.path / "migrations" / "versions").glob("*.py")
            assert "\nwas_found: bool = True\n" in path.read_text(encoding="utf-8")
            assert "    require_empty_tables(DROP)\n" in path.read_text(encoding="utf-8")
            assert re.search(r"\d+ passed", service.test("tests/test_migrations.py"))
    if (setup, schema) in USUAL and setup not in POSTGRESQL:
        return
    with subtests.test("mypy"):
        service.run("mypy", f"--cache-dir={mypy_cache}")
    with subtests.test("it serves"), service.serving() as address:
        assert get(f"{address}/health/ready")[0] == 200


def follow(service: Project, setup: Setup, scratch: Scratch) -> None:
    """Adopt another environment's database with the same files, and one that differs."""
    production, other = scratch(setup), scratch(setup)
    for url in (production, other):
        load(url, "chinook")
    statement, difference = CHANGES[family(other)]
    execute(other, [statement])
    before = dump(production), dump(other)

    service.environment["DATABASE_URL"] = text_of(other)
    output = refusal(service)
    assert difference in output
    assert revisions(other) == []
    service.environment["DATABASE_URL"] = text_of(production)
    said = service.run("alembic", "upgrade", "head", check=False)
    assert re.search(r"(?m)^ *FAILED: .* would create. Run `migrations adopt`", said)
    assert "Traceback" not in said
    assert revisions(production) == []
    adopt(service)
    assert revisions(production) == ["0001"]
    assert (dump(production), dump(other)) == before
    assert "FAILED" not in service.run("migrations", "drift")
    del service.environment["DATABASE_URL"]


def assert_only_what_is_new(service: Project, database: URL) -> None:
    """Add a model, and a table of others: autogenerate sees the first alone."""
    execute(database, ["CREATE TABLE jobs_of_others (id integer PRIMARY KEY, job varchar(10))"])
    model = service.path / "src" / service.package / "models" / "gift.py"
    model.write_text(GIFT, encoding="utf-8")

    service.run("alembic", "revision", "--autogenerate", "--message=gifts")

    versions = service.path / "migrations" / "versions"
    [path] = [path for path in versions.glob("*.py") if path.name != "0001_baseline.py"]
    text = path.read_text(encoding="utf-8")
    operations = re.findall(r"\b(?:op|batch_op|batch)\.(?!f\()(\w+)", text)
    assert operations == ["create_table", "drop_table"], text
    assert "jobs_of_others" not in text
    with (service.path / "migrations" / "ignore.txt").open("a", encoding="utf-8") as others:
        print("table jobs_of_others", file=others)
    service.alembic("upgrade head", "check")
    service.run("migrations", "drift")


@pytest.mark.parametrize("setup", setups(POSTGRESQL, pytest.mark.sweep, among=PROGRAMS))
def test_what_is_left_to_others(
    service: Project, setup: Setup, database: URL, subtests: pytest.Subtests
) -> None:
    """Limited to some tables; the others stay as they are, and nobody asks for them again."""
    load(database, "chinook")
    statements = ["CREATE TABLE spatial_ref_sys (srid integer PRIMARY KEY, text varchar(20))"]
    options = [f"--table={named(table, setup)}" for table in CHINOOK]
    left = ["spatial_ref_sys"]
    if setup.backend.name == "postgresql":
        statements += ["CREATE SCHEMA queue", "CREATE TABLE queue.jobs (id serial PRIMARY KEY)"]
        options += ["--schema=public"]
        left += ["queue"]
    execute(database, statements)
    before = dump(database)

    output = adopt(service, *options)

    assert dump(database) == before
    others = service.text("migrations/ignore.txt")
    models = [text for name, text in files(service).items() if "/models/" in name]
    revision = service.text("migrations/versions/0001_baseline.py")
    for name in left:
        with subtests.test(name):
            assert name in output
            assert re.search(rf"(?m)^[^#\n]*{name}", others), others
            assert not any(name.encode() in text for text in models)
            assert name not in revision
    with subtests.test("check"):
        service.run("alembic", "check")
    with subtests.test("drift"):
        service.run("migrations", "drift")
    with subtests.test("its tests"):
        assert re.search(r"\d+ passed", service.test())


# What a line of `alembic check` says that found nothing.
QUIET = re.compile(r"INFO .*|No new upgrade operations detected\.|")
# In the URL of a database, so that its sessions forbid dates that it has.
STRICT = "SET sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE'"


def noise(service: Project) -> list[str]:
    """What `alembic check` says beside that there is nothing to do."""
    lines = service.run("alembic", "check").splitlines()
    return [line for line in lines if not QUIET.fullmatch(line)]


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_what_is_odd(
    service: Project, setup: Setup, database: URL, subtests: pytest.Subtests
) -> None:
    """What the old database has and new ones would not have is kept, named, and in nobody's way."""
    load(database, "odd")
    if family(database) == "mariadb":
        url = text_of(database.update_query_dict({"init_command": STRICT}))
        service.environment["DATABASE_URL"] = url
    before = dump(database)

    output = adopt(service)

    assert dump(database) == before
    with subtests.test("check"):
        assert noise(service) == []
    with subtests.test("drift"):
        service.run("migrations", "drift")
    with subtests.test("two foreign keys are no link"):
        assert "class Command" in output
    with subtests.test("what is named"):
        for name, reason in NAMED[family(database)].items():
            assert re.search(rf"(?m)^{name} *{reason}$", output), output
    with subtests.test("what models say"):
        for name, part in SAID[family(database)].items():
            assert part in service.text(f"src/{service.package}/models/{name}.py")
    with subtests.test("a column is added"):
        for name in ("post", "remark"):
            path = service.path / "src" / service.package / "models" / f"{name}.py"
            if path.exists():
                text = path.read_text(encoding="utf-8")
                text = text.replace("    author: ", "    added: Mapped[int | None]\n    author: ")
                path.write_text(text, encoding="utf-8")
        service.run("alembic", "revision", "--autogenerate", "--message=added")
        service.alembic("upgrade head", "check", "downgrade -1", "upgrade head")
        service.run("migrations", "drift")
    with subtests.test("its tests"):
        assert re.search(r"\d+ passed", service.test())


EXTENSION = "part of the extension vector"
NAMED = {
    "postgresql": {
        "table reference_systems": EXTENSION,
        "type vector": EXTENSION,
        "table measures_new inherits from table measures: .* has its rows, too": "",
    },
    "mariadb": {
        "index unused on table sales is one that the optimizer ignores": "",
        "index largest on table sales has a comment": "",
    },
    "mysql": {
        "index unused on table sales is one that the optimizer ignores": "",
        "index largest on table sales has a comment": "",
    },
    "sqlite": {"setting user_version": "SQL in the baseline revision"},
}
SAID = {
    "postgresql": {"command": "operation_id: Mapped[int]"},
    "mariadb": {
        "sale": 'Index("newest", Sale.day.desc(), Sale.amount)',
        "log": 'Index("newest", log.c["day"].desc())',
    },
    "mysql": {
        "sale": 'Index("newest", Sale.day.desc(), Sale.amount)',
        "log": 'Index("newest", log.c["day"].desc())',
    },
    "sqlite": {"command": "sqlite_where"},
}


@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_what_is_refused(
    service: Project,
    setup: Setup,
    scratch: Scratch,
    server: Callable[[str], Server],
    subtests: pytest.Subtests,
) -> None:
    """Each time with one sentence, and nothing is written; afterwards it works."""
    rendered = files(service)
    empty, versioned, mine = scratch(setup), scratch(setup), scratch(setup)
    load(versioned, "chinook")
    version = "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)"
    execute(versioned, [version, "INSERT INTO alembic_version VALUES ('f00')"])
    cases: dict[str, tuple[URL, dict[str, object], str]] = {
        "no tables": (empty, {}, "no table"),
        "a version": (versioned, {}, "f00"),
        "a version, dry run": (versioned, {"dry_run": True}, "f00"),
        "no such table": (mine, {"only_tables": ["nothing"]}, "no table"),
    }
    if setup in SERVED:
        machine, name = server(setup.backend.name), str(mine.database)
        machine.create_user(name, "s3cret", name)
        limited = mine.set(username=name, password="s3cret")
        load(limited, "chinook")
        unreadable = "cannot be (reached|read)"
        cases["no temporary database"] = limited, {}, "No temporary database can be created"
        cases["a wrong password"] = limited.set(password="s3cret2"), {}, unreadable
        cases["unreachable"] = limited.set(port=1), {}, unreadable
    else:
        load(mine, "chinook")
    before = dump(mine)
    runs = {case: (text_of(url), options) for case, (url, options, _) in cases.items()}
    (service.path / "urls.json").write_text(json.dumps(runs), encoding="utf-8")

    output = service.run("python", "-c", REFUSED)

    said = json.loads(output.splitlines()[-1])
    for case, (_, _, words) in cases.items():
        with subtests.test(case):
            assert re.search(words, said[case]), said
            assert len(said[case].splitlines()) == 1
    assert files(service) == rendered
    assert revisions(versioned) == ["f00"]
    assert_no_password(service, mine, output)
    assert "s3cret" not in output
    service.environment["DATABASE_URL"] = text_of(mine)
    adopt(service)
    assert revisions(mine) == ["0001"]
    assert dump(mine) == before
    if setup in SERVED:
        machine.drop_database(name)
        machine.drop_user(name)


@pytest.mark.sweep
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=lambda end: end.name)
@pytest.mark.parametrize("setup", PROGRAMS, ids=str)
def test_killed_at_any_moment(
    service: Project, setup: Setup, end: signal.Signals, database: URL, scratch: Scratch
) -> None:
    """The revision comes after all other files, the stamp after the revision; a repeat finishes."""
    load(database, "chinook")
    before, rendered = dump(database), files(service)
    trial = scratch(setup)
    load(trial, "chinook")
    service.environment["DATABASE_URL"] = text_of(trial)
    start = time.monotonic()
    adopt(service)
    whole = time.monotonic() - start
    adopted = files(service)
    del service.environment["DATABASE_URL"]

    for moment in range(MOMENTS):
        restore(service, rendered)
        command = ("migrations", "adopt")
        with service.start(*command) as process:
            time.sleep(whole * (0.6 + 0.5 * moment / MOMENTS))
            process.send_signal(end)
            process.communicate(timeout=60)
        left = files(service)
        assert left.keys() <= adopted.keys()
        assert dump(database) == before
        if end is signal.SIGINT:
            assert not databases_beside(database)
        if revisions(database):
            assert left == adopted
            execute(database, ["DROP TABLE alembic_version"])

        adopt(service)
        assert files(service) == adopted
        assert revisions(database) == ["0001"]
        execute(database, ["DROP TABLE alembic_version"])


def databases_beside(url: URL) -> list[str]:
    """What was made next to a database, to try things on."""
    query = {
        "postgresql": "SELECT datname FROM pg_database",
        "mysql": "SHOW DATABASES",
        "mariadb": "SHOW DATABASES",
    }
    names = rows(url, query[family(url)]) if family(url) in query else []
    return [name for (name,) in names if name.startswith(f"{url.database}_")]


def restore(service: Project, content: dict[str, bytes]) -> None:
    """Put the service's files back."""
    for name in files(service).keys() - content.keys():
        (service.path / name).unlink()
    for name, text in content.items():
        (service.path / name).write_bytes(text)


def many_tables(count: int) -> Iterable[str]:
    """Tables of a large old application: columns, keys, indexes, checks, comments."""
    for number in range(count):
        columns = "".join(f"value_{size} varchar({size + 10}) DEFAULT 'x', " for size in range(10))
        parent = f"REFERENCES table_{number // 2}" if number else ""
        yield (
            f"CREATE TABLE table_{number} (id bigserial PRIMARY KEY, parent_id bigint {parent}, "
            f"{columns} amount numeric(10, 2) NOT NULL CHECK (amount >= 0), "
            f"made_at timestamptz DEFAULT now(), UNIQUE (value_1, value_2))"
        )
        yield f"CREATE INDEX ON table_{number} (parent_id, made_at DESC)"
        yield f"COMMENT ON TABLE table_{number} IS 'Number {number}'"


@pytest.mark.sweep
@pytest.mark.parametrize("setup", POSTGRESQL, ids=str)
def test_five_hundred_tables(service: Project, database: URL) -> None:
    execute(database, many_tables(500))
    before = dump(database)

    start = time.monotonic()
    adopt(service)
    print(f"500 tables adopted in {time.monotonic() - start:.0f} s")

    assert revisions(database) == ["0001"]
    assert dump(database) == before
    service.run("alembic", "check")
    service.run("migrations", "drift")
