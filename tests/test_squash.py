"""Old revisions become one that builds the same, and databases, branches and kills are no danger.

The revisions are those of the nights, and after them all that autogenerate does not see.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Render, Scratch
from drivers import text_of
from matrix import DISTINCT, PROGRAMS, ROOT, SERVED, SETUPS, Setup, setups
from project import CommandFailed, Project, get
from servers import Server
from sqlalchemy import URL

pytestmark = pytest.mark.slow

VERSIONS = "migrations/versions"
HISTORY_FILE = f"{VERSIONS}/history.txt"
MODULE = ("migrations",)
SQUASHED = f"{VERSIONS}/0008_squashed.py"
OLD = [f"{number:04}" for number in range(1, 8)]

HEAD = '''"""Revision {id}.

Revision: {id}
Revises: {down}
"""

import datetime
import sqlalchemy as sa
from alembic import op
from alembic_guardrails.op import backfill

revision = "{id}"
down_revision = "{down}"
branch_labels = depends_on = None

'''
KINDS = '''
MOMENT = datetime.datetime(2024, 2, 29, 23, 59, 59)
NASTY = """O'Hara \\\\ 100% %(a)s :b "q" `t` -- no; /* $$ $1 <ü> 😀
\\\\restrict it\t"""


def upgrade():
    kinds = op.create_table(
        "kinds",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("mood", sa.Enum("sad", "fine", name="mood")),
        sa.Column("share", sa.Numeric(20, 4)),
        sa.Column("ratio", sa.Double()),
        sa.Column("since", sa.DateTime()),
        sa.Column("day", sa.Date()),
        sa.Column("at", sa.Time()),
        sa.Column("is_seen", sa.Boolean()),
        sa.Column("picture", sa.LargeBinary()),
        sa.Column("details", sa.JSON()),
        sa.Column("parent_id", sa.Integer(), sa.ForeignKey("kinds.id")),
        sa.Column("doubled", sa.BigInteger(), sa.Computed("share * 2")),
        comment="Kinds, and 100% of them",
    )
    op.create_table(
        "log", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("what", sa.String(200)),
        {counted}
    )
    rows = [
        {{"name": NASTY, "mood": "sad", "share": "1234567890123.4567", "ratio": 0.1 + 0.2,
         "since": MOMENT, "day": MOMENT.date(), "at": MOMENT.time(), "is_seen": True,
         "picture": bytes(range(256)), "details": {{"a": [1, None, "ü'\\\\"]}}, "parent_id": None}},
        {{"name": "", "mood": "fine", "share": "-0.5", "ratio": -1e-300, "since": MOMENT,
         "day": MOMENT.date(), "at": MOMENT.time(), "is_seen": False, "picture": b"",
         "details": [], "parent_id": 1}},
        {{"name": "plain", "parent_id": 2}},
        {{"name": "to be deleted", "parent_id": 1}},
    ]
    for row in rows:
        op.bulk_insert(kinds, [row])
    # Counters that are further than the rows.
    op.execute("DELETE FROM kinds WHERE name = 'to be deleted'")
    op.execute("INSERT INTO log (what) VALUES ('begun')")
    op.execute("DELETE FROM log")
    # From here on rows have consequences.
    for statement in {statements!r}:
        op.execute(sa.DDL(statement))
    op.execute("CREATE VIEW fine_kinds AS SELECT id, name FROM kinds WHERE mood = 'fine'")
    op.execute("INSERT INTO kinds (name) VALUES ('watched')")
    many = [{{"id": number, "name": f"many {{number}}"}} for number in range(1000, 1250)]
    op.bulk_insert(kinds, many)


def downgrade():
    op.execute("DROP VIEW fine_kinds")
    op.drop_table("log")
    op.drop_table("kinds")
'''
TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER watch AFTER INSERT ON kinds BEGIN"
        " INSERT INTO log (what) VALUES (new.name || ' 100%%'); END"
    ],
    "mariadb": [
        "CREATE TRIGGER watch AFTER INSERT ON kinds FOR EACH ROW"
        " INSERT INTO log (what) VALUES (concat(new.name, ' 100%%'))"
    ],
    "postgresql": [
        "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO log (what) VALUES (new.name || ' 100%%'); RETURN new; END $$",
        "CREATE TRIGGER watch AFTER INSERT ON kinds FOR EACH ROW EXECUTE FUNCTION watch()",
        "GRANT SELECT ON kinds TO PUBLIC",
        "CREATE SEQUENCE numbers START 7",
        "SELECT nextval('numbers')",
        "CREATE MATERIALIZED VIEW seen AS SELECT id FROM kinds WHERE is_seen",
        "CREATE TABLE parts (id int, day date) PARTITION BY RANGE (day)",
        "CREATE TABLE parts_2024 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO"
        " ('2025-01-01')",
        "INSERT INTO parts VALUES (1, '2024-05-05')",
        "CREATE DOMAIN short AS text CHECK (length(value) < 9)",
        "CREATE TABLE typed (id int GENERATED ALWAYS AS IDENTITY, words short[], spans int4range)",
        """INSERT INTO typed (words, spans) VALUES ('{"a b",NULL,"c,d"}', '[1,5)')""",
    ],
}
STEP = """
def upgrade():
    op.add_column("kinds", sa.Column("{name}", sa.Integer(), server_default="1"))


def downgrade():
    op.drop_column("kinds", "{name}")
"""
FILL = """
kinds = sa.table("kinds", sa.column("id"), sa.column("name"))


def upgrade():
    backfill(sa.update(kinds).where(kinds.c.name == "x").values(name="y"), kinds.c.id)


def downgrade():
    pass
"""
# Runs Alembic's commands on databases in one process; prints what they say, and what is there then.
RUN = """
import json, os
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import MetaData, insert, select, text
from alembic_guardrails import run_with_connection
from alembic_guardrails import snapshot
from my_service.db.driver import DRIVER

def look(connection):
    schema = snapshot(connection)
    connection.commit()
    metadata = MetaData()
    metadata.reflect(connection)
    rows, following = {}, {}
    for table in metadata.sorted_tables:
        columns = [it for it in table.columns if not it.name.endswith("_at")]
        found = connection.execute(select(*columns)).all()
        rows[table.name] = sorted(repr(tuple(row)) for row in found)
    for name in sorted({"kinds", "log"} & rows.keys()):
        column = "name" if name == "kinds" else "what"
        connection.execute(insert(metadata.tables[name]).values({column: "next"}))
        newest = f"SELECT max(id) FROM {name} WHERE {column} = 'next'"
        following[name] = connection.scalar(text(newest))
    connection.rollback()
    return {"schema": schema, "rows": rows, "following": following}

results = {}
for name, (url, steps) in json.load(open("cases.json", encoding="utf-8")).items():
    os.environ["DATABASE_URL"] = url
    said = []
    for step, *arguments in steps:
        try:
            getattr(command, step)(Config("alembic.ini"), *arguments)
            said.append("")
        except CommandError as error:
            said.append(str(error))
    results[name] = run_with_connection(DRIVER.parse_url(url), look) | {"said": said}
print(json.dumps(results))
"""
Look = dict[str, Any]


def add(project: Project, name: str, down: str, text: str) -> None:
    """Add a revision, and its line in the history file."""
    path = project.path / VERSIONS / f"{name}_revision.py"
    path.write_text(HEAD.format(id=name, down=down) + text, encoding="utf-8")


@pytest.fixture
def service(
    render: Render, environment: Callable[[Setup], Path], setup: Setup, scratch: Scratch
) -> Project:
    """A service with ten revisions, in a git repository, on the branch main."""
    url = text_of(scratch(setup))
    project = render(
        **setup.answers(project_name="My Service", database_url=url, include_example=True)
    )
    project.use(environment(setup))
    for revision in (ROOT / "tests" / "in_service" / "chain").glob("*.py"):
        shutil.copy(revision, project.path / VERSIONS)
    add(
        project,
        "0007",
        "0006",
        FILL.replace("kinds", "customers")
        .replace(".name", ".first")
        .replace('"name"', '"first"')
        .replace("(name=", "(first="),
    )
    counted = "sqlite_autoincrement=True," if setup.backend.name == "sqlite" else ""
    text = KINDS.format(
        statements=TRIGGERS[{"mysql": "mariadb"}.get(setup.backend.name, setup.backend.name)],
        counted=counted,
    )
    add(project, "0008", "0007", text)
    add(project, "0009", "0008", STEP.format(name="more"))
    add(project, "0010", "0009", FILL)
    project.run(*MODULE, "repair")
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit()
    return project


def look(project: Project, cases: Mapping[str, tuple[URL, Iterable[list[str]]]]) -> dict[str, Look]:
    """Run commands on databases; what they say, and what the databases hold then."""
    given = {name: (text_of(url), [*steps]) for name, (url, steps) in cases.items()}
    (project.path.parent / "cases.json").write_text(json.dumps(given), encoding="utf-8")
    script = RUN.replace('"cases.json"', '"../cases.json"')
    results = json.loads(project.run("python", "-c", script).splitlines()[-1])
    assert isinstance(results, dict)
    return results


def files(project: Project) -> dict[str, str]:
    """The names and the texts of the revisions."""
    folder = project.path / "migrations"
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


# aiomysql has no way to write the bytes that a revision inserts, mariadbconnector takes what is in
# its texts for parameters.
WRITING = [setup for setup in SETUPS if setup.driver.name not in ("aiomysql", "mariadbconnector")]


@pytest.mark.parametrize("setup", setups(DISTINCT, pytest.mark.sweep, among=WRITING))
def test_both_roads_lead_to_the_same(service: Project, setup: Setup, scratch: Scratch) -> None:
    """Schemas, rows and counters; databases older than that are told what to do."""
    up = {name: (scratch(setup), [["upgrade", name]]) for name in [*OLD, "0008", "0009", "head"]}
    before = look(service, up)
    assert not any("".join(outcome["said"]) for outcome in before.values())
    start = files(service)

    assert "Nothing was changed" in service.run(*MODULE, "squash", "0008", "--dry-run")
    assert files(service) == start
    said = service.run(*MODULE, "squash", "0008")
    assert "0008 replaces 7 revisions before it" in said
    assert re.search(r"254 rows of table kinds", said)
    assert ("into the file by hand: 0008." in said) == (setup.backend.name == "postgresql")
    [changing] = re.findall(r"what these do to rows.*: (.*)\.", said)
    assert changing.split(", ") == ["0002", "0003", "0004", "0005", "0007", "0008"]
    assert {*start} - {*files(service)} == {
        name for name in start if re.match("versions/000[1-8]", name)
    }
    service.commit()
    assert re.match("3 revisions, head 0010", service.run(*MODULE, "verify"))
    service.run("ruff", "check", SQUASHED)
    service.run("ruff", "format", "--check", SQUASHED)

    [sha] = re.findall('squashed_at: str = "(.*)"', service.text(SQUASHED))
    assert service.git("show", f"{sha}:{VERSIONS}/0001_initial.py")
    to_head = [["upgrade", "head"], ["current"]]
    stuck = [*to_head, ["downgrade", "base"], ["stamp", "head"]]
    cases: dict[str, tuple[URL, Any]] = {
        name: (url, stuck if name in OLD else to_head) for name, (url, _) in up.items()
    }
    cases |= {
        "new": (scratch(setup), to_head),
        "new at 0008": (scratch(setup), [["upgrade", "0008"]]),
    }
    there = {"back": (scratch(setup), [*to_head, ["downgrade", "base"], ["upgrade", "0008"]])}
    cases |= there | {"asked": (scratch(setup), [["upgrade", "0003"], ["upgrade", "head"]])}
    after = look(service, cases)

    def built(value: Look) -> Look:
        return {"schema": value["schema"], "rows": value["rows"]}

    for name in OLD:
        assert built(after[name]) == built(before[name])
        for sentence in after[name]["said"]:
            assert sentence == (
                f"The database is at revision {name}, which 0008 replaces: upgrade it with the code"
                f" from before, `git worktree add ../before {sha}`, `cp .env ../before` and there"
                " `alembic upgrade 0008` (a SQLite file by its whole path: `alembic -x url=...`),"
                " then go on here"
            )
    for name in ("0008", "0009", "head", "new"):
        assert built(after[name]) == built(before["head"]), name
        assert after[name]["said"] == ["", ""]
    for name in ("new at 0008", "back"):
        assert built(after[name]) == built(before["0008"]), name
        assert after[name]["following"] == before["0008"]["following"]
    assert after["asked"]["said"] == ["Revision 0003 is gone: 0008 replaces it", ""]
    assert "0001" not in after["asked"]["schema"]

    service.git("worktree", "add", "--quiet", "../before", sha)
    older = Project(service.path.parent / "before", service.answers, dict(service.environment))
    older.environment["DATABASE_URL"] = text_of(up["0003"][0])
    older.run("alembic", "upgrade", "0008")
    assert look(service, {"": (up["0003"][0], to_head)})[""]["schema"] == before["head"]["schema"]


SQLITE = PROGRAMS[0]
PLAIN = """
def upgrade():
    op.create_table("t_{id}", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table("t_{id}")
"""
ROWS_OF_A_FOREST = """
def upgrade():
    op.execute("CREATE VIRTUAL TABLE forest USING fts5(tree)")
    op.execute("INSERT INTO forest VALUES ('oak')")


def downgrade():
    op.execute("DROP TABLE forest")
"""
NEEDS_ROWS = """
def upgrade():
    op.get_bind().execute(sa.text("SELECT 1 WHERE 1 = 2")).one()


def downgrade():
    pass
"""


@pytest.fixture
def history(render: Render, environment: Callable[[Setup], Path], scratch: Scratch) -> Project:
    """A service with five small revisions, in a git repository, on the branch main."""
    project = render(
        **SQLITE.answers(
            project_name="My Service", database_url=text_of(scratch(SQLITE)), include_example=False
        )
    )
    project.use(environment(SQLITE))
    for name, down in zip("abcd", ("0001", *"abc"), strict=True):
        add(project, name, down, PLAIN.format(id=name))
    project.run(*MODULE, "repair")
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit()
    return project


def fails(project: Project, *command: str) -> str:
    """Run a command that has to fail and change nothing; return the sentence."""
    before = files(project)
    with pytest.raises(CommandFailed) as failure:
        project.run(*command)
    assert files(project) == before
    said = str(failure.value).strip()
    if finding := re.search(r"(?m)^error\[[a-z-]+\]: (.+)\.$", said):
        return finding[1]
    return said.rpartition("FAILED: ")[2]


def test_what_is_refused(history: Project) -> None:
    """In one sentence each; files stay as they are, and so do databases."""

    def squash(revision: str) -> str:
        return fails(history, *MODULE, "squash", revision)

    def revision(name: str, down: str, text: str = PLAIN, record: bool = True) -> None:
        add(history, name, down, text.replace("{id}", name))
        if record:
            history.run(*MODULE, "repair")
        history.commit()

    def back() -> None:
        history.git("reset", "--quiet", "--hard", "start")
        history.git("clean", "--quiet", "-d", "--force")

    history.git("tag", "start")
    assert squash("x") == "Can't locate revision identified by 'x'"
    assert squash("base") == "base is no revision"
    assert squash("0001") == "0001 is the first revision: there is nothing to replace"

    path = history.path / VERSIONS / "b_revision.py"
    path.write_text(path.read_text("utf-8") + "\n", encoding="utf-8")
    uncommitted = "Commit these first, or put them back: what is replaced stays only in git: "
    assert squash("c") == f"{uncommitted}b_revision.py"
    back()
    add(history, "e", "d", PLAIN.format(id="e"))
    history.run(*MODULE, "repair")
    assert squash("c") == f"{uncommitted}e_revision.py, history.txt"
    back()

    revision("side", "a", record=False)
    assert squash("c") == (
        "side follows a, which would be gone: choose a revision before the fork, or one after the"
        " branches are merged"
    )
    revision("m", "c", PLAIN.replace("def upgrade", 'down_revision = ("d", "side")\n\ndef upgrade'))
    assert squash("d").startswith("side follows a, which would be gone")
    assert "m replaces 6 revisions before it" in history.run(*MODULE, "squash", "m", "--dry-run")
    back()
    dependent = PLAIN.replace("def upgrade", 'depends_on = "b"\n\n\ndef upgrade')
    revision("e", "d", dependent)
    assert squash("c").startswith("e follows b, which would be gone")
    back()
    revision("other", "base", record=False)
    path = history.path / VERSIONS / "other_revision.py"
    path.write_text(path.read_text("utf-8").replace('"base"', "None"), encoding="utf-8")
    history.commit()
    assert squash("c") == "Join the first revisions to one: 0001, other"
    back()

    revision("e", "d", NEEDS_ROWS)
    said = squash("e")
    assert (
        said
        == "Revision e does not run on an empty database: No row was found when one was required"
    )
    said = squash("c")
    assert said.startswith("Revision e does not run on an empty database: ")
    back()
    revision("e", "d", ROWS_OF_A_FOREST)
    assert (
        squash("e") == "Table forest has rows that cannot be written as SQL: the table is virtual"
    )
    back()
    # A later revision that looks where the old ones were.
    looks = PLAIN.replace(
        "def upgrade():", "def upgrade():\n    open(__file__.replace('e_revision', 'b_revision'))"
    )
    revision("e", "d", looks)
    assert re.match("Revision e does not run on .*: ", squash("c"))
    back()

    shutil.move(history.path / ".git", history.path / "git")
    assert re.match("Commit the revisions first: .*not a git repository", squash("c"))
    assert not [*history.path.glob("migrations/.squash-*")]


@pytest.mark.parametrize("setup", setups(PROGRAMS[1:2], pytest.mark.sweep, among=SERVED))
def test_a_user_who_may_not_create_databases(
    render: Render,
    environment: Callable[[Setup], Path],
    setup: Setup,
    scratch: Scratch,
    server: Callable[[str], Server],
) -> None:
    url = scratch(setup)
    name = str(url.database)
    server(setup.backend.name).create_user(name, "s3cret", name)
    url = url.set(username=name, password="s3cret")
    project = render(**setup.answers(project_name="My Service", database_url=text_of(url)))
    project.use(environment(setup))
    add(project, "a", "0001", PLAIN.format(id="a"))
    project.run(*MODULE, "repair")
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit()

    said = fails(project, *MODULE, "squash", "a")

    assert said.startswith("No temporary database can be created to compare with: ")
    server(setup.backend.name).drop_database(name)
    server(setup.backend.name).drop_user(name)


def test_branches(history: Project) -> None:
    """A squash is made on a branch, merged, and met by the branches of others."""
    git = history.git
    git("branch", "hanging", "main")  # will follow what is replaced by then
    git("switch", "--quiet", "hanging")
    git("rm", "--quiet", f"{VERSIONS}/d_revision.py", f"{VERSIONS}/c_revision.py")
    add(history, "late", "b", PLAIN.format(id="late"))
    git("switch", "--quiet", "--create", "colleague", "main")
    (history.path / VERSIONS / "late_revision.py").unlink()
    git("reset", "--quiet", "--hard")
    add(history, "theirs", "d", PLAIN.format(id="theirs"))
    history.run(*MODULE, "repair")
    history.commit()

    git("switch", "--quiet", "--create", "squash", "main")
    history.run(*MODULE, "squash", "c")
    squashed = history.path / VERSIONS / "c_squashed.py"
    assert re.fullmatch(
        r"2 revisions, head d, 2 released \(main\)\n", history.run(*MODULE, "verify")
    )
    history.commit()
    verify = history.run(*MODULE, "verify")
    assert re.fullmatch(r"2 revisions, head d, 2 released \(main\)\n", verify)
    assert history.run(*MODULE, "repair") == "2 revisions, head d\n"
    assert "Nothing unsafe: 0 revisions read" in history.run(*MODULE, "lint")
    # Nothing else of what is released may change with it.
    other = history.path / VERSIONS / "d_revision.py"
    text = other.read_text(encoding="utf-8")
    other.write_text(f"{text}    edited = 1\n", encoding="utf-8")
    assert "d was edited, compared with main" in fails(history, *MODULE, "verify")
    other.write_text(text, encoding="utf-8")

    git("switch", "--quiet", "main")
    git("merge", "--quiet", "squash")
    assert re.fullmatch(
        r"2 revisions, head d, 2 released \(main\)\n", history.run(*MODULE, "verify")
    )
    text = squashed.read_text(encoding="utf-8")
    squashed.write_text(f"{text}    edited = 1\n", encoding="utf-8")
    for command in ("verify", "repair"):
        assert "c was edited, compared with main" in fails(history, *MODULE, command)
    squashed.write_text(text, encoding="utf-8")

    git("switch", "--quiet", "colleague")
    before = history.run(*MODULE, "verify")
    assert re.fullmatch(r"6 revisions, head theirs, 5 released \(main\)\n", before)
    git("merge", "--quiet", "main")
    after = history.run(*MODULE, "verify")
    assert re.fullmatch(r"3 revisions, head theirs, 2 released \(main\)\n", after)
    assert history.run("alembic", "upgrade", "head").count("Running upgrade") == 3

    git("switch", "--quiet", "main")
    add(history, "late", "b", PLAIN.format(id="late"))
    for command in ("repair", "verify"):
        assert fails(history, *MODULE, command) == (
            "late follows b, which c replaces: set down_revision in its file to the newest"
            f" revision, then run `{' '.join(MODULE)} repair`; a database that has run it already"
            " first goes back to b with the code of before"
        )
    (history.path / VERSIONS / "late_revision.py").unlink()

    # Later on, again, up to the last line of the history file: a branch that adds one merges.
    git("branch", "another")
    said = history.run(*MODULE, "squash", "head")
    assert "d replaces 1 revision before it" in said
    text = history.text(f"{VERSIONS}/d_squashed.py")
    assert re.search(r'replaces: tuple\[str, ...\] = \("0001", "a", "b", "c"\)', text)
    assert re.fullmatch(
        r"1 revision, head d, 1 released \(main\)\n", history.run(*MODULE, "verify")
    )
    history.commit()
    git("switch", "--quiet", "another")
    add(history, "more", "d", PLAIN.format(id="more"))
    history.run(*MODULE, "repair")
    history.commit()
    git("merge", "--quiet", "main")
    after = history.run(*MODULE, "verify")
    assert re.fullmatch(r"2 revisions, head more, 1 released \(main\)\n", after)


# Kills a squash at its n-th change of a file that is there.
KILL = """
import os, pathlib, sys
left = int(sys.argv.pop(1))

def killed(function):
    def run(*arguments, **options):
        global left
        if "versions" in str(arguments[-1] if function is os.replace else arguments[0]):
            if not left:
                os._exit(9)
            left -= 1
        return function(*arguments, **options)
    return run

from alembic_guardrails.__main__ import main
os.replace = killed(os.replace)
pathlib.Path.unlink = killed(pathlib.Path.unlink)
sys.argv[0] = "migrations"
main()
"""


def test_kills(history: Project) -> None:
    """At each moment: the old state, or one that Alembic refuses to work with and a second run
    finishes."""
    start = files(history)
    history.run(*MODULE, "squash", "c")
    done = files(history)
    seen = set()
    for moment in (0, 1, 3):
        history.git("reset", "--quiet", "--hard")
        history.git("clean", "--quiet", "-d", "--force")
        assert files(history) == start
        with history.start("python", "-c", KILL, str(moment), "squash", "c") as process:
            output, _ = process.communicate()
        assert process.returncode == 9, output
        now = {name: text for name, text in files(history).items() if ".squash-" not in name}
        assert history.git("status", "--porcelain")
        if now != start:
            left = sum(name.endswith(".py") for name in now.keys() - done.keys())
            seen.add(left)
            if 0 < left < 4:
                said = fails(history, "alembic", "upgrade", "head")
                assert said.startswith("There is more than one head")
        said = history.run(*MODULE, "squash", "c")
        assert ("Finished" in said) == (now != start)
        assert files(history) == done
    assert seen == {4, 2}


def test_a_service_beside_an_older_database(history: Project) -> None:
    """It is not ready; drift says why; nothing is unsafe in what runs on empty databases only."""
    history.run("alembic", "upgrade", "b")
    history.run(*MODULE, "squash", "c")

    with history.serving() as address:
        status, text = get(f"{address}/health/ready")
    assert (status, json.loads(text)["reason"]) == (
        503,
        "The database is at revision b, the service needs d.",
    )
    assert "The database is at revision b, which c replaces" in fails(history, *MODULE, "drift")
    assert "Nothing unsafe: 2 revisions read" in history.run(*MODULE, "lint", "-r", ":")
    assert "CREATE TABLE t_b" in history.run(*MODULE, "sql", "-r", ":")


def test_a_history_from_another_project(history: Project) -> None:
    """Its revisions take the place of the first one, before there is a commit."""
    shutil.rmtree(history.path / ".git")
    folder = history.path / VERSIONS
    (folder / "0001_initial.py").unlink()
    path = folder / "a_revision.py"
    path.write_text(path.read_text("utf-8").replace('= "0001"', "= None"), encoding="utf-8")
    other = PLAIN.format(id="fork")
    add(history, "fork", "b", other)
    lines = history.path / HISTORY_FILE  # as it is rendered
    lines.write_text("".join(lines.read_text("utf-8").splitlines(True)[:3]), encoding="utf-8")
    history.run(*MODULE, "repair")
    history.git("init", "--quiet", "--initial-branch=main")
    history.commit()

    assert "4 revisions before it" in history.run(*MODULE, "squash", "head")

    history.commit()
    assert re.match(r"1 revision, head \w+, 1 released", history.run(*MODULE, "verify"))
    history.run("alembic", "upgrade", "head")
    history.run(*MODULE, "drift")


GEOMETRY = """
def upgrade():
    op.execute("CREATE TABLE places (id int PRIMARY KEY, at point)")
    op.execute("INSERT INTO places VALUES (1, Point(1, 2))")


def downgrade():
    op.drop_table("places")
"""
VERSIONED = GEOMETRY.replace(", at point)", ") WITH SYSTEM VERSIONING").replace(
    "(1, Point(1, 2))", "(1)"
)


@pytest.mark.sweep
@pytest.mark.parametrize(
    "setup", [setup for setup in PROGRAMS if setup.backend.name == "mariadb"], ids=str
)
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GEOMETRY, "Table places has rows, and a column that cannot be written as SQL: at is of"),
        (VERSIONED, "Table places has rows and their history, which cannot be written as SQL"),
    ],
)
def test_rows_that_cannot_be_kept(service: Project, text: str, sentence: str) -> None:
    add(service, "0011", "0010", text)
    service.run(*MODULE, "repair")
    service.commit()

    assert fails(service, *MODULE, "squash", "head").startswith(sentence)
