"""The recipes of a service's docs/migrations.md: what they say is done, on a real database.

Each starts at the first revision, over rows, and what it did to them is compared. In the document,
`sh` is run, `diff` changes a file, `python` is a file or the body of a revision, `sql` is executed.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import Render, Scratch
from drivers import text_of
from matrix import DISTINCT, FIRST, SERVED, Setup, setups
from project import PYTHON, SCRIPTS, CommandFailed, Project

pytestmark = pytest.mark.slow

MODULE = "migrations"
# What connects the tests themselves, whatever the service's driver is.
OURS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
FINISH = """
from alembic import command
from alembic.config import Config
from alembic_guardrails.commands.drift import drift
from alembic_guardrails.commands.lint import lint
from alembic_guardrails.commands.repair import repair
repair(Config("alembic.ini"))
lint(Config("alembic.ini"), "0001:")
command.check(Config("alembic.ini"))
drift(Config("alembic.ini"))
"""
Rows = dict[str, list[dict[str, Any]]]


@dataclass
class Block:
    """A block of code in the document: its language, whether it has to fail, and its text."""

    language: str
    stops: bool
    text: str


def read(document: str) -> dict[str, list[Block]]:
    """The recipes of a document by their titles, as blocks."""
    sections = re.split(r"(?m)^## (.+)\n", document)[1:]
    fence = re.compile(r"^```(\w+)( stops)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return {
        title: [Block(language, bool(stops), text) for language, stops, text in fence.findall(body)]
        for title, body in zip(sections[::2], sections[1::2], strict=True)
    }


@dataclass
class Reader:
    """Somebody who follows the document in a service's repository, on its database."""

    project: Project
    engine: sa.Engine
    recipes: dict[str, list[Block]] = field(default_factory=dict)

    def attempt(self, line: str) -> tuple[int, str]:
        """Run a line of shell; return its exit code and what it prints."""
        where, code, said = self.project, 0, ""
        for command in line.replace("uv run ", "").split(" && "):
            words = shlex.split(command)
            if words[0] == "cd":
                where = replace(where, path=(where.path / words[1]).resolve())
                continue
            is_own = words[0] in SCRIPTS or tuple(words[:2]) in PYTHON
            code, output = where.complete(*(words if is_own else ("sh", "-c", command)))
            said += output
            if code:
                break
        return code, said

    def run(self, line: str) -> str:
        """Run a line of shell; return what it prints."""
        code, said = self.attempt(line)
        if code:
            raise CommandFailed(f"{line}\n{said}")
        return said

    def fail(self, line: str) -> str:
        """Run a line of shell that has to fail; return what it prints."""
        code, said = self.attempt(line)
        assert code, said
        return said

    def follow(self, blocks: Sequence[Block]) -> str:
        """Do what blocks say; return what the last one printed."""
        said = ""
        for block in blocks:
            match block.language:
                case "sh" if block.stops:
                    *before, last = block.text.splitlines()
                    for line in before:
                        self.run(line)
                    said = self.fail(last)
                case "sh":
                    said = "".join(map(self.run, block.text.splitlines()))
                case "python":
                    self.write(block.text)
                case "diff":
                    self.edit(block.text)
                case "sql":
                    said = str(self.sql(block.text))
                case other:
                    raise AssertionError(f"nobody knows what to do with {other}")
        return said

    def write(self, text: str) -> None:
        """Write the file that a first line names: a revision keeps what Alembic wrote above."""
        first, _, body = text.partition("\n")
        name = first.removeprefix("# ")
        if "*" not in name:
            (self.project.path / name).write_text(body, encoding="utf-8")
            return
        [path] = self.project.path.glob(name)
        head = path.read_text(encoding="utf-8").partition("def upgrade")[0].rstrip()
        imported = r"(?s)\A((?:(?:import|from) [^(\n]*(?:\(.*?\))?\n|\n)*)(.*)"
        [(imports, rest)] = re.findall(imported, body)
        above = "from collections.abc import Sequence\n"
        head = head.replace(above, f"{above}\n{imports.rstrip()}\n")
        path.write_text(f"{head}\n\n\n{rest}", encoding="utf-8")
        self.run(f"ruff check --quiet --fix --select I {path} && ruff format --quiet {path}")
        assert rest.strip() in path.read_text(encoding="utf-8"), "the document's code is formatted"

    def edit(self, text: str) -> None:
        """Change a file: lines with a minus and those around become lines with a plus."""
        first, _, body = text.partition("\n")
        path = self.project.path / first.removeprefix("+++ ")
        content = path.read_text(encoding="utf-8")
        for hunk in body.split("@@\n"):
            lines = [line if line.strip() else f" {line}" for line in hunk.splitlines()]
            old, new = (
                "".join(f"{line[1:]}\n" for line in lines if line[0] in kept)
                for kept in (" -", " +")
            )
            if old:
                assert content.count(old) == 1, f"{path.name} lacks, or repeats:\n{old}"
                content = content.replace(old, new)
            else:
                content += new
        path.write_text(content, encoding="utf-8")

    def sql(self, statement: str, *values: dict[str, Any]) -> list[Any]:
        """Execute a statement; return its rows."""
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(statement), list(values) or None)
            return list(result.all()) if result.returns_rows else []

    def rows(self) -> Rows:
        """What is in the tables of the example."""
        query = "SELECT * FROM {} ORDER BY id"
        with self.engine.connect() as connection:
            return {
                name: [*map(dict, connection.execute(sa.text(query.format(name))).mappings())]
                for name in ("customers", "invoices")
            }

    def finish(self) -> None:
        """See that models, migrations and database agree, and that `lint` is content."""
        said = self.run(f"python -c {shlex.quote(FINISH)}")
        assert "Nothing unsafe" in said
        assert "No new upgrade operations" in said
        assert "The database is what the migrations make it" in said
        # As pre-commit does: Alembic imports more than each revision written by hand needs.
        self.run("ruff check --quiet --fix && ruff format --check --quiet")


COUNT = 1200  # more than a batch of a backfill
NAMES = ("Ada King Lovelace", "Plato", "Grace  Hopper", "Zoë Ω", "ends with a space ")


@pytest.fixture
def reader(
    render: Render,
    environment: Callable[[Setup], Path],
    setup: Setup,
    scratch: Scratch,
    tmp_path: Path,
) -> Reader:
    """The example service in a git repository, its database at the first revision, with rows."""
    url = scratch(setup)
    answers = {"project_name": "My Service", "include_example": True}
    project = render(**setup.answers(database_url=text_of(url), **answers))
    project.use(environment(setup))
    project.environment |= {"GIT_EDITOR": "true", "TEST_DATABASE_URL": text_of(url)}
    for name in ("AUTHOR", "COMMITTER"):
        project.environment |= {f"GIT_{name}_NAME": "Test", f"GIT_{name}_EMAIL": "t@example.com"}
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("First release")
    project.git("tag", "first")
    project.git("clone", "--quiet", "--bare", str(project.path), str(tmp_path / "upstream.git"))
    project.git("remote", "add", "origin", str(tmp_path / "upstream.git"))
    project.git("fetch", "--quiet", "origin")

    engine = sa.create_engine(
        url.set(drivername=OURS.get(url.drivername, url.drivername)), poolclass=sa.NullPool
    )
    reader = Reader(project, engine, read(project.text("docs/migrations.md")))
    reader.run("alembic upgrade 0001")
    reader.sql(
        "INSERT INTO customers (email, name) VALUES (:email, :name)",
        *(
            {"email": f"{number}@example.com", "name": NAMES[number % len(NAMES)]}
            for number in range(COUNT)
        ),
    )
    reader.sql(
        "INSERT INTO invoices (customer_id, number, amount, status)"
        " SELECT id, email, id, 'sent' FROM customers"
    )
    return reader


def without(rows: Rows, table: str, *columns: str) -> Rows:
    """Rows without some columns of a table."""
    kept = [{name: row[name] for name in row if name not in columns} for row in rows[table]]
    return rows | {table: kept}


@contextmanager
def there_and_back(reader: Reader) -> Iterator[None]:
    """Follow a recipe from the first revision; then go the way back, which has to lose nothing."""
    before = reader.rows()
    yield
    reader.finish()
    reader.run("alembic downgrade 0001")
    assert reader.rows() == before
    reader.project.git("reset", "--quiet", "--hard", "first")
    reader.project.git("clean", "--quiet", "-d", "--force")
    reader.project.git("update-ref", "refs/remotes/origin/main", "first")


ADD = """
from alembic_guardrails import run_with_connection
from my_service.models.customer import Customer
from my_service.settings import DatabaseSettings
from sqlalchemy.orm import Session
def add(connection):
    with Session(connection) as session:
        session.add(Customer(email={email!r}, name={name!r}))
        session.commit()
run_with_connection(DatabaseSettings().database_url, add)
"""
OLD_RELEASE = "INSERT INTO customers (email, name) VALUES (:email, :name)"


def add_customer(reader: Reader, email: str, name: str) -> None:
    """Add a customer as the release does whose code is there."""
    reader.run(f"python -c {shlex.quote(ADD.format(email=email, name=name))}")


def forget_customers(reader: Reader, *emails: str) -> None:
    """Delete customers that were added."""
    reader.sql(
        "DELETE FROM customers WHERE email = :email", *({"email": email} for email in emails)
    )


def release(reader: Reader) -> None:
    """Commit everything, as upstream's main branch has it from now on."""
    reader.run(f"{MODULE} repair")
    reader.project.commit()
    reader.project.git("update-ref", "refs/remotes/origin/main", "HEAD")


def add_a_model(reader: Reader, blocks: list[Block]) -> None:
    reader.follow(blocks)
    reader.sql("INSERT INTO notes (customer_id, text) VALUES (1, 'hello')")
    reviews = reader.recipes["Review a revision"]
    said = reader.follow(reviews[:1])
    assert "not released" not in said
    assert re.search("CREATE TABLE .?notes", said)
    assert "Nothing unsafe: 1 revision read, 1 released and left out" in said
    reader.sql("CREATE INDEX by_hand ON notes (text)")
    with pytest.raises(CommandFailed, match=r"Only in the database: .*by_hand"):
        reader.follow(reviews[1:])
    drop = "DROP INDEX by_hand" + (" ON notes" if "m" in reader.engine.dialect.name[:1] else "")
    reader.sql(drop)
    assert "The database is what" in reader.follow(reviews[1:])


def revert(reader: Reader, blocks: list[Block]) -> None:
    before = reader.rows()
    reader.follow(blocks[:2])
    reader.sql("UPDATE customers SET phone = id WHERE id <= 100")
    bad = reader.rows()
    reader.follow(blocks[2:4])
    assert reader.rows() == before
    reader.follow(blocks[4:5])
    reader.sql("UPDATE customers SET phone = 'new' WHERE id = 1")
    reader.follow(blocks[5:])
    bad["customers"][0]["phone"] = "new"
    assert reader.rows() == bad


def index(reader: Reader, blocks: list[Block]) -> None:
    """On PostgreSQL while a transaction keeps the build from its end, and others write; InnoDB says
    itself whether it stops writers."""
    reader.follow(blocks[:-1])
    if reader.engine.dialect.name != "postgresql":
        reader.follow(blocks[-1:])
        if reader.engine.dialect.name != "sqlite":
            online = "ALGORITHM = INPLACE, LOCK = NONE"
            reader.sql(f"ALTER TABLE invoices ADD INDEX probe (due_at), {online}")
            reader.sql("DROP INDEX probe ON invoices")
        return
    progress = "SELECT phase FROM pg_stat_progress_create_index"
    write = "UPDATE invoices SET amount = amount WHERE id > 1"
    failed: list[Exception] = []

    def upgrade() -> None:
        try:
            reader.follow(blocks[-1:])
        except Exception as error:
            failed.append(error)

    builder = Thread(target=upgrade)
    with reader.engine.connect() as other:
        other.execute(sa.text("UPDATE invoices SET amount = amount WHERE id = 1"))
        builder.start()
        while builder.is_alive() and not any("waiting" in name for (name,) in reader.sql(progress)):
            builder.join(0.05)
        with reader.engine.begin() as writer:
            writer.execute(sa.text("SET lock_timeout = '10s'"))
            assert writer.execute(sa.text(write)).rowcount == COUNT - 1
        invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
        assert reader.sql(invalid) == [("ix_invoices_due_at",)]
    builder.join()
    assert not failed
    assert reader.sql(invalid) == []


def add_required_columns(reader: Reader, blocks: list[Block]) -> None:
    before = reader.rows()
    reader.follow(blocks[:2])
    reader.sql(OLD_RELEASE, {"email": "old", "name": "Old"})
    assert {row["language"] for row in reader.rows()["customers"]} == {"en"}
    forget_customers(reader, "old")
    assert without(reader.rows(), "customers", "language") == before

    reader.follow(blocks[2:4])
    assert {row["issued_at"] for row in reader.rows()["invoices"]} == {None}
    assert "adding" not in (said := reader.follow(blocks[4:]))
    if reader.engine.dialect.name != "sqlite":
        assert f"invoices: {COUNT} of {COUNT} rows" in said
    after = reader.rows()
    assert all(row["issued_at"] == row["created_at"] for row in after["invoices"])
    assert without(after, "invoices", "issued_at")["invoices"] == before["invoices"]
    with pytest.raises(sa.exc.DBAPIError):
        reader.sql("UPDATE invoices SET issued_at = NULL")


def change_many_rows(reader: Reader, blocks: list[Block]) -> None:
    before = reader.rows()
    said = reader.follow(blocks)
    assert re.search(r"\b1 passed", said)
    expected = [row | {"number": f"INV-{row['number']}"} for row in before["invoices"]]
    assert reader.rows()["invoices"] == expected


def split(reader: Reader, blocks: list[Block]) -> None:
    before = {row["id"]: row["name"] for row in reader.rows()["customers"]}
    reader.follow(blocks[:2])
    reader.sql(OLD_RELEASE, {"email": "old", "name": "Old Release"})
    add_customer(reader, "new", "New Re lease")
    reader.follow(blocks[2:5])
    rows = reader.rows()["customers"]
    assert {row["id"]: row["name"] for row in rows}.items() >= before.items()
    parts = {row["email"]: (row["first_name"], row["last_name"]) for row in rows}
    assert parts["old"] == ("Old", "Release")
    assert parts["new"] == ("New", "Re lease")
    for row in rows:
        first, space, last = row["name"].partition(" ")
        assert parts[row["email"]] == (first, last if space else None)

    reader.follow(blocks[5:])
    add_customer(reader, "newer", "Newer")
    rows = reader.rows()["customers"]
    assert "name" not in rows[0]
    assert (rows[-1]["first_name"], rows[-1]["last_name"]) == ("Newer", None)
    forget_customers(reader, "old", "new", "newer")


def rename(reader: Reader, blocks: list[Block]) -> None:
    running = blocks[2:3]
    before = {row["id"]: row["name"] for row in reader.rows()["customers"]}

    def names() -> dict[str, tuple[str | None, str | None]]:
        rows = reader.rows()["customers"]
        return {row["email"]: (row.get("name"), row.get("full_name")) for row in rows}

    reader.follow(blocks[:2])
    add_customer(reader, "1", "one")
    reader.sql(OLD_RELEASE, {"email": "0", "name": "zero"})
    assert (names()["0"], names()["1"]) == (("zero", None), ("one", "one"))
    reader.sql("UPDATE customers SET name = 'One' WHERE email = '1'")
    reader.project.commit()
    assert re.search(r"\d+ passed", reader.follow(running))
    release(reader)

    reader.follow(blocks[3:7])
    assert all(name == full_name for name, full_name in names().values())
    add_customer(reader, "2", "two")
    assert names()["2"] == ("two", "two")
    release(reader)

    assert "No new upgrade operations" in reader.follow(blocks[7:9])
    add_customer(reader, "3", "three")
    assert names()["3"] == (None, "three")
    release(reader)

    reader.follow(blocks[9:])
    assert re.search(r"\d+ passed", reader.follow(running))
    after = {row["id"]: row["full_name"] for row in reader.rows()["customers"]}
    assert after.items() >= before.items()
    assert {email: names()[email] for email in "0123"} == {
        "0": (None, "zero"),
        "1": (None, "One"),
        "2": (None, "two"),
        "3": (None, "three"),
    }
    forget_customers(reader, *"0123")


def add_a_status(reader: Reader, blocks: list[Block]) -> None:
    void = "UPDATE invoices SET status = 'void' WHERE id = 1"
    with pytest.raises(sa.exc.DBAPIError):
        reader.sql(void)
    reader.follow(blocks)
    reader.sql(void)
    with pytest.raises(sa.exc.DBAPIError):
        reader.sql("UPDATE invoices SET status = 'vague' WHERE id = 1")
    reader.run("alembic downgrade -1")
    assert reader.rows()["invoices"][0]["status"] == "draft"
    reader.sql("UPDATE invoices SET status = 'sent' WHERE id = 1")
    reader.run("alembic upgrade head")


CHANGES: dict[str, Callable[[Reader, list[Block]], None]] = {
    "Add a model": add_a_model,
    "Revert a bad release": revert,
    "Add an index without stopping writes": index,
    "Add a NOT NULL column to a table with rows": add_required_columns,
    "Change many rows": change_many_rows,
    "Split a column into two": split,
    "Rename a column with zero downtime": rename,
    "Add a value to a status": add_a_status,
}


# What each database does in its own way.
OWN = (
    "Add an index without stopping writes",
    "Add a NOT NULL column to a table with rows",
    "Add a value to a status",
)


@pytest.mark.parametrize(
    ("setup", "titles"),
    [
        *(
            pytest.param(
                setup,
                CHANGES,
                id=f"{setup}-all",
                marks=() if setup is SERVED[0] else pytest.mark.sweep,
            )
            for setup in FIRST
        ),
        *(
            pytest.param(setup, OWN, id=f"{setup}-own")
            for setup in DISTINCT
            if setup is not SERVED[0]
        ),
    ],
)
def test_changes_of_the_schema(reader: Reader, titles: Iterable[str]) -> None:
    for title in titles:
        print(f"## {title}")
        with there_and_back(reader):
            CHANGES[title](reader, reader.recipes[title])


NIGHT = """# migrations/versions/*_unique_names.py
import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    op.add_column("customers", sa.Column("tier", sa.Integer()))
    op.create_index("ux_customers_name", "customers", ["name"], unique=True)


def downgrade() -> None:
    op.drop_index("ux_customers_name", "customers")
    with op.batch_alter_table("customers") as table:
        table.drop_column("tier")
"""
PHONE = """# migrations/versions/*_phone.py
import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    op.add_column("customers", sa.Column("phone", sa.String(30)))


def downgrade() -> None:
    op.drop_column("customers", "phone")
"""
# What needs other people, and what has a test of its own.
TEAM = ("Merge two branches that both made a revision", "Rebase a revision")
SQUASH = "Squash old revisions"
OTHERS = {*TEAM, "Fix a failed migration", "Review a revision", SQUASH}
# Who they are in the database's list of sessions, which the document shows.
MYSELF = {
    "postgresql": "SELECT pg_backend_pid()",
    "mysql": "SELECT connection_id()",
    "mariadb": "SELECT connection_id()",
}


@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep))
def test_a_failed_migration(reader: Reader) -> None:
    """A revision fails over rows that repeat, is mended in two ways, and meets a lock."""
    where, again, *sessions, by_hand = reader.recipes["Fix a failed migration"]
    reader.run('alembic revision -m "unique names"')
    reader.write(NIGHT)
    reader.run(f"{MODULE} repair")
    start, is_journaled = reader.rows(), reader.engine.dialect.name in ("mysql", "mariadb")

    def fail() -> None:
        said = reader.fail("alembic upgrade head")
        assert re.search("(?i)unique|duplicate", said)
        assert "0001\n" in reader.follow([where])
        assert ("tier" in reader.rows()["customers"][0]) == is_journaled
        assert without(reader.rows(), "customers", "tier") == start

    fail()
    reader.sql("UPDATE customers SET name = email")
    reader.follow([again])
    assert "tier" in reader.rows()["customers"][0]
    reader.run("alembic downgrade 0001")
    names = [{"id": row["id"], "name": row["name"]} for row in start["customers"]]
    reader.sql("UPDATE customers SET name = :name WHERE id = :id", *names)
    assert reader.rows() == start

    fail()
    if not is_journaled:
        reader.sql("ALTER TABLE customers ADD COLUMN tier INTEGER")
    reader.sql("UPDATE customers SET name = email")
    reader.sql("CREATE UNIQUE INDEX ux_customers_name ON customers (name)")
    assert "The database is what the migrations make it" in reader.follow([by_hand])
    reader.run("alembic downgrade 0001")

    for block in sessions:
        with reader.engine.connect() as other:
            [name] = other.execute(sa.text(MYSELF[reader.engine.dialect.name])).one()
            other.execute(sa.text("UPDATE customers SET name = name WHERE id = 1"))
            stuck = "env MIGRATION_WAIT=0.5 alembic upgrade head"
            assert "other sessions held a lock that it needs" in reader.fail(stuck)
            assert name in [row[0] for row in reader.sql(block.text)]
            text = reader.project.text("docs/migrations.md")
            [kill] = re.findall(r"end it with `(.*?<.*?>.*?)`", text)
            reader.sql(re.sub("<.*>", str(name), kill))
            other.invalidate()
        reader.follow([again])


@pytest.mark.parametrize("setup", FIRST[:1], ids=str)
@pytest.mark.parametrize(
    "way", ["Merge two branches that both made a revision", "Rebase a revision"]
)
def test_a_team(reader: Reader, way: str) -> None:
    """Two people made a revision each; the database of one of them has run it already."""
    git, before = reader.project.git, reader.rows()
    model, made = reader.recipes["Add a model"][0], reader.recipes["Revert a bad release"][:2]
    git("switch", "--quiet", "--create", "theirs")
    reader.follow([model])
    reader.run('alembic revision --autogenerate -m "notes"')
    reader.project.commit()
    git("push", "--quiet", "origin", "theirs:main")
    git("switch", "--quiet", "--create", "ours", "main")
    reader.follow(made)
    reader.project.commit()

    stops, mend, *rest = reader.recipes[way]
    assert "CONFLICT (content): Merge conflict in migrations/versions/history.txt" in reader.follow(
        [stops]
    )
    reader.follow([mend])
    with pytest.raises(CommandFailed, match=r"was moved, and is .* now\. It lacks") as failure:
        reader.run("alembic upgrade head")
    advice, *_ = re.findall("`(alembic upgrade (?!head).*?)`", str(failure.value))
    reader.run(advice)
    reader.follow(rest)

    assert not git("status", "--porcelain")
    assert "3 revisions" in reader.run(f"{MODULE} verify")
    reader.finish()
    assert without(reader.rows(), "customers", "phone") == before


@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep))
def test_squashing(reader: Reader) -> None:
    """The database of the reader is older than the revision that stays."""
    before = reader.rows()
    reader.follow(reader.recipes["Revert a bad release"][:1])
    reader.run('alembic revision --rev-id 0002 -m "phone"')
    reader.write(PHONE)
    reader.run(f"{MODULE} repair")
    release(reader)

    squash, stops, older = reader.recipes[SQUASH]
    assert "1 revision, head 0002, 1 released" in reader.follow([squash])
    assert "The database is at revision 0001, which 0002 replaces" in reader.follow([stops])
    reader.follow([older])

    assert without(reader.rows(), "customers", "phone") == before
    for command in ("alembic check", f"{MODULE} drift", f"{MODULE} lint -r :"):
        reader.run(command)
    assert not reader.project.git("status", "--porcelain")


@pytest.mark.parametrize("setup", FIRST, ids=str)
def test_every_recipe_is_run(render: Render, setup: Setup) -> None:
    project = render(**setup.answers())

    assert read(project.text("docs/migrations.md")).keys() == CHANGES.keys() | OTHERS
